"""Features on the scale of training: each of mean zero and unit variance there."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from phmbench.estimators.contract import Features
    from phmbench.types import Batch

LEAST = 1e-9  # standard deviation below which a feature is taken for constant


class Standardised:
    """Other features, less their mean over training windows, divided by their standard deviation there.

    Shapes: as of the features themselves, (B, F).

    A method that measures distances needs it, and cannot find it out from the few windows of an episode.

    Args:
        features: of each window alone.
    """

    def __init__(self, *, features: Features) -> None:
        self.features, self.raw = features, features.raw
        self.mean: Tensor = torch.zeros(())
        self.std: Tensor = torch.ones(())

    def learn(self, batches: Callable[[], Iterator[Batch]], *, seed: int) -> list[str]:
        """Mean and standard deviation of each feature over training windows; where there are none, none."""
        notes = self.features.learn(batches, seed=seed)
        parts = [self.features(batch).double() for batch in batches()]
        if parts:
            every = torch.cat(parts)  # (N, F); a feature that is not known of all stays NaN, and is left out later
            self.mean, std = every.mean(0), every.std(0, unbiased=False)
            self.std = torch.where(std < LEAST, 1.0, std)
        return notes

    def __call__(self, batch: Batch) -> Tensor:
        """A row for each window: (B, F)."""
        return ((self.features(batch) - self.mean) / self.std).float()

    def names(self, channels: int) -> list[str]:
        """Of its columns, F."""
        return self.features.names(channels)
