"""The nearest class mean, against scikit-learn; and features on the scale of training."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.neighbors import NearestCentroid
from sklearn.preprocessing import StandardScaler

from phmbench.errors import ConfigError
from phmbench.estimators.contract import Rows
from phmbench.estimators.nearest_mean import NearestMean
from phmbench.features.standardised import Standardised


class Numbers:
    """Features that are the batch itself."""

    raw = False

    def learn(self, batches, *, seed):
        return ["looked"]

    def __call__(self, batch):
        return torch.tensor(batch)

    def names(self, channels):
        return ["one", "two", "three"]


def test_it_calls_what_scikit_learn_calls():
    rng = np.random.default_rng(0)
    label = np.repeat(np.arange(3), 5)
    values = (rng.normal(size=(15, 4)) + label[:, None]).astype(np.float32)
    asked = rng.normal(size=(50, 4)).astype(np.float32) + 1
    rows = Rows(values, label, np.zeros(15, np.int64), ("a", "b", "c"))
    fitted = NearestMean(features=Numbers()).fit(rows, setting={}, seed=0)
    scores = fitted.scores(asked)
    assert (scores.argmax(1) == NearestCentroid().fit(values, label).predict(asked)).all()
    assert scores[0, 0] == pytest.approx(-np.square(asked[0] - values[:5].mean(0)).mean(), rel=1e-5)


def test_a_class_without_a_window_is_refused():
    rows = Rows(np.zeros((2, 1), np.float32), np.array([0, 1]), np.zeros(2, np.int64), ("a", "b", "c"))
    with pytest.raises(ConfigError, match="NearestMean needs a window of each class to learn from"):
        NearestMean(features=Numbers()).fit(rows, setting={}, seed=0)


def test_features_are_scaled_by_training_alone():
    rng = np.random.default_rng(0)
    trained = rng.normal(3.0, [1.0, 100.0, 0.0], size=(40, 3))
    asked = rng.normal(size=(5, 3))
    features = Standardised(features=Numbers())
    notes = features.learn(lambda: iter([trained[:30], trained[30:]]), seed=0)
    expected = StandardScaler().fit(trained).transform(asked)
    np.testing.assert_allclose(features(asked).numpy(), expected, rtol=1e-4, atol=1e-5)
    assert notes == ["looked"]
    assert features.names(1) == ["one", "two", "three"]
    assert features(asked)[:, 2].isfinite().all()  # a feature that is constant in training
