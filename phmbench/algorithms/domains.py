"""What algorithms on source domains share: means of each domain, partners in others, and parts that come in later."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import torch
from annotated_types import Ge
from torch import Tensor, nn
from torch.nn.functional import one_hot

if TYPE_CHECKING:
    from phmbench.types import Batch

Domains = Annotated[int, Ge(2)]
"""Source domains, D."""
Steps = Annotated[int, Ge(0)]
Weight = Annotated[float, Ge(0)]


def require_several(domains: int, name: str) -> None:
    """Refuse one domain: nothing could be compared.

    Raises:
        ValueError: fewer than two.
    """
    if domains < 2:
        raise ValueError(
            f"domains: {name} compares source domains; got {domains}; expected two or more; choose task=dg or cddg, "
            "another task/split, or task/algorithm=erm"
        )


def members(batch: Batch, domains: int) -> Tensor:
    """Which window is of which domain, (D, B) of 0 and 1; never waits for the device, as a list of them would."""
    return one_hot(batch.domain, domains).T.to(torch.float32)


def means(values: Tensor, member: Tensor) -> tuple[Tensor, Tensor]:
    """Mean of the windows of each domain, and which domains the batch has.

    Shapes: values (B,) or (B, F), member (D, B); to (D,) or (D, F), 0 where the domain is not there, and (D,) bool.
    """
    count = member.sum(1)
    total = member @ values.float()
    return total / count.clamp_min(1).view(-1, *[1] * (values.ndim - 1)), count > 0


def average(values: Tensor, there: Tensor) -> Tensor:
    """Mean over the domains that are there, () of (D,); 0 where none is."""
    return (values * there).sum() / there.sum().clamp_min(1)


def partners(batch: Batch) -> Tensor:
    """For each window another one at random, of another domain where the batch has one, (B,)."""
    draw = torch.rand(len(batch.domain), len(batch.domain), device=batch.domain.device)
    return (draw - (batch.domain[:, None] == batch.domain).to(draw.dtype)).argmax(1)


class Later(nn.Module):
    """A weight that changes once, after so many training batches; how many there were is kept in the checkpoint.

    Args:
        weight: from then on.
        before: until then.
        after: batches.
    """

    steps: Tensor

    def __init__(self, *, weight: float, before: float, after: int) -> None:
        super().__init__()
        self.weight, self.before, self.after = weight, before, after
        self.register_buffer("steps", torch.zeros((), dtype=torch.int64))

    def forward(self) -> Tensor:
        """The weight of this batch, which is then one more."""
        found = torch.where(self.steps < self.after, self.before, self.weight)
        if self.training:
            self.steps += 1
        return found


class Rising(nn.Module):
    """A weight that rises from 0 to 1 over so many training batches, steeply at first.

    Paper: Ganin et al. (2016), Domain-adversarial training of neural networks, JMLR 17(59), section 5.2.2:
        2 / (1 + exp(−10 p)) − 1, p being the part of the training that is over.
    """

    steps: Tensor

    def __init__(self, *, over: int) -> None:
        super().__init__()
        self.over = over
        self.register_buffer("steps", torch.zeros((), dtype=torch.int64))

    def forward(self) -> Tensor:
        """The weight of this batch, which is then one more."""
        part = (self.steps / max(1, self.over)).clamp_max(1.0)
        if self.training:
            self.steps += 1
        return 2 / (1 + (-10 * part).exp()) - 1 if self.over else torch.ones_like(part)
