"""`python sweep.py` and `python train.py -m` as users type them: what they leave, and that they go on."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import pytest

from tests.conftest import TINY, Command

pytestmark = pytest.mark.slow
needs_optuna = pytest.mark.skipif(importlib.util.find_spec("optuna") is None, reason="the extra for searches")

QUICK = (*TINY, "task/split=recordings", "trainer.max_epochs=1", "model=spectral_linear")


def states(folder: Path) -> list[str]:
    return [job["state"] for job in json.loads((folder / "manifest.json").read_text())["jobs"]]


def test_a_grid_skips_what_is_done_and_runs_equal_jobs_once(command: Command):
    words = (*QUICK, "-m", "seed=0,1", "monitor=val/macro_f1,val/macro_f1")
    first = command(*words)
    assert first.code == 0, first.err
    assert states(first.folder) == ["done", "done"]
    assert first.out.count("Results\n") == 2
    wrong = next(first.folder.glob("*/metrics.json"))
    wrong.unlink()
    again = command(*words)
    assert again.code == 0, again.err
    assert f"2 jobs in {first.folder}, 1 done, 1 interrupted" in again.out
    assert again.out.count("Results\n") == 1
    assert "seed=0" in again.out
    assert "seed=1" in again.out
    third = command(*words)
    assert "2 done" in third.out
    assert "Results\n" not in third.out


def test_a_grid_finds_its_own_folder_by_its_words(command: Command, tmp_path: Path):
    words = ("train", *QUICK, "-m", "seed=0,1")
    one = command(*words[1:], program=words[0])
    two = command("seed=0,1", "-m", *QUICK, program="train")
    assert (one.code, two.code) == (0, 0), one.err + two.err
    (folder,) = (tmp_path / "outputs" / "sweeps").iterdir()
    assert folder.name.startswith("classification-spectral_linear-simulated-")
    assert "2 done" in two.out


def test_a_job_that_fails_does_not_end_the_others_and_is_tried_again(command: Command):
    words = (*QUICK, "-m", "task.optimizer.fused=true", "task.optimizer.foreach=true,false")
    done = command(*words)
    assert done.code == 2
    assert "failed: task.optimizer: `fused` and `foreach` cannot be" in done.err
    assert sorted(states(done.folder)) == ["done", "failed"]
    said = " ".join((done.out + done.err).split())
    assert "1 of 2 jobs are not done: task.optimizer.foreach=True (failed); the same command goes on with them" in said
    again = command(*words)
    assert again.code == 2
    assert "1 done, 1 failed" in again.out


@needs_optuna
def test_a_search_goes_on_to_as_many_trials_as_it_is_told(command: Command, tmp_path: Path):
    space = tmp_path / "space.yaml"
    space.write_text(
        "task/optimizer: {choices: [adamw, sgd]}\n"
        "task.optimizer.lr: {low: 1.0e-4, high: 1.0e-2, log: true}\n"
        "task.optimizer.momentum: {low: 0.5, high: 0.9, when: {task/optimizer: sgd}}\n"
    )
    words = (*QUICK, f"search={space}", "refit=0", "sweep_name=mine", "paths.output=out")
    first = command(*words, "n_trials=2", program="sweep")
    assert first.code == 0, first.err
    folder = tmp_path / "out" / "sweeps" / "mine"
    results = list(folder.glob("*/metrics.json"))
    assert len(results) == 2
    for file in results:
        found = json.loads(file.read_text())
        assert not [name for name in found["metrics"] if name.startswith("test/")]
        assert not (file.parent / "predictions.h5").exists()
    again = command(*words, "n_trials=3", "pruner=median", program="sweep")  # may be another one in each sitting
    assert again.code == 0, again.err
    assert len(list(folder.glob("*/metrics.json"))) == 3
    enough = command(*words, "n_trials=3", program="sweep")
    assert len(list(folder.glob("*/metrics.json"))) == 3
    assert enough.code == 0
    other = command(*words, "n_trials=4", "task.optimizer.lr=0.001", program="sweep")
    assert other.code == 2
    assert "the study 'mine' was begun for another search" in other.err


@needs_optuna
def test_a_search_without_data_ends_before_its_first_trial(command: Command, tmp_path: Path):
    """No trial could mend it; with the data there, the same command begins."""
    words = ("data=mfpt", "search=[optim]", "n_trials=1", "sweep_name=mine", "paths.output=out", "trainer=cpu")
    done = command(*words, program="sweep", env={"PHMBENCH_DATA": str(tmp_path / "nowhere")})
    assert done.code == 3
    assert "mfpt: no folder of data sets" in done.err
    assert not (tmp_path / "out" / "sweeps" / "mine").exists()


@needs_optuna
@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("search=[optim]", "objectives=[test/macro_f1]"), "nothing reported may be chosen"),
        (("search=none_such",), "search: no such space; got none_such"),
        (("search=groups.yaml",), "task/optimizer=sgdd: no such option; did you mean 'sgd'?"),
        (("search=[optim]", "storage=foo://x"), "storage: foo://x: cannot be opened"),
        (("search=[optim]", "hydra.sweeper.study_name=a"), "hydra.sweeper.study_name: no such key"),
        (("search=[optim]", "hydra.launcher.n_jobs=2"), "choose one that has it, as hydra/launcher=joblib, or leave"),
        (("model.widht=interval(1,2)",), "model.widht"),
        (("search=[]",), "search: nothing to search"),
    ],
)
def test_a_search_that_is_wrong_begins_no_trial(words: tuple[str, ...], message: str, command: Command, tmp_path: Path):
    (tmp_path / "groups.yaml").write_text("task/optimizer: {choices: [adamw, sgdd]}\n")
    done = command(*QUICK, *words, "sweep_name=mine", "paths.output=out", program="sweep")
    assert done.code == 2
    assert message in done.err
    assert not (tmp_path / "out" / "sweeps" / "mine").exists()
