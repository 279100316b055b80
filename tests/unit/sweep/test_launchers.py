"""Launchers, samplers and sweepers by name, and what a queue would be sent."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hydra._internal.callbacks import Callbacks
from hydra.core.hydra_config import HydraConfig
from hydra.core.singleton import Singleton
from hydra.types import HydraContext

from phmbench import config
from phmbench.command_line import Line
from phmbench.errors import ConfigError
from phmbench.sweep import jobs, launchers, plugins, unsent
from phmbench.sweep.search import SearchSweeper


@pytest.mark.parametrize(
    ("name", "extra"),
    [("joblib", "joblib"), ("submitit_local", "submitit"), ("submitit_slurm", "submitit"), ("ray", "ray")],
)
def test_a_launcher_that_is_not_installed_names_its_extra(name: str, extra: str, monkeypatch: pytest.MonkeyPatch):
    word = f"hydra/launcher={name}"
    monkeypatch.setattr(plugins, "is_installed", lambda module: True)
    assert plugins.absent([word, "seed=0,1"]) == ([word, "seed=0,1"], [])
    monkeypatch.setattr(plugins, "is_installed", lambda module: False)
    good, (said,) = plugins.absent([word, "seed=0,1"])
    assert good == ["seed=0,1"]
    assert said.startswith(f"{word}: got no hydra_plugins.hydra_")
    assert said.endswith(f"install it: pip install 'phmbench[{extra}]'")


def test_a_module_is_found_or_not():
    assert plugins.is_installed("hydra.core")
    assert not plugins.is_installed("hydra.no_such_module")
    assert not plugins.is_installed("no_such_package.no_such_module")


def said(program: str, *words: str) -> str:
    """What the command says of a wrong word, in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "phmbench", program, *words], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 2, done.stderr
    return done.stderr


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("sweep", "hydra/launcher=jobli"), "hydra/launcher=jobli: no such option; did you mean 'joblib'?"),
        (("train", "-m", "hydra/launcher=x"), "there are in_process, joblib, ray, submitit_local, submitit_slurm"),
        (("sweep", "hydra/sweeper/sampler=random_"), "no such option; did you mean 'random'?"),
        (("sweep", "hydra/sweeper/sampler=xyz"), "there are cmaes, gp, grid, motpe, nsgaii, nsgaiii, qmc, random, tpe"),
        (("sweep", "hydra/sweeper/sampler=motpe"), "Optuna has it no more: tpe takes several objectives"),
        (("sweep", "pruner=med"), "pruner=med: no such option; did you mean 'median'?"),
        (("sweep", "hydra/sweeper=optuna"), "hydra/sweeper=optuna: no such option; there are search"),
        (("train", "-m", "hydra/sweeper=search"), "hydra/sweeper=search: no such option; there are grid"),
    ],
)
def test_an_unknown_name_is_told_with_those_there_are(words: tuple[str, ...], message: str):
    pytest.importorskip("optuna")
    assert message in said(*words)


def test_launchers_of_the_users_own_can_be_chosen(tmp_path: Path):
    (tmp_path / "hydra" / "launcher").mkdir(parents=True)
    (tmp_path / "hydra" / "launcher" / "our_cluster.yaml").write_text("defaults: [submitit_slurm]\npartition: long\n")
    known = plugins.groups("train", config.places([str(tmp_path)]))
    assert "our_cluster" in known["hydra/launcher"]
    assert "hydra/sweeper/sampler" not in known  # a grid has none


def test_trials_at_once_are_one_or_more():
    with pytest.raises(ConfigError, match=r"hydra\.sweeper\.n_jobs: got 0; expected trials at once"):
        SearchSweeper(sampler=None, params=None, n_jobs=0)


def test_a_search_of_several_processes_is_refused(monkeypatch: pytest.MonkeyPatch):
    """Each would ask for trials of its own; a grid has its jobs from the first process."""
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "1")
    with pytest.raises(ConfigError, match="sweep: got several processes of torchrun or srun; expected one"):
        SearchSweeper(sampler=None, params=None, n_jobs=None).sweep([])


def test_a_launcher_is_not_given_the_url_of_the_study():
    """submitit pickles what it has, and what Hydra knows, into files that others may read."""
    pytest.importorskip("optuna")
    pytest.importorskip("submitit")
    cloudpickle = pytest.importorskip("cloudpickle")
    words = ["data=simulated", "storage=postgresql://me:pass-word@host/db", "hydra/launcher=submitit_local"]
    line = Line(words, root="sweep")
    with line.hydra() as hydra:
        whole = line.compose(hydra, grid=True)
        HydraConfig.instance().set_config(whole)
        context = HydraContext(config_loader=hydra.config_loader, callbacks=Callbacks(whole))
        assert b"pass-word" in cloudpickle.dumps([context, Singleton.get_state()])
        made = launchers.launcher(whole, context=context, task_function=jobs.run_composed)
        assert b"pass-word" not in cloudpickle.dumps([made, Singleton.get_state()])


def test_a_job_with_the_url_of_its_study_is_its_owners_alone(tmp_path: Path):
    for folder, url in ((tmp_path / "shared", "postgresql://me:word@host/db"), (tmp_path / "own", None)):
        jobs.write(jobs.Job((), {}, folder, {"storage": url}), threads=None)
    modes = [(tmp_path / name / "job.json").stat().st_mode & 0o077 for name in ("shared", "own")]
    assert modes[0] == 0
    assert modes[1] != 0


def test_a_job_by_itself_has_all_cores_again():
    """The refit of a search runs in a process of joblib in which trials had a share of them."""
    cores = len(os.sched_getaffinity(0))
    several = {"_target_": "hydra_plugins.hydra_joblib_launcher.joblib_launcher.JoblibLauncher", "n_jobs": 2}
    one = {"_target_": "phmbench.sweep.in_process.InProcessLauncher"}
    found = [launchers.threads_alone({"hydra": {"launcher": own, "sweeper": {}}}) for own in (several, one)]
    assert found == [cores, None]


@pytest.mark.parametrize(("threads", "ranks", "each"), [(4, 1, "4"), (4, 2, "2"), (1, 2, "1"), (2, -1, "2")])
def test_ranks_share_the_threads_of_their_job(threads: int, ranks: int, each: str, monkeypatch: pytest.MonkeyPatch):
    import torch

    before = torch.get_num_threads()
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    try:
        jobs.share_cores(threads, ranks=ranks)
        assert (os.environ["OMP_NUM_THREADS"], torch.get_num_threads()) == (each, threads)
    finally:
        torch.set_num_threads(before)


def slurm(folder: Path, **given: Any) -> dict[str, Any]:
    from hydra_plugins.hydra_submitit_launcher.config import SlurmQueueConf
    from omegaconf import OmegaConf

    node: Any = OmegaConf.to_container(OmegaConf.structured(SlurmQueueConf()), resolve=False)
    return {**node, "name": "train", "submitit_folder": f"{folder}/.submitit/%j", **given}


def test_the_script_that_slurm_would_be_given(tmp_path: Path):
    pytest.importorskip("submitit")
    text = unsent.script(
        slurm(tmp_path, partition="gpu", mem_gb=4, timeout_min=90, setup=["module load cuda"]), count=3
    )
    for line in ("--array=0-2%3", "--partition=gpu", "--mem=4GB", "--time=90", "--signal=USR2@120", "--job-name=train"):
        assert f"#SBATCH {line}\n" in text
    assert text.index("module load cuda") < text.index("\nsrun ")
    assert "--array" not in unsent.script(slurm(tmp_path), count=1)
    assert not list(tmp_path.iterdir())
