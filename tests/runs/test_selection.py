"""Which epoch is tested: by validation, by the test set, and what each would have given."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from phmbench.errors import ConfigError
from tests.conftest import TINY, Command
from tests.contract.composing import composed

WORDS = (*TINY[:-1], "trainer.max_epochs=4", "model=wdcnn", "shortcuts=false", "task.optimizer.lr=0.01")
NAMES = ("macro_f1", "accuracy", "loss")


def curve(folder: Path) -> list[dict[str, float]]:
    with (folder / "csv" / "oracle.csv").open(encoding="utf-8") as lines:
        return [{name: float(value) for name, value in row.items()} for row in csv.DictReader(lines)]


def test_one_training_run_says_what_each_selection_would_have_given(command: Command):
    """Validation's choice is the run's own test; the oracle's is the largest of the curve; the fit is the same."""
    plain = command(*WORDS, name="plain")
    done = command(*WORDS, "other_selections=true", name="others")
    assert done.code == 0, done.err
    metrics, rows = done.result["metrics"], curve(done.folder)
    assert len(rows) == 4
    for name in NAMES:
        assert metrics[f"test/{name}"] == plain.result["metrics"][f"test/{name}"]
        assert metrics[f"source_validation/{name}"] == pytest.approx(metrics[f"test/{name}"], rel=1e-6)
        assert metrics[f"last/{name}"] == pytest.approx(rows[-1][f"test/{name}"])
    best = max(row["test/macro_f1"] for row in rows)
    assert metrics["oracle/macro_f1"] == pytest.approx(best)
    by_validation = max(rows, key=lambda row: row["val/macro_f1"])
    assert metrics["source_validation/epoch"] == by_validation["epoch"] == metrics["epoch"]
    assert done.result["selection"] == "source_validation"
    assert any("the test set was looked at in each epoch" in text for text in done.result["warnings"])
    assert not any("looked at" in text for text in plain.result["warnings"])
    assert not (plain.folder / "csv" / "oracle.csv").exists()


@pytest.mark.parametrize("trainer", ["cpu", pytest.param("ddp_cpu", marks=pytest.mark.slow)])
def test_an_oracle_tests_the_epoch_that_is_best_on_the_test_set(command: Command, trainer: str):
    done = command(*WORDS, f"trainer={trainer}", "selection=oracle")
    assert done.code == 0, done.err
    rows = curve(done.folder)
    assert done.result["selection"] == "oracle"
    assert done.result["metrics"]["test/macro_f1"] == pytest.approx(max(row["test/macro_f1"] for row in rows), abs=1e-6)
    assert "no result for what nobody has seen" in " ".join(done.out.split())
    assert "no result for what nobody has seen" in (done.folder / "report.html").read_text()
    assert "selection: oracle" in (done.folder / "report.html").read_text()


def test_a_run_that_was_cut_off_has_the_curve_of_all_epochs(command: Command):
    whole = command(*WORDS, "other_selections=true", name="whole")
    cut = command(*WORDS, "other_selections=true", "trainer.max_epochs=2", name="cut")
    assert cut.code == 0
    assert curve(whole.folder)[:2] == curve(cut.folder)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("selection=oracle", "pipeline=baseline", "estimator=majority"), "there are no epochs to choose from"),
        (("other_selections=true", "test=false"), "it looks at the test set; got test=false"),
        (("selection=oracle", "task/averaging=swad"), "SWAD tests a mean over many"),
        (("selection=orakel",), "selection: wrong value"),
        (("monitor=test/macro_f1",), "test"),
    ],
)
def test_what_does_not_go_together_is_refused(words: tuple[str, ...], said: str):
    with pytest.raises(ConfigError) as caught:
        composed(*words)
    assert said in str(caught.value)
