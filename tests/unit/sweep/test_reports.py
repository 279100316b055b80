"""What a trial reports, and when it ends."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from phmbench.errors import PrunedError
from phmbench.sweep import jobs

pytestmark = pytest.mark.skipif(importlib.util.find_spec("optuna") is None, reason="the extra for searches")

NAME = "val/macro_f1"
NEVER, ALWAYS = None, {"_target_": "optuna.pruners.ThresholdPruner", "lower": 0.5}


def trial(folder: Path, pruner: Any) -> tuple[Any, dict[str, Any]]:
    """A study of one running trial, and what job.json says of it."""
    from phmbench.sweep import storage, study

    kept = storage.opened(None, folder)
    found = study.opened(kept, name="s", objectives=[NAME], identity={}, sampler=None, pruner=None)
    one = found.ask()
    said = {"storage": None, "sweep": str(folder), "study": "s", "number": one.number, "id": one._trial_id}
    return found, {**said, "objectives": [NAME], "pruner": pruner}


def fit(said: dict[str, Any], folder: Path, record: Path, values: list[float], *, first: int = 0) -> None:
    """The callback's hooks as Lightning calls them; `first`: the epoch that a checkpoint goes on with."""
    from phmbench.sweep.reports import Reports

    trainer: Any = SimpleNamespace(
        max_epochs=4, current_epoch=first, world_size=1, sanity_checking=False, callback_metrics={}
    )
    reports = Reports(said, folder=folder, record=record)
    reports.on_fit_start(trainer, None)
    for value in values:
        trainer.callback_metrics[NAME] = value
        reports.on_validation_end(trainer, None)
        reports.on_train_epoch_end(trainer, None)
        trainer.current_epoch += 1


def done(record: Path, value: float | None, *, epochs: int) -> None:
    """The result of a seed that has ended."""

    from phmbench.record import result

    shared = dict.fromkeys(("samples", "recordings", "units", "conditions", "rigs"), 0)
    whole = {"windows": 9, "recordings": 3, "units": 3}
    record.mkdir(parents=True)
    found = result.build(
        metrics={NAME: value, "epochs": float(epochs)}, seed=0, monitor=NAME, selection="source_validation",
        split={"name": "units", "level": "unit", "train": whole, "val": whole, "test": whole, "shared": shared},
        data={"source": ["cwru"], "rigs": ["cwru"], "classes": ["a", "b"], "hash": "9f"},
        model={"name": "WDCNN", "parameters": 7}, seconds={}, confusion=None, choices={},
    )  # fmt: skip
    (record / "metrics.json").write_text(json.dumps(result.plain(found)))


def reported(study: Any) -> dict[int, float]:
    return dict(study.get_trials(deepcopy=False)[0].intermediate_values)


def test_each_epoch_is_reported_once_also_over_sittings(tmp_path: Path):
    study, said = trial(tmp_path, NEVER)
    folder = tmp_path / "run"
    fit(said, folder, folder, [0.1, 0.2])
    fit(said, folder, folder, [0.7, 0.3], first=1)
    assert reported(study) == {0: 0.1, 1: 0.2, 2: 0.3}


def test_an_epoch_without_validation_reports_nothing(tmp_path: Path):
    from phmbench.sweep.reports import Reports

    study, said = trial(tmp_path, NEVER)
    trainer: Any = SimpleNamespace(max_epochs=4, current_epoch=0, world_size=1, callback_metrics={NAME: 0.5})
    trainer.sanity_checking = True
    reports = Reports(said, folder=tmp_path, record=tmp_path)
    reports.on_fit_start(trainer, None)  # type: ignore[arg-type]
    reports.on_validation_end(trainer, None)  # type: ignore[arg-type]
    reports.on_train_epoch_end(trainer, None)  # type: ignore[arg-type]
    assert reported(study) == {}


def test_over_seeds_the_mean_so_far_is_reported_at_steps_that_all_trials_have(tmp_path: Path):
    study, said = trial(tmp_path, NEVER)
    folder = tmp_path / "run"
    done(folder / "seed-0", 0.4, epochs=2)  # stopped early: steps 2 and 3 are nobody's
    fit(said, folder, folder / "seed-1", [0.6, 0.8])
    assert reported(study) == pytest.approx({4: 0.4, 5: 0.5, 6: 0.6})


def test_a_seed_whose_objective_is_undefined_has_its_steps_all_the_same(tmp_path: Path):
    """Else those of the next seed would come again, and what they are worth would be lost."""
    study, said = trial(tmp_path, NEVER)
    folder = tmp_path / "run"
    done(folder / "seed-0", None, epochs=4)
    done(folder / "seed-1", 0.4, epochs=4)
    fit(said, folder, folder / "seed-2", [0.6])
    assert reported(study) == pytest.approx({9: 0.4, 10: 0.5})


def test_without_a_limit_on_epochs_steps_are_counted_on():
    from phmbench.sweep.reports import Done, first_step

    assert first_step([Done(0.4, 2), Done(0.4, 7)], None) == 11
    assert first_step([Done(0.4, 2), Done(0.4, 7)], -1) == 11
    assert first_step([Done(0.4, 2), Done(0.4, 7)], 10) == 22
    assert first_step([], 10) == 0


def test_a_trial_that_is_behind_ends_and_says_where(tmp_path: Path):
    _, said = trial(tmp_path, ALWAYS)
    folder = tmp_path / "run"
    folder.mkdir()
    with pytest.raises(PrunedError, match=r"pruned after epoch 2: val/macro_f1 0\.3; others were better by then"):
        fit(said, folder, folder, [0.9, 0.3, 0.9])
    assert json.loads((folder / jobs.PRUNED).read_text()) == {"fit": "", "epoch": 2, "step": 1, "value": 0.3}


def test_a_hopeless_trial_does_not_begin_its_second_seed(tmp_path: Path):
    _, said = trial(tmp_path, ALWAYS)
    folder = tmp_path / "run"
    done(folder / "seed-0", 0.2, epochs=4)
    with pytest.raises(PrunedError, match="pruned after seed-1 epoch 0"):
        fit(said, folder, folder / "seed-1", [0.9])


def test_what_another_process_has_ended_is_not_told_any_more(tmp_path: Path):
    study, said = trial(tmp_path, ALWAYS)
    study.tell(said["number"], 0.5)
    fit(said, tmp_path, tmp_path, [0.1])
    assert reported(study) == {}


def test_a_study_that_cannot_be_told_does_not_end_a_fit(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    _, said = trial(tmp_path, ALWAYS)
    fit({**said, "study": "gone"}, tmp_path, tmp_path, [0.1])
    assert "its study cannot be told a value" in caplog.text
