"""Episodes of the sets of a split: drawn, audited, and in words for the record."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from phmbench.data.audit import copies
from phmbench.data.episode_pools import Pool, pool
from phmbench.data.episodes import Drawn, Episodes, SetName, from_table, to_table
from phmbench.data.splits.columns import texts
from phmbench.errors import ConfigError, LeakageError
from phmbench.types import Assignment, Windows

if TYPE_CHECKING:
    import pandas as pd

Rows = NDArray[np.int64]


class Apartness(NamedTuple):
    """What support and query of a list of episodes share, as it was measured."""

    level: str  # of LEVELS, up to "unit": what they never share
    recordings: int  # distinct ones that are on both sides of an episode
    units: int | None  # None: not known
    notes: tuple[str, ...]


class EpisodeSets:
    """What is drawn from training, validation and test of one split.

    Args:
        episodes: how.
        assignment: what the split decided.
        label: (N,) class of each window of the index, −1 where it has none.
        table: the recording table.
        windows: the window index.
        window: samples of a window.
        fingerprints: the store's profiles, or None.
    """

    def __init__(
        self,
        episodes: Episodes,
        assignment: Assignment,
        *,
        label: Rows,
        table: pd.DataFrame,
        windows: Windows,
        window: int,
        fingerprints: NDArray[np.float32] | None,
    ) -> None:
        self.episodes, self.assignment, self.label = episodes, assignment, label
        self.table, self.windows, self.window, self.fingerprints = table, windows, window, fingerprints
        trained = label[assignment.train]
        self.known = frozenset(trained.tolist())
        self.base = (
            {} if episodes.base_shot is None else {c: assignment.train[trained == c] for c in sorted(self.known)}
        )
        self._audits: dict[str, Apartness] = {}
        self._pools: dict[str, Pool] = {}
        self._lists: dict[str, list[Drawn]] = {}

    @property
    def trains(self) -> bool:
        """Whether training is made of episodes."""
        return self.episodes.learn_from == "episodes"

    def number(self, name: SetName) -> int:
        """Of episodes: an epoch of training, all of the other sets."""
        return self.episodes.number[name] if name == "train" else len(self.fixed(name))

    def pool(self, name: SetName) -> Pool:
        """The windows of a set, by class and group.

        Raises:
            DataError: too few for an episode.
        """
        if name not in self._pools:
            unseen = bool(set(self.label[self.assignment.test].tolist()) - self.known)
            asks = self.known if self.base and name == "test" and unseen else frozenset()
            self._pools[name] = pool(
                getattr(self.assignment, name), label=self.label, classes=self.assignment.classes, table=self.table,
                windows=self.windows, window=self.window, apart=self.episodes.disjoint,
                support=self.episodes.k_shot, query=self.episodes.n_query, asked=asks,
            )  # fmt: skip
        return self._pools[name]

    def draw(self, name: SetName, number: int, epoch: int = 0) -> Drawn:
        """An episode: of training one of that epoch."""
        if name != "train":
            return self.fixed(name)[number]
        return self.episodes.draw(name, number, epoch=epoch, pool=self.pool(name), base=self.base, known=self.known)

    def fixed(self, name: SetName) -> list[Drawn]:
        """All episodes of validation or test.

        Raises:
            DataError: too few windows for one, or the list that is to be loaded does not fit.
            ConfigError: base classes are asked about, and there is nothing that was trained on.
        """
        if name not in self._lists:
            own = self.episodes
            if own.base_shot is not None and not self.base:
                raise ConfigError(
                    "task.episodes.base_shot: base classes join an episode by windows of training; got none, as with "
                    "pipeline=evaluate; expected a run that trains; choose task=fewshot for a checkpoint alone"
                )
            if name == "test" and own.file is not None:
                self._lists[name] = from_table(
                    own.file, classes=self.assignment.classes, table=self.table, windows=self.windows,
                    window=self.window, allowed=self.assignment.test,
                )  # fmt: skip
            else:
                found = self.pool(name)
                self._lists[name] = [
                    own.draw(name, number, epoch=0, pool=found, base=self.base, known=self.known)
                    for number in range(own.number[name])
                ]
        return self._lists[name]

    def listed(self) -> pd.DataFrame:
        """The test's episodes, as episodes.csv holds them."""
        return to_table(
            self.fixed("test"), classes=self.assignment.classes, table=self.table, windows=self.windows,
            window=self.window,
        )  # fmt: skip

    def audit(self, name: SetName = "test") -> Apartness:
        """Measure what support and query of each episode share.

        Raises:
            LeakageError: samples, or one holds a copy of a recording of the other.
        """
        if name not in self._audits:
            self._audits[name] = self._audited(name)
        return self._audits[name]

    def _audited(self, name: SetName) -> Apartness:
        every = self.fixed(name)
        unit = _units(self.table)
        used = np.zeros((2, len(self.table)), dtype=bool)
        recordings: set[int] = set()
        units: set[str] = set()
        unknown = False
        for number, one in enumerate(every):
            sides = [self.windows.recording[rows] for rows in (one.support, one.query)]
            used[0, sides[0]] = used[1, sides[1]] = True
            both = np.intersect1d(sides[0], sides[1])
            if len(both):
                self._require_apart(number, one, name)
                recordings |= set(both.tolist())
            there = [set(unit[np.unique(side)].tolist()) for side in sides]
            unknown |= None in there[0] | there[1]
            units |= (there[0] & there[1]) - {None}
        self._require_no_copies(every, copies(self.table, self.fingerprints, used[0], used[1]))
        level = "sample" if recordings else ("recording" if units or unknown else "unit")
        return Apartness(level, len(recordings), None if unknown and not units else len(units), self._notes(name))

    def _notes(self, name: SetName) -> tuple[str, ...]:
        """Why support and query are no further apart; of a list that was loaded nothing is known of the reasons."""
        if name == "test" and self.episodes.file is not None:
            return (f"episodes are those of {self.episodes.file}",)
        notes = [f"support and query of the {name} episodes are apart by {self.pool(name).apart}"]
        if self.pool(name).apart == "window":
            notes = [f"support and query of the {name} episodes come from the same recordings: known to leak"]
        return (*notes, *self.pool(name).notes)

    def _require_apart(self, number: int, one: Drawn, name: str) -> None:
        """No sample is in both."""
        recording, start = self.windows
        same = recording[one.support][:, None] == recording[one.query][None, :]  # (S, Q)
        near = np.abs(start[one.support][:, None] - start[one.query][None, :]) < self.window
        if (same & near).any():
            which = str(self.table["recording"].iloc[int(recording[one.support[np.argwhere(same & near)[0, 0]]])])
            raise LeakageError(
                f"task.disjoint: support and query of {name} episode {number} share samples; got "
                f"{int((same & near).any(0).sum())} query windows that overlap a support window, first of {which}; "
                f"expected none; set data.hop={self.window}, as data.window, or task.disjoint=recording"
            )

    def _require_no_copies(self, every: Sequence[Drawn], pairs: NDArray[np.int64] | None) -> None:
        """A copy of a support recording under another name would be the same recording."""
        if pairs is None or not len(pairs):
            return
        first = np.arange(len(self.table))  # of the copies of a recording
        for a, b in pairs:
            first[first == first[b]] = first[a]
        for number, one in enumerate(every):
            taught, asked = (np.unique(self.windows.recording[rows]) for rows in (one.support, one.query))
            for b in np.setdiff1d(asked, taught):
                of = taught[first[taught] == first[b]]
                if len(of):
                    name = texts(self.table, "recording")
                    raise LeakageError(
                        f"task.disjoint: a query recording of episode {number} is in its support under another name; "
                        f"got {name[b]}, a copy of {name[of[0]]}, and {len(pairs)} such recordings in all; "
                        "expected none; leave one of each out with data.where or data.ids"
                    )

    def facts(self, rate_hz: NDArray[np.float32]) -> dict[str, Any]:
        """What the record says of the test's episodes.

        Args:
            rate_hz: (R,) of each recording as it is stored.
        """
        every = self.fixed("test")
        shots = sorted({int(n) for one in every for n in np.bincount(one.support_way)[one.novel]})
        taught = np.concatenate([one.support[one.novel[one.support_way]] for one in every])
        seconds = self.window / rate_hz[self.windows.recording[taught]].astype(float)  # of each window
        return {
            "number": len(every),
            "n_way": max(len(one.ways) for one in every),
            "k_shot": shots[-1],
            "n_query": int(max(len(one.query) // len(one.ways) for one in every)),
            "labelled_seconds": float(shots[-1] * seconds.mean()),  # of each novel class
            "base_shot": self.episodes.base_shot,
            "disjoint": self.episodes.disjoint,
            "level": self.audit().level,
            "learn_from": self.episodes.learn_from,
        }


def _units(table: pd.DataFrame) -> NDArray[Any]:
    """Rig and unit of each recording, (R,); None where the unit is not known."""
    unit, rig = texts(table, "unit"), texts(table, "rig")
    found = np.full(len(table), None, dtype=object)
    found[:] = [None if u is None else f"{r} {u}" for u, r in zip(unit, rig, strict=True)]
    return found
