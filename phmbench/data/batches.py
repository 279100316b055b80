"""Which windows make a batch, for one of several processes."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from torch.utils.data import Sampler

from phmbench.errors import DataError


def require_windows(windows: int, ranks: int) -> None:
    """A window for each process: with none it would wait for the others forever, or they for it.

    Raises:
        DataError: there are fewer windows than processes.
    """
    if windows < ranks:
        raise DataError(
            f"trainer: {ranks} processes for a set of {windows} windows; expected one for each at least; choose fewer "
            "devices with trainer.devices=…, or a split with larger sets"
        )


class Batches(Sampler[NDArray[np.int64]]):
    """Positions of whole batches, for one of several ranks.

    With a seed (training): a new order each epoch, which depends on seed and epoch alone, so that a resumed run goes
    on with the same batches; every rank gets the same number of full batches, and the few windows left over wait for
    another epoch's order. Without (validation, test): in order, every window exactly once over all ranks; all ranks
    get the same number of batches, whose sizes differ by at most one, so that no rank waits for another in a
    collective.

    With weights a window comes as often in an epoch as its weight says, rounded up or down at random: systematic
    resampling (Kitagawa 1996, Journal of Computational and Graphical Statistics 5(1), 1–25).

    Args:
        windows: number of windows, N.
        size: windows a batch, B.
        rank: this process.
        ranks: processes.
        seed: of the order; None: in order.
        weights: (N,) of training windows, of mean 1; None: each once.
        step: batches of a rank whose gradients are added before a step: an epoch has whole steps, if it has one at all.

    Attributes:
        done: an epoch, and how many of its batches a run had done when it was cut off: that epoch leaves them out.

    Raises:
        DataError: there are fewer windows than ranks.
    """

    def __init__(
        self,
        windows: int,
        size: int,
        *,
        rank: int,
        ranks: int,
        seed: int | None,
        step: int = 1,
        weights: NDArray[np.float64] | None = None,
    ) -> None:
        require_windows(windows, ranks)
        self.weights = weights
        self.windows, self.size, self.rank, self.ranks, self.seed, self.epoch = windows, size, rank, ranks, seed, 0
        self.step, self.done = step, (-1, 0)

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch

    def first(self) -> int:
        """The number of the first batch of this epoch."""
        epoch, done = self.done
        return done if epoch == self.epoch else 0

    def __len__(self) -> int:
        each = self.windows / (self.size * self.ranks)
        if self.seed is not None:
            whole = math.floor(each / self.step) * self.step
            return whole or max(1, math.floor(each))
        return min(math.ceil(each), self.windows // self.ranks)  # no batch is empty; with a size of 1 some hold 2

    def __iter__(self) -> Iterator[NDArray[np.int64]]:
        if self.seed is None:
            parts = np.array_split(np.arange(self.windows), len(self) * self.ranks)
        else:
            order = self._order(np.random.default_rng((self.seed, self.epoch)))
            size = min(self.size, self.windows // self.ranks)
            parts = [order[i * size : (i + 1) * size] for i in range(len(self) * self.ranks)]
        yield from parts[self.rank :: self.ranks][self.first() :]

    def _order(self, rng: np.random.Generator) -> NDArray[np.int64]:
        order = rng.permutation(self.windows)
        if self.weights is None:
            return order
        marks = np.floor(np.cumsum(self.weights[order]) + rng.random()).astype(np.int64)
        marks[-1] = self.windows  # the sum of the weights, but for rounding
        return rng.permutation(np.repeat(order, np.diff(marks, prepend=0)))
