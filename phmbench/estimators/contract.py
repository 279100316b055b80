"""What a pipeline asks of an estimator, and what an estimator gets."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from torch import Tensor

    from phmbench.types import Batch


class Rows(NamedTuple):
    """Windows of one set, as an estimator gets them."""

    values: NDArray[np.float32]  # (N, F) features, finite
    label: NDArray[np.int64]  # (N,) class index
    rig: NDArray[np.int64]  # (N,) index of the rig
    classes: tuple[str, ...]  # K names, in label order


class Features(Protocol):
    """What is computed of each window alone, once what must be known before is known of training."""

    raw: bool  # of the signal as it was stored, not as it is normalised

    def learn(self, batches: Callable[[], Iterator[Batch]], *, seed: int) -> list[str]:
        """Look at training windows, as often as `batches` is called; notes of what was found there."""

    def __call__(self, batch: Batch) -> Tensor:
        """A row for each window: (B, F); NaN where something is not known of it."""

    def names(self, channels: int) -> list[str]:
        """Of its columns, F."""


class Fitted(Protocol):
    """A fitted estimator."""

    def scores(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        """One score a class: (N, F) to (N, K)."""


class Estimator(Protocol):
    """Of several settings validation chooses, as it does for a network."""

    features: Features
    settings: Sequence[Mapping[str, Any]]
    whole: bool  # windows of which a feature is not known are refused; else that feature is left out of all

    def fit(self, rows: Rows, *, setting: Mapping[str, Any], seed: int) -> Fitted:
        """Fit to training windows with one of `settings`."""
