"""Which class a window belongs to, where unlabelled windows of the target are seen in training."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from torch import Tensor, nn

from phmbench.tasks.base import MakeOptimizer, MakeScheduler
from phmbench.tasks.classification import Classification
from phmbench.types import Batch, Pair


class Adaptation(Classification):
    """Classification whose loss is made from labelled windows of the sources and unlabelled ones of the target.

    Validation and test are those of classification; validation is of the sources alone. The test is of the checkpoint
    that validation chose, and once more of the last epoch's weights (`last/…`).

    Args:
        network: signal (B, C, L) and context to logits (B, K), and `features`.
        adaptation: `(network, source, target)` to `{"loss": …}`; one that must see the target before a test, too, has
            `meet(network, batches)`, and one that not every network can be adapted by, `require(network)`.
        optimizer: makes an optimizer from parameters.
        scheduler: makes a schedule of the rate; None: a constant rate.
        class_names: K names, in the order of the logits.

    Raises:
        ValueError: the method cannot adapt this network.
    """

    drawn_by = ("target",)
    """Keys of its node that others take: the data."""
    tests_last = True
    """Whether the last epoch's weights are tested beside those that were chosen."""

    def __init__(
        self,
        *,
        network: nn.Module,
        adaptation: nn.Module,
        optimizer: MakeOptimizer,
        scheduler: MakeScheduler | None,
        class_names: Sequence[str],
    ) -> None:
        require = getattr(adaptation, "require", None)
        if callable(require):
            require(network)
        super().__init__(
            network=network, algorithm=adaptation, optimizer=optimizer, scheduler=scheduler, class_names=class_names
        )

    def losses(self, batch: Batch | Pair) -> dict[str, Tensor]:
        assert isinstance(batch, Pair)
        losses: dict[str, Tensor] = self.algorithm(self.network, batch.source, batch.target)
        return losses

    def meet(self, target: Iterable[Batch]) -> None:
        """Let the method see the target's unlabelled windows before a test, where it needs them."""
        meet = getattr(self.algorithm, "meet", None)
        if callable(meet):
            meet(self.network, target)
