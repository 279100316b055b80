"""Adaptation through the command: the record says what was seen, again from a checkpoint, with two processes, apart."""

from __future__ import annotations

import pandas as pd
import pytest

from phmbench.leaderboard import identity, runs
from tests.conftest import Command

DATA = (
    "data.sources.simulated.rigs=[motor,pump]", "data.sources.simulated.conditions=2",
    "data.sources.simulated.seconds=0.5", "data.window=1024", "data.hop=1024", "shortcuts=false",
)  # fmt: skip
FIT = ("model=wdcnn", "trainer=cpu", "trainer.max_epochs=2")
ADAPT = ("task=adapt", "task/adaptation=adabn")


def test_a_record_screen_and_page_say_what_was_adapted_to(command: Command):
    """Five classes at one of two conditions, on two rigs: half of the target's units, none of which is tested."""
    done = command(*ADAPT, *DATA, *FIT)
    assert done.code == 0, done.err
    split, result = pd.read_csv(done.folder / "split.csv"), done.result
    adapt, test = (split[split["set"] == name] for name in ("adapt", "test"))
    assert not set(adapt["unit"]) & set(test["unit"])
    of = result["split"]["adapt"]
    assert of == {
        "windows": adapt["windows"].sum(), "recordings": len(adapt), "units": adapt["unit"].nunique(), "used": True,
    }  # fmt: skip
    said = f"{of['windows']} unlabelled windows of the target ({of['recordings']} recordings, {of['units']} units)"
    assert f"adapted to {said}" in (done.folder / "report.html").read_text()
    assert " ".join(done.out.split()).count(f"adapted to {said}") == 2
    metrics = result["metrics"]
    names = {name.partition("/")[2] for name in metrics if name.startswith("test/")}
    assert {name.partition("/")[2] for name in metrics if name.startswith("last/")} == names
    assert 0 <= metrics["last/macro_f1"] <= 1
    assert "test, last epoch" in done.out

    again = ("pipeline=evaluate", f"init={done.folder / 'checkpoints' / 'best.ckpt'}")
    evaluated = command(*ADAPT, *DATA, "model=wdcnn", "trainer=cpu", *again, name="evaluated")
    assert evaluated.code == 0, evaluated.err
    assert evaluated.result["metrics"]["test/macro_f1"] == pytest.approx(metrics["test/macro_f1"])
    assert evaluated.result["split"]["adapt"] == of
    leaking = command("task=dg", *DATA, "model=wdcnn", "trainer=cpu", *again, name="leaking")
    assert leaking.code == 4, leaking.err
    assert "was trained or selected on" in leaking.err


def test_source_only_says_that_nothing_was_adapted_to(command: Command):
    done = command("task=adapt", "task/adaptation=source_only", *DATA, *FIT)
    assert done.result["split"]["adapt"]["used"] is False
    assert "not adapted: set aside are" in " ".join(done.out.split())
    plain = command("task=dg", *DATA, *FIT, name="plain")
    assert "adapt" not in plain.result["split"]
    assert not any(name.startswith("last/") for name in plain.result["metrics"])


def test_no_column_holds_runs_with_and_without_adaptation(command: Command):
    """By the result, and by the question alone; two methods of adaptation are in one column."""
    protocols, questions = [], []
    for number, words in enumerate((ADAPT, ("task=adapt", "task/adaptation=coral"), ("task=dg",))):
        done = command(*words, *DATA, *FIT, name=str(number))
        assert done.code == 0, done.err
        ((run,), _) = runs.read([done.folder])
        protocols.append(identity.protocol(run.config, run.fits))
        questions.append(identity.asked(run.config))
    for one in (protocols, questions):
        assert one[0] == one[1]
        assert one[2] != one[0]


def test_two_processes_train_on_the_same_pairs_and_fit_the_same(command: Command):
    """Batches of half the size in each of two processes: every number of the record is there, and finite."""
    two = command("task=adapt", "task/adaptation=coral", *DATA, *FIT, "trainer=ddp_cpu", "trainer.devices=2")
    assert two.code == 0, two.err
    assert two.result["batch"]["processes"] == 2
    assert two.result["metrics"]["last/loss"] > 0


def test_a_network_without_normalisation_cannot_take_adabn(command: Command):
    done = command(*ADAPT, *DATA, "model=spectral_linear", "trainer=cpu", "trainer.max_epochs=1")
    assert done.code == 2
    assert "AdaBN replaces running statistics" in " ".join(done.err.split())


def test_every_fold_says_what_it_adapted_to(command: Command):
    folds = ("folds=all", "task/split=hold_out_rigs")
    done = command("task=adapt", "task/adaptation=coral", *DATA, *FIT, *folds)
    assert done.code == 0, done.err
    each = [fold["split"]["adapt"] for fold in done.result["folds"]]
    assert done.result["split"]["adapt"]["windows"] == max(one["windows"] for one in each)
    assert done.result["split"]["level"] == "unit"
