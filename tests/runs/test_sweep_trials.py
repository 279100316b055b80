"""Trials that are pruned, fail, or are killed: what the study says of them, and what the same command does next."""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from phmbench.record import state
from tests.conftest import ROOT, TINY, Command, Done

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(importlib.util.find_spec("optuna") is None, reason="the extra for searches"),
]

QUICK = (*TINY, "data.sources.simulated.rigs=[motor]", "task/split=recordings", "model=spectral_linear", "refit=0",
         "sweep_name=mine", "paths.output=out", "hydra/sweeper/sampler=random")  # fmt: skip
RANGE = "task.optimizer.weight_decay=tag(log,interval(1e-4,1e-2))"
HALF = "task.optimizer.lr=choice(1.0e-9,1.0e-2)"
MEDIAN = ("pruner=median", "pruner.n_startup_trials=1")


def sweep(command: Command, *words: str) -> Done:
    return command(*QUICK, RANGE, *words, program="sweep")


def trials(folder: Path) -> list[Any]:
    """Of the study, read anew."""
    import optuna

    from phmbench.sweep import storage

    kept = storage.journal(folder / "out" / "sweeps" / "mine" / storage.JOURNAL)
    return optuna.load_study(study_name="mine", storage=kept).trials


def counted(folder: Path) -> Counter[str]:
    return Counter(trial.state.name for trial in trials(folder))


def run_of(folder: Path, trial: Any) -> Path:
    return folder / "out" / "sweeps" / "mine" / trial.user_attrs["folder"]


@pytest.mark.parametrize(
    ("words", "epochs"),
    [((*MEDIAN, "pruner.n_warmup_steps=1", "n_trials=4"), 4), (("pruner=hyperband", "n_trials=16"), 6)],
    ids=["median", "hyperband"],
)
def test_hopeless_trials_are_pruned(words: tuple[str, ...], epochs: int, command: Command, tmp_path: Path):
    done = sweep(command, HALF, *words, f"trainer.max_epochs={epochs}")
    assert done.code == 0, done.err
    found = trials(tmp_path)
    pruned = [trial for trial in found if trial.state.name == "PRUNED"]
    assert pruned
    assert {trial.params["task.optimizer.lr"] for trial in pruned} == {1e-9}
    assert len(pruned) + counted(tmp_path)["COMPLETE"] == len(found)
    run = run_of(tmp_path, pruned[0])
    assert state(run) == "interrupted"
    told = json.loads((run / "pruned.json").read_text())
    assert told["epoch"] == len(pruned[0].intermediate_values) < epochs
    assert f"trial {pruned[0].number}: pruned after epoch {told['epoch']}" in done.out
    assert len([line for line in done.out.splitlines() if line.startswith(f"trial {pruned[0].number}:")]) == 2
    by_hand = command(str(run), program="resume")
    assert by_hand.code == 0, by_hand.err
    assert state(run) == "done"


def test_with_several_seeds_a_hopeless_trial_stops_after_the_first(command: Command, tmp_path: Path):
    done = sweep(command, HALF, *MEDIAN, "repeats=3", "n_trials=4", "trainer.max_epochs=2")
    assert done.code == 0, done.err
    pruned = [trial for trial in trials(tmp_path) if trial.state.name == "PRUNED"]
    assert pruned
    for trial in pruned:
        assert json.loads((run_of(tmp_path, trial) / "pruned.json").read_text())["fit"] == "seed-1"
        assert not (run_of(tmp_path, trial) / "seed-2").exists()
    whole = next(trial for trial in trials(tmp_path) if trial.state.name == "COMPLETE")
    result = json.loads((run_of(tmp_path, whole) / "metrics.json").read_text())
    seeds = [one["metrics"]["val/macro_f1"] for one in result["repeats"]]
    assert whole.value == pytest.approx(sum(seeds) / 3)
    assert sorted(whole.intermediate_values) == [0, 1, 2, 3, 4, 5, 6, 7]


def test_all_ranks_of_a_pruned_trial_end(command: Command, tmp_path: Path):
    done = sweep(command, HALF, *MEDIAN, "pruner.n_warmup_steps=0", "n_trials=4", "trainer=ddp_cpu",
                 "trainer.max_epochs=2")  # fmt: skip
    assert done.code == 0, done.err
    assert done.err == ""
    assert counted(tmp_path)["PRUNED"] > 0
    assert counted(tmp_path)["FAIL"] == 0


def test_a_failure_is_a_state_and_too_many_end_the_search(command: Command, tmp_path: Path):
    words = (
        "task.optimizer.fused=true",
        "task.optimizer.foreach=choice(true,false)",
        "n_trials=3",
        "trainer.max_epochs=1",
    )
    done = sweep(command, *words)
    assert done.code == 0, done.err
    assert counted(tmp_path)["COMPLETE"] == 3
    failed = [trial for trial in trials(tmp_path) if trial.state.name == "FAIL"]
    assert failed
    assert "task.optimizer: `fused` and `foreach` cannot be" in failed[0].user_attrs["error"]
    only = command(*QUICK, RANGE, "task.optimizer.fused=true", "task.optimizer.foreach=true", "max_failures=2",
                   "sweep_name=bad", program="sweep")  # fmt: skip
    assert only.code == 1
    assert "2 trials failed one after the other (max_failures)" in only.out + only.err
    assert "no trial is complete" in " ".join(only.out.split())


def test_a_loss_that_is_not_finite_fails_the_trial(command: Command, tmp_path: Path):
    done = sweep(command, "task.optimizer.lr=choice(1e38,1e39)", "max_failures=1", "trainer.gradient_clip_val=null",
                 "task/optimizer=sgd")  # fmt: skip
    assert done.code != 0
    assert "not finite" in trials(tmp_path)[0].user_attrs["error"]


def test_a_space_without_further_points_ends_the_search(command: Command, tmp_path: Path):
    words = ("task.optimizer.lr=choice(1e-3,1e-2)", "n_trials=60", "trainer.max_epochs=1")
    done = command(*QUICK, *words, program="sweep")
    assert done.code == 0, done.err
    assert "search: all points of the space were tried, 2; n_trials asks for 60" in done.out
    assert {trial.params["task.optimizer.lr"] for trial in trials(tmp_path)} == {1e-3, 1e-2}
    assert len(trials(tmp_path)) < 60
    status = command(str(tmp_path / "out" / "sweeps" / "mine"), "--json", program="sweep-status")
    assert json.loads(status.out)["seconds_left"] == 0


def start(folder: Path, cache: Path, *words: str) -> subprocess.Popen[str]:
    env = {**os.environ, "PHMBENCH_CACHE": str(cache), "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    return subprocess.Popen([sys.executable, str(ROOT / "sweep.py"), *QUICK, RANGE, *words], cwd=folder, env=env,
                            text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)  # fmt: skip


def wait_for(folder: Path, pattern: str) -> None:
    end = time.monotonic() + 120
    while not list(folder.glob(pattern)):
        assert time.monotonic() < end, f"{pattern} did not come"
        time.sleep(0.02)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_a_trial_that_is_cut_off_goes_on_from_its_own_checkpoint(number: int, tmp_path: Path, cache: Path):
    words = ("n_trials=2", "trainer.max_epochs=150", "trainer.callbacks.early_stopping=null")
    first = start(tmp_path, cache, *words)
    wait_for(tmp_path, "out/sweeps/mine/*/checkpoints/last.ckpt")
    first.send_signal(number)
    _, err = first.communicate(timeout=60)
    if number == signal.SIGINT:
        assert first.returncode == 130
        assert "type the same command again" in err
        assert trials(tmp_path)[0].user_attrs["interrupted"] is True
    assert counted(tmp_path) == {"RUNNING": 1}
    again = start(tmp_path, cache, *words)
    out, err = again.communicate(timeout=200)
    assert again.returncode == 0, err
    assert ", goes on from its last checkpoint" in " ".join(out.split())
    found = trials(tmp_path)
    assert counted(tmp_path) == {"COMPLETE": 2}
    assert sorted(found[0].intermediate_values) == list(range(150))
    assert "resumed: " in (run_of(tmp_path, found[0]) / "log.txt").read_text()
    epochs = (run_of(tmp_path, found[0]) / "csv" / "metrics.csv").read_text().count("\n")
    assert epochs > 150
    assert len({trial.user_attrs["folder"] for trial in found}) == 2


def test_two_processes_share_one_study(tmp_path: Path, cache: Path):
    words = ("n_trials=5", "trainer.max_epochs=1")
    both = [start(tmp_path, cache, *words) for _ in range(2)]
    for process in both:
        _, err = process.communicate(timeout=200)
        assert process.returncode == 0, err
    assert counted(tmp_path) == {"COMPLETE": 5}
    assert len({trial.user_attrs["worker"] for trial in trials(tmp_path)}) == 2
    assert len(list(tmp_path.glob("out/sweeps/mine/*/metrics.json"))) == 5


def test_two_processes_share_one_database(tmp_path: Path, cache: Path):
    """Never one trial more than were asked for; and the journal of the folder is not used."""
    import optuna

    url = f"sqlite:///{tmp_path / 'study.db'}"
    both = [start(tmp_path, cache, "n_trials=3", "trainer.max_epochs=1", f"storage={url}") for _ in range(2)]
    for process in both:
        _, err = process.communicate(timeout=200)
        assert process.returncode == 0, err
    found = optuna.load_study(study_name="mine", storage=url).trials
    assert [trial.state.name for trial in found] == ["COMPLETE"] * 3
    assert all(trial.intermediate_values for trial in found)
    assert len(list(tmp_path.glob("out/sweeps/mine/*/metrics.json"))) == 3
    assert not list(tmp_path.glob("out/sweeps/mine/*.journal"))


def test_a_study_that_meets_a_full_disk_is_whole_when_there_is_room_again(tmp_path: Path, cache: Path):
    """By the limit on the size of files: the journal is the largest of them."""
    words = ("n_trials=4", "trainer.max_epochs=1")
    assert start(tmp_path, cache, "n_trials=1", words[1]).wait(timeout=100) == 0
    journal = tmp_path / "out" / "sweeps" / "mine" / "study.journal"
    with journal.open("ab") as file:  # notes of its own study, so that the journal is the first to meet the limit
        line = json.dumps({"op_code": 2, "worker_id": "w", "study_id": 0, "user_attr": {"note": "x" * 10_000}}) + "\n"
        file.write(line.encode() * 100)
    limit = journal.stat().st_size + 700
    program = (
        f"import resource, runpy, sys; resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit})); "
        f"runpy.run_path({str(ROOT / 'sweep.py')!r}, run_name='__main__')"
    )
    env = {**os.environ, "PHMBENCH_CACHE": str(cache), "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    full = subprocess.run([sys.executable, "-c", program, *QUICK, RANGE, *words], cwd=tmp_path, env=env, text=True,
                          capture_output=True, timeout=100, check=False)  # fmt: skip
    assert full.returncode == 5, full.stdout + full.stderr
    assert "the study cannot be written; got File too large" in full.stderr
    again = start(tmp_path, cache, *words)
    _, err = again.communicate(timeout=100)
    assert again.returncode == 0, err
    assert counted(tmp_path) == {"COMPLETE": 4}
