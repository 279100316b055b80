"""A classifier of scikit-learn on features of windows: what every network must beat."""

from __future__ import annotations

import inspect
import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, Literal

import numpy as np
from annotated_types import Ge
from numpy.typing import NDArray

from phmbench.data.balance import weights
from phmbench.errors import ConfigError
from phmbench.estimators.contract import Features, Rows

LEAST = 1e-6  # probability below which scores are not told apart: a vote of no tree is not a proof


class OnFeatures:
    """Fits a classifier to features; of several settings validation chooses, as it does for a network.

    Args:
        features: of each window alone.
        classifier: makes a classifier of scikit-learn's interface from keyword arguments.
        grid: settings of the classifier to choose among: all combinations of these values.
        budget: the most combinations.
        standardise: bring each feature to zero mean and unit variance, those of training.
        balance: what has the same weight altogether in the fit: each window ("none"), each class ("classes"), or each
            class and within it each rig that has it ("classes_and_rigs").

    Raises:
        ConfigError: more combinations than the budget has.
    """

    whole = False

    def __init__(
        self,
        *,
        features: Features,
        classifier: Callable[..., Any],
        grid: Mapping[str, Sequence[Any]],
        budget: Annotated[int, Ge(1)],
        standardise: bool,
        balance: Literal["none", "classes", "classes_and_rigs"],
    ) -> None:
        self.features, self.classifier, self.standardise, self.balance = features, classifier, standardise, balance
        self.settings = [dict(zip(grid, values, strict=True)) for values in itertools.product(*grid.values())]
        if len(self.settings) > budget:
            raise ConfigError(
                f"estimator.grid: more combinations than the budget; got {len(self.settings)}; expected at most "
                f"{budget}, as many as each estimator has; try fewer values, or set estimator.budget for all "
                "that are compared"
            )

    def fit(self, rows: Rows, *, setting: Mapping[str, Any], seed: int) -> Fitted:
        """One classifier, fitted to training windows.

        Args:
            rows: training windows.
            setting: one of `settings`.
            seed: of what it draws, if it does.

        Raises:
            ConfigError: scikit-learn refuses the setting.
        """
        values = rows.values
        mean = values.mean(0, dtype=np.float64) if self.standardise else np.zeros(values.shape[1])
        spread = values.std(0, dtype=np.float64) if self.standardise else np.ones(values.shape[1])
        spread = np.where(spread > 0, spread, 1.0)
        weight = weights(rows.label, rows.rig if self.balance == "classes_and_rigs" else np.zeros_like(rows.label))
        try:
            model = self.classifier(**setting)
            if "random_state" in inspect.signature(type(model)).parameters:
                model.set_params(random_state=seed)
            model.fit((values - mean) / spread, rows.label, sample_weight=None if self.balance == "none" else weight)
        except (ValueError, TypeError) as error:
            raise ConfigError(f"estimator: {' '.join(str(error).split())}") from error
        return Fitted(model, mean, spread, len(rows.classes))


class Fitted:
    """A fitted classifier that gives one score a class."""

    def __init__(self, model: Any, mean: NDArray[np.float64], spread: NDArray[np.float64], classes: int) -> None:
        self.model, self.mean, self.spread, self.classes = model, mean, spread, classes

    def scores(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        """Log-probabilities, or the distances from its boundaries where a classifier has no probabilities.

        Shapes: (N, F) to (N, K); a class that training does not have gets the lowest score.
        """
        scaled = (values - self.mean) / self.spread
        if hasattr(self.model, "predict_proba"):
            found = np.log(np.clip(self.model.predict_proba(scaled), LEAST, 1.0))
            lowest = float(np.log(LEAST))
        else:
            found = np.asarray(self.model.decision_function(scaled), np.float64)
            found = np.stack([-found, found], 1) / 2 if found.ndim == 1 else found
            lowest = float(found.min()) - 1.0 if found.size else 0.0
        whole = np.full((len(values), self.classes), lowest, np.float32)
        whole[:, self.model.classes_] = found
        return whole
