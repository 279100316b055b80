"""What is reported: scores kept as tensors while an epoch runs, and metrics computed from all of them once at its end.

Written out rather than taken from torchmetrics, because three things must hold that it leaves open: what a class means
that the set does not have, that windows are in the order of the index whatever the number of processes, and arithmetic
in float64 on counts, so that the same scores give the same numbers to the last digit. torchmetrics is the independent
library that the tests hold them against.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor
from torch import distributed as dist

from phmbench.errors import PhmbenchError

if TYPE_CHECKING:
    from phmbench.types import Batch

CAPACITY = 1024  # windows of the first buffer; it doubles when it is full


class Collected(NamedTuple):
    """Scores of a whole set, on the CPU, in the order of the window index."""

    logits: Tensor  # (N, K) float32: log-probabilities up to a constant, or, where independent, log-odds
    label: Tensor  # (N,) int64
    window: Tensor  # (N,) int64, ascending: row of the window index
    independent: bool = False  # each class has a probability of its own; else they add up to one

    @property
    def probabilities(self) -> Tensor:
        """(N, K)."""
        return self.logits.sigmoid() if self.independent else self.logits.softmax(1)

    def of(self, mask: Tensor) -> Collected:
        """The windows of a mask, (N,) bool."""
        return self._replace(logits=self.logits[mask], label=self.label[mask], window=self.window[mask])


class _Buffers(NamedTuple):
    logits: Tensor
    label: Tensor
    window: Tensor


class Scores:
    """Scores and labels of an epoch, on the device that made them, one object a stage.

    `update` writes into buffers and never waits for the device; `gathered` collects once an epoch.

    Args:
        classes: names of the classes, K, in label order.
        independent: whether the scores are log-odds, each class for itself.
    """

    def __init__(self, classes: tuple[str, ...], *, independent: bool = False) -> None:
        self.classes, self.independent = tuple(classes), independent
        self.reset()

    def __len__(self) -> int:
        return self._count

    def reset(self) -> None:
        """Forget all scores."""
        self._count = 0
        self._buffers: _Buffers | None = None

    def update(self, logits: Tensor, batch: Batch) -> None:
        """Keep the scores of a batch.

        Args:
            logits: (B, K) unnormalised log-probabilities.
            batch: whose label and window are kept with them.

        Raises:
            ValueError: the shape of logits is not (B, K).
        """
        expected = (len(batch.label), len(self.classes))
        if tuple(logits.shape) != expected:
            raise ValueError(
                f"logits: shape does not fit batch and classes; got {tuple(logits.shape)}; expected {expected}; "
                "let the head give one score a class"
            )
        start, stop = self._count, self._count + len(logits)
        buffers = self._room(stop, logits.device)
        for buffer, values in zip(buffers, (logits.detach(), batch.label, batch.window), strict=True):
            buffer[start:stop] = values
        self._count = stop

    def gathered(self) -> Collected:
        """All scores of all processes, each window once, in the order of the index. Every process must call it.

        Raises:
            PhmbenchError: a window was scored twice.
        """
        own = self._room(self._count, torch.device("cpu") if self._buffers is None else self._buffers.label.device)
        parts = gather([buffer[: self._count] for buffer in own])
        logits, label, window = (part.cpu() for part in parts)
        order = window.argsort(stable=True)
        collected = Collected(logits[order], label[order], window[order], self.independent)
        repeated = collected.window[1:][collected.window[1:] == collected.window[:-1]]
        if len(repeated):
            raise PhmbenchError(
                f"scores: windows were scored more than once; got {len(repeated)} repetitions, the first of window "
                f"{int(repeated[0])}; expected each window once; use a sampler that neither repeats nor pads "
                "(trainer.use_distributed_sampler=false), and reset the scores at the start of each epoch"
            )
        return collected

    def _room(self, needed: int, device: torch.device) -> _Buffers:
        if self._buffers is None:
            size = max(CAPACITY, needed)
            whole = torch.empty(2, size, dtype=torch.int64, device=device)
            self._buffers = _Buffers(
                torch.empty(size, len(self.classes), dtype=torch.float32, device=device), whole[0], whole[1]
            )
        size = len(self._buffers.label)
        if needed > size:
            grown = [old.new_empty(max(2 * size, needed), *old.shape[1:]) for old in self._buffers]
            for new, old in zip(grown, self._buffers, strict=True):
                new[: self._count] = old[: self._count]
            self._buffers = _Buffers(*grown)
        return self._buffers


def gather(parts: list[Tensor]) -> list[Tensor]:
    """The parts of all processes, one after the other; they may differ in length. Every process must call it."""
    if not (dist.is_available() and dist.is_initialized()) or dist.get_world_size() == 1:
        return parts
    if dist.get_backend() == "nccl":  # a process that has scored nothing has its empty buffers on the CPU
        parts = [part.cuda() for part in parts]
    world = dist.get_world_size()
    size = torch.tensor(len(parts[0]), device=parts[0].device)
    sizes = [torch.zeros_like(size) for _ in range(world)]
    dist.all_gather(sizes, size)
    lengths = [int(each) for each in sizes]
    gathered = []
    for part in parts:
        padded = part.new_zeros(max(lengths), *part.shape[1:])
        padded[: len(part)] = part
        everyone = [torch.empty_like(padded) for _ in range(world)]
        dist.all_gather(everyone, padded)
        gathered.append(torch.cat([each[:length] for each, length in zip(everyone, lengths, strict=True)]))
    return gathered


def confusion(collected: Collected) -> Tensor:
    """Counts of windows, (K, K) int64: row the true class, column the one with the highest score, the first of equals.

    Raises:
        ValueError: a label is not a class index.
    """
    K = collected.logits.shape[1]
    label = collected.label
    if len(label) and (int(label.min()) < 0 or int(label.max()) >= K):
        raise ValueError(
            f"label: is no class; got {int(label.min())} to {int(label.max())}; expected 0 to {K - 1}; "
            "score only windows whose class the label space has"
        )
    return torch.bincount(label * K + collected.logits.argmax(1), minlength=K * K).view(K, K)


def one_vs_rest_auroc(collected: Collected) -> Tensor:
    """Area under the ROC curve of each class against all others, (K,) float64, from ranks, equal scores sharing theirs.

    Source: Hanley & McNeil (1982), Radiology 143(1), 29–36: the area is the Mann–Whitney statistic over the number of
    pairs. Windows are ordered by the log-odds of the class, which order as the probability does and do not run into
    1. NaN for a class that no window has or that all have, and where a score is not finite.
    """
    logits = collected.logits.double()  # (N, K)
    area = torch.full((logits.shape[1],), math.nan, dtype=torch.float64)
    if not bool(logits.isfinite().all()):
        return area
    for k in range(logits.shape[1]):
        positive = collected.label == k
        pairs = int(positive.sum()) * int((~positive).sum())
        if pairs == 0:
            continue
        others = torch.cat([logits[:, :k], logits[:, k + 1 :]], 1)
        odds = logits[:, k] if collected.independent else logits[:, k] - others.logsumexp(1)
        _, inverse, count = torch.unique(odds, return_inverse=True, return_counts=True)
        rank = (count.cumsum(0) - (count - 1) / 2.0).double()[inverse]  # (N,) from 1, the mean of equals
        n = int(positive.sum())
        area[k] = (rank[positive].sum() - n * (n + 1) / 2) / pairs
    return area


def classification_metrics(
    collected: Collected, classes: tuple[str, ...], groups: Mapping[str, Tensor] | None = None, *, axis: str = "rig"
) -> dict[str, float]:
    """Metrics of a set, each over all its windows at once.

    `accuracy`, `balanced_accuracy` (mean recall), `macro_f1`, `macro_auroc`, `f1/<class>`, `recall/<class>`, and for
    each group `<axis>/<name>/accuracy` and `<axis>/<name>/macro_f1`. Means over classes are over those that the set (or
    the group) has: a class without windows has no recall, and windows wrongly given to it count where they came from.
    An F1 score without a hit is 0. What is not defined is NaN: everything on an empty set or where a score is not
    finite (a network that has diverged), the values of a class without windows, `macro_auroc` with one class.

    Args:
        collected: scores and labels of the set, N windows.
        classes: K names, in label order.
        groups: name to (N,) bool, the windows of the group.
        axis: what the groups are, the first part of the names of their metrics.

    Raises:
        ValueError: a label is not a class index, or a group's mask is not (N,) bool.
    """
    counts = _counts(collected)
    recall, f1 = _recall_and_f1(counts)
    metrics = {
        "accuracy": _accuracy(counts),
        "balanced_accuracy": float(recall.nanmean()),
        "macro_f1": float(f1.nanmean()),
        "macro_auroc": float(one_vs_rest_auroc(collected).nanmean()),
    }
    metrics |= {f"f1/{name}": float(value) for name, value in zip(classes, f1, strict=True)}
    metrics |= {f"recall/{name}": float(value) for name, value in zip(classes, recall, strict=True)}
    for name, mask in (groups or {}).items():
        if mask.dtype != torch.bool or mask.shape != collected.label.shape:
            raise ValueError(
                f"groups: {axis} {name} needs a mask of its windows; got {mask.dtype} of shape {tuple(mask.shape)}; "
                f"expected torch.bool of shape {tuple(collected.label.shape)}; compare the group of each window with it"
            )
        counts = _counts(collected.of(mask))
        metrics[f"{axis}/{name}/accuracy"] = _accuracy(counts)
        metrics[f"{axis}/{name}/macro_f1"] = float(_recall_and_f1(counts)[1].nanmean())
    return metrics


def calls(collected: Collected, classes: tuple[str, ...], foreign: Mapping[str, Tensor]) -> dict[str, float]:
    """What was called that is not there, and what was called that has no name.

    `false_calls`, where the scored windows lack a class of the label space: the share of them that is called such a
    class. `foreign/<class>/<called>`: of the windows of a class that the label space lacks, the share that each class
    is called; these are never scored. NaN where a score is not finite.

    Args:
        collected: of a whole set; the label of windows that are not scored is −1.
        classes: K names, in label order.
        foreign: class to rows of the window index.
    """

    def shares(part: Collected) -> Tensor:
        given = torch.bincount(part.logits.argmax(1), minlength=len(classes)).double() / len(part.label)
        return given if bool(part.logits.isfinite().all()) else torch.full_like(given, math.nan)

    found, scored = {}, collected.of(collected.label >= 0)
    absent = torch.bincount(scored.label, minlength=len(classes)) == 0
    if len(scored.label) and bool(absent.any()):
        found["false_calls"] = float(shares(scored)[absent].sum())
    for name, rows in foreign.items():
        part = collected.of(torch.isin(collected.window, rows))
        if len(part.label):
            shared = zip(classes, shares(part), strict=True)
            found |= {f"foreign/{name}/{called}": float(share) for called, share in shared}
    return found


def _counts(collected: Collected) -> Tensor:
    """Confusion matrix in float64, NaN all over where a score is not finite: its class would be a guess."""
    counts = confusion(collected).double()
    return counts if bool(collected.logits.isfinite().all()) else torch.full_like(counts, math.nan)


def _accuracy(counts: Tensor) -> float:
    return float(counts.diagonal().sum() / counts.sum())


def _recall_and_f1(counts: Tensor) -> tuple[Tensor, Tensor]:
    """Of each class, (K,), NaN where the set does not have it. F1 is 2 TP / (2 TP + FP + FN)."""
    hits, true, predicted = counts.diagonal(), counts.sum(1), counts.sum(0)
    missing = torch.where(true == 0, math.nan, 1.0)
    return hits / true * missing, 2 * hits / (true + predicted) * missing
