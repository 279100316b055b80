"""Heads: from features to one score a class."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import torch
from annotated_types import Ge
from torch import Tensor, nn

if TYPE_CHECKING:
    from phmbench.types import Context

Count = Annotated[int, Ge(1)]

SPREAD = (
    0.1  # of the first logits, for features of size one: the first loss is then ln K + SPREAD² / 2, that of a guess
)


class Linear(nn.Module):
    """One linear layer from features to classes; it starts small, so that the first loss is that of a guess, ln K.

    Shapes: feature (B, F) to logits (B, K).

    Args:
        features: F, what the backbone gives (its `n_features`).
        classes: K.
    """

    def __init__(self, *, features: Count, classes: Count) -> None:
        super().__init__()
        self.linear = nn.Linear(features, classes)
        nn.init.normal_(self.linear.weight, std=SPREAD * features**-0.5)
        nn.init.zeros_(self.linear.bias)

    def forward(self, feature: Tensor) -> Tensor:
        logits: Tensor = self.linear(feature)  # (B, K)
        return logits


class PerRigLinear(nn.Module):
    """A linear layer for each rig of the training set, chosen for each window by the rig that it was recorded on.

    The backbone is shared; what differs from rig to rig is the head alone. It cannot classify a rig that it has not
    been trained on: splits that hold out rigs need `Linear`.

    Shapes: feature (B, F) and context.rig (B,) to logits (B, K).

    Args:
        features: F, what the backbone gives (its `n_features`).
        classes: K.
        rigs: number of rigs in the training set.

    Raises:
        ValueError: a window is of a rig that training has not seen (context.rig is −1).
    """

    reads = ("rig",)

    def __init__(self, *, features: Count, classes: Count, rigs: Count) -> None:
        super().__init__()
        self.classes, self.rigs = classes, rigs
        self.linear = nn.Linear(features, rigs * classes)
        nn.init.normal_(self.linear.weight, std=SPREAD * features**-0.5)
        nn.init.zeros_(self.linear.bias)

    def forward(self, feature: Tensor, context: Context) -> Tensor:
        rig = context.rig
        # Waits for the device once a step; without it an index of −1 would silently take the last rig's head.
        if bool(((rig < 0) | (rig >= self.rigs)).any()):
            raise ValueError(
                "head: PerRigLinear has one head for each rig of the training set; got windows of another rig; "
                f"expected rigs 0 to {self.rigs - 1}; take task/head=linear, "
                "or a split that leaves every test rig in training (task/split=units)"
            )
        logits = self.linear(feature).unflatten(-1, (self.rigs, self.classes))  # (B, R, K): cheaper than (B, K, F) rows
        chosen: Tensor = logits[torch.arange(len(rig), device=rig.device), rig]  # (B, K)
        return chosen
