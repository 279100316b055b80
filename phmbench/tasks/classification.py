"""Which class a window belongs to."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from phmbench.metrics import Collected, Scores, calls, classification_metrics
from phmbench.tasks.base import MakeOptimizer, MakeScheduler, Task
from phmbench.types import Batch


class Classification(Task):
    """Classification of windows; the algorithm says how the loss is made from domains.

    Metrics are computed once an epoch from the scores of all windows, never averaged over batches: accuracy, balanced
    accuracy, macro F1, macro AUROC, F1 and recall of each class, the same per group, the algorithm's mean loss of a
    score as `loss`, and of a test what is called that is not there (`phmbench.metrics.calls`).

    Args:
        network: signal (B, C, L) and context to logits (B, K).
        algorithm: `(network, batch)` to `{"loss": …}`; one whose scores are log-odds, each class for itself, has
            `independent` true, and `criterion(logits, label)`.
        optimizer: makes an optimizer from parameters.
        scheduler: makes a schedule of the rate; None: a constant rate.
        class_names: K names, in the order of the logits.
    """

    reports = (
        "loss",
        "accuracy",
        "balanced_accuracy",
        "macro_f1",
        "macro_auroc",
        "f1/*",
        "recall/*",
    )  # of val and test

    def __init__(
        self,
        *,
        network: nn.Module,
        algorithm: nn.Module,
        optimizer: MakeOptimizer,
        scheduler: MakeScheduler | None,
        class_names: Sequence[str],
    ) -> None:
        super().__init__(network=network, optimizer=optimizer, scheduler=scheduler)
        self.algorithm = algorithm
        self.class_names = tuple(class_names)
        independent = bool(getattr(algorithm, "independent", False))
        self.criterion = getattr(algorithm, "criterion", cross_entropy)
        self.scores = {stage: Scores(self.class_names, independent=independent) for stage in ("val", "test")}
        self.groups: dict[str, dict[str, Tensor]] = {}  # axis ("rig", "condition") → name → rows of its test windows
        self.foreign: dict[str, Tensor] = {}  # class that the label space lacks → rows of its windows
        self.tested: Collected | None = None  # scores of the last test, in the order of the window index

    def losses(self, batch: Batch) -> dict[str, Tensor]:
        losses: dict[str, Tensor] = self.algorithm(self.network, batch)
        return losses

    def observe(self, stage: str, batch: Batch) -> None:
        self.scores[stage].update(self.network(batch.signal, batch.context), batch)

    def report(self, stage: str) -> dict[str, float]:
        every = self.scores[stage].gathered()
        collected = every.of(every.label >= 0)  # the others are of classes without an output
        self.scores[stage].reset()
        metrics = {"loss": float(self.criterion(collected.logits.float(), collected.label))}
        metrics |= classification_metrics(collected, self.class_names)
        if stage == "test":
            self.tested = collected
            metrics |= calls(every, self.class_names, self.foreign)
            for axis, groups in self.groups.items():
                masks = {name: torch.isin(collected.window, rows) for name, rows in groups.items()}
                metrics |= classification_metrics(collected, self.class_names, masks, axis=axis)
        return metrics
