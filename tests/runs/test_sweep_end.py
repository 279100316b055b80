"""The end of a search in processes of its own: what it leaves in its folder, and what that is worth."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from phmbench.record.configuration import leaves
from tests.conftest import ROOT, TINY

pytest.importorskip("hydra_plugins.hydra_optuna_sweeper")
pytestmark = pytest.mark.slow

SPACE = """\
task/optimizer: {choices: [adamw, sgd], why: both are used}
task.optimizer.lr: {low: 1.0e-4, high: 1.0e-2, log: true, why: around the default}
task.optimizer.momentum: {low: 0.5, high: 0.9, when: {task/optimizer: sgd}}
"""


def run(program: str, *words: str, cwd: Path, cache: Path, code: int = 0, **more: str) -> str:
    own = {"PHMBENCH_CACHE": str(cache), "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT), "NO_COLOR": "1", **more}
    start = [sys.executable, "-m", "phmbench"] if program == "phmbench" else [sys.executable, str(ROOT / program)]
    done = subprocess.run(
        [*start, *words], cwd=cwd, env={**os.environ, **own}, capture_output=True, text=True, timeout=280, check=False
    )
    assert done.returncode == code, done.stderr[-3000:]
    return done.stdout + done.stderr


def test_the_best_trial_is_an_experiment_and_is_tested_once(tmp_path, cache):
    (tmp_path / "space.yaml").write_text(SPACE)
    where = {"cwd": tmp_path, "cache": cache}
    words = [*TINY, "trainer.max_epochs=1", "task/split=recordings", "search=space.yaml", "sweep_name=s", "refit=2"]
    said = run("sweep.py", *words, "n_trials=2", **where)
    folder = tmp_path / "outputs" / "sweeps" / "s"
    (tested,) = folder.glob("best-trial-*")
    assert f"record    outputs/sweeps/s/{tested.name}" in said.splitlines()[-1]
    assert "Results" not in said  # the refit's own table is in its folder, and its last lines here
    assert "Results" in (tested / "screen.txt").read_text()
    assert [one.name for one in sorted(tested.glob("seed-*"))] == ["seed-1001", "seed-1002"]

    best = yaml.safe_load((folder / "experiment" / "best.yaml").read_text())
    assert not {"test", "search", "n_trials", "refit", "sweep_name", "objectives"} & set(best)
    run("train.py", "--config-dir", str(folder), "experiment=best", "hydra.run.dir=again", **where)
    trials = [json.loads(file.read_bytes())["config"] for file in folder.glob("*/job.json") if file.parent != tested]
    again = yaml.safe_load((tmp_path / "again" / "config.yaml").read_text())
    ours = {key: value for key, value in leaves(again) if key.partition(".")[0] not in ("paths", "choices", "test")}
    theirs = [
        {key: value for key, value in leaves(one) if key.partition(".")[0] not in ("paths", "choices", "test")}
        for one in trials
    ]
    assert ours in theirs
    assert again["test"] is True

    refitted = json.loads((tested / "job.json").read_bytes())["config"]
    assert (refitted["test"], refitted["seed"], refitted["repeats"]) == (True, 1001, 2)
    splits = {file.read_bytes() for file in folder.glob("**/split.csv")}
    assert (len(splits), refitted["task"]["split"]["seed"]) == (1, 0)  # of the trials and of both seeds of the refit
    before = (tested / "metrics.json").read_bytes()
    said = run("sweep.py", *words, "n_trials=2", **where)
    assert (tested / "metrics.json").read_bytes() == before
    assert "tested once" in said
    page = (folder / "sweep.html").read_text()
    assert "around the default" in page
    assert "too good by being the best" in page
    assert len(page) < 3_000_000

    told = json.loads(run("phmbench", "sweep-status", str(folder), "--json", **where))
    assert (told["counts"]["complete"], told["wanted"], told["seconds_left"]) == (2, 2, 0.0)
    assert told["best"]["folder"] in {file.parent.name for file in folder.glob("*/job.json")}


QUICK = (*TINY, "data.sources.simulated.rigs=[motor]", "trainer.max_epochs=1", "task/split=recordings",
         "model=spectral_linear", "n_trials=2", "refit=1", "sweep_name=s",
         "task.optimizer.weight_decay=tag(log,interval(1e-4,1e-2))")  # fmt: skip
BREAKS = """\
import os
from lightning.pytorch import Callback

class Breaks(Callback):
    def on_test_start(self, trainer, pl_module):
        if "BREAKS" in os.environ:
            raise ZeroDivisionError("in the test of the refit")
"""


def test_a_refit_that_fails_leaves_a_study_that_is_whole(tmp_path, cache):
    """Of two objectives and two seeds a trial; the same command tests the best one after all, and trains no other."""
    (tmp_path / "breaks.py").write_text(BREAKS)
    where = {"cwd": tmp_path, "cache": cache, "PYTHONPATH": f"{ROOT}{os.pathsep}{tmp_path}"}
    words = (*QUICK, "--trust", "breaks", "trainer.callbacks.breaks._target_=breaks.Breaks", "repeats=2",
             "objectives=[val/macro_f1,model/parameters]")  # fmt: skip
    said = run("sweep.py", *words, **where, BREAKS="1", code=1)
    folder = tmp_path / "outputs" / "sweeps" / "s"
    (refit,) = folder.glob("best-trial-*")
    assert "ZeroDivisionError: in the test of the refit; type the same command again" in " ".join(said.split())
    assert (folder / "sweep.html").exists()
    trials = {file: file.stat().st_mtime_ns for file in folder.glob("*/metrics.json")}
    assert len(trials) == 2
    seeds = [json.loads(file.read_bytes())["repeats"] for file in trials]
    assert [len(one) for one in seeds] == [2, 2]

    said = run("sweep.py", *words, **where)
    assert "tested once" in said
    assert (refit / "metrics.json").exists()
    assert {file: file.stat().st_mtime_ns for file in trials} == trials
    with (folder / "trials.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["state"], row["epochs"]) for row in rows] == [("complete", "2")] * 2
    means = [sum(one["metrics"]["val/macro_f1"] for one in two) / 2 for two in seeds]
    assert sorted(float(row["val/macro_f1"]) for row in rows) == pytest.approx(sorted(means))
