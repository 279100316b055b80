"""Combinations, content hashes, folders, and what a job's end is read from."""

from __future__ import annotations

import json
import os
import re
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from hydra._internal.callbacks import Callbacks
from hydra.core.hydra_config import HydraConfig
from hydra.core.utils import JobReturn, JobStatus
from hydra.types import HydraContext
from omegaconf import OmegaConf

from phmbench.command_line import Line, checked, choices
from phmbench.errors import ConfigError, DataError, RecordError
from phmbench.resolvers import digest
from phmbench.sweep import grid, identity, jobs, launchers, unsent
from phmbench.sweep.composing import Composer
from phmbench.sweep.jobs import Job

PLUGINS = "hydra_plugins"


def test_every_combination_once_and_the_last_word_varies_fastest():
    assert grid.combinations(["model=a,b", "++x=1", "++seed=range(2)"]) == [
        ("model=a", "++x=1", "++seed=0"),
        ("model=a", "++x=1", "++seed=1"),
        ("model=b", "++x=1", "++seed=0"),
        ("model=b", "++x=1", "++seed=1"),
    ]


def test_a_range_without_steps_is_no_grid():
    with pytest.raises(ConfigError, match=r"^task\.optimizer\.lr: a grid needs values; .*`phmbench sweep`"):
        grid.combinations(["++task.optimizer.lr=interval(0.1,1)"])


@pytest.mark.parametrize("word", ["++seed=range(0)", "seed=range(5,1)"])
def test_a_grid_without_jobs_is_refused(word: str):
    with pytest.raises(ConfigError, match=r"^seed=range\(.*\): an empty grid; got no value; expected one or more"):
        grid.combinations(["model=a,b", word])


def test_the_digest_does_not_depend_on_the_order_of_words():
    assert digest(["a=1", "b=2"]) == digest(["b=2", "a=1"]) != digest(["a=1", "b=3"])


def test_the_content_leaves_out_where_a_run_lies_and_how_it_was_chosen():
    one = {"seed": 0, "paths": {"output": "a"}, "choices": {"model": "wdcnn"}}
    assert identity.content(one) == identity.content({"choices": {}, "paths": {}, "seed": 0})
    assert identity.content(one) != identity.content({**one, "seed": 1})


def test_the_content_does_not_depend_on_where_a_machine_has_its_data():
    def on(root: str, own: str) -> dict[str, Any]:
        sources = {"cwru": {"root": root, "name": "cwru"}, "mine": {"root": own, "files": [f"{root}/a", f"{root}b"]}}
        return {"paths": {"data": root}, "data": {"sources": sources, "window": 8}}

    assert identity.content(on("/a", "/x")) != identity.content(on("/a", "/y"))  # a folder of one's own is what is read
    found = identity.anywhere(on("/a", "/x"))["data"]
    assert found["sources"]["cwru"] == {"root": "${paths.data}", "name": "cwru"}
    assert found["sources"]["mine"] == {"root": "/x", "files": ["/a/a", "/ab"]}
    one, two = ({"paths": {"data": root}, "data": {"sources": {"c": {"root": root}}}} for root in ("/a", "/b/c"))
    assert identity.content(one) == identity.content(two)


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path):
    (tmp_path / "file").write_text("")
    with pytest.raises(RecordError, match=r"the folder of the sweep cannot be made; got .*; expected a writable place"):
        jobs.made(tmp_path / "file" / "sweep")


def test_the_words_that_differ():
    made = [Job((*words, "data=cwru"), {}, Path()) for words in (("++seed=0", "model=a"), ("++seed=1", "model=a"))]
    assert grid.differing(made) == ["seed=0", "seed=1"]


def test_what_a_killed_grid_had_half_written_is_removed(tmp_path: Path):
    (tmp_path / ".manifest.json.4711.part").write_text("{")
    grid.write_manifest(tmp_path, [])
    assert sorted(file.name for file in tmp_path.iterdir()) == [".lock", "manifest.json"]


# -- composition -----------------------------------------------------------------------------------------------------


@pytest.fixture
def composer():
    line = Line(["data=simulated"])
    with line.hydra() as hydra:
        composed = line.compose(hydra, grid=True)
        HydraConfig.instance().set_config(composed)
        context = HydraContext(config_loader=hydra.config_loader, callbacks=Callbacks(composed))
        yield Composer(context=context, config=composed, check=lambda job: checked(line, job, choices(job)))


def test_values_that_are_refused_together_are_a_trial_that_failed(composer: Composer, tmp_path: Path):
    """Each is good beside the first ones of the others, so that no check of the space sees it."""
    optuna = pytest.importorskip("optuna")
    from phmbench.sweep.outcomes import Outcomes
    from phmbench.sweep.search import SearchSweeper
    from phmbench.sweep.space import Parameter, Space
    from phmbench.sweep.workers import Worker

    epochs = [Parameter("trainer.max_epochs", choices=(2, 1)), Parameter("trainer.min_epochs", choices=(1, 2))]
    sweeper = SearchSweeper(sampler=None, params=None, n_jobs=None)
    sweeper.composer, sweeper.space, sweeper.folder = composer, Space(epochs, [], []), tmp_path
    sweeper.worker = Worker("here-0", 0)
    sweeper.settings = cast(Any, SimpleNamespace(storage=None, objectives=["val/macro_f1"], pruner=None))
    composer.first_of(sweeper.space)
    study = optuna.create_study()
    sweeper.outcomes = Outcomes(study, folder=tmp_path, objectives=["val/macro_f1"], keys=[])
    study.enqueue_trial({"trainer.max_epochs": 1, "trainer.min_epochs": 2})
    study.enqueue_trial({"trainer.max_epochs": 2, "trainer.min_epochs": 2})
    assert sweeper._job(study, study.ask()) is None
    assert study.trials[0].state.name == "FAIL"
    assert "min_epochs" in study.trials[0].user_attrs["error"]
    assert sweeper._job(study, study.ask()) is not None


def test_a_job_composed_in_a_copy_is_the_one_that_the_command_gives(composer: Composer):
    """With values of keys that no YAML lists, values of options that are chosen, and values set to nothing."""
    from tests.contract.composing import composed

    many = (
        ("model=wdcnn", "++model.kernel=32", "++task.optimizer.lr=3e-4"),
        ("model=wdcnn", "++model.kernel=16"),
        ("task/optimizer=sgd", "++task.optimizer.momentum=0.5", "++trainer.callbacks.early_stopping=null"),
        ("model=wdcnn", "++data.where='speed_rpm >= 900'"),
    )
    for words in many:
        expected = composed("data=simulated", *(word.removeprefix("++") for word in words))
        assert identity.content(composer.job(words)) == identity.content(expected), words


def test_a_job_leaves_nothing_behind_in_the_next(composer: Composer):
    plain = composer.job(["model=wdcnn"])
    composer.job(["model=wdcnn", "++model.kernel=16", "++seed=7"])
    assert composer.job(["model=wdcnn"]) == plain


def test_a_wrong_job(composer: Composer):
    with pytest.raises(ConfigError, match=r"model\.widht"):
        composer.job(["model=wdcnn", "++model.widht=1"])
    with pytest.raises(ConfigError, match="model=none_such: no such option; there are "):
        composer.job(["model=none_such"])


# -- jobs ------------------------------------------------------------------------------------------------------------


def test_a_job_is_read_as_it_was_written(tmp_path: Path):
    job = Job(("++seed=1",), {"seed": 1, "choices": {"task": "dg", "model": "wdcnn", "data": "cwru"}}, tmp_path / "a")
    jobs.write(job, threads=2)
    said = jobs.read(job.folder)
    assert (said["config"], said["threads"], said["trial"]) == (job.config, 2, None)
    assert identity.named(job.config, tmp_path) == tmp_path / f"dg-wdcnn-cwru-{identity.content(job.config)[:8]}"
    assert jobs.standing(job.folder) == "new"


@pytest.mark.parametrize("content", [None, b"{", b"[1]"])
def test_a_job_that_is_damaged(content: bytes | None, tmp_path: Path):
    if content is not None:
        (tmp_path / jobs.FILE).write_bytes(content)
    with pytest.raises(RecordError, match=r"cannot be read; got .*expected the job of a sweep; type the"):
        jobs.read(tmp_path)


class Launcher:
    """What a launcher of Hydra's gives back: one job done, one failed, or an error of its own."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error, self.words = error, []

    def launch(self, words: list[list[str]], initial_job_idx: int) -> list[JobReturn]:
        self.words = words
        if self.error is not None:
            raise self.error
        bad = JobReturn(status=JobStatus.FAILED)
        bad._return_value = DataError("no rig")
        return [JobReturn(status=JobStatus.COMPLETED), bad]


def two(folder: Path) -> list[Job]:
    return [Job((), {}, folder / name) for name in ("a", "b")]


def test_the_errors_of_the_jobs_that_failed(tmp_path: Path):
    launcher = Launcher()
    errors = jobs.launch(two(tmp_path), launcher)
    assert launcher.words == [["hydra.sweep.subdir=a"], ["hydra.sweep.subdir=b"]]
    assert {folder.name: str(error) for folder, error in errors.items()} == {"b": "no rig"}
    assert jobs.launch([], launcher) == {}


def test_a_launcher_that_cannot_start_and_one_that_breaks_down(tmp_path: Path):
    with pytest.raises(ConfigError, match=r"hydra\.launcher: OSError: no cluster; expected the jobs to start"):
        jobs.launch(two(tmp_path), Launcher(OSError("no cluster")))
    errors = jobs.launch(two(tmp_path), Breaking(tmp_path / "a", "interrupted", OSError("the queue is gone")))
    assert {folder.name for folder in errors} == {"a", "b"}
    said = r"job a: OSError: the queue is gone; got no result; expected its process to run to its end"
    assert re.match(said, str(errors[tmp_path / "a"]))
    with pytest.raises(ConfigError, match="expected the jobs to start"):  # what an earlier sitting has left is no start
        jobs.launch(two(tmp_path), Launcher(OSError("no cluster")))


class Breaking(Launcher):
    """A launcher whose process dies in the first job, each time that this one is handed over."""

    def __init__(self, folder: Path, state: str, error: Exception) -> None:
        super().__init__(error)
        self.folder, self.state, self.calls = folder, state, []

    def launch(self, words: list[list[str]], initial_job_idx: int) -> list[JobReturn]:
        self.calls.append([one[-1].rpartition("=")[2] for one in words])
        if self.folder.name in self.calls[-1]:
            self.folder.mkdir(exist_ok=True)
            (self.folder / "status.json").write_text(json.dumps({"state": self.state}))
            raise self.error
        return [JobReturn(status=JobStatus.COMPLETED) for _ in words]


def test_where_a_process_of_joblib_dies_the_job_to_blame_fails_alone(tmp_path: Path):
    launcher = Breaking(tmp_path / "a", "interrupted", BrokenProcessPool("a worker was killed"))
    errors = jobs.launch(two(tmp_path), launcher)
    assert launcher.calls == [["a", "b"], ["a"], ["b"]]
    assert [folder.name for folder in errors] == ["a"]
    assert "job a: BrokenProcessPool: a worker was killed; got no result" in str(errors[tmp_path / "a"])


@pytest.mark.parametrize(
    ("launcher", "beside"),
    [
        ({"_target_": "phmbench.sweep.in_process.InProcessLauncher"}, 1),
        ({"_target_": f"{PLUGINS}.hydra_joblib_launcher.joblib_launcher.JoblibLauncher", "n_jobs": 3}, 3),
        ({"_target_": f"{PLUGINS}.hydra_submitit_launcher.submitit_launcher.SlurmLauncher"}, 1),
    ],
)
def test_cores_are_shared_by_jobs_that_run_beside_each_other(launcher: dict[str, object], beside: int):
    config = {"hydra": {"launcher": launcher, "sweeper": {}}}
    assert launchers.at_once(config) == beside
    assert (launchers.threads(config) is None) is (beside == 1)
    assert launchers.parts([1, 2, 3], config) == [[1, 2, 3]]


def test_no_job_at_once_is_refused_also_by_a_dry_run(tmp_path: Path):
    config = OmegaConf.create({"hydra": {"launcher": {"_target_": "x.JoblibLauncher", "n_jobs": 0}, "sweeper": {}}})
    with pytest.raises(ConfigError, match=r"hydra\.launcher\.n_jobs: no job would ever run; got 0; expected how many"):
        unsent.show(config, tmp_path, count=2)


def test_jobs_of_a_queue_do_not_share_this_machine():
    target = f"{PLUGINS}.hydra_submitit_launcher.submitit_launcher"
    slurm = {"hydra": {"launcher": {"_target_": f"{target}.SlurmLauncher"}, "sweeper": {"n_jobs": 8}}}
    assert (launchers.at_once(slurm), launchers.threads(slurm)) == (8, None)
    local = {"hydra": {"launcher": {"_target_": f"{target}.LocalLauncher"}, "sweeper": {"n_jobs": 2}}}
    assert launchers.parts([1, 2, 3], local) == [[1, 2], [3]]  # it starts all that it is given
    assert launchers.threads(local) == max(1, len(os.sched_getaffinity(0)) // 2)
