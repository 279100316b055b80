"""What a library's transforms make of whole windows."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch
from torch import Tensor

from phmbench.types import Batch

LOOKED_AT = 1024
"""Training windows, drawn at random, that a transform is fitted to: it takes a quantile of each kernel's output from
one of them."""


class Transformed:
    """Features by transforms of aeon's interface, beside each other, fitted to training windows without their classes.

    Paper: that of each transform.
    Shapes: batch of B windows with C channels to (B, F), F as the transforms say.

    Args:
        transforms: by name; each makes a transform from no arguments, and gets the seed.
    """

    raw = False

    def __init__(self, *, transforms: Mapping[str, Callable[[], Any]]) -> None:
        self.transforms = transforms
        self.fitted: dict[str, Any] = {}
        self.widths: dict[str, int] = {}

    def learn(self, batches: Callable[[], Iterator[Batch]], *, seed: int) -> list[str]:
        """Fit each transform; there is nothing to note."""
        windows = torch.cat([batch.signal.float() for batch in batches()])  # (N, C, L)
        chosen = windows[torch.randperm(len(windows), generator=torch.Generator().manual_seed(seed))[:LOOKED_AT]]
        threads = torch.get_num_threads()
        for name, make in self.transforms.items():
            transform = make()
            if "random_state" in inspect.signature(type(transform)).parameters:
                transform.set_params(random_state=seed)
            self.fitted[name] = transform.fit(chosen.numpy())
        torch.set_num_threads(threads)  # Hydra's sets it, for the whole process
        return []

    def __call__(self, batch: Batch) -> Tensor:
        signal = batch.signal.float().numpy()
        found = {name: torch.as_tensor(one.transform(signal)).float() for name, one in self.fitted.items()}  # (B, F)
        self.widths = {name: part.shape[1] for name, part in found.items()}
        return torch.cat(list(found.values()), 1)

    def names(self, channels: int) -> list[str]:
        """As many as the last rows had."""
        return [f"{name} {i}" for name, width in self.widths.items() for i in range(width)]
