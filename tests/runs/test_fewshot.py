"""Few-shot through the command: records, episodes that are the same for two methods, baselines, ranks, and leaks."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from phmbench.check import check
from phmbench.errors import ConfigError
from phmbench.heads import Linear
from phmbench.methods.knn import KNN
from phmbench.network import Network
from phmbench.record import predictions
from phmbench.tasks.fewshot import FewShot
from tests.conftest import Command
from tests.contract.composing import composed

DATA = (
    "data.sources.simulated.rigs=[motor,pump]", "data.sources.simulated.conditions=2",
    "data.sources.simulated.seconds=0.5", "data.window=1024", "data.hop=1024", "shortcuts=false",
)  # fmt: skip
FEW = (
    "task=fewshot", "task.k_shot=2", "task.n_query=3", "task.episodes.train=5", "task.episodes.val=5",
    "task.episodes.test=12",
)  # fmt: skip
FIT = ("model=wdcnn", "trainer=cpu", "trainer.max_epochs=2")
BASELINE = ("pipeline=baseline", "estimator=nearest_mean")


def test_a_record_says_which_windows_taught_and_what_was_answered(command: Command):
    """Every number again from predictions.h5 and episodes.csv."""
    done = command(*FEW, *DATA, *FIT)
    assert done.code == 0, done.err
    listed = pd.read_csv(done.folder / "episodes.csv")
    assert listed.groupby(["episode", "part"]).size().unstack().drop_duplicates().to_dict("records") == [
        {"query": 15, "support": 10}
    ]
    split = pd.read_csv(done.folder / "split.csv")
    unit = dict(zip(split["recording"], split["unit"], strict=True))
    assert set(listed["recording"]) <= set(split["recording"][split["set"] == "test"])
    for _, one in listed.groupby("episode"):
        sides = [set(one["recording"][one["part"] == part].map(unit)) for part in ("support", "query")]
        assert not sides[0] & sides[1]
    found = predictions.read(done.folder)
    asked = listed[listed["part"] == "query"]
    assert [found.names[i] for i in found.recording] == asked["recording"].tolist()
    assert [found.classes[i] for i in found.target] == asked["label"].tolist()
    right = found.scores.argmax(1) == found.target
    metrics, result = done.result["metrics"], done.result
    assert metrics["test/accuracy"] == pytest.approx(right.mean())
    interval = result["intervals"]["test/accuracy"]
    assert interval["mean"] == pytest.approx(right.mean(), abs=1e-6)
    assert interval["units"][0] < right.mean() < interval["units"][1]
    each = right.reshape(12, 15).mean(1)
    assert interval["error"] == pytest.approx(each.std(ddof=1) / np.sqrt(12), rel=1e-6)
    assert result["episodes"] == {
        "number": 12, "n_way": 5, "k_shot": 2, "n_query": 3, "labelled_seconds": pytest.approx(2 * 1024 / 12000),
        "base_shot": None, "disjoint": "unit", "level": "unit", "learn_from": "episodes",
    }  # fmt: skip
    assert result["split"]["level"] == "unit"
    assert result["batch"]["size"] == 25
    for text in (" ".join(done.out.split()), (done.folder / "report.html").read_text()):
        assert "12 of 5 classes, 2 labelled windows (0.171 s of each), 3 asked of each class" in text
        assert "over physical units" in text
        assert "over episodes, which share units" in text


def test_two_methods_and_two_processes_answer_the_same_episodes(command: Command):
    first = command(*FEW, *DATA, *FIT, name="first")
    file = first.folder / "episodes.csv"
    listed = ("task/method=knn", "seed=3", "task.split.seed=0", f"task.episodes.file={file}")
    other = command(*FEW, *DATA, *FIT, *listed, name="other")
    assert other.code == 0, other.err
    assert (other.folder / "episodes.csv").read_text() == file.read_text()
    tested = ("pipeline=evaluate", f"init={first.folder / 'checkpoints' / 'best.ckpt'}")
    again = command(*FEW, *DATA, "model=wdcnn", "trainer=cpu", *tested, name="again")
    assert again.code == 0, again.err
    assert again.result["metrics"]["test/accuracy"] == first.result["metrics"]["test/accuracy"]
    two = command(*FEW, *DATA, "model=wdcnn", "trainer=ddp_cpu", *tested, name="two")
    assert two.code == 0, two.err
    assert two.result["metrics"]["test/accuracy"] == first.result["metrics"]["test/accuracy"]
    assert two.result["intervals"] == first.result["intervals"]


def test_seeds_are_drawn_with_units(command: Command):
    done = command(*FEW, *DATA, *BASELINE, "repeats=2")
    assert done.code == 0, done.err
    assert done.result["episodes"]["learn_from"] == "estimator"
    inside = [pd.read_json(done.folder / f"seed-{seed}" / "metrics.json", typ="series") for seed in (0, 1)]
    means = [one["intervals"]["test/accuracy"]["mean"] for one in inside]
    whole = done.result["intervals"]["test/accuracy"]
    assert whole["mean"] == pytest.approx(np.mean(means))
    assert whole["units"][0] < np.mean(means) < whole["units"][1]


def test_novel_classes_join_base_classes(command: Command):
    done = command(*FEW[1:], "task=gfs", *DATA, *FIT, "data.sources.simulated.bearings=4", "task.episodes.base_shot=4")
    assert done.code == 0, done.err
    metrics = done.result["metrics"]
    base, novel = metrics["test/base_accuracy"], metrics["test/novel_accuracy"]
    assert metrics["test/accuracy"] == pytest.approx((4 * base + novel) / 5)
    assert metrics["test/harmonic_mean"] == pytest.approx(2 * base * novel / (base + novel) if base + novel else 0)
    assert set(done.result["intervals"]) == {
        "test/accuracy", "test/base_accuracy", "test/novel_accuracy", "test/harmonic_mean",
    }  # fmt: skip
    assert done.result["split"]["train"]["classes"].keys() == {"cage", "inner", "normal", "outer"}
    listed = pd.read_csv(done.folder / "episodes.csv")
    assert set(listed["label"][listed["novel"]]) == {"rolling_element"}
    more = ("data.sources.simulated.bearings=4", "task.episodes.base_shot=4")
    estimated = command(*FEW[1:], "task=gfs", *DATA, *BASELINE, *more, name="estimated")
    assert estimated.code == 0, estimated.err
    assert 0 < estimated.result["metrics"]["test/harmonic_mean"] <= 1


@pytest.mark.slow
def test_what_few_shot_gains_from_leaking(command: Command):
    """Support and query are no further apart than training and test are."""
    more = ("folds=null", "task.split.test=0.5", "data=simulated", "data.sources.simulated.bearings=4")
    words = ("experiment=leakage_gap", "repeats=1", *more)
    done = command(*words, *FEW, *DATA, *BASELINE)
    assert done.code == 0, done.err
    rows = {row["name"]: row for row in done.result["other_splits"] if row["refused"] is None}
    levels = {name: (row["split"]["level"], row["split"]["leaky"]) for name, row in rows.items()}
    assert levels == {
        "load": ("recording", False), "recordings": ("recording", False),
        "window_random": ("sample", True),
    }  # fmt: skip
    (refused,) = (row["refused"] for row in done.result["other_splits"] if row["refused"] is not None)
    assert "too few windows for an episode" in refused  # half a second, cut in two with a gap, and of that the end
    assert done.result["split"]["level"] == "unit"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("task=fewshot", "task.learn_from=windows", "task/method=maml"), "MAML cannot be trained so; got windows"),
        (("task=fewshot", "fit_memory=true"), "an episode is a batch"),
        (("task/split=hold_out_classes",), "has test classes that training lacks"),
        (("task=fewshot", "task.k_shto=2"), "did you mean 'k_shot'?"),
        (("task.k_shot=2",), "Classification has no parameter 'k_shot'"),
        (("task=fewshot", "task.episodes=null"), "task.episodes: wrong value; got null"),
        (("task=fewshot", "task.n_query=0"), "task.episodes.n_query: wrong value"),
    ],
)
def test_what_has_no_meaning_is_refused(words: tuple[str, ...], said: str):
    with pytest.raises(ConfigError) as caught:
        composed(*words)
    assert said in str(caught.value)


def test_a_choice_that_does_nothing_is_warned_of():
    found = [str(one) for one in check(composed("task=fewshot", "data.balance=classes")) if one.severity == "warning"]
    assert [one for one in found if "data.balance: does nothing: an episode has as many windows" in one]
    assert not check(composed("task=fewshot", "data.balance=classes", "task.learn_from=windows"))


def test_a_task_refuses_what_its_method_cannot_learn_from():
    parts = {"network": Network(Linear(features=4, classes=2)), "optimizer": None, "scheduler": None}
    with pytest.raises(ConfigError, match="KNN cannot be trained so; got episodes; expected windows"):
        FewShot(**parts, method=KNN(), class_names=("a", "b"), learn_from="episodes")
