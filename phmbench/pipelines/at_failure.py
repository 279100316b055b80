"""The step at which a fit ended, its loss or gradients not being finite, run again and shown module by module."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from phmbench.config import Config
from phmbench.errors import PhmbenchError

if TYPE_CHECKING:
    from phmbench.training.trace import Trace


def show(config: Config, folder: Path) -> None:
    """Print what each module gave and the gradient it got; the first that was not finite is marked.

    Args:
        config: the checked configuration of the run that failed.
        folder: its run directory.

    Raises:
        RecordError: it holds no failure.
        PhmbenchError: run again, the step is finite.
    """
    from phmbench.record import lines
    from phmbench.training import finite, start

    start.import_lightning(lean=True)
    told, saved = finite.read_failure(folder)
    found = again(config, folder, saved)
    lines.failure(told, found.visits, found.first, loss=found.loss, place=finite.place_of(found))
    if found.where == "nowhere":
        raise PhmbenchError(
            "rerun: the step is finite when it is run again here; got a failure of another device or precision; "
            "expected the same; run it where the run has failed"
        )


def again(config: Config, folder: Path, saved: dict[str, object]) -> Trace:
    """The saved step, on one device, with the precision of the run."""
    from typing import Any, cast

    import torch

    from phmbench import build
    from phmbench.training import finite
    from phmbench.training.trace import trace
    from phmbench.types import Facts

    kept = cast("dict[str, Any]", saved)
    chosen = str(config["trainer"].get("accelerator") or "auto")
    there = chosen == "cpu" or torch.cuda.is_available()
    alone = {
        "accelerator": chosen if there else "auto",
        "devices": 1,
        "num_nodes": 1,
        "strategy": "auto",
        "callbacks": None,
    }
    one = {**config, "trainer": {**config["trainer"], **alone}, "logger": None}
    trainer = build.trainer(one, folder, extra=[])
    task = build.task(config, Facts(**kept["facts"]))
    task.load_state_dict(kept["state_dict"])
    precision = trainer.precision_plugin
    device = trainer.strategy.root_device
    precision.convert_module(task.to(device)).train()  # in place
    batch = precision.convert_input(task.transfer_batch_to_device(finite.from_plain(kept["batch"]), device, 0))
    finite.set_random_state(kept["random"])
    with precision.train_step_context():
        return trace(task, batch)
