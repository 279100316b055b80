"""The test set looked at in each epoch: what choosing by it would give, and no result for what nobody has seen."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer

from phmbench.record import atomic
from phmbench.training import ranks
from phmbench.training.observed import observed

FILE = "oracle.csv"
CHECKPOINT = "oracle.ckpt"
WARNING = "the test set was looked at in each epoch"


class Oracle(Callback):
    """Tests the network at each validation, keeps the metrics of all epochs, and the weights that are best there.

    Oracle selection after Gulrajani & Lopez-Paz (2021), In search of lost domain generalization, ICLR, arXiv
    2007.01434, section 3, without its limit to the last epoch.

    Args:
        monitor: the validation metric whose like on the test set chooses (`val/macro_f1`).
        folder: of the run; gets oracle.csv, and checkpoints/oracle.ckpt.
    """

    def __init__(self, *, monitor: str, folder: Path) -> None:
        from phmbench.resolvers import metric_mode

        self.monitor, self.folder = monitor, folder
        self.sign = 1.0 if metric_mode(monitor) == "max" else -1.0
        self.epochs: list[int] = []
        self.validated: list[float] = []  # the monitor, of each epoch
        self.tested: list[dict[str, float]] = []  # metrics of the test set, of each epoch

    def state_dict(self) -> dict[str, Any]:
        return {
            "epochs": list(self.epochs),
            "validated": list(self.validated),
            "tested": [dict(t) for t in self.tested],
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.epochs, self.validated = list(state_dict["epochs"]), list(state_dict["validated"])
        self.tested = [dict(one) for one in state_dict["tested"]]

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if trainer.sanity_checking:
            return
        found = observed(trainer, pl_module, "test")
        self.epochs.append(trainer.current_epoch + 1)
        self.validated.append(float(trainer.callback_metrics[self.monitor]))
        self.tested.append({name.removeprefix("test/"): value for name, value in found.items()})
        if self.best() == len(self.tested) - 1:
            trainer.save_checkpoint(self.folder / "checkpoints" / CHECKPOINT)
        if not ranks.rank():
            self._write()

    def best(self) -> int:
        """Place of the epoch that the test set would choose, the first of equals."""
        return self._first([one[self.monitor.removeprefix("val/")] for one in self.tested])

    def metrics(self) -> dict[str, float]:
        """Test metrics of the epochs that validation, the test set, and nobody would choose: `source_validation/…`,
        `oracle/…`, `last/…`, and which epochs these are."""
        places = {"source_validation": self._first(self.validated), "oracle": self.best(), "last": len(self.tested) - 1}
        found: dict[str, float] = {}
        for name, place in places.items():
            found |= {f"{name}/{metric}": value for metric, value in self.tested[place].items() if "/" not in metric}
            found[f"{name}/epoch"] = float(self.epochs[place])
        return found

    def _first(self, values: Sequence[float]) -> int:
        scores = [self.sign * value if math.isfinite(value) else -math.inf for value in values]
        return scores.index(max(scores))

    def _write(self) -> None:
        """The curve: a row an epoch."""
        lines: list[list[object]] = [["epoch", self.monitor, *(f"test/{name}" for name in self.tested[0])]]
        for epoch, value, one in zip(self.epochs, self.validated, self.tested, strict=True):
            lines.append([epoch, value, *one.values()])
        file = self.folder / "csv" / FILE
        file.parent.mkdir(parents=True, exist_ok=True)
        atomic.write_text(file, "".join(",".join(map(str, line)) + "\n" for line in lines))
