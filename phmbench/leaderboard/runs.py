"""The runs in folders: what was tested in each, or why nothing was."""

from __future__ import annotations

import csv
import hashlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from phmbench.errors import RecordError
from phmbench.record import contents, status
from phmbench.record.configuration import read_config

JOB = "job.json"
OTHER = "split-"
REFUSALS = ("ConfigError", "DataError", "LeakageError")
"""Errors with which a run says that it cannot be, and not that it broke."""


@dataclass(frozen=True)
class Fit:
    """One fit and its test.

    Attributes:
        folder: its record, one inside a run's or the run's own.
        target: name of the fold; "" where there are none.
        seed: of weights and batches, and of a split that is drawn.
        result: what its metrics.json holds.
        unit_of: recording → physical unit of the test set; "" where it is not known.
        split: digest of split.csv.
    """

    folder: Path
    target: str
    seed: int
    result: Mapping[str, Any]
    unit_of: Mapping[str, str]
    split: str

    @property
    def partial(self) -> bool:
        """Whether a part of the test set was tested, or of the others looked at: no result of the split."""
        counts = (self.result["confusion"] or {}).get("counts") or []
        of = (self.result["split"]["test"] or {}).get("windows")
        return sum(map(sum, counts)) != of or any("part of its windows" in w for w in self.result.get("warnings") or ())


@dataclass(frozen=True)
class Run:
    """A run as the user began it: of one fit, or of several seeds and folds.

    Attributes:
        name: its folder, as it is shown.
        folder: where it lies.
        config: as recorded; {} where it cannot be read.
        state: done, running, failed, refused, interrupted, "not run", "not tested" or damaged.
        said: why it is not done; "" where it is.
        fits: those that are done.
        started: when, ISO 8601.
    """

    name: str
    folder: Path
    config: Mapping[str, Any]
    state: str
    said: str
    fits: tuple[Fit, ...] = ()
    started: str = ""


def read(folders: Sequence[Path]) -> tuple[list[Run], list[str]]:
    """All runs below the folders, each once, and what must be said of what was passed over.

    Trials of a search are none: they test nothing.

    Raises:
        RecordError: a folder is not there, or none of them holds a run.
    """
    runs: dict[Path, Run] = {}
    trials = 0
    for top in folders:
        if not top.is_dir():
            raise RecordError(f"{top}: no such folder; expected one with runs; correct the path")
        for folder in _below(top.resolve()):
            if _is_trial(folder):
                trials += 1
                continue
            for one in (folder, *_other_splits(folder)):
                name = one.relative_to(top.resolve()).as_posix()
                runs.setdefault(one, _run(one, one.name if name == "." else name))
    if not runs:
        raise RecordError(
            f"{', '.join(map(str, folders))}: no run found; got {trials} trials of searches, which test nothing; "
            "expected folders of runs, or folders that hold some; correct the path"
        )  # fmt: skip
    passed = [f"{trials} trials of searches are passed over: they test nothing"] if trials else []
    return list(runs.values()), passed


def _below(top: Path) -> Iterator[Path]:
    """Records and jobs at or below a folder; what is inside of a record is its own."""
    for place, inside, files in os.walk(top):
        folder = Path(place)
        if status.exists(folder) or JOB in files or status.METRICS in files:
            inside.clear()
            yield folder
        inside.sort()


def _other_splits(folder: Path) -> list[Path]:
    """Records of the same method under other splits, inside of a record: runs of their own."""
    return [child for child in contents.children(folder) if child.name.startswith(OTHER)]


def _is_trial(folder: Path) -> bool:
    try:
        return json.loads((folder / JOB).read_bytes()).get("trial") is not None
    except (OSError, ValueError, AttributeError):
        return False


def _run(folder: Path, name: str) -> Run:
    try:
        if not status.exists(folder):
            return _unbegun(folder, name)
        said = status.read_status(folder)
        config = _own(read_config(folder), folder)
        state: str = status.state(folder)
    except RecordError as error:
        return Run(name, folder, {}, "damaged", str(error).replace(str(folder), name))
    started = str(said.get("started") or "")
    fits: list[Fit] = []
    damaged = [error for leaf, target in _leaves(folder) for error in _add(fits, leaf, target)]
    if state == "done" and not damaged:
        damaged = _lacking(folder, len(fits))
    why = " ".join(str(said.get("error") or "").split())
    if state == "failed" and (why == "" or said.get("state") == "done"):
        state, why = "damaged", f"{status.METRICS}: damaged"
    elif state == "failed" and why.split(":")[0] in REFUSALS:
        state, why = "refused", why.partition(":")[2].strip()
    elif state == "done" and damaged:
        state, why = "damaged", damaged[0]
    elif state == "done" and not any(name.startswith("test/") for fit in fits for name in fit.result["metrics"]):
        state, why = "not tested", "test=false" if config.get("test") is False else "its record has no test metrics"
    elif state in ("interrupted", "running"):
        why = f"{len(fits)} fits are done" if len(fits) != 1 else "1 fit is done"
    shown = "" if state == "done" else why.replace(str(folder), name)
    return Run(name, folder, config, state, shown, tuple(fits), started)


def _own(config: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Choices of a run with another split name that split."""
    chosen = config.get("choices") or {}
    if not folder.name.startswith(OTHER):
        return config
    split = folder.name.removeprefix(OTHER)
    named = {"experiment": f"{chosen['experiment']} · {split}"} if chosen.get("experiment") else {}
    return {**config, "choices": {**chosen, "task/split": split, **named}}


def _unbegun(folder: Path, name: str) -> Run:
    """A job of a grid that has no record yet; or a result without a configuration."""
    if (folder / status.METRICS).exists():
        return Run(name, folder, {}, "damaged", f"{status.METRICS} stands alone: {status.CONFIG} is missing")
    try:
        config = dict(json.loads((folder / JOB).read_bytes())["config"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        return Run(name, folder, {}, "damaged", f"{JOB}: cannot be read: {error}")
    return Run(name, folder, config, "not run", "")


def _leaves(folder: Path, target: str = "") -> Iterator[tuple[Path, str]]:
    """The single fits of a record, and the fold of each."""
    inside = [child for child in contents.children(folder) if not child.name.startswith(OTHER)]
    for child in inside:
        yield from _leaves(child, child.name.removeprefix("target-") if child.name.startswith("target-") else target)
    if not inside:
        yield folder, target


def _lacking(folder: Path, found: int) -> list[str]:
    """Whether fits that a result is the mean of are not there."""
    result = status.read_metrics(folder)
    of = max(1, len(result["folds"])) * max(1, len(result["repeats"]))
    return [] if found == of else [f"{found} of {of} fits are there; the others were moved or removed"]


def _add(fits: list[Fit], leaf: Path, target: str) -> list[str]:
    """Add a fit if it is done; what is damaged of one that is."""
    if not (leaf / status.METRICS).exists():
        return []
    try:
        result = status.read_metrics(leaf)
        unit_of, digest = _split(leaf)
    except RecordError as error:
        return [str(error)]
    fits.append(Fit(leaf, target, int(result["seed"] or 0), result, unit_of, digest))
    return []


def _split(leaf: Path) -> tuple[dict[str, str], str]:
    """Units of the test recordings, and a digest of what is in which set."""
    file = leaf / "split.csv"
    try:
        content = file.read_bytes()
        rows = list(csv.DictReader(content.decode("utf-8").splitlines()))
        unit_of = {row["recording"]: row["unit"] for row in rows if row["set"] == "test"}
    except (OSError, ValueError, KeyError, csv.Error) as error:
        raise RecordError(
            f"{file}: cannot be read; got {error}; expected the split of a run; run it again in another folder"
        ) from error
    return unit_of, hashlib.sha256(content).hexdigest()
