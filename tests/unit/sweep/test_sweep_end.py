"""What the trials of a study become: an order, a Pareto front, figures, a table and doubts."""

import csv
import math
from dataclasses import replace
from pathlib import Path

import pytest

from phmbench.sweep import doubts, end, figures, parallel, trials
from phmbench.sweep import study as studies
from phmbench.sweep.parameter import Parameter
from phmbench.sweep.space import suggest

optuna = pytest.importorskip("optuna")

SPACE = [
    Parameter("task/optimizer", choices=("adamw", "sgd")),
    Parameter("task.optimizer.lr", low=1e-4, high=1e-2, log=True),
    Parameter("task.optimizer.momentum", low=0.5, high=0.9, when=(("task/optimizer", ("sgd",)),)),
    Parameter("model.widths", choices=([8, 16], [32, 64])),
]


def searched(folder: Path, ends: list, *, objectives=("val/macro_f1",)):
    """A study whose trials end as told: a value or several, `pruned`, `failed`."""
    state = optuna.trial.TrialState
    study = optuna.create_study(
        directions=[studies.direction(one) for one in objectives], sampler=optuna.samplers.RandomSampler(seed=0)
    )
    space = {one.key: one.plain() for one in SPACE}
    study.set_user_attr(studies.IDENTITY, {"objectives": list(objectives), "space": space})
    for one in ends:
        trial = study.ask()
        suggest(trial, SPACE)
        if one == "failed":
            trial.set_user_attr("error", "OutOfMemoryError: too\n large")
            study.tell(trial, state=state.FAIL)
            continue
        if len(objectives) == 1:
            for epoch in range(3):
                trial.report(0.1 * epoch, epoch)
        study.tell(trial, **({"state": state.PRUNED} if one == "pruned" else {"values": one}))
    return study, trials.read(study, folder)


def test_the_best_first_then_pruned_then_failed(tmp_path):
    _, found = searched(tmp_path, [0.5, "failed", 0.9, "pruned", 0.7])
    assert [row.number for row in found.ranked()] == [2, 4, 0, 3, 1]
    assert found.best is found.rows[2]
    assert found.counts() == {"complete": 3, "running": 0, "failed": 1, "pruned": 1, "interrupted": 0}
    assert found.rows[1].error == "OutOfMemoryError: too large"
    assert [row.epochs for row in found.rows] == [3, None, 3, 3, 3]


def test_two_objectives_have_a_front(tmp_path):
    """(F1, parameters): 0.9 at 100 and 0.8 at 50 are not beaten; 0.8 at 60 and 0.7 at 50 are, each by the second."""
    _, found = searched(
        tmp_path, [(0.9, 100), (0.8, 60), (0.8, 50), (0.7, 50)], objectives=("val/macro_f1", "model/parameters")
    )
    assert [row.number for row in found.front] == [0, 2]
    assert found.best is found.rows[0]
    assert [row.number for row in found.ranked()] == [0, 2, 1, 3]
    head, rows = end.columns(found)
    assert head[:4] == ["trial", "state", "val/macro_f1", "model/parameters"]
    assert [row[1] for row in rows] == ["Pareto-optimal", "Pareto-optimal", "complete", "complete"]


def test_names_are_as_short_as_they_can_be_told_apart():
    keys = ["task.optimizer.lr", "task/optimizer", "data.a.seed", "data.b.seed"]
    assert list(trials.short(keys).values()) == ["lr", "optimizer", "a.seed", "b.seed"]


CASES = {
    "one": [0.5],
    "two": [0.5, 0.6],
    "failed": ["failed"] * 3,
    "pruned": ["pruned"] * 3,
    "constant": [0.5] * 10,
    "many": [0.5 + 0.3 * math.sin(i) for i in range(12)] + ["pruned", "failed"],
}


@pytest.mark.parametrize("name", CASES)
def test_figures_of_any_number_of_trials(name, tmp_path):
    study, found = searched(tmp_path, CASES[name])
    names = {file.stem for file in figures.draw(found, study)}
    expected = {"history"} | ({"intermediate"} if name != "failed" else set())
    assert expected <= names
    assert ("slices" in names) == (name in ("two", "constant", "many"))
    assert ("importance" in names) == (name == "many")
    with (tmp_path / "figures" / "history.csv").open() as file:
        assert [row["state"] for row in csv.DictReader(file)] == [row.state for row in found.rows]


@pytest.mark.parametrize(
    ("low", "high", "whole", "ticks"),
    [
        (2e-4, 4.9e-4, False, [2e-4, 3e-4, 4e-4]),
        (1.1e-4, 9e-3, False, [3e-4, 1e-3, 3e-3]),
        (1e-6, 0.1, False, [1e-6, 1e-4, 1e-2]),
        (4, 18, True, [5, 10]),
        (3.1e-4, 3.2e-4, False, [3.1e-4, 3.2e-4]),
        (8, 8, True, [8]),
    ],
)
def test_few_ticks_along_a_logarithm(low, high, whole, ticks):
    assert figures.log_ticks(low, high, whole=whole) == ticks


def test_a_key_that_some_trials_have_is_not_judged(tmp_path):
    """Momentum exists with sgd alone: its share would be one among the trials that have it."""
    study, found = searched(tmp_path, CASES["many"])
    assert set(figures.importance(found, study)) == {"task/optimizer", "task.optimizer.lr", "model.widths"}
    figures.draw(found, study)
    assert "momentum" not in (tmp_path / "figures" / "importance.csv").read_text()


def test_many_keys_are_drawn_below_each_other():
    """13 keys: three rows of five at most, as wide as one of five."""
    assert parallel.panels([str(i) for i in range(13)]) == [list("01234"), list("56789"), ["10", "11", "12"]]
    assert parallel.panels(["a"]) == [["a"]]


def test_whole_values_are_said_whole():
    assert [trials.said(one) for one in (51621.0, 51621, 0.00012345, 2.0, None)] == [
        "51621", "51621", "0.0001234", "2", "–"]  # fmt: skip


def test_steps_of_several_seeds_are_not_all_epochs(tmp_path):
    """Of two seeds of at most three epochs: the first stopped after two, and the step before the second is a mean."""
    study = optuna.create_study(direction="maximize")
    fixed = {"repeats": 2, "folds": None, "trainer.max_epochs": 3}
    study.set_user_attr(studies.IDENTITY, {"objectives": ["val/macro_f1"], "space": {}, "fixed": fixed})
    trial = study.ask()
    for step in (0, 1, 3, 4, 5, 6):
        trial.report(0.1 * step, step)
    study.tell(trial, 0.5)
    found = trials.read(study, tmp_path)
    assert found.several
    assert found.rows[0].epochs == 5
    figures.draw(found, study)
    assert (tmp_path / "figures" / "intermediate.csv").read_text().startswith("trial,step,value\n")
    assert "one fit after the other" in (tmp_path / "figures" / "intermediate.svg").read_text()


def test_a_front_is_drawn_with_its_trials_marked(tmp_path):
    study, found = searched(
        tmp_path, [(0.9, 100), (0.8, 60), (0.8, 50)], objectives=("val/macro_f1", "model/parameters")
    )
    figures.draw(found, study)
    with (tmp_path / "figures" / "front.csv").open() as file:
        assert [row["optimal"] for row in csv.DictReader(file)] == ["True", "False", "True"]


def test_the_table_on_the_screen_keeps_to_its_width(tmp_path, capsys):
    _, found = searched(tmp_path, [0.001 * i for i in range(30)])
    end.write_table(found)
    end.show(found)
    printed = capsys.readouterr().out.splitlines()
    table = [line for line in printed if not line.startswith("table")]
    assert max(map(len, table)) <= 100
    assert sum(" complete " in line for line in table) == 20
    assert "10 more trials" in printed[-1]
    with (tmp_path / "trials.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [float(row["val/macro_f1"]) for row in rows] == [0.001 * i for i in range(30)]


def result(std: float | None, value: float = 0.8) -> dict:
    repeats = [{"seed": seed} for seed in (1001, 1002)]
    return {"metrics": {"val/macro_f1": value}, "std": {"val/macro_f1": std}, "std_seeds": {}, "repeats": repeats}


def test_a_best_trial_within_the_noise_is_said(tmp_path):
    """0.90 leads 0.89 by 0.01 and 0.60 by 0.30: a deviation of 0.02 over seeds is more than the first lead."""
    _, found = searched(tmp_path, [0.9, 0.89, *[0.6] * 9])
    said = doubts.of(found, result(0.02), looks=1)
    assert [text for text in said if "within the noise: 1 of 10 other trials (1)" in text]
    assert not doubts.of(found, result(0.001), looks=1)
    assert "how much of its value is chance is not known" in doubts.of(found, None, looks=0)[0]


def test_few_trials_many_failures_and_several_looks_are_said(tmp_path):
    _, found = searched(tmp_path, [0.9, 0.5, "failed", "failed"])
    said = doubts.of(found, result(0.001), looks=2)
    assert ["few trials" in said[0], "many failures: 2 of 4" in said[1], "looked at 2 times" in said[2]] == [True] * 3
    assert "is 0.800 ± 0.020 with seeds" in doubts.flattery(found, result(0.02))


def test_values_that_were_drawn_twice_count_once(tmp_path):
    """Trials 0 to 2 are one run, the best: nobody else is near it, and one point of the front is one trial."""
    study, found = searched(tmp_path, [0.9, 0.9, 0.9, *[0.1 * (i % 5) for i in range(9)]])
    names = ["run-0"] * 3 + [f"run-{number}" for number in range(3, 12)]
    rows = [replace(row, folder=name) for row, name in zip(found.rows, names, strict=True)]
    found = replace(found, rows=tuple(rows))
    assert [row.number for row in found.different] == [0, *range(3, 12)]
    assert found.counts()["complete"] == 12
    assert [row.number for row in found.front] == [0]
    said = doubts.of(found, result(0.02), looks=1)
    assert said == [
        "12 finished trials (0, 1, 2, 3, 4, …) without a run directory here: deleted, or on another machine; their "
        "values count as the study has them"
    ]
    for name in names[:-1]:
        (tmp_path / name).mkdir(exist_ok=True)
    assert "1 finished trial (11) without" in doubts.of(found, result(0.02), looks=1)[0]
    assert figures._of(found.different, study).get_trials()[1].value == study.trials[3].value
