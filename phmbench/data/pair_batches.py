"""Batches of source windows, each with one of unlabelled windows of the target."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import Dataset

from phmbench.data.batches import Batches, require_windows
from phmbench.types import Batch, Pair

Positions = NDArray[np.int64]


class PairBatches(Batches):
    """Positions of a source batch, and of as many target windows; an epoch is as long as the source.

    The target is gone through in a new order each time it is used up, all ranks sharing one such order. What comes
    depends on seed, epoch and number of the batch alone, so that a resumed run goes on with the same.

    Args:
        target: windows of the target.
        source: as `Batches` takes them, of the source.
    """

    def __init__(self, windows: int, size: int, *, target: int, seed: int, **source: Any) -> None:
        super().__init__(windows, size, seed=seed, **source)
        require_windows(target, self.ranks)
        self.target, self.of_target = target, seed

    def __iter__(self) -> Iterator[Any]:
        for number, positions in enumerate(super().__iter__(), self.first()):
            first = (number * self.ranks + self.rank) * self.size
            yield positions, self._of_target(first, first + len(positions))

    def _of_target(self, first: int, last: int) -> Positions:
        """Positions first to last of an endless row of orders of the target."""
        rounds = range(first // self.target, (last - 1) // self.target + 1)
        orders = [
            np.random.default_rng((self.of_target, self.epoch, 1, each)).permutation(self.target) for each in rounds
        ]
        start = first - rounds[0] * self.target
        return np.concatenate(orders)[start : start + last - first].astype(np.int64)


class PairSet(Dataset[Any]):
    """Pairs of batches, given the positions of their windows.

    Args:
        read: a batch of rows of the window index.
        source: rows of the source's windows.
        target: rows of the target's windows, whose labels nobody gets.
    """

    def __init__(self, read: Callable[[Positions], Batch], source: Positions, target: Positions) -> None:
        self.read, self.source, self.target = read, source, target

    def __len__(self) -> int:
        return len(self.source)

    def __getitem__(self, positions: tuple[Positions, Positions]) -> Pair:
        source, target = positions
        return Pair(self.read(self.source.take(source)), unlabelled(self.read(self.target.take(target))))


def unlabelled(batch: Batch) -> Batch:
    """The same windows, of no class and no source domain."""
    return batch._replace(label=torch.full_like(batch.label, -1), domain=torch.full_like(batch.domain, -1))
