"""Answers to episodes, kept as tensors while an epoch runs, and what is counted in them."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from phmbench.errors import PhmbenchError
from phmbench.metrics import Collected, classification_metrics, gather

if TYPE_CHECKING:
    from phmbench.types import Episode

IMPOSSIBLE = -100.0  # log-probability of a class that is not among the ways of an episode


class Answered(NamedTuple):
    """Answers of a whole set, on the CPU, in the order of the episodes, E."""

    logits: Tensor  # (E, Q, N) log-probabilities
    label: Tensor  # (E, Q) ways
    ways: Tensor  # (E, N) class index of each way
    novel: Tensor  # (E, N) bool
    window: Tensor  # (E, Q) rows of the window index that were asked
    support: Tensor  # (E, S) and those that taught

    @property
    def right(self) -> Tensor:
        """(E, Q) bool; False where a score is not finite."""
        return (self.logits.argmax(2) == self.label) & self.logits.isfinite().all(2)

    def collected(self, classes: int) -> Collected:
        """Each answer as that of one window, with a score for each of K classes; a window may be asked often."""
        E, Q, _ = self.logits.shape
        scores = torch.full((E, Q, classes), IMPOSSIBLE)
        scores.scatter_(2, self.ways[:, None].expand(-1, Q, -1), self.logits)
        label = self.ways.gather(1, self.label)  # (E, Q)
        return Collected(scores.flatten(0, 1), label.flatten(), self.window.flatten())

    def accuracy(self, novel: bool | None = None) -> Tensor:
        """Of each episode, (E,): of all its queries, or of those of novel or of base classes; NaN where it has none."""
        asked = torch.ones_like(self.right) if novel is None else self.novel.gather(1, self.label) == novel
        return (self.right & asked).sum(1) / asked.sum(1)


def few_shot_metrics(answered: Answered, classes: tuple[str, ...]) -> dict[str, float]:
    """`loss`, and metrics of all answers; where base classes are asked beside novel ones, accuracy on each of the two,
    means over episodes, and their harmonic mean.

    Args:
        answered: of a whole set.
        classes: K names, in label order.
    """
    loss = cross_entropy(answered.logits.flatten(0, 1), answered.label.flatten())
    found = {"loss": float(loss), **classification_metrics(answered.collected(len(classes)), classes)}
    if answered.ways.shape[1] < len(classes):
        found.pop("macro_auroc", None)  # of classes that an episode does not offer nothing can be ranked
    if bool(answered.novel.all()):
        return found
    base, novel = (float(answered.accuracy(kind).mean()) for kind in (False, True))
    harmonic = 2 * base * novel / (base + novel) if base + novel else 0.0
    return {**found, "base_accuracy": base, "novel_accuracy": novel, "harmonic_mean": harmonic}


class Answers:
    """What a process has answered in an epoch."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forget all."""
        self.numbers: list[Tensor] = []
        self.parts: list[Answered] = []

    def update(self, scores: Tensor, episode: Episode) -> None:
        """Keep the scores of an episode's queries.

        Args:
            scores: (Q, N) log-probabilities up to a constant of each row.
            episode: that was asked.

        Raises:
            ValueError: the shape of scores is not (Q, N).
        """
        expected = (len(episode.query.label), len(episode.ways))
        if tuple(scores.shape) != expected:
            raise ValueError(
                f"scores: shape does not fit the episode; got {tuple(scores.shape)}; expected {expected}; let the "
                "method give one score a way"
            )
        self.numbers.append(episode.number)
        self.parts.append(
            Answered(
                scores.detach().float().log_softmax(1), episode.query.label, episode.ways, episode.novel,
                episode.query.window, episode.support.window,
            )
        )  # fmt: skip

    def gathered(self) -> Answered:
        """The answers of all processes, by number. Every process must call it.

        Raises:
            PhmbenchError: no episode was asked, or their sizes differ.
        """
        if not self.parts:
            raise PhmbenchError(
                "task.episodes: no episode was answered by this process; got fewer episodes than processes; expected "
                "one for each at least; set task.episodes.val and task.episodes.test to more"
            )
        if len({tuple(tuple(value.shape) for value in part) for part in self.parts}) > 1:
            raise PhmbenchError(
                "task.episodes: episodes differ in their number of classes or windows; got several sizes in one list; "
                "expected one; draw them anew without task.episodes.file"
            )
        own = [torch.stack(values) for values in zip(*self.parts, strict=True)]
        number, *every = (part.cpu() for part in gather([torch.stack(self.numbers), *own]))
        order = number.argsort()
        return Answered(*(part[order] for part in every))
