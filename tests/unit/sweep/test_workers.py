"""Which process runs a trial, on whatever machine, and how the end of one is told that another has taken for dead."""

from __future__ import annotations

import importlib.util
import json
from datetime import datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from phmbench.errors import ConfigError
from phmbench.record import lock, result
from phmbench.sweep import jobs, storage, study, workers
from phmbench.sweep.jobs import Job
from phmbench.sweep.outcomes import Outcomes
from phmbench.sweep.workers import is_dead, is_left_behind, worker

pytestmark = pytest.mark.skipif(importlib.util.find_spec("optuna") is None, reason="the extra for searches")

NAME = "val/macro_f1"


def of(who: str) -> Any:
    return SimpleNamespace(user_attrs={"worker": who, "folder": "run"})


def test_a_name_of_a_process_is_not_given_twice(tmp_path: Path):
    """Else the next one would look as if it ran the trials of the one before, which was killed."""
    (tmp_path / "run").mkdir()
    with worker(tmp_path) as first:
        assert not is_dead(of(first.name), tmp_path)
    with worker(tmp_path) as second, worker(tmp_path) as third:
        assert len({first.name, second.name, third.name}) == 3
        assert [first.stride, second.stride, third.stride] == [0, 1000, 2000]
        assert is_dead(of(first.name), tmp_path)
    nobody: Any = SimpleNamespace(user_attrs={}, datetime_start=datetime.now())
    assert is_dead(nobody, tmp_path)
    assert not is_dead(nobody, tmp_path, shared=True)
    nobody.datetime_start = datetime.now() - timedelta(hours=1)
    assert is_dead(nobody, tmp_path, shared=True)


def test_two_machines_have_neither_a_name_nor_a_seed_in_common(tmp_path: Path):
    """Of one study, with a folder each: what one runs is not dead for the other, in a second sitting either."""
    one, two = tmp_path / "one", tmp_path / "two"
    with worker(two, shared=True):
        pass
    with worker(one, shared=True) as here, worker(two, shared=True) as there:
        assert here.name != there.name
        assert here.stride != there.stride
        assert not is_dead(of(here.name), two, shared=True)


def test_a_copied_folder_does_not_tell_who_of_another_machine_is_dead(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Its signs of life do; and so where a file system does not show the locks of other machines."""
    with worker(tmp_path, shared=True) as one:
        pass
    assert is_dead(of(one.name), tmp_path, shared=True)
    monkeypatch.setattr(workers.socket, "gethostname", lambda: "another")
    assert not is_dead(of(one.name), tmp_path, shared=True)


def test_a_trial_whose_run_outlives_its_search_is_not_dead(tmp_path: Path):
    (tmp_path / "run").mkdir()
    with worker(tmp_path) as first:
        pass
    held = lock.take(tmp_path / "run")
    assert not is_dead(of(first.name), tmp_path)
    assert is_left_behind(of(first.name), tmp_path)  # somebody has to tell what it was worth
    lock.release(held)
    assert is_dead(of(first.name), tmp_path)
    assert not is_left_behind(of(first.name), tmp_path)
    assert not is_left_behind(of("elsewhere-77"), tmp_path)


def test_values_that_two_have_drawn_at_once_are_run_by_the_first(tmp_path: Path):
    """Who came first is said by job.json, until its search is dead or has told; the second waits for it."""
    found = study.opened(
        storage.opened(None, tmp_path), name="s", objectives=[NAME], identity={}, sampler=None, pruner=None
    )
    trials = [storage.asked(found) for _ in range(2)]
    made = [Job((), {}, tmp_path / "run", {"storage": None, "id": one._trial_id}) for one in trials]
    with worker(tmp_path) as first, worker(tmp_path) as second:
        for trial, who in zip(trials, (first, second), strict=True):
            trial.set_user_attr("worker", who.name)
            trial.set_user_attr("folder", "run")
        assert not workers.is_taken(found, made[0])
        jobs.write(made[0], threads=None)
        assert [workers.is_taken(found, job) for job in made] == [False, True]
        found.tell(trials[0], 0.5)
        assert not workers.is_taken(found, made[1])
        jobs.write(made[1], threads=None)
        assert [workers.is_taken(found, job) for job in made] == [True, False]
    assert not workers.is_taken(found, made[0])  # the second is dead


def test_a_run_that_goes_on_is_taken(tmp_path: Path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "status.json").write_text(json.dumps({"state": "running"}))
    held = lock.take(tmp_path / "run")
    found: Any = None
    assert workers.is_taken(found, Job((), {}, tmp_path / "run"))
    lock.release(held)
    assert not workers.is_taken(found, Job((), {}, tmp_path / "run"))


@pytest.fixture
def told(tmp_path: Path) -> tuple[Any, Outcomes]:
    """A study in a database, and what tells it."""
    kept = storage.opened(f"sqlite:///{tmp_path / 'study.db'}", tmp_path)
    found = study.opened(kept, name="s", objectives=[NAME], identity={}, sampler=None, pruner=None)
    return found, Outcomes(found, folder=tmp_path, objectives=[NAME], keys=[])


def run(found: Any, folder: Path, *, value: float = 0.7, data: str = "9f") -> Job:
    """A trial that was asked for, and has run in a folder of its own."""
    one = storage.asked(found)
    shared = dict.fromkeys(("samples", "recordings", "units", "conditions", "rigs"), 0)
    whole = {"windows": 9, "recordings": 3, "units": 3}
    made = result.build(
        metrics={NAME: value, "epochs": 1.0}, seed=0, monitor=NAME, selection="source_validation",
        split={"name": "units", "level": "unit", "train": whole, "val": whole, "test": whole, "shared": shared},
        data={"source": ["cwru"], "rigs": ["cwru"], "classes": ["a", "b"], "hash": data},
        model={"name": "WDCNN", "parameters": 7}, seconds={}, confusion=None, choices={},
    )  # fmt: skip
    place = folder / f"run-{one.number}"
    place.mkdir()
    (place / "metrics.json").write_text(json.dumps(result.plain(made)))
    (place / "status.json").write_text(json.dumps({"state": "done"}))
    return Job((), {}, place, {"number": one.number, "id": one._trial_id})


def test_a_trial_that_another_machine_has_taken_for_dead_does_not_end_the_search(
    told: tuple[Any, Outcomes], tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    """Whether it has failed or is whole: its values are tried again there, and here that is said."""
    from optuna.trial import TrialState

    found, outcomes = told
    whole, failed = run(found, tmp_path), storage.asked(found)
    for number in (0, 1):
        found.tell(number, state=TrialState.FAIL)  # by the other machine
    outcomes.tell([whole], {})
    assert "trial 0: has ended, but had given no sign of life for 120 s" in caplog.text
    outcomes.failed(failed, "ValueError: of its own")
    assert [trial.state.name for trial in found.trials] == ["FAIL", "FAIL"]
    assert "error" not in found.trials[1].user_attrs


def test_a_trial_that_is_taken_while_it_is_given_out_is_left_to_the_other(told: tuple[Any, Outcomes], tmp_path: Path):
    from optuna.trial import TrialState

    from phmbench.sweep.search import SearchSweeper

    found, outcomes = told
    sweeper = SearchSweeper(sampler=None, params=None, n_jobs=None)
    sweeper.folder, sweeper.outcomes = tmp_path, outcomes
    storage.asked(found)
    dead = found.trials[0]
    found.tell(0, state=TrialState.FAIL)
    assert sweeper._again(found, dead) is None
    assert outcomes.failures == 0


def test_changed_recordings_end_a_search_when_all_of_a_batch_are_told(told: tuple[Any, Outcomes], tmp_path: Path):
    found, outcomes = told
    batch = [run(found, tmp_path, value=0.1 * n, data="9f" if n != 1 else "a0") for n in range(3)]
    with pytest.raises(ConfigError, match="the recordings have changed"):
        outcomes.tell(batch, {})
    assert [trial.state.name for trial in found.trials] == ["COMPLETE", "FAIL", "COMPLETE"]
