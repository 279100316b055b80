"""Episodes: a few labelled windows of each class that teach (support), and others that are asked (query).

Support and query come from different physical units, wherever the recordings allow it: what is published for few-shot
diagnosis draws both from the same recording, of which one window resembles the next.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, NamedTuple

import numpy as np
from annotated_types import Ge
from numpy.typing import NDArray

from phmbench.data.episode_pools import Apart, Pool
from phmbench.errors import DataError
from phmbench.types import Windows

if TYPE_CHECKING:
    import pandas as pd

Rows = NDArray[np.int64]
SetName = Literal["train", "val", "test"]
STREAMS = {"train": 11, "val": 12, "test": 13}
"""Of randomness: what is drawn for one set does not move the others."""
TRIES = 1000  # draws until support and query have no unit in common, where a unit has several classes


class Drawn(NamedTuple):
    """One episode, by rows of the window index."""

    support: Rows  # (S,)
    query: Rows  # (Q,)
    support_way: Rows  # (S,) index into ways
    query_way: Rows  # (Q,)
    ways: Rows  # (N,) class index
    novel: NDArray[np.bool_]  # (N,) classes that training has not seen; few-shot: all


class Episodes:
    """How episodes are drawn. The same seed gives the same ones; those of the test are saved, and can be loaded.

    Args:
        n_way: novel classes of an episode, N; None: all that the set has.
        k_shot: labelled windows of each novel class.
        n_query: windows of each class that are asked.
        disjoint: what support and query never share, where the recordings allow it, else the next lower: a physical
            "unit", a "recording", "time" (the first half of each recording teaches, the second is asked, with a gap of
            a window); "window": nothing, which leaks, as published results do.
        base_shot: windows of training by which each base class joins an episode; None: only novel classes are told
            apart (few-shot).
        train: episodes of an epoch of training.
        val: episodes of a validation, the same at each epoch.
        test: episodes of the test.
        file: episodes.csv of another run, whose test episodes are taken; None: they are drawn.
        learn_from: whether training sees "episodes", or "windows" as any classifier does.
        seed: of all that is drawn.
    """

    def __init__(
        self,
        *,
        n_way: Annotated[int, Ge(1)] | None,
        k_shot: Annotated[int, Ge(1)],
        n_query: Annotated[int, Ge(1)],
        disjoint: Apart,
        base_shot: Annotated[int, Ge(1)] | None,
        train: Annotated[int, Ge(1)],
        val: Annotated[int, Ge(1)],
        test: Annotated[int, Ge(1)],
        file: str | None,
        learn_from: Literal["episodes", "windows"],
        seed: Annotated[int, Ge(0)],
    ) -> None:
        self.n_way, self.k_shot, self.n_query, self.base_shot = n_way, k_shot, n_query, base_shot
        self.disjoint: Apart = disjoint
        self.number = {"train": train, "val": val, "test": test}
        self.file, self.learn_from, self.seed = file, learn_from, seed

    def draw(
        self, name: SetName, number: int, *, epoch: int, pool: Pool, base: Mapping[int, Rows], known: frozenset[int]
    ) -> Drawn:
        """An episode.

        Args:
            name: of the set.
            number: of the episode.
            epoch: of training; 0 for the other sets.
            pool: the set's windows by class.
            base: class to windows of training, by which base classes join; empty in few-shot.
            known: classes that training has.
        """
        rng = np.random.default_rng((self.seed, STREAMS[name], epoch, number))
        novel, others = self._ways(rng, pool, base, known)
        for _ in range(TRIES):
            parts = {c: pool.draw(rng, c, self.k_shot, self.n_query) for c in novel}
            asked = {c: pool.ask(rng, c, self.n_query) for c in others}
            teaching = {unit for part in parts.values() for unit in part.teaching}
            asking = {unit for part in parts.values() for unit in part.asked} | {u for _, u in asked.values()}
            if not teaching & asking or pool.apart == "window":
                break
        else:
            raise DataError(
                "task.disjoint: support and query share a unit whatever is drawn; got units that have several classes; "
                f"expected an episode apart by {pool.apart} within {TRIES} draws; choose task.disjoint=recording"
            )
        taught = {c: self._taught(rng, base[c], pool.windows_of(c, asked[c][1]), asked[c][0]) for c in others}
        ways = [*others, *novel]
        support = [taught[c] if c in taught else parts[c].support for c in ways]
        query = [asked[c][0] if c in asked else parts[c].query for c in ways]
        return Drawn(
            support=np.concatenate(support),
            query=np.concatenate(query),
            support_way=np.repeat(np.arange(len(ways)), [len(one) for one in support]),
            query_way=np.repeat(np.arange(len(ways)), self.n_query),
            ways=np.array(ways, np.int64),
            novel=np.array([c not in taught for c in ways]),
        )

    def _taught(self, rng: np.random.Generator, base: Rows, group: Rows, asked: Rows) -> Rows:
        """Windows by which a base class joins: in training none of the unit that is asked."""
        assert self.base_shot is not None
        others = np.setdiff1d(base, group)
        others = others if len(others) else np.setdiff1d(base, asked)
        return rng.choice(others, self.base_shot, replace=len(others) < self.base_shot)

    def _ways(
        self, rng: np.random.Generator, pool: Pool, base: Mapping[int, Rows], known: frozenset[int]
    ) -> tuple[list[int], list[int]]:
        """Novel classes, and base classes that compete with them. Where training has all of a set's classes (as in
        validation), some of them are taken for novel."""
        there = sorted(pool.classes)
        if self.base_shot is None:
            there = [c for c in there if c not in known] or there  # novel classes are not asked among known ones
            count = len(there) if self.n_way is None else self.n_way
            if count > len(there) or count < 2:
                raise DataError(
                    f"task.n_way: an episode tells two classes or more apart, and the set has "
                    f"{len(there)}; got {count}; set task.n_way to at most that, or choose another task/split"
                )
            return sorted(rng.permutation(there)[:count].tolist()), []
        novel = [c for c in there if c not in known]
        if not novel:
            count = 1 if self.n_way is None else min(self.n_way, len(there) - 1)
            novel = sorted(rng.permutation(there)[:count].tolist())
        elif self.n_way is not None:
            novel = sorted(rng.permutation(novel)[: self.n_way].tolist())
        others = [c for c in there if c in known and c not in novel]
        if not others or any(c not in base for c in others):
            raise DataError(
                f"task.split: generalised few-shot asks about base classes beside novel ones; got {len(others)} base "
                "classes that training and this set have; expected one or more; choose task/split=hold_out_classes"
            )
        return novel, others


def to_table(
    every: Sequence[Drawn], *, classes: Sequence[str], table: pd.DataFrame, windows: Windows, window: int
) -> pd.DataFrame:
    """Rows of episodes.csv: episode, part (support, query), label, novel, recording, start (first sample), samples."""
    import pandas as pd

    names, frames = table["recording"].to_numpy(), []
    for number, one in enumerate(every):
        for part, rows, way in (("support", one.support, one.support_way), ("query", one.query, one.query_way)):
            frames.append(
                pd.DataFrame(
                    {
                        "episode": number,
                        "part": part,
                        "label": np.array(classes, dtype=object)[one.ways[way]],
                        "novel": one.novel[way],
                        "recording": names[windows.recording[rows]],
                        "start": windows.start[rows],
                        "samples": window,
                    }
                )
            )
    return pd.concat(frames, ignore_index=True)


def from_table(
    file: str, *, classes: Sequence[str], table: pd.DataFrame, windows: Windows, window: int, allowed: Rows
) -> list[Drawn]:
    """The episodes that another run has saved.

    Args:
        file: its episodes.csv.
        classes: names, K.
        table: the recording table.
        windows: the window index.
        window: samples of a window.
        allowed: rows of the index that this run may ask about, those of its test set.

    Raises:
        DataError: the file cannot be read, or names windows or classes that this run does not test.
    """
    frame = _read(file)
    if set(frame["samples"]) != {window}:
        raise DataError(
            f"task.episodes.file: {file} has windows of {sorted(set(frame['samples']))} samples; got data.window="
            f"{window}; expected the same; set data.window to it"
        )
    recording = {name: i for i, name in enumerate(table["recording"])}
    place = {(r, s): i for i, (r, s) in enumerate(zip(windows.recording.tolist(), windows.start.tolist(), strict=True))}
    code = {name: i for i, name in enumerate(classes)}
    at = [place.get((recording.get(r, -1), s), -1) for r, s in zip(frame["recording"], frame["start"], strict=True)]
    frame = frame.assign(row=at, code=[code.get(str(label), -1) for label in frame["label"]])
    tested = np.isin(frame["row"], allowed) | (frame["part"] == "support")
    bad = frame[(frame["row"] < 0) | (frame["code"] < 0) | ~tested]
    if len(bad):
        one = bad.iloc[0]
        raise DataError(
            f"task.episodes.file: {len(bad)} of {len(frame)} windows of {file} are none of this run's test; first "
            f"{one['recording']} from sample {one['start']}, {one['label']}; expected the same data, window, hop and "
            "task/split as in that run; take them from its config.yaml"
        )
    return [_episode(part) for _, part in frame.groupby("episode", sort=True)]


def _read(file: str) -> pd.DataFrame:
    import pandas as pd

    try:
        frame = pd.read_csv(Path(file), keep_default_na=False)
    except (OSError, ValueError, UnicodeDecodeError) as error:
        raise DataError(
            f"task.episodes.file: is not to be opened; got {' '.join(str(error).split())}; expected episodes.csv of a "
            "run; leave it out to draw episodes"
        ) from error
    lacking = sorted({"episode", "part", "label", "novel", "recording", "start", "samples"} - set(frame.columns))
    if lacking or frame.empty:
        raise DataError(
            f"task.episodes.file: {file} is no list of episodes; got no column {', '.join(lacking) or '(and no row)'}; "
            "expected episodes.csv of a run; leave it out to draw episodes"
        )
    return frame


def _episode(part: pd.DataFrame) -> Drawn:
    ways = list(dict.fromkeys(part["code"]))
    way = part["code"].map({code: i for i, code in enumerate(ways)}).to_numpy(np.int64)
    row, teaches = part["row"].to_numpy(np.int64), (part["part"] == "support").to_numpy()
    novel = part.drop_duplicates("code")["novel"].astype(str).str.lower().eq("true").to_numpy()
    return Drawn(row[teaches], row[~teaches], way[teaches], way[~teaches], np.array(ways, np.int64), novel)
