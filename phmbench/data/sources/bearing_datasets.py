"""Recordings of the package bearing-datasets: any of its rigs, in a built root."""

from __future__ import annotations

import difflib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from phmbench.data.sources import facts
from phmbench.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

MISSING = ("unknown", "none")
"""How the package writes what is not known or does not apply: its tables have no nulls."""

PER_CHANNEL = ("signal_id", "signal_file", "signal_row_group", "signal_row", "channel")
LEADING = (
    "dataset", "rig", "recording", "unit", "condition", "channels", "fs", "n_samples", "fault_type", "fault_location",
    "fault_severity_level", "native_label", "speed_rpm", "speed_nominal_rpm", "load", "run_id", "time_s", "rul_s",
    "signal_unit", *facts.ORDERS,
)  # fmt: skip
"""Columns that every table has, in this order, missing where the data set does not have them."""


class BearingDatasets:
    """One data set of the package bearing-datasets, one row per recording.

    The package stores one row per signal (a channel of a recording) in row groups of about 8 MB; rows come in storage
    order, so that a reader who follows the table decodes each row group once. Facts that the package lacks: `facts.py`.

    Source: the package bearing-datasets, version 0.3, schema version 2.

    Args:
        name: data set in `root`, e.g. "cwru".
        root: folder with the built data sets.
        channels: default channels. Sampling rate, length and fault orders of a recording are those of the first of
            these that it has, and only channels of the same rate and length are listed. None: the first channel leads,
            and all are default.
        where: pandas query over the package's metadata (one row per signal), e.g. "fs == 12000". None: all.

    Raises:
        DataError: the data set is not built there, is damaged, lacks a channel, or the query fails.
    """

    def __init__(
        self, *, name: str, root: str | Path, channels: Sequence[str] | None = None, where: str | None = None
    ) -> None:
        self.name = name
        self.root = Path(root).expanduser()
        self.default_channels = None if channels is None else tuple(channels)
        self.where = where
        self._dataset: Any = None

    @property
    def path(self) -> Path:
        return self.root / self.name

    def fingerprint(self) -> dict[str, object]:
        """What decides the content: hash of all stored signals and metadata, selection, version of our facts."""
        manifest = self._manifest()
        return {
            "source": "bearing_datasets",
            "name": self.name,
            "content": manifest["content_hash"],
            "schema": manifest.get("schema_version", 1),
            "metadata_bytes": _size(self.path / "metadata.parquet"),
            "channels": None if self.default_channels is None else list(self.default_channels),
            "where": self.where,
            "facts": facts.version(),
        }

    def table(self) -> pd.DataFrame:
        """One row per recording, in storage order; columns as in docs/architecture.md and the package's own."""
        from phmbench.data.sources.selection import select

        metadata = select(self._metadata(), where=self.where, name=self.name)
        self._refuse_unknown_channels(metadata)
        order = ["signal_file", "signal_row_group", "signal_row"]
        recordings = self._group(metadata.sort_values(order, kind="stable"))
        # A subset is built under a name of its own; the manifest says of what.
        origin = (self._manifest().get("selection") or {}).get("of", self.name)
        return _named(recordings, name=self.name, known=facts.facts_of(origin))

    def signal(self, row: pd.Series, channels: Sequence[str]) -> NDArray[np.floating[Any]]:
        """The recording of `row`: (channel, time) in the stored type, channels in the order asked for.

        Raises:
            DataError: the recording has no such channel, or its file is damaged.
        """
        available = row["channels"]
        if absent := [c for c in channels if c not in available]:
            raise DataError(
                f"{row['recording']}: has no channel {', '.join(absent)}; got {list(channels)}; expected of "
                f"{', '.join(available)}; choose another channel, or leave the recording out with data.where"
            )
        recording = str(row["recording"]).removeprefix(f"{self.name}/")
        rows = [self._read(f"{recording}/{channel}") for channel in channels]
        if any(len(x) != row["n_samples"] for x in rows):
            raise self._damaged("signals", f"{recording} has {[len(x) for x in rows]} samples, not {row['n_samples']}")
        return np.stack(rows)

    def _read(self, signal_id: str) -> NDArray[np.floating[Any]]:
        if self._dataset is None:
            import bearing_datasets  # imports pandas and pyarrow

            self._manifest()
            self._dataset = bearing_datasets.Dataset(self.path)
        try:
            return np.asarray(self._dataset.signal(signal_id))
        except Exception as error:  # pyarrow raises OSError, ArrowInvalid, IndexError, … on damaged files
            raise self._damaged("signals", f"{signal_id}: {error}") from error

    def _manifest(self) -> Mapping[str, Any]:
        path = self.path / "manifest.json"
        if not self.root.is_dir():
            raise DataError(
                f"{self.name}: no folder of data sets; got {self.root}; expected the root of built rigs; set "
                "PHMBENCH_DATA (or paths.data) to it, or build the rig there: "
                f"`bearing-datasets --root {self.root} build {self.name}`"
            )
        if not path.is_file():
            self._refuse_unknown_name()
            raise DataError(
                f"{self.name}: not built; got no {path.name} in {self.path}; expected a built data set of "
                f"bearing-datasets; run `bearing-datasets --root {self.root} build {self.name}`, or set "
                "PHMBENCH_DATA (or paths.data) to the folder where it is built"
            )
        try:
            manifest = json.loads(path.read_text(encoding="utf-8"))
            manifest["content_hash"]
        except (ValueError, KeyError, TypeError) as error:
            raise self._damaged(path.name, error) from error
        return dict(manifest)

    def _refuse_unknown_name(self) -> None:
        """A rig that nothing can build is none: a subset has a name of its own, and is built."""
        import bearing_datasets  # imports pandas and pyarrow

        known = list(bearing_datasets.list_datasets())
        if self.name not in known:
            close = difflib.get_close_matches(self.name, known, n=1)
            expected = (
                f"did you mean {close[0]!r}?" if close else f"expected one of its {len(known)}; see phmbench list data"
            )
            raise DataError(
                f"{self.name}: no such rig; got no folder {self.path}, and bearing-datasets has none of that name; "
                f"{expected}"
            )

    def _metadata(self) -> pd.DataFrame:
        import pandas as pd

        manifest = self._manifest()
        if manifest.get("schema_version", 1) < 2:
            raise self._damaged("manifest.json", "built by bearing-datasets before 0.2, with other column names")
        try:
            return pd.read_parquet(self.path / "metadata.parquet")
        except Exception as error:  # pyarrow raises OSError, ArrowInvalid, … on damaged files
            raise self._damaged("metadata.parquet", error) from error

    def _damaged(self, file: str, error: object) -> DataError:
        return DataError(
            f"{self.name}: damaged or outdated; got {self.path / file}: {error}; expected what bearing-datasets 0.3 "
            f"builds; run `bearing-datasets --root {self.root} build --force {self.name}`"
        )

    def _refuse_unknown_channels(self, metadata: pd.DataFrame) -> None:
        available = list(metadata["channel"].unique())
        if absent := [c for c in self.default_channels or () if c not in available]:
            raise DataError(
                f"{self.name}.channels: no recording has {', '.join(absent)}; got {list(self.default_channels or ())}; "
                f"expected of {', '.join(available)}; choose of these"
            )

    def _group(self, signals: pd.DataFrame) -> pd.DataFrame:
        """One row per recording, that of its leading channel, with the names of all channels of its rate and length."""
        rank = {channel: i for i, channel in enumerate(self.default_channels or ())}
        order = signals["channel"].map(lambda channel: rank.get(channel, len(rank)))
        first = signals.assign(_rank=order).groupby("recording_id", sort=False)["_rank"].idxmin()
        leading = signals.loc[first].set_index("recording_id", drop=False)
        reference = leading.loc[signals["recording_id"], ["fs", "n_samples"]].to_numpy()
        alike = signals[(signals[["fs", "n_samples"]].to_numpy() == reference).all(axis=1)]
        channels = alike.groupby("recording_id", sort=False)["channel"].agg(tuple)
        return leading.assign(channels=channels).reset_index(drop=True)


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0


def _named(recordings: pd.DataFrame, *, name: str, known: facts.Facts) -> pd.DataFrame:
    """Our columns beside the package's, without its "unknown" and "none"."""
    import pandas as pd

    table = recordings.drop(columns=[c for c in PER_CHANNEL if c in recordings]).rename(columns={"unit": "signal_unit"})
    for column in table.columns:
        if column != "channels" and not pd.api.types.is_numeric_dtype(table[column]):
            values = table[column].astype(object)
            table[column] = values.where(~values.isin(MISSING), None)
    table = table.rename(columns={"recording_id": "recording"})
    table["recording"] = name + "/" + table["recording"].astype(str)
    table["dataset"] = name
    table["fs"] = table["fs"].astype(float)
    table["speed_nominal_rpm"] = _nominal_speed(table, known)
    machine = table["rig"] if "rig" in table else pd.Series([None] * len(table), index=table.index, dtype=object)
    table["unit"] = _unit(table, name=name, known=known)
    table["condition"] = _condition(table, name=name, known=known)
    table["rig"] = [name if pd.isna(m) else f"{name}/{m}" for m in machine]
    for i, order in enumerate(facts.ORDERS):
        if order not in table:
            table[order] = [known.orders.get("" if pd.isna(m) else str(m), (np.nan,) * 4)[i] for m in machine]
    for column in LEADING:
        if column not in table:
            table[column] = (
                np.nan if column in ("load", "speed_rpm", "time_s", "rul_s", "fault_severity_level") else None
            )
    return table[[*LEADING, *(c for c in table.columns if c not in LEADING)]]


def _nominal_speed(table: pd.DataFrame, known: facts.Facts) -> pd.Series:
    import pandas as pd

    if known.nominal_speed is not None:
        column, speeds = known.nominal_speed
        return table[column].map(speeds)
    if "speed_rpm" in table and table["speed_rpm"].nunique() <= facts.NOMINAL_SPEEDS:
        return table["speed_rpm"]
    return pd.Series(np.nan, index=table.index)


def _unit(table: pd.DataFrame, *, name: str, known: facts.Facts) -> list[str | None]:
    for columns in known.unit:
        if all(c in table for c in columns):
            parts = table[list(columns)].itertuples(index=False, name=None)
            return [None if any(p is None for p in row) else "/".join([name, *map(str, row)]) for row in parts]
    return [None] * len(table)


def _condition(table: pd.DataFrame, *, name: str, known: facts.Facts) -> list[str | None]:
    for columns in known.condition:
        if have := [c for c in columns if c in table and table[c].notna().any()]:
            return [_condition_text(row, have, name) for _, row in table.iterrows()]
    return [None] * len(table)


def _condition_text(row: pd.Series, columns: Sequence[str], name: str) -> str | None:
    import pandas as pd

    texts = []
    for column in columns:
        value = row[column]
        if pd.isna(value):
            return None
        if column == "load":
            unit = row.get("load_unit")
            texts.append(f"{value:g}" if unit is None else f"{value:g} {unit}")
        elif column == "speed_nominal_rpm":
            texts.append(f"{value:g} rpm")
        else:
            texts.append(
                f"{name} {value}"
            )  # a number of the data set's own: condition 1 of two data sets is not one condition
    return ", ".join(texts)
