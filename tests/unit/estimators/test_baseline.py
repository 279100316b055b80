"""Estimators in the place of a network: the same split, record and metrics; what is not known is left out and said."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.ensemble import RandomForestClassifier
from sklearn.svm import SVC

from phmbench import build, instead, run
from phmbench.check import check
from phmbench.config import Config
from phmbench.data.balance import weights
from phmbench.errors import ConfigError
from phmbench.estimators.contract import Rows
from phmbench.estimators.on_features import OnFeatures
from phmbench.features.tables import Amplitudes, FaultHeights, FaultLines, FreeComb, LogSpectrum, Nothing
from phmbench.pipelines import baseline
from phmbench.types import Batch, Context
from tests.contract.composing import QUICK, composed, options
from tests.contract.test_options import EXTRAS


def windows(count: int = 6, *, length: int = 2048, channels: int = 2) -> Batch:
    draw = torch.Generator().manual_seed(0)
    context = Context(
        rate_hz=torch.full((count,), 12_000.0),
        speed_hz=torch.full((count,), 25.0),
        orders=torch.tensor([[3.6, 5.4, 2.36, 0.4]]).expand(count, 4),
        rig=torch.zeros(count, dtype=torch.int64),
    )
    signal = torch.randn(count, channels, length, generator=draw) * 3 + 1
    label = torch.arange(count) % 3
    return Batch(signal, label, torch.zeros(count, dtype=torch.int64), torch.arange(count), context)


ENVELOPE = {"whiten": True, "band": [500.0, 10_000.0]}
LINES = {"harmonics": 5, "tolerance": 0.02, **ENVELOPE}


@pytest.mark.parametrize(
    "features",
    [
        Nothing(),
        Amplitudes(),
        LogSpectrum(bins=16),
        FaultLines(**LINES),
        FaultLines(**{**LINES, "whiten": False, "band": None}),
        FaultHeights(**LINES),
        FreeComb(harmonics=2, **ENVELOPE),
    ],
    ids=lambda features: type(features).__name__,
)
def test_a_table_has_a_name_for_each_column_and_a_row_for_each_window(features):
    batch = windows()
    table = features(batch)
    names = features.names(1 if isinstance(features, Nothing) else 2)
    assert table.shape == (6, len(names))
    assert len(set(names)) == len(names)
    assert table.isfinite().all()
    alone = features(Batch(*(part[2:3] for part in batch[:4]), Context(*(part[2:3] for part in batch.context))))
    torch.testing.assert_close(alone[0], table[2], rtol=1e-4, atol=1e-4)


def test_lines_of_a_bearing_without_geometry_are_not_known():
    batch = windows()
    context = batch.context._replace(orders=batch.context.orders * torch.nan)
    features = FaultLines(**LINES)
    names, table = features.names(2), features(batch._replace(context=context))
    unknown = {name for name, column in zip(names, table.T, strict=True) if column.isnan().all()}
    assert unknown == {name for name in names if name.startswith(("bpf", "2bsf", "ftf"))}
    assert table[:, [name not in unknown for name in names]].isfinite().all()


def estimator(classifier=RandomForestClassifier, grid=None) -> OnFeatures:
    return OnFeatures(
        features=Nothing(), classifier=classifier, grid=grid or {}, budget=4, standardise=True, balance="classes"
    )


def rows(values, label, classes: int = 3) -> Rows:
    label = np.asarray(label, np.int64)
    return Rows(np.asarray(values, np.float32), label, np.zeros_like(label), tuple("abcde"[:classes]))


def test_settings_are_all_combinations_within_the_budget():
    assert estimator(grid={"a": [1, 2], "b": [3]}).settings == [{"a": 1, "b": 3}, {"a": 2, "b": 3}]
    assert estimator().settings == [{}]
    with pytest.raises(ConfigError, match="more combinations than the budget; got 6; expected at most 4, as many as"):
        estimator(grid={"a": [1, 2, 3], "b": [1, 2]})


@pytest.mark.parametrize("classifier", [RandomForestClassifier, SVC])
def test_scores_of_a_class_that_training_lacks_are_the_lowest(classifier):
    draw = np.random.default_rng(0)
    label = np.arange(60) % 3 * 2  # 0, 2 and 4 of five
    values = (label[:, None] + 0.1 * draw.normal(size=(60, 2))).astype(np.float32)
    scores = estimator(classifier).fit(rows(values, label, 5), setting={}, seed=0).scores(values)
    assert scores.shape == (60, 5)
    assert (scores.argmax(1) == label).all()
    assert (scores[:, [1, 3]] <= scores[:, [0, 2, 4]].min(1, keepdims=True)).all()


def test_two_classes_by_distance_have_a_score_each():
    values = np.array([[-2.0], [-1.0], [1.0], [2.0]], np.float32)
    scores = estimator(SVC).fit(rows(values, [0, 0, 1, 1], 2), setting={}, seed=0).scores(values)
    assert (scores.argmax(1) == [0, 0, 1, 1]).all()
    np.testing.assert_allclose(scores[:, 0], -scores[:, 1])


def test_a_setting_that_scikit_learn_refuses():
    with pytest.raises(ConfigError, match=r"estimator: .*min_samples_leaf"):
        estimator().fit(rows(np.ones((4, 1)), [0, 1, 0, 1]), setting={"min_samples_leaf": 0}, seed=0)


def test_weights_of_classes_and_of_rigs_within_them():
    """Six windows: class 0 has three on rig 0 and one on rig 1, class 1 two on rig 1.

    Of classes: each half of 6, so 3/4 in class 0 and 3/2 in class 1. Of rigs too: in class 0 each rig has 3/2, so that
    the three windows weigh 1/2 and the one 3/2.
    """
    label, rig = np.array([0, 0, 0, 0, 1, 1]), np.array([0, 0, 0, 1, 1, 1])
    np.testing.assert_allclose(weights(label, np.zeros(6, int)), [0.75] * 4 + [1.5] * 2)
    np.testing.assert_allclose(weights(label, rig), [0.5] * 3 + [1.5] + [1.5] * 2)


WORDS = (*QUICK, "pipeline=baseline", "data.window=1024", "data.hop=1024", "data.sources.simulated.seconds=1")


@pytest.fixture
def job(tmp_path: Path) -> Config:
    return composed(*WORDS, "estimator=majority", f"paths.cache={tmp_path / 'cache'}")


def test_the_majority_is_the_class_that_training_has_most(job: Config, tmp_path: Path):
    result = run.execute(job, tmp_path / "run", pages=False)
    assert result["metrics"]["test/balanced_accuracy"] == pytest.approx(1 / 5)
    assert result["metrics"]["test/macro_auroc"] == 0.5
    assert (result["model"], result["batch"]) == ({"name": "OnFeatures", "parameters": None}, None)
    assert sum(map(sum, result["confusion"]["counts"])) == result["split"]["test"]["windows"]
    assert "validation chose the only one of 1 settings" in result["split"]["notes"]
    assert (tmp_path / "run" / "predictions.h5").exists()


FEW = {
    "amplitude": ("estimator.classifier.n_estimators=10",),
    "comb": ("estimator.classifier.n_estimators=10",),
    "gbm_orders": ("estimator.classifier.max_iter=3",),
    "rf_orders": ("estimator.classifier.n_estimators=10",),
}
"""By option: few trees, for a test."""


@pytest.mark.parametrize(
    "name", [option.name for option in options("estimator") if f"estimator={option.name}" not in EXTRAS]
)
def test_each_estimator_leaves_the_same_record(name: str, tmp_path: Path):
    """Two rigs, all classes: more than nothing is found by each but `majority` and `amplitude`."""
    words = (*WORDS, f"estimator={name}", *FEW.get(name, ()), f"paths.cache={tmp_path / 'cache'}")
    job = composed(*words, "data.sources.simulated.snr_db=30")
    if "grid" in job["estimator"]:
        job = {**job, "estimator": {**job["estimator"], "grid": {}}}  # the classifier as it is
    result = run.execute(job, tmp_path / "run", pages=False)
    assert {"config.yaml", "metrics.json", "split.csv", "predictions.h5"} <= {
        path.name for path in (tmp_path / "run").iterdir()
    }
    assert {f"{part}/{metric}" for part in ("val", "test") for metric in ("macro_f1", "macro_auroc", "loss")} <= set(
        result["metrics"]
    )
    assert any(note.startswith("validation chose ") for note in result["split"]["notes"])
    if name not in ("majority", "amplitude"):
        assert result["metrics"]["test/macro_auroc"] > 0.6


def test_the_test_set_is_looked_at_by_nothing_but_the_last_score(job: Config, tmp_path: Path):
    """Labels and signals of test windows may be anything: fit, settings and validation are the same to the bit."""
    fit = composed(*WORDS, "estimator=rf_orders", "test=false", f"paths.cache={tmp_path / 'cache'}")
    fit = {**fit, "estimator": {**fit["estimator"], "grid": {"min_samples_leaf": [1, 8]}}}
    fit["estimator"]["classifier"] = {**fit["estimator"]["classifier"], "n_estimators": 20}
    without = run.execute(fit, tmp_path / "without", pages=False)["metrics"]
    whole = run.execute({**fit, "test": True}, tmp_path / "with", pages=False)["metrics"]
    assert not [name for name in without if name.startswith("test/")]
    assert {name: value for name, value in whole.items() if name.startswith("val/")} == without
    assert whole["test/macro_f1"] > 0.5


def test_features_that_are_not_known_everywhere_are_left_out_and_noted(job: Config):
    data = build.data(job)
    data.assign()
    tables = {"train": np.ones((3, 3), np.float32), "test": np.array([[1, np.nan, 1]], np.float32)}
    sets = {"train": data.assignment.train[:3], "test": data.assignment.test[:1]}

    class Three(Nothing):
        def names(self, channels: int) -> list[str]:
            return ["a", "b", "c"]

    one = estimator()
    one.features = Three()
    baseline._leave_out_unknown(data, sets, tables, one)
    assert [table.shape[1] for table in tables.values()] == [2, 2]
    assert data.notes[-1] == "1 of 3 features are not known of all windows and left out: b"
    tables["test"][:] = np.nan
    with pytest.raises(
        ConfigError, match="no feature is known of all windows; got rigs without speed or geometry; expe"
    ):
        baseline._leave_out_unknown(data, sets, tables, one)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("pipeline=baseline",), "estimator: pipeline=baseline fits an estimator; got none; choose estimator="),
        (("estimator=majority",), "pipeline: does not fit an estimator; got estimator=…; choose pipeline=baseline"),
        (
            ("estimator=majority", "pipeline=baseline", "model=wdcnn", "task.optimizer.lr=0.1"),
            "estimator: has no network beside it; got model=wdcnn, task.optimizer.lr=0.1; expected an estimator or a",
        ),
    ],
)
def test_choices_that_do_not_go_together(words: tuple[str, ...], said: str):
    with pytest.raises(ConfigError) as caught:
        composed(*words)
    assert said in str(caught.value)


def test_a_network_may_be_absent_beside_an_estimator_alone():
    config = composed("pipeline=baseline", "estimator=majority")
    assert config["model"] is None
    assert not check(config)
    found = check({**composed(), "model": None})
    assert "model: wrong value; got null; expected a node (_target_: …); choose model=…" in map(str, found)


def test_the_sentence_of_a_run_has_no_network_beside_an_estimator():
    chosen = {"model": "wdcnn", "task/optimizer": "adamw", "task/split": "units", "trainer": "cpu", "data": "cwru"}
    assert instead.choices(chosen) == chosen
    assert instead.choices({**chosen, "estimator": "ses"}) == {
        "task/split": "units",
        "data": "cwru",
        "estimator": "ses",
    }
