"""Which checkpoint of a fit is tested: by validation, or, as an oracle, by the test set itself."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from phmbench.config import Config
from phmbench.errors import PhmbenchError
from phmbench.training.checkpoints import read_checkpoint

if TYPE_CHECKING:
    from lightning.pytorch import Trainer

    from phmbench.record import Record


def selected(config: Config, record: Record, trainer: Trainer) -> tuple[dict[str, Any], dict[str, float]]:
    """The checkpoint by the selection that was asked for, its validation metrics, and what others would have chosen."""
    from phmbench.training import oracle  # and Lightning with it, which is imported in an order of its own

    looking = next((each for each in trainer.callbacks if isinstance(each, oracle.Oracle)), None)  # type: ignore[attr-defined]
    if looking is None:
        chosen = _chosen(trainer)
        return chosen, _validation_metrics(trainer, chosen)
    if config["selection"] == "oracle":
        chosen = _finite(read_checkpoint(record.checkpoints / oracle.CHECKPOINT))
        record.warn(f"selection: {oracle.WARNING}, and chose the checkpoint: no result for what nobody has seen")
    else:
        chosen = _chosen(trainer)
        record.warn(f"other_selections: {oracle.WARNING}; the checkpoint was chosen by validation")
    return chosen, {**_validation_metrics(trainer, chosen), **looking.metrics()}


def _chosen(trainer: Trainer) -> dict[str, Any]:
    """The checkpoint that validation chose, or the last weights where the trainer keeps none."""
    callback: Any = trainer.checkpoint_callback
    path = getattr(callback, "best_model_path", "")
    if not path:
        monitor = getattr(callback, "monitor", None)
        raise PhmbenchError(
            f"trainer: no checkpoint was chosen{f' by {monitor}' if monitor else ''}; its value was never finite or "
            "validation never ran; lower task.optimizer.lr, or keep trainer.callbacks.checkpoint"
        )
    return _finite(read_checkpoint(Path(path)))


def _finite(chosen: dict[str, Any]) -> dict[str, Any]:
    """The checkpoint itself.

    Raises:
        PhmbenchError: its weights are no numbers.
    """
    diverged = [k for k, v in chosen["state_dict"].items() if v.is_floating_point() and not v.isfinite().all()]
    if diverged:
        raise PhmbenchError(
            f"trainer: the fit diverged; got {diverged[0]} with values that are not finite in the checkpoint that was "
            "chosen; expected numbers; lower task.optimizer.lr, or set trainer.gradient_clip_val"
        )
    return chosen


def _validation_metrics(trainer: Trainer, checkpoint: dict[str, Any]) -> dict[str, float]:
    """The chosen checkpoint's own validation metrics and epoch: recomputed nowhere, read from where they were
    logged."""
    epochs = {"epoch": float(checkpoint.get("epoch", 0) + 1), "epochs": float(trainer.current_epoch)}
    return {**checkpoint.get("phmbench_metrics", {}), **epochs}
