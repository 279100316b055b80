"""Runs that begin with the weights of another run, or go on in another folder."""

from __future__ import annotations

import shutil

import pytest

from tests.conftest import TINY, Command

pytestmark = pytest.mark.slow
WORDS = (*TINY, "task/split=recordings", "model=spectral_linear")


def test_weights_that_have_seen_the_test_set_are_refused(command: Command):
    first = command(*WORDS, name="first")
    best = first.folder / "checkpoints" / "best.ckpt"
    leaking = command(*WORDS, "seed=1", f"init={best}", name="leaking")
    assert leaking.code == 4
    assert "init: the checkpoint was trained or selected on" in leaking.err
    clean = command(*WORDS, f"init={best}", name="clean")
    assert clean.code == 0, clean.err
    assert "init: 2 tensors loaded" in clean.out
    second_hop = clean.folder / "checkpoints" / "best.ckpt"
    laundered = command(*WORDS, "seed=1", f"init={second_hop}", "trainer.max_epochs=1", name="laundered")
    assert laundered.code == 4


def test_what_an_algorithm_learns_for_itself_has_no_part_in_a_test(command: Command):
    """A discriminator is in the checkpoint, and the algorithm named beside it by default has none."""
    trained = command(*WORDS, "task/algorithm=dann", name="trained")
    assert trained.code == 0, trained.err
    best = trained.folder / "checkpoints" / "best.ckpt"
    tested = command(*WORDS, "pipeline=evaluate", f"init={best}", name="tested")
    assert tested.code == 0, tested.err
    for metric in ("test/accuracy", "test/macro_f1", "test/macro_auroc"):
        assert tested.result["metrics"][metric] == trained.result["metrics"][metric]


def test_a_run_that_was_moved_goes_on_as_it_would_have(command: Command):
    words = ("trainer.max_epochs=4", "task.optimizer.lr=0.05")
    whole = command(*WORDS, *words, name="whole")
    cut = command(*WORDS, "trainer.max_epochs=2", "task.optimizer.lr=0.05", name="cut")
    config = cut.folder / "config.yaml"
    config.write_text(config.read_text().replace("max_epochs: 2", "max_epochs: 4"))
    (cut.folder / "metrics.json").unlink()
    status = cut.folder / "status.json"
    status.write_text(status.read_text().replace('"done"', '"interrupted"'))
    moved = cut.folder.with_name("moved")
    shutil.move(cut.folder, moved)
    resumed = command(str(moved), program="resume", name="moved")
    assert resumed.code == 0, resumed.err
    assert resumed.result["metrics"] == whole.result["metrics"]
    curves = (moved / "csv" / "metrics.csv").read_text().splitlines()
    assert len(curves) == len((whole.folder / "csv" / "metrics.csv").read_text().splitlines())


def test_a_run_that_was_cut_off_in_its_test_is_only_tested(command: Command):
    whole = command(*WORDS)
    curves = (whole.folder / "csv" / "metrics.csv").read_text()
    (whole.folder / "metrics.json").unlink()
    status = whole.folder / "status.json"
    status.write_text(status.read_text().replace('"done"', '"interrupted"'))
    resumed = command(str(whole.folder), program="resume")
    assert resumed.code == 0, resumed.err
    assert resumed.result["metrics"] == whole.result["metrics"]
    again = (whole.folder / "csv" / "metrics.csv").read_text()
    assert sorted(again.splitlines()[0].split(",")) == sorted(curves.splitlines()[0].split(","))


def test_two_processes_test_a_checkpoint(command: Command):
    trained = command(*WORDS, name="trained")
    best = trained.folder / "checkpoints" / "best.ckpt"
    tested = command(*WORDS, "pipeline=evaluate", f"init={best}", "trainer=ddp_cpu", name="tested")
    assert tested.code == 0, tested.err
    for name, value in tested.result["metrics"].items():
        assert value == pytest.approx(trained.result["metrics"][name], abs=1e-6), name


def test_accumulation_does_not_scale_the_loss_that_is_shown(command: Command):
    """Nearly untrained, the mean loss is that of a guess among five classes, ln 5 = 1.61, whatever is accumulated."""
    words = ("trainer.max_epochs=1", "task.optimizer.lr=1e-9", "trainer.accumulate_grad_batches=3")
    done = command(*WORDS, *words)
    rows = [line.split(",") for line in (done.folder / "csv" / "metrics.csv").read_text().splitlines()]
    losses = [float(row[rows[0].index("train/loss")]) for row in rows[1:] if row[rows[0].index("train/loss")]]
    assert losses[0] == pytest.approx(1.609, abs=0.05)


def test_half_precision_throughout(command: Command):
    done = command(*WORDS, "trainer.precision=bf16-true", "trainer.max_epochs=1")
    assert done.code == 0, done.err
    assert 0 <= done.result["metrics"]["test/macro_f1"] <= 1
