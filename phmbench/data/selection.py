"""Which recordings, channels and rate go into a store: a plan made from tables alone, before a signal is read."""

from __future__ import annotations

import difflib
import math
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any, NamedTuple, Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from phmbench.data.sources.selection import select
from phmbench.data.views import TIME, View, ratios
from phmbench.errors import ConfigError, DataError

LEAST, MOST = {"fs": 1e-3, "n_samples": 1}, 1e15  # of a rate in Hz, and of a number of samples
NEEDED = ("recording", "fs", "n_samples", "channels")  # columns without which nothing can be stored


class Source(Protocol):
    """What reads a format; see docs/architecture.md."""

    @property
    def default_channels(self) -> tuple[str, ...] | None:
        """Channels taken where none are chosen; None: all that every recording has."""

    def fingerprint(self) -> dict[str, object]:
        """Describe the content in plain JSON, which changes when the content does; no signal is read."""

    def table(self) -> pd.DataFrame:
        """List the recordings, one a row, in storage order."""

    def signal(self, row: pd.Series, channels: Sequence[str]) -> NDArray[Any]:
        """Read a recording, (channel, time), float32 or float64: an array that no later call writes to."""


class Plan(NamedTuple):
    """What will be stored, in order."""

    table: pd.DataFrame  # the chosen rows of all sources, `channels` being those that are stored
    source: list[str]  # (R,) name of the source of each row
    rows: list[pd.Series]  # (R,) the row as its source gave it
    channels: tuple[str, ...]  # names by position; where sources differ, joined by "|"
    ratio: list[Fraction]  # (R,) output samples per input sample
    length: NDArray[np.int64]  # (R,) samples after resampling
    rate_hz: NDArray[np.float64]  # (R,) after resampling


def plan(
    sources: Mapping[str, Source],
    *,
    where: str | None,
    ids: Sequence[str] | None,
    channels: Sequence[str] | None,
    sample_rate: float | None,
    view: View = TIME,
) -> Plan:
    """Choose recordings, channels and rate. Arguments and errors are those of `store.prepare`."""
    tables = {name: _checked(name, source.table()) for name, source in sources.items()}
    joined = pd.concat(list(tables.values()), ignore_index=True, sort=False) if tables else pd.DataFrame()
    if joined.empty:
        raise DataError("data.sources: no recordings; got empty tables; expected at least one; look at data.sources")
    _refuse_duplicates(joined)
    chosen = _chosen(joined, where, ids)
    owner = [name for name, table in tables.items() for _ in range(len(table))]
    rows = [row for table in tables.values() for _, row in table.iterrows()]
    table = joined.iloc[chosen].reset_index(drop=True)
    source = [owner[i] for i in chosen]
    table["channels"] = pd.Series(_channels(table, source, sources, channels), index=table.index, dtype=object)
    rate, ratio = _rates(table, sample_rate) if view.name == "time" else ratios(table, view)
    samples = table["n_samples"].to_numpy(np.int64)
    length = np.array([resampled_length(int(n), r) for n, r in zip(samples, ratio, strict=True)], np.int64)
    return Plan(table, source, [rows[i] for i in chosen], _positions(table), ratio, length, rate)


def resampled_length(samples: int, ratio: Fraction) -> int:
    """Give the samples that polyphase resampling makes of `samples`."""
    return -(-samples * ratio.numerator // ratio.denominator)


def _checked(name: str, table: pd.DataFrame) -> pd.DataFrame:
    missing = [column for column in NEEDED if column not in table.columns]
    if missing:
        raise DataError(
            f"data.sources.{name}: the table lacks columns; got {', '.join(map(str, table.columns))}; "
            f"expected also {', '.join(missing)}; mend the source's table()"
        )
    for column, what in (("fs", "a sampling rate of 0.001 Hz or more"), ("n_samples", "one sample or more")):
        value = pd.to_numeric(table[column], errors="coerce").to_numpy(float)
        bad = np.flatnonzero(~((value >= LEAST[column]) & (value < MOST)))
        if bad.size:
            which = _first_three(table["recording"].iloc[bad])
            raise DataError(
                f"data.sources.{name}: {column} is missing or out of range in {bad.size} recordings: {which}; "
                f"got {table[column].tolist()[bad[0]]!r}; expected {what}; leave them out with data.where, or mend "
                "the table"
            )
    return table


def _refuse_duplicates(joined: pd.DataFrame) -> None:
    twice = joined.loc[joined["recording"].duplicated(), "recording"]
    if len(twice):
        raise DataError(
            f"data.sources: {len(twice)} recording names occur more than once: {_first_three(twice)}; got a name "
            "from two rows or two sources; expected each once; leave one of the sources out, or choose with its where"
        )


def _chosen(joined: pd.DataFrame, where: str | None, ids: Sequence[str] | None) -> NDArray[np.int64]:
    """Give the rows that a query and a list of names leave."""
    rows = select(joined, where=where, name="data").index.to_numpy(np.int64)
    if ids is None:
        return rows
    rows = rows[_named(joined, ids)[rows]]
    if not rows.size:
        raise DataError(
            f"data.ids: no recording is left; got {_first_three(ids) or 'an empty list'} and data.where={where!r}; "
            "expected at least one recording that is named and fits the query; widen one of them"
        )
    return rows


def _named(joined: pd.DataFrame, ids: Sequence[str]) -> NDArray[np.bool_]:
    known = set(joined["recording"])
    unknown = [name for name in ids if name not in known]
    if unknown:
        near = difflib.get_close_matches(unknown[0], [str(name) for name in known], 3, cutoff=0.5)
        hint = f"did you mean {', '.join(near)}?" if near else f"recordings look like {joined['recording'].iloc[0]!r}"
        raise DataError(
            f"data.ids: {len(unknown)} recordings do not exist; got {_first_three(unknown)}; "
            f"expected names of the column recording; {hint}"
        )
    return joined["recording"].isin(list(ids)).to_numpy(bool)


def _channels(
    table: pd.DataFrame, owner: Sequence[str], sources: Mapping[str, Source], channels: Sequence[str] | None
) -> list[tuple[str, ...]]:
    """Choose the channels of each row: those asked for, else the source's default, else what all its rows have."""
    own = [tuple(names) for names in table["channels"]]
    wanted: dict[str, tuple[str, ...]] = {}
    for name in dict.fromkeys(owner):
        rows = [have for have, of in zip(own, owner, strict=True) if of == name]
        shared = tuple(channel for channel in rows[0] if all(channel in have for have in rows))
        wanted[name] = tuple(channels) if channels is not None else sources[name].default_channels or shared
        if not wanted[name]:
            raise DataError(
                f"data.channels: no channel is in every recording of {name}; got "
                f"{', '.join(sorted(set().union(*rows)))}; expected one in common; set data.channels or data.where"
            )
    lacking = [i for i, (have, of) in enumerate(zip(own, owner, strict=True)) if not set(wanted[of]) <= set(have)]
    if lacking:
        first = lacking[0]
        gone = ", ".join(channel for channel in wanted[owner[first]] if channel not in own[first])
        names = _first_three(table["recording"].iloc[lacking])
        everywhere = [channel for channel in own[0] if all(channel in have for have in own)]
        hint = f"choose data.channels=[{','.join(everywhere)}], or " if everywhere else "no channel is in all of them; "
        raise DataError(
            f"data.channels: {len(lacking)} recordings lack a channel: {names}; "
            f"got {', '.join(own[first])} in the first; expected also {gone}; {hint}leave them out with data.where"
        )
    if len({len(names) for names in wanted.values()}) > 1:
        got = ", ".join(f"{name} has {len(names)} ({', '.join(names)})" for name, names in wanted.items())
        raise DataError(
            f"data.channels: the number of channels differs; got {got}; expected the same number of every "
            "source; set data.sources.NAME.channels, or data.channels where the names agree"
        )
    return [wanted[name] for name in owner]


def _rates(table: pd.DataFrame, sample_rate: float | None) -> tuple[NDArray[np.float64], list[Fraction]]:
    """Settle the common rate in Hz, and for each row the output samples per input sample."""
    rates = table["fs"].to_numpy(float)
    if sample_rate is not None and not (math.isfinite(sample_rate) and sample_rate > 0):
        raise ConfigError(
            f"data.sample_rate: not a rate; got {sample_rate}; expected more than 0 Hz; set data.sample_rate=12000"
        )
    if sample_rate is None:
        values, number = np.unique(rates, return_counts=True)
        if len(values) > 1:
            got = ", ".join(f"{rate:g} Hz ({count} recordings)" for rate, count in zip(values, number, strict=True))
            raise DataError(
                f"data.sample_rate: sampling rates differ; got {got}; expected one rate; "
                f"set data.sample_rate={values[0]:g}, the lowest of them, or choose one with data.where"
            )
        sample_rate = float(values[0])
    # To a thousandth of a hertz. The filter has 20 taps for each unit of the larger number: hence the bound.
    out = Fraction(sample_rate).limit_denominator(1000)
    ratio = {rate: (out / Fraction(rate).limit_denominator(1000)).limit_denominator(10_000) for rate in set(rates)}
    for rate, found in ratio.items():
        if found.numerator > 10_000 or abs(float(found) * rate / sample_rate - 1) > 1e-3:
            raise DataError(
                f"data.sample_rate: {sample_rate:g} Hz cannot be made of {rate:g} Hz; got a ratio of "
                f"{sample_rate / rate:.3g}; expected at most 10,000 samples for one, or one for 10,000; choose a rate "
                "nearer to the recordings'"
            )
    return np.full(len(rates), float(sample_rate)), [ratio[rate] for rate in rates]


def _positions(table: pd.DataFrame) -> tuple[str, ...]:
    kinds = list(dict.fromkeys(table["channels"]))
    return tuple("|".join(dict.fromkeys(names)) for names in zip(*kinds, strict=True))


def _first_three(names: Sequence[str] | pd.Series) -> str:
    listed = [str(name) for name in names]
    return ", ".join(listed[:3]) + (", …" if len(listed) > 3 else "")
