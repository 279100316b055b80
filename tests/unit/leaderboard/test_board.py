"""What stands in which column, and what is said of runs without a result; on records as runs leave them."""

from __future__ import annotations

import contextlib
import json
import math
import shutil
from pathlib import Path

import pytest

from phmbench.errors import ConfigError, DataError, PhmbenchError, RecordError
from phmbench.leaderboard import board
from phmbench.leaderboard.board import Board
from phmbench.record import Record
from tests.unit.leaderboard.made import answers, baseline, config, fit, folds, outcome, seeds


def read(folder: Path, metric: str = "macro_f1") -> Board:
    return board.read([folder], metric=metric)


def test_means_spreads_and_intervals_are_over_fits_and_units(tmp_path: Path):
    """Accuracy 0.5 and 1.0 of two seeds, 0.75 ± 0.354; units are alike, so that the interval has no width."""
    seeds(tmp_path / "a", config(), [answers(2), answers(4)])
    (column,) = read(tmp_path, "accuracy").columns
    cell = column.cells["wdcnn"]
    assert (cell.mean, cell.seeds, cell.folds, cell.parameters, cell.partial) == (0.75, 2, 1, 123, False)
    assert cell.std == pytest.approx(0.3536, abs=1e-4)
    assert cell.interval is not None
    assert cell.interval[:3] == (0.75, 0.75, 3)


def test_seeds_of_a_grid_are_one_cell(tmp_path: Path):
    """Three runs of one seed each are what one run of three seeds is."""
    for seed, right in enumerate((1, 2, 3)):
        fit(tmp_path / f"s{seed}", config(seed=seed), answers(right))
    seeds(tmp_path / "three", baseline(), [answers(1), answers(2), answers(3)])
    (column,) = read(tmp_path, "accuracy").columns
    assert {name: (cell.mean, cell.std, cell.seeds) for name, cell in column.cells.items()} == {
        "wdcnn": (0.5, 0.25, 3), "rf_orders": (0.5, 0.25, 3)
    }  # fmt: skip


def test_folds_are_averaged_before_seeds(tmp_path: Path):
    folds(tmp_path / "a", config(), {"one": answers(4), "two": answers(1, first=5)})
    (column,) = read(tmp_path, "accuracy").columns
    cell = column.cells["wdcnn"]
    assert (cell.mean, cell.std, cell.seeds, cell.folds) == (0.625, None, 1, 2)


DIFFERENT = {
    "hash": {"hash": "other"},
    "classes": {"answers": {**answers(3), "normal-0": ["normal"] * 4, "normal-1": ["normal"] * 4}},
    "split": {"trained": "train-1"},
    "test set": {"answers": answers(3, first=1)},
    "selection": {"config": baseline(selection="oracle")},
    "monitor": {"config": baseline(monitor="val/accuracy")},
    "task": {"config": baseline(task___target_="phmbench.tasks.other.Other")},
    "noise": {"config": baseline(data__noise_db=10.0)},
    "weights": {"config": baseline(init="other/best.ckpt")},
}


@pytest.mark.parametrize("what", DIFFERENT)
def test_what_differs_is_never_in_one_column(what: str, tmp_path: Path):
    other = {"config": baseline(), "answers": answers(3), **DIFFERENT[what]}
    fit(tmp_path / "a", config(), answers(3))
    fit(tmp_path / "b", other.pop("config"), other.pop("answers"), **other)
    found = read(tmp_path).columns
    assert [len(column.cells) for column in found] == [1, 1]
    assert len({column.name for column in found}) == 2


def test_another_draw_of_the_split_is_another_protocol(tmp_path: Path):
    """Where a split is drawn with the seed, the mean over other seeds is a mean over other test sets."""
    for seed in (0, 1):
        fit(tmp_path / f"net{seed}", config(seed=seed), answers(3, first=seed))
    fit(tmp_path / "trees0", baseline(seed=0), answers(3, first=0))
    assert [sorted(column.cells) for column in read(tmp_path).columns] == [["rf_orders"], ["wdcnn"]]
    fit(tmp_path / "trees1", baseline(seed=1), answers(3, first=1))
    assert [sorted(column.cells) for column in read(tmp_path).columns] == [["rf_orders", "wdcnn"]]


def test_what_may_differ_is_the_method(tmp_path: Path):
    """Rates, epochs, batches, normalisation, where it ran and lay: one column."""
    fit(tmp_path / "a", config(), answers(3))
    other = config(trainer__max_epochs=5, data__batch_size=8, data__normalise="train", choices__model="other",
                   data__num_workers=4, data__sources__rig__root="elsewhere", paths__output="x")  # fmt: skip
    fit(tmp_path / "b", other, answers(3))
    (column,) = read(tmp_path).columns
    assert sorted(column.cells) == ["other", "wdcnn"]


def test_two_settings_of_one_model_are_two_methods(tmp_path: Path):
    fit(tmp_path / "a", config(), answers(3))
    fit(tmp_path / "b", config(model__width=32), answers(4))
    fit(tmp_path / "c", config(model__width=32, trainer__devices=2), answers(4))  # the same, on two devices
    found = read(tmp_path)
    assert set(found.methods) == {"wdcnn (model.width=16)", "wdcnn (model.width=32)"}
    assert "c: the same fit as in an earlier run; the later one counts" in found.notes


def test_other_settings_in_another_column_are_said(tmp_path: Path):
    fit(tmp_path / "a", config(), answers(3))
    fit(tmp_path / "b", config(model__width=32), answers(4), hash="other")
    found = read(tmp_path)
    assert found.methods == ("wdcnn",)
    assert "wdcnn: not the same settings in all columns; model.width differ" in found.notes


def ended(path: Path, config: dict, error: PhmbenchError | Exception | None) -> None:
    """A run that ended with an error, or was interrupted."""
    with contextlib.suppress(Exception), Record.open(path, config):
        if error is not None:
            raise error


def test_runs_without_a_result_say_why_in_their_column(tmp_path: Path):
    fit(tmp_path / "a", config(), answers(3))
    ended(tmp_path / "b", baseline("ses_rule"), ConfigError(f"ses_rule: no orders of {tmp_path / 'b'}; choose another"))
    ended(tmp_path / "c", baseline("svm_orders"), DataError("windows: too few"))
    ended(tmp_path / "d", baseline("gbm_orders"), RuntimeError("out of memory"))
    ended(tmp_path / "e", baseline("majority"), None)
    job = tmp_path / "f" / "job.json"
    job.parent.mkdir()
    job.write_text(json.dumps({"config": baseline("amplitude"), "trial": None}))
    running = Record.open(tmp_path / "g", baseline("ridge"))
    try:
        (column,) = read(tmp_path).columns
    finally:
        running.interrupt()
    assert {name: (cell.state, cell.said) for name, cell in column.cells.items() if name != "wdcnn"} == {
        "ses_rule": ("refused", "ses_rule: no orders of b; choose another"),
        "svm_orders": ("refused", "windows: too few"),
        "gbm_orders": ("failed", "RuntimeError: out of memory"),
        "majority": ("interrupted", "0 fits are done"),
        "amplitude": ("not run", ""),
        "ridge": ("running", "0 fits are done"),
    }
    assert column.cells["wdcnn"].mean == 0.75


def test_a_run_of_which_folds_failed_has_no_number(tmp_path: Path):
    folds(tmp_path / "a", config(), {"one": answers(4), "two": answers(1, first=5)})
    folds(tmp_path / "b", baseline(), {"one": answers(4), "two": answers(1, first=5)})
    shutil.rmtree(tmp_path / "b" / "target-two")
    (tmp_path / "b" / "metrics.json").unlink()
    (column,) = read(tmp_path).columns
    assert (column.cells["rf_orders"].state, column.cells["rf_orders"].mean) == ("interrupted", None)
    assert column.cells["rf_orders"].said == "1 fit is done"


def test_a_mean_whose_folds_are_gone_is_no_number(tmp_path: Path):
    folds(tmp_path / "a", config(), {"one": answers(4), "two": answers(1, first=5)})
    shutil.rmtree(tmp_path / "a" / "target-two")
    (column,) = read(tmp_path).columns
    cell = column.cells["wdcnn"]
    assert (cell.state, cell.mean) == ("damaged", None)
    assert cell.said == "1 of 2 fits are there; the others were moved or removed"


def test_a_failed_run_beside_a_done_one_is_a_note(tmp_path: Path):
    fit(tmp_path / "a", config(), answers(3))
    ended(tmp_path / "b", config(seed=7), RuntimeError("out of memory"))
    found = read(tmp_path)
    assert found.columns[0].cells["wdcnn"].mean == 0.75
    assert any("RuntimeError: out of memory; another run of it counts" in note for note in found.notes)


def test_a_part_of_the_test_set_is_no_result(tmp_path: Path):
    """It is shown and marked, and neither best nor compared."""
    whole = {"windows": 99, "recordings": 6, "units": 6}
    fit(tmp_path / "a", baseline(), answers(3))
    with Record.open(tmp_path / "b", config()) as record:
        found = outcome(record, config(), answers(4), hash="key", trained="train-0")
        record.finish({**found, "split": {**found["split"], "test": whole}}, pages=False)
    (column,) = read(tmp_path).columns
    assert column.cells["wdcnn"].partial
    assert (list(column.results), column.best, column.comparisons) == (["rf_orders"], None, [])


def test_trials_of_a_search_are_no_results(tmp_path: Path):
    fit(tmp_path / "a", config(), answers(3))
    fit(tmp_path / "search" / "trial-0", config(), answers(4))
    (tmp_path / "search" / "trial-0" / "job.json").write_text(json.dumps({"trial": {"number": 0}}))
    found = read(tmp_path)
    assert (len(found.runs), found.notes[0]) == (1, "1 trials of searches are passed over: they test nothing")


def test_a_run_that_tests_nothing_says_so(tmp_path: Path):
    fit(tmp_path / "a", config(test=False), answers(3), metrics={"val/macro_f1": 0.5}, confusion=None)
    (column,) = read(tmp_path).columns
    assert (column.cells["wdcnn"].state, column.cells["wdcnn"].said) == ("not tested", "test=false")


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("metrics.json", b"{", "b: damaged: metrics.json: damaged"),
        ("config.yaml", b"a: [", "config.yaml: cannot be read"),
        ("split.csv", None, "split.csv: cannot be read"),
        ("split.csv", b"recording,se\n1,2\n", "expected the split of a run; run it again in another folder"),
        ("predictions.h5", b"HDF", "no interval: b/predictions.h5: cannot be read"),
        ("predictions.h5", None, "no interval: b/predictions.h5: cannot be read"),
    ],
)
def test_what_is_damaged_gets_a_line_and_the_board_goes_on(name: str, content: bytes | None, said: str, tmp_path: Path):
    from phmbench.leaderboard import text

    fit(tmp_path / "a", config(), answers(3))
    fit(tmp_path / "b", baseline(), answers(3))
    (tmp_path / "b" / name).unlink()
    if content is not None:
        (tmp_path / "b" / name).write_bytes(content)
    found = read(tmp_path)
    assert [column.cells["wdcnn"].mean for column in found.columns if "wdcnn" in column.cells] == [0.75]
    lines = [line for line in (*found.notes, *text.without(found)) if said.split(": ", 1)[-1] in line]
    assert len(lines) == 1, (found.notes, text.without(found))
    assert str(tmp_path) not in lines[0]


def test_a_result_without_a_configuration_or_a_job_that_is_damaged(tmp_path: Path):
    fit(tmp_path / "a", config(), answers(3))
    for name, file in (("b", "metrics.json"), ("c", "job.json")):
        (tmp_path / name).mkdir()
        (tmp_path / name / file).write_text("{}")
    notes = read(tmp_path).notes
    assert "b: damaged: metrics.json stands alone: config.yaml is missing" in notes
    assert any(note.startswith("c: damaged: job.json: cannot be read") for note in notes)


def test_units_that_are_not_known_give_no_interval(tmp_path: Path):
    fit(tmp_path / "a", config(), answers(3))
    split = tmp_path / "a" / "split.csv"
    split.write_text(split.read_text().replace("rig,inner-0,", "rig,,"))
    found = read(tmp_path)
    assert any("physical units are not known; got 1 recordings without one" in note for note in found.notes)
    interval = found.columns[0].cells["wdcnn"].interval
    assert interval is not None
    assert math.isnan(interval.low)


def test_predictions_that_are_of_another_run_give_no_interval(tmp_path: Path):
    fit(tmp_path / "a", config(), answers(3))
    fit(tmp_path / "elsewhere" / "b", config(model__width=1), answers(2))
    shutil.copy(tmp_path / "elsewhere" / "b" / "predictions.h5", tmp_path / "a")
    found = read(tmp_path / "a")
    assert any("predictions.h5 and metrics.json do not agree; got macro_f1 0.5" in note for note in found.notes)


def test_folders_that_hold_nothing(tmp_path: Path):
    with pytest.raises(RecordError, match="no run found; got 0 trials"):
        read(tmp_path)
    with pytest.raises(RecordError, match="no such folder; expected one with runs"):
        read(tmp_path / "nowhere")


def test_a_folder_that_is_given_twice_is_read_once(tmp_path: Path):
    fit(tmp_path / "a", config(), answers(3))
    found = board.read([tmp_path, tmp_path / "a"], metric="macro_f1")
    assert len(found.runs) == 1


def test_other_splits_inside_a_run_are_columns_of_their_own(tmp_path: Path):
    """As experiment=leakage_gap leaves them."""
    chosen = config(choices__experiment="leakage_gap")
    with Record.open(tmp_path / "a", chosen) as record:
        with record.child("split-load", chosen) as child:
            child.finish(outcome(child, chosen, answers(4), hash="key", trained="train-1"), pages=False)
        record.finish(outcome(record, chosen, answers(3), hash="key", trained="train-0"), pages=False)
    found = read(tmp_path, "accuracy").columns
    assert [(column.name, column.cells["wdcnn"].mean) for column in found] == [
        ("leakage_gap", 0.75), ("leakage_gap · load", 1.0)
    ]  # fmt: skip


def test_an_experiment_names_its_column(tmp_path: Path):
    fit(tmp_path / "a", config(choices__experiment="four_rigs"), answers(3))
    fit(tmp_path / "b", config(), answers(3), hash="other")
    fit(tmp_path / "c", config(task__split__target=["u1"]), answers(3), hash="third")
    assert [column.name for column in read(tmp_path).columns] == ["four_rigs", "rig · units", "rig · units, target u1"]
