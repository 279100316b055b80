"""Runs in fresh processes that are killed, and the question whether a record ended as if nothing had happened."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import h5py

from phmbench.record import state
from phmbench.record.status import exists
from tests.conftest import ROOT, TINY
from tests.torture.counting import count

WORDS = (*TINY, "task/split=recordings", "trainer.max_epochs=3")
AT_EVENT = Path(__file__).parent / "at_event"
LIMIT_S = 240.0


class Ended(NamedTuple):
    """A process that has ended."""

    code: int
    out: str
    err: str
    seconds: float


class Place(NamedTuple):
    """Where a run writes: its own folders, so that it can be killed while it builds the store."""

    run: Path
    cache: Path

    @classmethod
    def below(cls, folder: Path) -> Place:
        folder.mkdir(parents=True, exist_ok=True)
        return cls(folder / "run", folder / "cache")


def environment(place: Place, **more: str) -> dict[str, str]:
    """Of the user's process."""
    own = {"PHMBENCH_CACHE": str(place.cache), "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT), "NO_COLOR": "1"}
    return {**os.environ, **own, **more}


def watching(place: Place, **more: object) -> dict[str, str]:
    """Variables for `at_event/sitecustomize.py`."""
    path = f"{AT_EVENT}:{environment(place)['PYTHONPATH']}"
    return {"PYTHONPATH": path, "TORTURE_UNDER": f"{place.run}:{place.cache}", **{k: str(v) for k, v in more.items()}}


def start(*words: str, place: Place, **more: str) -> subprocess.Popen[str]:
    """`python train.py …`, or `phmbench …` if the first word is a command's; a process group of its own."""
    program = [str(ROOT / "train.py")] if words[0] != "resume" else ["-m", "phmbench"]
    return subprocess.Popen(
        [sys.executable, *program, *words], cwd=place.run.parent, env=environment(place, **more), text=True,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
    )  # fmt: skip


def end(process: subprocess.Popen[str], begun: float, *, limit_s: float = LIMIT_S) -> Ended:
    """Wait for the process; one that hangs is killed, and an error."""
    try:
        out, err = process.communicate(timeout=limit_s)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        out, err = process.communicate()
        raise AssertionError(f"did not end within {limit_s} s:\n{out[-2000:]}\n{err[-2000:]}") from None
    return Ended(process.returncode, out, err, time.monotonic() - begun)


def run(*words: str, place: Place, **more: str) -> Ended:
    """A whole process."""
    begun = time.monotonic()
    return end(start(*words, place=place, **more), begun)


def into(place: Place, words: tuple[str, ...]) -> tuple[str, ...]:
    """The words, with the folder to write to."""
    return (*words, f"hydra.{'sweep' if '-m' in words else 'run'}.dir={place.run}")


def killed(words: tuple[str, ...], place: Place, after_s: float, *, group: bool = False) -> Ended:
    """A process that is killed `after_s` seconds after its start, alone or with all that it has started."""
    begun = time.monotonic()
    process = start(*words, place=place)
    time.sleep(after_s)
    if group:
        os.killpg(process.pid, signal.SIGKILL)
    else:
        process.kill()
    return end(process, begun)


def go_on_words(words: tuple[str, ...], place: Place) -> tuple[str, ...] | None:
    """What a user types after a crash; None where the run was done."""
    if "-m" in words or not exists(place.run):
        return into(place, words)
    return None if state(place.run) == "done" else ("resume", str(place.run))


def go_on(words: tuple[str, ...], place: Place) -> None:
    """Type it; it must work."""
    again = go_on_words(words, place)
    if again is not None:
        done = run(*again, place=place)
        assert done.code == 0, f"{again[0]} ended with {done.code}:\n{done.out[-1500:]}\n{done.err[-3000:]}"


def records(folder: Path) -> Iterator[Path]:
    """Folders with a result, relative, in order."""
    yield from sorted(file.parent.relative_to(folder) for file in folder.rglob("metrics.json"))


def require_same_end(whole: Path, other: Path) -> None:
    """Every file that tells of the result is the same to the last digit, and nothing half-written is left.

    Curves, which show how it came about and are appended to, may lack a row; none is wrong.
    """
    found = list(records(whole))
    assert found
    assert list(records(other)) == found
    for name in found:
        one, two = result(whole / name), result(other / name)
        assert two == one, name
        if (whole / name / "predictions.h5").exists():
            assert predictions(other / name) == predictions(whole / name), name
            assert (other / name / "split.csv").read_bytes() == (whole / name / "split.csv").read_bytes()
            assert set(curves(other / name)) <= set(curves(whole / name)), name  # a row may be lost with the process
    left = [path for path in other.rglob("*") if path.name.endswith((".part", ".tmp", ".damaged"))]
    assert left == []


def result(folder: Path) -> dict[str, Any]:
    """Of metrics.json, without what differs from run to run."""
    found = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
    for one in (found, *found["repeats"], *found["folds"], *(r for fold in found["folds"] for r in fold["repeats"])):
        one.pop("seconds", None)
    return {key: value for key, value in found.items() if key not in ("commit", "cpu_seconds")}


def predictions(folder: Path) -> dict[str, bytes]:
    """Datasets of predictions.h5."""
    found: dict[str, bytes] = {}
    with h5py.File(folder / "predictions.h5") as file:
        file.visititems(lambda name, one: found.update({name: repr(one[()].tolist()).encode()})
                        if isinstance(one, h5py.Dataset) else None)  # fmt: skip
    return found


def curves(folder: Path) -> list[tuple[str, str]]:
    """Epoch and value of the validation's loss in csv/metrics.csv."""
    with (folder / "csv" / "metrics.csv").open(newline="", encoding="utf-8") as lines:
        return [(row["epoch"], row["val/loss"]) for row in csv.DictReader(lines) if row.get("val/loss")]


class Tally:
    """Cases that are tried one after the other; a failure is kept, and raised at the end, after the count."""

    def __init__(self, kind: str, what: str) -> None:
        self.kind, self.what, self.number, self.failures = kind, what, 0, list[str]()

    def __enter__(self) -> Tally:
        return self

    def case(self, name: str) -> Case:
        self.number += 1
        return Case(self, name)

    def __exit__(self, *error: object) -> None:
        count(self.kind, self.what, self.number, self.number - len(self.failures))
        assert error[0] is not None or self.failures == [], "\n".join(self.failures)


class Case:
    """One of a tally's."""

    def __init__(self, tally: Tally, name: str) -> None:
        self.tally, self.name = tally, name

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: object) -> bool:
        if isinstance(error, Exception):
            self.tally.failures.append(f"{self.name}: {type(error).__name__}: {error}")
            return True
        return False
