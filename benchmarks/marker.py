"""A callback that says when the first step is done: `--config-dir benchmarks/first_step --trust benchmarks`."""

from __future__ import annotations

from typing import Any

from lightning.pytorch import Callback

TEXT = "FIRST STEP DONE"


class FirstStep(Callback):
    """Prints a line after the first training step."""

    said = False

    def on_train_batch_end(self, *_: Any) -> None:
        if not self.said:
            self.said = True
            print(TEXT, flush=True)
