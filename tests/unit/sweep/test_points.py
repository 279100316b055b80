"""Spaces that can be counted: every point once, what failed again, and the end."""

from __future__ import annotations

import importlib.util
from collections import Counter
from typing import Any

import pytest

from phmbench.errors import ConfigError
from phmbench.sweep import points, samplers, space
from phmbench.sweep.parameter import Parameter
from phmbench.sweep.points import Points

pytestmark = pytest.mark.skipif(importlib.util.find_spec("optuna") is None, reason="the extra for searches")

GRID = {"_target_": "optuna.samplers.GridSampler", "seed": None}
OPTIMIZER = Parameter("task/optimizer", choices=("adamw", "sgd"))
MOMENTUM = Parameter("task.optimizer.momentum", low=0.5, high=0.9, step=0.2, when=(("task/optimizer", ("sgd",)),))
WIDTHS = Parameter("model.widths", choices=([8], [16]))
SPACE = [OPTIMIZER, MOMENTUM, WIDTHS]


def study_of(parameters: list[Parameter], *, first: int = 0, before: Any = None) -> Any:
    """A study whose sampler tries every point, and goes on with an earlier one."""
    import optuna

    found = before or optuna.create_study()
    found.sampler = samplers.sampler(GRID, parameters, seed=3, first=first)
    return found


def run(study: Any, parameters: list[Parameter], *, fails: Any = lambda chosen: False) -> None:
    """Ask and tell until nothing is left."""
    from optuna.trial import TrialState

    while study.sampler.points.left(study.trials):
        trial = study.ask()
        chosen = space.suggest(trial, parameters)
        study.tell(trial, **({"state": TrialState.FAIL} if fails(chosen) else {"values": 1.0}))


def test_points_have_the_keys_alone_that_exist_together():
    """adamw has no momentum: 1 · 2 points, and sgd 3 · 2."""
    found = list(points.every(SPACE))
    assert len(found) == 8
    assert [one for one in found if one["task/optimizer"] == "adamw"] == [
        {"task/optimizer": "adamw", "model.widths": "[8]"},
        {"task/optimizer": "adamw", "model.widths": "[16]"},
    ]
    assert sorted({one["task.optimizer.momentum"] for one in found if "task.optimizer.momentum" in one}) == [
        0.5, 0.7, 0.9,
    ]  # fmt: skip


def test_a_grid_tries_each_point_once_and_ends():
    """Also the point of a trial that was killed before it was told which one it has."""
    import optuna

    study = study_of(SPACE)
    study._storage.create_new_trial(study._study_id)
    dead = study.trials[0]
    study.sampler.before_trial(study, dead)
    trial = optuna.trial.Trial(study, dead._trial_id)
    space.suggest(trial, SPACE)
    study.tell(trial, 1.0)
    run(study, SPACE)
    assert len(study.trials) == 8
    assert len({tuple(trial.params.items()) for trial in study.trials}) == 8


def test_a_grid_tries_again_what_failed_when_it_is_typed_again_and_once_each_time():
    def fails(chosen: dict[str, Any]) -> bool:
        return chosen["task/optimizer"] == "sgd" and chosen["model.widths"] == [8]

    study = study_of(SPACE)
    run(study, SPACE, fails=fails)
    assert Counter(trial.state.name for trial in study.trials) == {"COMPLETE": 5, "FAIL": 3}
    again = study_of(SPACE, first=8, before=study)
    assert again.sampler.points.left(study.trials) == 3
    run(again, SPACE, fails=fails)
    assert len(study.trials) == 11
    run(study_of(SPACE, first=11, before=study), SPACE)
    assert Counter(trial.state.name for trial in study.trials) == {"COMPLETE": 8, "FAIL": 6}


def test_a_point_that_kills_its_process_is_not_tried_for_ever():
    from optuna.trial import TrialState

    study = study_of([WIDTHS])
    trial = study.ask()
    trial.set_user_attr("deaths", [3, 0])
    study.tell(trial, state=TrialState.FAIL)
    run(study_of([WIDTHS], first=1, before=study), [WIDTHS])
    assert [trial.state.name for trial in study.trials] == ["FAIL", "COMPLETE"]


def test_values_that_wait_to_be_run_again_are_left():
    """Of a machine that has died: its trial has failed in this sitting, and a copy waits."""
    from optuna.trial import TrialState, create_trial

    study = study_of([WIDTHS])
    run(study, [WIDTHS], fails=lambda chosen: True)
    one = study.trials[0]
    study.add_trial(
        create_trial(
            state=TrialState.WAITING, params=one.params, distributions=one.distributions, system_attrs=one.system_attrs
        )
    )
    run(study, [WIDTHS])
    assert [trial.state.name for trial in study.trials] == ["FAIL", "FAIL", "COMPLETE"]


def test_another_sampler_ends_as_well_where_nothing_is_left():
    """Steps are counted as Optuna computes them (0.1 + 2 · 0.1 is not 0.3), and what failed is not drawn for."""
    import optuna
    from optuna.trial import TrialState

    steps = [OPTIMIZER, Parameter("data.augment.mask", low=0.1, high=0.3, step=0.1)]
    few = Points.few(steps, most=6)
    assert few is not None
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    while few.left(study.trials):
        trial = study.ask()
        first = space.suggest(trial, steps)["task/optimizer"] == "sgd"
        study.tell(trial, **({"state": TrialState.FAIL} if first else {"values": 1.0}))
    assert len({tuple(trial.params.items()) for trial in study.trials}) == 6
    assert Points.few(steps, most=5) is None
    assert Points.few([Parameter("task.optimizer.lr", low=0.1, high=0.2)], most=5) is None


def test_steps_do_not_pass_the_end_of_a_range():
    """0.1 + 2 · 0.1 is 0.30000000000000004; and rounded to 12 places 0.1234567890126 would be more than itself."""
    assert Parameter("k", low=0.1, high=0.3, step=0.1).values() == [0.1, 0.2, 0.3]
    high = 0.1234567890126
    assert Parameter("k", low=0.0, high=high, step=high).values() == [0.0, high]
    assert Parameter("k", low=1, high=9, step=3).values() == [1, 4, 7]


@pytest.mark.parametrize("choices", [(1, True), (0.0, False), (2, 2.0), ([1, 2], "[1, 2]")])
def test_choices_that_a_study_cannot_tell_apart_are_refused(choices: tuple[Any, ...]):
    with pytest.raises(ConfigError, match=r"search: k: choices that a study cannot tell apart; got \["):
        Parameter("k", choices=choices).labels()


def test_they_are_refused_before_the_first_trial(tmp_path: Any):
    file = tmp_path / "mine.yaml"
    file.write_text("model.widths: {choices: [[1, 2], '[1, 2]']}\n")
    with pytest.raises(ConfigError, match="cannot tell apart"):
        space.read([str(file)], [], [])
