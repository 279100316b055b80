"""What a sweep adds to its jobs: a trial above its own fit, two jobs beside each other, a long study, and pruning."""

from __future__ import annotations

import json
import math
import statistics
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.timing import Row, figure, interval, ratio, rounds, spawn

SEARCH = [sys.executable, "sweep.py", "model=wdcnn", "trainer=cpu", "refit=0"]
GRID = [sys.executable, "train.py", "-m", "model=wdcnn", "trainer=cpu"]
LR = "task.optimizer.lr=tag(log,interval(1e-4,1e-2))"
SMALL = ["data.sources.simulated.rigs=[motor]", "data.sources.simulated.conditions=2", "trainer.max_epochs=2"]
JOBLIB = ["hydra/launcher=joblib", "hydra.launcher.n_jobs=2"]
TRIALS = 10_000  # of the study that is gone on with
FEW, MANY = 2, 8  # trials of the two searches whose difference is taken


def measure(folder: Path, number: int, *, tiny: bool) -> list[Row]:
    """All rows; `folder` is for caches and runs."""
    env = {"PHMBENCH_CACHE": str(folder / "cache"), "OMP_NUM_THREADS": "1"}
    rows = [_trial(folder, env, number), _resumed(folder, 200 if tiny else TRIALS, number)]
    if not tiny:
        rows += [_beside(folder, env, number), *_pruned(folder, env)]
    return rows


def _trial(folder: Path, env: dict[str, str], number: int) -> Row:
    """From two searches of different length, in one process each; a trial's own time is its fit."""

    def search(trials: int, name: str) -> tuple[float, float]:
        out = folder / "searches" / name
        words = [*SEARCH, *SMALL, LR, f"n_trials={trials}", f"hydra.sweep.dir={out}", "sweep_name=bench"]
        wall = spawn(words, env=env)["wall"]
        return wall, sum(_seconds(out, trials))

    search(1, "warm-up")
    above = []
    for at in range(number):
        short, long = search(FEW, f"{at}-few"), search(MANY, f"{at}-many")
        above.append((long[0] - short[0] - (long[1] - short[1])) / (MANY - FEW))
    value, low, high = interval(above)
    ours = f"{statistics.median(above):.2f} s"
    return Row("a trial of a search, above its own fit", value, low, high, unit="s", ours=ours, at_most=0.1)


def _seconds(out: Path, jobs: int) -> list[float]:
    found = [json.loads(file.read_text("utf-8"))["seconds"]["fit"] for file in out.glob("*/metrics.json")]
    assert len(found) == jobs, out
    return found


def _resumed(folder: Path, trials: int, number: int) -> Row:
    """Opening a study and counting its trials, in a fresh process: what a sweep does before it asks for one more."""
    import optuna
    from optuna.distributions import FloatDistribution

    from phmbench.sweep import storage

    study = optuna.create_study(storage=storage.journal(folder / "study.journal"), study_name="long")
    ranges = {f"key{i}": FloatDistribution(0.0, 1.0) for i in range(5)}
    for n in range(trials):
        study.add_trial(
            optuna.trial.create_trial(
                params=dict.fromkeys(ranges, n / trials), distributions=ranges, value=n / trials,
                intermediate_values=dict.fromkeys(range(10), 0.5), user_attrs={"folder": f"run-{n}", "worker": "0"},
            )
        )  # fmt: skip
    code = (
        "import sys, optuna; from pathlib import Path; from phmbench.sweep import storage, study;"
        "found = optuna.load_study(storage=storage.journal(Path(sys.argv[1])), study_name='long');"
        "assert len(study.states(found)['complete']) == int(sys.argv[2])"
    )
    words = [sys.executable, "-c", code, str(folder / "study.journal"), str(trials)]
    walls = [spawn(words)["wall"] for _ in range(number)]
    return figure(f"a study of {trials:,} trials is opened, from the start of the process", walls, "s", at_most=5.0)


def _beside(folder: Path, env: dict[str, str], number: int) -> Row:
    """Two jobs of a grid on two cores, over the same two one after the other, in whole commands."""
    env = {name: value for name, value in env.items() if name != "OMP_NUM_THREADS"}
    epochs = "trainer.max_epochs=12"

    def grid(at: list[int], *more: str) -> dict[str, Any]:
        at[0] += 1
        name = f"{'beside' if more else 'in-a-row'}-{at[0]}"
        words = [*GRID, epochs, "trainer.callbacks.early_stopping=null", "seed=0,1", *more]
        return spawn([*words, f"hydra.sweep.dir={folder / 'grids' / name}"], env=env)

    one, two = [0], [0]
    contenders = {"beside": lambda: grid(one, *JOBLIB), "in a row": lambda: grid(two)}
    times = rounds(contenders, number)
    what = "two jobs beside each other on two cores, over the same in a row"
    return ratio(what, times["beside"], times["in a row"], at_most=0.65)


def _pruned(folder: Path, env: dict[str, str]) -> Sequence[Row]:
    """One search with each pruner, of the same trials to begin with: seconds until a score is reached, and in all."""
    space = ["search=[optim,wdcnn]", "n_trials=20", "trainer.max_epochs=20", "sweep_name=bench"]
    ended = {}
    for name in ("none", "median"):
        out = folder / f"pruner-{name}"
        spawn([*SEARCH, *space, f"pruner={name}", f"hydra.sweep.dir={out}"], env=env)
        ended[name] = _ended(out)
    score = 0.98 * max(value for _, value in ended["none"])
    reached = {
        name: next((second for second, value in trials if value >= score), math.inf) for name, trials in ended.items()
    }
    whole = {name: trials[-1][0] for name, trials in ended.items()}
    best = {name: max(value for _, value in trials) for name, trials in ended.items()}
    rows = []
    for what, seconds in ((f"until a trial has val/macro_f1 {score:.3f}", reached), ("twenty trials", whole)):
        value = seconds["median"] / seconds["none"]
        sides = {name: f"{seconds[name]:.0f} s (best {best[name]:.3f})" for name in seconds}
        what = f"{what} with pruner=median, over none: one search each"
        rows.append(Row(what, value, value, value, ours=sides["median"], reference=sides["none"]))
    return rows


def _ended(out: Path) -> list[tuple[float, float]]:
    """Seconds since the first trial began, and value, of each trial as it ended; a pruned one has its last value."""
    import optuna

    from phmbench.sweep import storage

    trials = optuna.load_study(storage=storage.journal(out / storage.JOURNAL), study_name="bench").get_trials()
    begun = min(trial.datetime_start for trial in trials)
    found = [((trial.datetime_complete - begun).total_seconds(), trial.value or 0.0) for trial in trials]
    return sorted(found)
