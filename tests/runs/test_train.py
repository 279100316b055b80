"""The main road, by the real command on tiny simulated rigs."""

from __future__ import annotations

import csv
import json

import h5py
import numpy as np
import pytest

from tests.conftest import TINY, Command


@pytest.fixture(scope="module")
def schema() -> dict:
    from phmbench.record import schema as module

    return json.loads(module.FILE.read_text(encoding="utf-8"))


def test_a_run_leaves_its_record(command: Command):
    done = command(*TINY, "task/split=recordings")
    assert done.code == 0, done.err
    assert "macro F1" in done.out
    assert "weak" in done.out
    names = {path.name for path in done.folder.iterdir()}
    expected = {"config.yaml", "metrics.json", "split.csv", "predictions.h5", "checkpoints", "csv", "figures",
                "report.html", "environment.txt", "log.txt"}  # fmt: skip
    assert expected <= names
    assert {"best.ckpt", "last.ckpt"} <= {path.name for path in (done.folder / "checkpoints").iterdir()}
    result = done.result
    assert result["status"] == "done"
    assert result["split"]["weak"]
    assert result["split"]["shared"]["samples"] == 0
    assert result["split"]["shared"]["recordings"] == 0
    assert 0 <= result["metrics"]["test/macro_f1"] <= 1
    assert result["model"]["name"] == "WDCNN"


def test_the_record_agrees_with_itself(command: Command):
    """Accuracy and confusion can be computed again from predictions.h5; its windows are those that split.csv counts."""
    done = command(*TINY, "model=spectral_linear", "task/split=recordings")
    with h5py.File(done.folder / "predictions.h5") as file:
        target, scores = file["target"][:], file["scores"][:]
    hit = (scores.argmax(1) == target).mean()
    assert hit == pytest.approx(done.result["metrics"]["test/accuracy"], abs=1e-6)
    counts = np.array(done.result["confusion"]["counts"])
    assert counts.sum() == len(target) == done.result["split"]["test"]["windows"]
    with (done.folder / "split.csv").open() as lines:
        rows = list(csv.DictReader(lines))
    assert sum(int(r["windows"]) for r in rows if r["set"] == "test") == len(target)
    by_recording = {}
    for r in rows:
        by_recording.setdefault(r["recording"], set()).add(r["set"])
    assert all(len(sets) == 1 for sets in by_recording.values())


def test_the_same_command_gives_the_same_metrics_to_the_last_digit(command: Command):
    one = command(*TINY, "task/split=recordings", name="one")
    two = command(*TINY, "task/split=recordings", name="two")
    assert one.result["metrics"] == two.result["metrics"]
    again = command(str(one.folder), "--into", str(one.folder.parent / "again"), program="rerun")
    assert again.code == 0, again.err
    repeated = json.loads((one.folder.parent / "again" / "metrics.json").read_text())
    assert repeated["metrics"] == one.result["metrics"]


def test_another_seed_gives_another_run(command: Command):
    one = command(*TINY, "task/split=recordings", name="one")
    two = command(*TINY, "task/split=recordings", "seed=1", name="two")
    assert one.result["metrics"]["test/loss"] != two.result["metrics"]["test/loss"]


def test_repeats_and_folds_average_what_lies_below_them(command: Command):
    """Two targets, two seeds: four fits, each in its own directory; the mean above is the mean of the four."""
    done = command(*TINY, "task=cddg", "folds=all", "repeats=2", "trainer.max_epochs=1", "model=spectral_linear")
    assert done.code == 0, done.err
    result = done.result
    assert [fold["target"] for fold in result["folds"]] == ["simulated/motor", "simulated/pump"]
    each = []
    for child in sorted(done.folder.glob("target-*/seed-*")):
        one = json.loads((child / "metrics.json").read_text())
        each.append(one["metrics"]["test/macro_f1"])
    assert len(each) == 4
    assert result["metrics"]["test/macro_f1"] == pytest.approx(np.mean(each))
    assert result["split"]["shared"]["rigs"] == 0
    assert result["split"]["level"] == "rig"


def test_a_grid_runs_every_job_from_what_was_composed_at_the_start(command: Command):
    words = ("task/split=recordings", "trainer.max_epochs=1")
    done = command(*TINY, *words, "-m", "model=spectral_linear,wdcnn", "seed=0,1")
    assert done.code == 0, done.err
    results = [json.loads(path.read_text()) for path in done.folder.glob("*/metrics.json")]
    assert sorted((r["model"]["name"], r["seed"]) for r in results) == [
        ("SpectralLinear", 0), ("SpectralLinear", 1), ("WDCNN", 0), ("WDCNN", 1),
    ]  # fmt: skip


def test_a_grid_with_a_wrong_job_runs_none(command: Command):
    done = command(*TINY, "-m", "model=spectral_linear,wdcnn", "model.width=8")
    assert done.code == 2
    assert "model.width: SpectralLinear has no parameter 'width'" in done.err
    assert not list(done.folder.glob("*/metrics.json"))


def test_a_checkpoint_gives_the_same_test_metrics_without_training(command: Command):
    words = (*TINY, "task/split=recordings", "data.normalise=train")
    trained = command(*words, name="trained")
    best = trained.folder / "checkpoints" / "best.ckpt"
    tested = command(*words, "pipeline=evaluate", f"init={best}", "model=spectral_linear", name="tested")
    assert tested.code == 0, tested.err
    same = {k: v for k, v in trained.result["metrics"].items() if k.startswith("test/")}
    assert {k: v for k, v in tested.result["metrics"].items() if k.startswith("test/")} == same
    assert tested.result["model"]["name"] == "WDCNN"


def test_a_checkpoint_is_not_tested_on_what_it_was_trained_on(command: Command):
    trained = command(*TINY, "task/split=recordings", name="trained")
    best = trained.folder / "checkpoints" / "best.ckpt"
    words = ("pipeline=evaluate", f"init={best}", "seed=5", "task/split=recordings")
    tested = command(*TINY, *words, name="tested")
    assert tested.code == 4
    assert "was trained or selected on" in tested.err
    assert (tested.folder / "metrics.json").exists() is False


def test_a_checkpoint_is_tested_on_every_window_of_another_rig(command: Command):
    words = ("task/split=recordings", "data.sources.simulated.rigs=[motor]", "trainer.max_epochs=1")
    trained = command(*TINY, *words, name="trained")
    best = trained.folder / "checkpoints" / "best.ckpt"
    words = ("pipeline=evaluate", "pipeline.windows=all", f"init={best}", "data.sources.simulated.rigs=[pump]")
    tested = command(*TINY, *words, name="tested")
    assert tested.code == 0, tested.err
    split = tested.result["split"]
    assert split["level"] == "rig"
    assert not split["weak"]
    assert split["shared"]["rigs"] == split["shared"]["units"] == split["shared"]["samples"] == 0
    assert split["train"]["windows"] == 0
    counts = sum(map(sum, tested.result["confusion"]["counts"]))
    assert not [text for text in tested.result["warnings"] if "pipeline.windows" in text]
    part = command(*TINY, "task/split=recordings", words[0], *words[2:], name="part")
    assert [
        text for text in part.result["warnings"] if "seen no window of these rigs; set pipeline.windows=all" in text
    ]
    assert counts == split["test"]["windows"] > trained.result["split"]["test"]["windows"]
    words = ("pipeline=evaluate", "pipeline.windows=all", f"init={best}", "data.sources.simulated.seed=1")
    others = command(*TINY, *words, "data.sources.simulated.rigs=[motor]", name="others")
    assert others.code == 0, others.err
    assert others.result["split"]["shared"]["units"] == others.result["split"]["shared"]["samples"] == 0
    other = command(*TINY, *words, "data.sample_rate=6000", name="other")
    assert other.code == 3
    assert "data.sample_rate: the checkpoint was trained with 12000" in other.err


def test_two_processes_test_every_window_once(command: Command):
    """ddp_cpu: as many predictions as test windows, each once, and a checkpoint that tests the same in one process."""
    words = (*TINY, "task/split=recordings", "data.batch_size=7")
    two = command(*words, "trainer=ddp_cpu", name="two")
    assert two.code == 0, two.err
    with h5py.File(two.folder / "predictions.h5") as file:
        pairs = np.stack([file["recording"][:], file["start"][:]], 1)
    assert len(np.unique(pairs, axis=0)) == len(pairs) == two.result["split"]["test"]["windows"]
    best = two.folder / "checkpoints" / "best.ckpt"
    one = command(*words, "pipeline=evaluate", f"init={best}", name="one")
    for name, value in one.result["metrics"].items():
        if name.startswith("test/"):
            assert value == pytest.approx(two.result["metrics"][name], abs=1e-6), name


def test_two_processes_under_a_grid(command: Command):
    words = ("trainer=ddp_cpu", "trainer.max_epochs=1", "task/split=recordings", "-m", "seed=0,1")
    done = command(*TINY, *words)
    assert done.code == 0, done.err
    results = [json.loads(path.read_text()) for path in done.folder.glob("*/metrics.json")]
    assert sorted(r["seed"] for r in results) == [0, 1]
    assert len([path for path in done.folder.iterdir() if path.is_dir()]) == 2


def test_optimizer_and_schedule_are_applied(command: Command):
    """Cosine from 0.01 over two epochs: 0.01, then 0.01 (1 + cos(π/2)) / 2 = 0.005."""
    words = ("task/optimizer=sgd", "task.optimizer.lr=0.01", "task/scheduler=cosine", "task/split=recordings")
    done = command(*TINY, *words)
    with (done.folder / "csv" / "metrics.csv").open() as lines:
        rates = [float(row["lr"]) for row in csv.DictReader(lines) if row.get("lr")]
    assert rates == pytest.approx([0.01, 0.005])


def test_early_stopping_ends_a_run_whose_validation_does_not_improve(command: Command):
    words = ("trainer.max_epochs=30", "trainer.callbacks.early_stopping.patience=1", "task.optimizer.lr=1e-12")
    done = command(*TINY, *words, "task/split=recordings")
    assert done.result["metrics"]["epochs"] <= 3


def test_debug_runs_two_batches(command: Command):
    done = command(*TINY[:-2], "trainer=debug", "data.batch_size=8", "task/split=recordings")
    assert done.code == 0, done.err
    assert sum(map(sum, done.result["confusion"]["counts"])) == 16


def test_a_leaky_split_is_marked_everywhere(command: Command):
    done = command(*TINY, "task/split=window_random", "trainer.max_epochs=1")
    assert done.result["split"]["leaky"]
    assert "leak" in done.out.lower()
    assert "leak" in (done.folder / "report.html").read_text(encoding="utf-8").lower()


def test_windows_that_overlap_stop_a_split_by_windows(command: Command):
    done = command(*TINY, "task/split=window_random", "data.hop=128")
    assert done.code == 4
    assert "data.hop" in done.err
    assert not (done.folder / "metrics.json").exists()


def test_resume_goes_on_where_a_run_was_cut_off(command: Command, tmp_path, cache):
    """Killed in the second seed: the first is not run again, and the end is that of a run that was never cut."""
    words = (*TINY, "task/split=recordings", "repeats=2")
    whole = command(*words, name="whole")
    cut = command(*words, name="cut")
    (cut.folder / "metrics.json").unlink()
    (cut.folder / "seed-1" / "metrics.json").unlink()
    for status in (cut.folder / "status.json", cut.folder / "seed-1" / "status.json"):
        status.write_text(status.read_text().replace('"done"', '"interrupted"'))
    before = (cut.folder / "seed-0" / "metrics.json").stat().st_mtime_ns
    resumed = command(str(cut.folder), program="resume")
    assert resumed.code == 0, resumed.err
    assert (cut.folder / "seed-0" / "metrics.json").stat().st_mtime_ns == before
    assert cut.result["metrics"] == whole.result["metrics"]


def test_a_number_from_a_part_of_the_data_says_so(command: Command):
    done = command(*TINY, "task/split=recordings", "trainer.limit_test_batches=1", "data.batch_size=16")
    assert done.code == 0, done.err
    (warned,) = [text for text in done.result["warnings"] if text.startswith("test: ")]
    windows = done.result["split"]["test"]["windows"]
    assert warned == f"test: 16 of {windows} windows were tested (trainer.limit_test_batches): no result of the split"
    assert f"16 of {windows} windows were tested" in done.out
