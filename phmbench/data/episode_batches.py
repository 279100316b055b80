"""Episodes for a loader: which ones a process gets, and their windows read at once."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import Dataset

from phmbench.data.batches import Batches
from phmbench.data.episode_sets import EpisodeSets
from phmbench.data.episodes import Drawn, SetName
from phmbench.types import Batch, Context, Episode

Read = Callable[[NDArray[np.int64]], Batch]
"""Windows of these rows of the index, in their order."""


class EpisodeNumbers(Batches):
    """Epoch and number of episodes, for one of several ranks: every rank as many in training, else each one once.

    Args:
        episodes: of an epoch.
        rank: this process.
        ranks: processes.
        training: a new episode for each epoch and number.
        step: episodes of a rank whose gradients are added before a step.
    """

    def __init__(self, episodes: int, *, rank: int, ranks: int, training: bool, step: int = 1) -> None:
        super().__init__(episodes, 1, rank=rank, ranks=ranks, seed=0 if training else None, step=step)

    def __len__(self) -> int:
        if self.seed is None:
            return len(range(self.rank, self.windows, self.ranks))
        whole = math.floor(self.windows / (self.ranks * self.step)) * self.step
        return whole or self.windows // self.ranks

    def __iter__(self) -> Iterator[NDArray[np.int64]]:
        numbers = range(self.rank, self.windows, self.ranks)[: len(self)]
        epoch = 0 if self.seed is None else self.epoch
        for number in numbers[self.first() :]:
            yield np.array([epoch, number])


class EpisodeSet(Dataset[Episode]):
    """Episodes of a set; an item is a whole one.

    Args:
        drawn: what is drawn.
        name: of the set.
        read: windows as a batch.
    """

    def __init__(self, drawn: EpisodeSets, name: SetName, *, read: Read) -> None:
        self.drawn, self.name, self.read = drawn, name, read

    def __len__(self) -> int:
        return self.drawn.number(self.name)

    def __getitem__(self, position: NDArray[np.int64]) -> Episode:
        epoch, number = position.tolist()
        one = self.drawn.draw(self.name, number, epoch)
        return episode(one, number, read=self.read)


def episode(one: Drawn, number: int, *, read: Read) -> Episode:
    """The windows of an episode; labels are ways."""
    every = read(np.concatenate([one.support, one.query]))  # one read for both
    size = len(one.support)
    return Episode(
        support=_part(every, slice(None, size), one.support_way),
        query=_part(every, slice(size, None), one.query_way),
        ways=torch.from_numpy(one.ways),
        novel=torch.from_numpy(one.novel),
        number=torch.tensor(number),
    )


def _part(batch: Batch, at: slice, way: NDArray[np.int64]) -> Batch:
    return Batch(
        signal=batch.signal[at],
        label=torch.from_numpy(way),
        domain=batch.domain[at],
        window=batch.window[at],
        context=Context(*(values[at] for values in batch.context)),
    )
