"""kill -9 of a search at any moment, or a full disk: the same command ends it as if nothing had happened.

The space is a grid, so that the trials are the same ones in whatever order, and are compared to the last digit.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from phmbench.record import lock
from tests.conftest import ROOT, TINY
from tests.torture.counting import FULL, size
from tests.torture.running import Place, Tally, end, environment, require_same_end
from tests.torture.test_faults import disk, remount, require_clear

pytest.importorskip("optuna")
pytest.importorskip("joblib")
pytestmark = [pytest.mark.slow, pytest.mark.torture, pytest.mark.timeout(1500)]

TRIALS, EPOCHS = 4, 12
WORDS = (
    *TINY, "data.sources.simulated.rigs=[motor]", "task/split=recordings", "model=spectral_linear",
    "trainer.callbacks.early_stopping=null", f"trainer.max_epochs={EPOCHS}", f"n_trials={TRIALS}", "refit=0",
    "sweep_name=s", "hydra/sweeper/sampler=grid", "task.optimizer.weight_decay=choice(1.0e-4,1.0e-3,1.0e-2,1.0e-1)",
)  # fmt: skip
JOBLIB = ("hydra/launcher=joblib", "hydra.launcher.n_jobs=2")
KINDS: dict[str, tuple[int, tuple[str, ...]]] = {  # processes that are started, and what they are told besides
    "in line": (1, ()),
    "two processes on one study": (2, ()),
    "joblib": (1, JOBLIB),
}
EACH = {"in line": 8, "two processes on one study": 8, "joblib": 9}  # of each part, in `make torture`: 50 in all
PARTS = size(full=2, sample=1)


class Seen(NamedTuple):
    """What there was after a kill."""

    trials: list[Any]  # of the study
    results: dict[str, tuple[int, bytes]]  # by folder: when metrics.json was written, and what
    cut_off: set[str]  # folders with a checkpoint, in which nobody runs any more: joblib may have left somebody


def begin(place: Place, *words: str) -> subprocess.Popen[str]:
    """`python sweep.py …`, in a process group of its own."""
    return subprocess.Popen(
        [sys.executable, str(ROOT / "sweep.py"), *WORDS, *words, f"hydra.sweep.dir={place.run}"],
        cwd=place.run.parent, env=environment(place), text=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, start_new_session=True,
    )  # fmt: skip


def seen(folder: Path) -> Seen:
    """Of a copy of the journal: to open it mends it, which the search has to do."""
    import optuna

    from phmbench.sweep import storage

    trials: list[Any] = []
    if (folder / storage.JOURNAL).exists():
        copy = folder.with_name("copy") / storage.JOURNAL
        copy.parent.mkdir(exist_ok=True)
        shutil.copy(folder / storage.JOURNAL, copy)
        kept = storage.journal(copy)
        if kept.get_all_studies():
            trials = optuna.load_study(study_name="s", storage=kept).trials
    runs = [file.parent.parent for file in folder.glob("*/checkpoints/last.ckpt")]
    left = {run.name for run in runs if not lock.is_held(run)}  # before the results: one may be made meanwhile
    results = {file.parent.name: (file.stat().st_mtime_ns, file.read_bytes()) for file in folder.glob("*/metrics.json")}
    return Seen(trials, results, left - set(results))


def lines(folder: Path) -> int:
    """Of the journal."""
    file = folder / "study.journal"
    return file.read_bytes().count(b"\n") if file.exists() else 0


def killed(kind: str, place: Place, *, at: int, later_s: float, group: bool) -> None:
    """Start as many processes as it takes, and kill the first, alone or with its group: some time after the journal has
    so many lines, so that the moments are spread over the search however long it takes on this machine."""
    number, words = KINDS[kind]
    processes = [begin(place, *words) for _ in range(number)]
    while lines(place.run) < at and processes[0].poll() is None:
        time.sleep(0.005)
    time.sleep(later_s)
    if group and processes[0].poll() is None:
        os.killpg(processes[0].pid, signal.SIGKILL)
    else:
        processes[0].kill()
    processes[0].wait()
    for other in processes[1:]:
        done = end(other, time.monotonic())
        assert done.code == 0, done.err[-3000:]


def require_nothing_lost(before: Seen, place: Place, whole: Path) -> None:
    """As many trials as asked for, each once; none that had ended was run again; the others went on."""
    after = seen(place.run)
    assert [trial.state.name for trial in after.trials] == ["COMPLETE"] * TRIALS
    assert {trial.user_attrs["folder"] for trial in after.trials} == set(after.results)
    for old, new in zip(before.trials, after.trials, strict=False):
        assert old.params.items() <= new.params.items()
        assert old.intermediate_values.items() <= new.intermediate_values.items()
        if old.state.is_finished():
            assert (new.values, new.datetime_complete) == (old.values, old.datetime_complete)
    for name, result in before.results.items():
        assert after.results[name] == result, f"{name} was run a second time"
    for name in after.results:
        said = (place.run / name / "log.txt").read_text()
        assert said.count("phmbench.record: begun: ") == 1
        assert name not in before.cut_off or "phmbench.record: resumed: " in said
    for trial in after.trials:
        assert sorted(trial.intermediate_values) == list(range(EPOCHS))
    require_same_end(whole, place.run)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A search that is not killed."""
    place = Place.below(tmp_path_factory.mktemp("whole"))
    done = end(begin(place), time.monotonic())
    assert done.code == 0, done.err
    return place.run


@pytest.mark.parametrize("part", range(PARTS))
@pytest.mark.parametrize("kind", KINDS)
def test_a_search_that_is_killed_at_a_random_moment(kind: str, part: int, whole: Path, tmp_path: Path):
    """Anywhere from the start of Python to the last figure; half of them with all that it has started."""
    most = lines(whole)
    each = EACH[kind] if FULL else 1
    draw = random.Random(f"{kind} {part}")
    with Tally("kills", f"kill -9 at a random moment: a search, {kind}") as tally:
        for number in range(each):
            place = Place.below(tmp_path / str(number))
            at, group = round((1.3 * (number + draw.random()) / each - 0.15) * most), number % 2 == part % 2
            later_s = draw.random() * (0.1 if 0 < at < most else 2.0)  # else while it starts, or ends
            with tally.case(f"{later_s:.2f} s after line {at} of {most}, {'group' if group else 'alone'}"):
                killed(kind, place, at=min(at, most), later_s=later_s, group=group)
                before = seen(place.run)
                done = end(begin(place, *KINDS[kind][1]), time.monotonic())
                assert done.code == 0, done.err[-3000:]
                require_nothing_lost(before, place, whole)


@pytest.mark.parametrize("size_kib", [20, 130, 260, 420] if FULL else [260])
def test_a_full_disk_under_a_search(size_kib: int, whole: Path, tmp_path: Path):
    """It ends the search, not its trials one after the other; with room again, none is lost."""
    folder = tmp_path / "disk"
    what = "full disk under a search"
    with disk(folder, f"size={size_kib}k"), Tally("faults", what) as tally, tally.case(f"{size_kib} KiB"):
        place = Place(folder / "s", tmp_path / "cache")
        full = end(begin(place), time.monotonic())
        require_clear(full.code, full.err, "No space left on device", "free space")
        remount(folder, "size=64m")
        done = end(begin(place), time.monotonic())
        assert done.code == 0, done.err[-3000:]
        assert [trial.state.name for trial in seen(place.run).trials] == ["COMPLETE"] * TRIALS
        require_same_end(whole, place.run)
