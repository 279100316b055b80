"""A set looked at within a fit, beside the trainer's own validations and in the same way."""

from __future__ import annotations

from itertools import islice
from typing import Literal

import torch
from lightning.pytorch import LightningModule, Trainer


@torch.no_grad()
def observed(trainer: Trainer, module: LightningModule, stage: Literal["val", "test"]) -> dict[str, float]:
    """Metrics of a set as the trainer would have them: as many batches, in the same precision.

    Every process must call it.

    Args:
        trainer: that fits.
        module: the task, in the mode in which it is left.
        stage: which set.
    """
    loaders = {"val": trainer.datamodule.val_dataloader, "test": trainer.datamodule.test_dataloader}  # type: ignore[attr-defined]
    loader, limit = loaders[stage](), getattr(trainer, f"limit_{stage}_batches")
    batches = limit if isinstance(limit, int) else int(limit * len(loader))
    precision, training = trainer.precision_plugin, module.training
    within = precision.val_step_context if stage == "val" else precision.test_step_context
    module.eval()
    with within():
        for batch in islice(loader, batches):
            moved = module.transfer_batch_to_device(precision.convert_input(batch), module.device, 0)
            module.observe(stage, moved)  # type: ignore[operator]
    found = module.report(stage)  # type: ignore[operator]
    module.train(training)
    return {f"{stage}/{name}": float(value) for name, value in found.items()}
