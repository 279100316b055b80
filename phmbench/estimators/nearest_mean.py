"""The nearest mean of a class: what a few-shot method must beat."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from phmbench.errors import ConfigError
from phmbench.estimators.contract import Features, Rows


class NearestMean:
    """A window belongs to the class whose mean features are nearest, by Euclidean distance; nothing else is learnt.

    Paper: Mensink et al. (2013), Distance-based image classification: generalizing to new classes at near-zero cost,
        IEEE TPAMI 35(11), 2624-2637, section 3.2, with the identity as metric.

    Args:
        features: of each window alone, on scales that can be compared.

    Raises:
        ConfigError: in the fit, where a class has no window to learn from.
    """

    whole = False

    def __init__(self, *, features: Features) -> None:
        self.features = features
        self.settings: list[dict[str, Any]] = [{}]

    def fit(self, rows: Rows, *, setting: Mapping[str, Any], seed: int) -> Means:
        """The mean of each class.

        Raises:
            ConfigError: one has no window.
        """
        count = np.bincount(rows.label, minlength=len(rows.classes))
        if not count.all():
            raise ConfigError(
                f"estimator: NearestMean needs a window of each class to learn from; got none of "
                f"{rows.classes[int(count.argmin())]}; expected one or more; choose another task/split"
            )
        means = [rows.values[rows.label == label].mean(0, dtype=np.float64) for label in range(len(count))]
        return Means(np.stack(means))


class Means:
    """Means of classes, (K, F)."""

    def __init__(self, means: NDArray[np.float64]) -> None:
        self.means = means

    def scores(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        """Minus the mean squared distance over the features: (N, F) to (N, K)."""
        nearest: NDArray[np.float64] = -np.square(values[:, None] - self.means).mean(2)
        return nearest.astype(np.float32)
