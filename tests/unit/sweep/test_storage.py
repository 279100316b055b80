"""The study's file under processes that die and disks that are full; and the signs by which the living are known."""

from __future__ import annotations

import errno
import importlib.util
import resource
import sys
from pathlib import Path
from typing import Any

import pytest

from phmbench.errors import ConfigError, RecordError
from phmbench.sweep import outcomes, space_words, storage, study
from phmbench.sweep.jobs import Job
from phmbench.sweep.outcomes import Outcomes
from phmbench.sweep.parameter import Parameter

pytestmark = pytest.mark.skipif(importlib.util.find_spec("optuna") is None, reason="the extra for searches")

NAME = "val/macro_f1"


def begun(kept: Any, *, name: str = "s", objectives: tuple[str, ...] = (NAME,), **identity: Any) -> Any:
    return study.opened(kept, name=name, objectives=objectives, identity={"objectives": list(objectives), **identity},
                        sampler=None, pruner=None)  # fmt: skip


@pytest.mark.parametrize("left", [b'{"op_code":', b"\0" * 9, b'{"op_code": 6'])
def test_a_part_of_a_line_is_taken_away_before_the_next_is_written(left: bytes, tmp_path: Path):
    kept = storage.journal(tmp_path / "study.journal")
    begun(kept).ask()
    whole = (tmp_path / "study.journal").read_bytes()
    (tmp_path / "study.journal").write_bytes(whole + left)
    begun(kept).ask()  # by the process that is still there
    assert (tmp_path / "study.journal").read_bytes().startswith(whole + b"{")
    assert len(begun(storage.journal(tmp_path / "study.journal")).trials) == 2


def test_a_storage_is_opened_once_by_a_process(tmp_path: Path):
    assert storage.opened(None, tmp_path) is storage.opened(None, tmp_path)
    assert storage.opened(None, tmp_path / "other") is not storage.opened(None, tmp_path)


@pytest.mark.parametrize("url", ["nonsense", "none://somebody:secret@nowhere/x"])
def test_what_is_no_storage(url: str, tmp_path: Path):
    with pytest.raises(ConfigError, match="expected a study's storage") as raised:
        storage.opened(url, tmp_path)
    assert "secret" not in str(raised.value)


def test_a_storage_without_signs_of_life_is_refused(tmp_path: Path):
    """A trial whose machine is gone would be called running for ever, and the search would never end."""
    with pytest.raises(ConfigError, match="Redis keeps no signs of life") as raised:
        storage.opened("redis://:secret@nowhere", tmp_path)
    assert "secret" not in str(raised.value)


@pytest.mark.parametrize(
    ("url", "module", "command"),
    [
        ("postgresql://me:secret@nowhere/x", "psycopg", r"pip install 'phmbench\[postgresql\]'$"),
        ("mysql+mysqldb://me@nowhere/x", "MySQLdb", "the one that SQLAlchemy names for this database"),
    ],
)
def test_a_database_whose_driver_is_not_installed(
    url: str, module: str, command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setitem(sys.modules, module, None)  # as if it were not
    with pytest.raises(ConfigError, match="expected its driver; install it: " + command) as raised:
        storage.opened(url, tmp_path)
    assert "secret" not in str(raised.value)


def test_a_study_that_cannot_be_written_says_what_to_do():
    with pytest.raises(RecordError, match="the study cannot be written; got No space left"), storage.faults_named("s"):
        raise OSError(errno.ENOSPC, "No space left on device")
    with pytest.raises(FileNotFoundError), storage.faults_named("s"):
        raise FileNotFoundError(errno.ENOENT, "no such file")


def test_a_full_disk_ends_the_search_and_leaves_its_trial(tmp_path: Path):
    """Here a limit on the size of files, in the words of a record; an error of the trial's own is told."""
    from phmbench.record import atomic

    found = begun(storage.opened(None, tmp_path))
    outcomes = Outcomes(found, folder=tmp_path, objectives=[NAME], keys=[])
    trial = storage.asked(found)
    job = Job((), {}, tmp_path / "run", {"number": 0, "id": trial._trial_id})
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limit[1]))
    try:
        with pytest.raises(RecordError) as full:
            atomic.write_bytes(tmp_path / "best.ckpt", bytes(100_001))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
    with pytest.raises(RecordError, match=r"trial 0: .*got File too large.*the study is whole: the same command goes"):
        outcomes.tell([job], {job.folder: full.value})
    assert found.trials[0].state.name == "RUNNING"
    outcomes.tell([job], {job.folder: ZeroDivisionError("no space left")})
    assert found.trials[0].state.name == "FAIL"
    assert (outcomes.failures, outcomes.last_failure) == (1, "no space left")
    outcomes.failed(found.trials[0], "told a second time, after another machine has told it")
    assert found.trials[0].user_attrs["error"] == "no space left"


def test_a_trial_that_kills_its_process_is_given_up(tmp_path: Path):
    """The third time in a row; one that comes further each time, was interrupted or has ended, is not."""
    found = begun(storage.opened(None, tmp_path))
    trial = storage.asked(found)
    trial.set_user_attr("folder", "run")

    def dies() -> bool:
        return study.dies_again(found, found.trials[0], tmp_path)

    assert [dies(), dies()] == [False, False]
    (tmp_path / "run" / "checkpoints").mkdir(parents=True)
    (tmp_path / "run" / "checkpoints" / "last.ckpt").touch()
    assert [dies(), dies()] == [False, False]
    trial.set_user_attr("interrupted", True)
    assert [dies(), dies(), dies(), dies()] == [False, False, False, True]
    (tmp_path / "run" / "status.json").write_text('{"state": "interrupted"}')
    (tmp_path / "run" / "pruned.json").touch()
    assert not dies()


def test_a_trial_without_signs_of_life_is_run_again_and_one_with_them_is_not(tmp_path: Path):
    kept: Any = storage.opened(f"sqlite:///{tmp_path / 'study.db'}", tmp_path)
    found = begun(kept)
    dead, alive = storage.asked(found), storage.asked(found)
    dead.suggest_float("x", 0, 1)
    with storage.signs_of_life(found._storage, [dead._trial_id]):
        pass
    from sqlalchemy import text

    with kept.engine.begin() as connection:
        connection.execute(text("update trial_heartbeats set heartbeat = datetime('now', '-1 hour')"))
    with storage.signs_of_life(found._storage, [alive._trial_id]):
        storage.bury(found)
    states = [trial.state.name for trial in found.trials]
    assert states == ["FAIL", "RUNNING", "WAITING"]
    again = storage.asked(found)
    assert again.number == 2
    assert again.suggest_float("x", 0, 1) == dead.params["x"]


def test_another_search_of_the_same_name_is_refused(tmp_path: Path):
    kept, space = storage.opened(None, tmp_path), {"x": Parameter("x", choices=(0, 1)).plain()}
    begun(kept, space=space, fixed={"data.hash": "a"})
    with pytest.raises(ConfigError, match=r"fixed: data.hash got 'b'; expected 'a'"):
        begun(kept, space=space, fixed={"data.hash": "b"})
    with pytest.raises(ConfigError, match=r"data.new got 1; expected no such key, as in the phmbench that began it"):
        begun(kept, space=space, fixed={"data.hash": "a", "data.new": 1})
    other = {"y": Parameter("y", low=1, high=8, when=(("x", (0, 1)),)).plain()}
    for now, message in (
        ({"x": Parameter("x", choices=(0, 2)).plain()}, "space: got x=0,2; expected x=0,1"),
        ({}, "space: got nothing searched of x; expected x=0,1"),
        ({**space, **other}, r"got y=int\(interval\(1,8\)\) where x=0 or 1; expected nothing searched of y"),
    ):
        with pytest.raises(ConfigError, match=message):
            begun(kept, space=now, fixed={"data.hash": "a"})
    with pytest.raises(ConfigError, match="the study 's' was begun for another search"):
        begun(kept, objectives=("val/loss",))
    with pytest.raises(ConfigError, match="expected those it was begun with"):
        begun(kept, objectives=("val/balanced_accuracy",), space=space, fixed={"data.hash": "a"})


@pytest.mark.parametrize(
    "word",
    ["a.b=1,null,'x y',[1,2]", "a.b=choice(8)", "a.b=interval(0.1,3.0)", "a.b=int(interval(1,8))", "a.b=range(8,65,8)",
     "a.b=tag(log,interval(0.0001,0.01))", "a.b=int(tag(log,interval(1,64)))", "task/optimizer=choice(adamw,sgd)"],
)  # fmt: skip
def test_a_range_is_said_as_it_is_typed(word: str):
    (read,), _ = space_words.from_words([word])
    (again,), _ = space_words.from_words([space_words.typed(read.plain())])
    assert again == read


@pytest.mark.parametrize(
    ("objective", "direction"),
    [("val/macro_f1", "maximize"), ("val/loss", "minimize"), ("model/parameters", "minimize"),
     ("model/latency_s", "minimize"), ("val/rmse", "minimize")],
)  # fmt: skip
def test_what_is_to_be_small_is_minimised(objective: str, direction: str):
    assert study.direction(objective) == direction


@pytest.mark.parametrize("value", [None, float("nan"), float("inf")])
def test_a_run_whose_objective_is_undefined_is_worth_nothing(value: float | None):
    result = {"metrics": {NAME: value}, "model": {"parameters": 7}}
    assert study.values_of([NAME, "model/parameters"], result) is None
    assert study.values_of(["model/parameters"], result) == [7.0]


@pytest.mark.parametrize(
    ("keys", "searched"),
    [
        (["data.batch_size", "data.normalise", "data/augment", "task.optimizer.lr"], False),
        (["data"], True),
        (["data.sources.simulated.seed"], True),
        (["task.optimizer.lr", "data.sample_rate"], True),
    ],
)
def test_trials_whose_keys_name_the_recordings_may_differ_in_them(keys: list[str], searched: bool):
    assert study.searches_recordings(keys) is searched


def test_recordings_that_have_changed_end_a_search(tmp_path: Path):
    found = begun(storage.opened(None, tmp_path))
    study.require_same_data(found, "a" * 32)
    study.require_same_data(found, "a" * 32)
    with pytest.raises(ConfigError, match="the recordings have changed since the study 's' was begun"):
        study.require_same_data(found, "b" * 32)


def test_an_objective_that_no_run_has_is_named():
    metrics = {"val/macro_f1": 0.5, "val/f1/inner": None, "test/macro_f1": 0.4}
    assert outcomes._undefined(["val/f1/inner"], metrics) == "val/f1/inner: undefined"
    assert outcomes._undefined(["val/f1/inne"], metrics) == "val/f1/inne: no such metric; did you mean 'val/f1/inner'?"
    assert outcomes._undefined(["val/zzz"], metrics) == "val/zzz: no such metric; there are val/macro_f1, val/f1/inner"
