"""Which class a window belongs to, told by a few labelled windows of each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar, Literal

from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from phmbench.answers import Answered, Answers, few_shot_metrics
from phmbench.errors import ConfigError
from phmbench.metrics import Collected
from phmbench.tasks.base import MakeOptimizer, MakeScheduler, Task
from phmbench.types import Batch, Episode

if TYPE_CHECKING:
    from phmbench.methods.learning import Method


class FewShot(Task):
    """Episodes are classified by a method that learns from their support; metrics are of all answers of a set.

    Accuracy is so the mean over episodes; F1, recall and the rest are of the classes, over the answers of all
    episodes. Normalisations keep the statistics of training in validation and test.

    Args:
        network: signal (B, C, L) and context to logits (B, K), and `features`.
        method: `(network, support, query)` to one score a way (`phmbench.methods`).
        optimizer: makes an optimizer from parameters.
        scheduler: makes a schedule of the rate; None: a constant rate.
        class_names: K names.
        learn_from: what training is made of, "episodes" or "windows"; None: what the method was published with.

    Raises:
        ConfigError: the method cannot learn from that.
    """

    reports: ClassVar[tuple[str, ...]] = (
        "loss",
        "accuracy",
        "balanced_accuracy",
        "macro_f1",
        "f1/*",
        "recall/*",
    )  # of val and test
    drawn_by = ("n_way", "k_shot", "n_query", "disjoint", "episodes", "adapter")
    """Keys of its node that others take: episodes, and the method."""

    def __init__(
        self,
        *,
        network: nn.Module,
        method: Method,
        optimizer: MakeOptimizer,
        scheduler: MakeScheduler | None,
        class_names: Sequence[str],
        learn_from: Literal["episodes", "windows"] | None,
    ) -> None:
        super().__init__(network=network, optimizer=optimizer, scheduler=scheduler)
        self.method, self.class_names = method, tuple(class_names)
        if learn_from is not None and learn_from not in method.learns_from:
            raise ConfigError(
                f"task.learn_from: {type(method).__name__} cannot be trained so; got {learn_from}; expected "
                f"{' or '.join(method.learns_from)}; leave it out, or choose another task/method"
            )
        if (learn_from or method.learns_from[0]) == "episodes":
            self.network.parts[-1].requires_grad_(False)  # type: ignore[index]  # a head that nothing asks
        self.answers = {stage: Answers() for stage in ("val", "test")}
        self.tested: Collected | None = None  # scores of the last test, an answer a row
        self.answered: Answered | None = None  # the same by episodes

    def losses(self, batch: Batch | Episode) -> dict[str, Tensor]:
        if isinstance(batch, Episode):
            found: dict[str, Tensor] = self.method.losses(self.network, batch.support, batch.query)
            return found
        features = self.network.features(batch.signal, batch.context)  # type: ignore[operator]
        self.method.see(features)
        logits = self.network.classify(features, batch.context)  # type: ignore[operator]
        return {"loss": cross_entropy(logits, batch.label)}

    def observe(self, stage: str, batch: Batch | Episode) -> None:
        assert isinstance(batch, Episode)
        self.answers[stage].update(self.method(self.network, batch.support, batch.query), batch)

    def report(self, stage: str) -> dict[str, float]:
        answered = self.answers[stage].gathered()
        self.answers[stage].reset()
        if stage == "test":
            self.tested, self.answered = answered.collected(len(self.class_names)), answered
        return few_shot_metrics(answered, self.class_names)
