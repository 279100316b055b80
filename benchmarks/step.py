"""Time of a training step: the run's own trainer, with all that it does, beside bare Lightning and a raw loop.

The model of the overhead is one linear layer on prepared batches, so that what is left is what stands around it. Each
contender is a fresh process, which stamps the clock after a warm-up and at its end; epochs are of 500 steps, each
followed by validation, metrics, csv line and checkpoint where the contender has them. The steps of the network are
those within an epoch.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.timing import Measures, Row, ratio, rounds, spawn

BATCH, SAMPLES, CLASSES, EPOCH, WARM = 32, 64, 4, 500, 100
WINDOW, RESNET_BATCH = 2048, 64


def measure(folder: Path, number: int, *, tiny: bool) -> list[Row]:
    """All rows."""
    steps = {"linear": 200 if tiny else 2000, "resnet": 2 if tiny else 40}
    times = rounds(_contenders(folder, "linear", ("ours", "bare"), steps["linear"], "1"), number, warmup=0)
    large = rounds(_contenders(folder, "resnet", ("ours", "raw"), steps["resnet"], "2"), number, warmup=0)
    speed = {name: [{key: 1 / value for key, value in one.items()} for one in large[name]] for name in large}
    what = "step with metrics, csv, checkpoints and progress, over bare Lightning"
    return [
        ratio(what, times["ours"], times["bare"], show=lambda step: f"{step * 1e6:.0f} µs", at_most=1.3),
        ratio("speed of resnet1d at batch 64 on two cores, over a raw loop", speed["ours"], speed["raw"],
              show=lambda rate: f"{1e3 / rate:.1f} ms", at_least=0.95),
    ]  # fmt: skip


def _contenders(folder: Path, model: str, names: tuple[str, str], steps: int, threads: str) -> dict[str, Any]:
    def run(name: str) -> Measures:
        argv = [sys.executable, "-m", "benchmarks.step", name, model, str(steps), str(folder)]
        return json.loads(spawn(argv, env={"OMP_NUM_THREADS": threads, "FORCE_COLOR": "1"})["output"].splitlines()[-1])

    return {name: partial(run, name) for name in names}


class Clock:
    """Wall and CPU seconds between the step after the warm-up and the last."""

    def __init__(self, warm: int, steps: int) -> None:
        self.first, self.last, self.at, self.seen = warm, warm + steps, {}, -1

    def __call__(self) -> None:
        self.seen += 1
        if self.seen in (self.first, self.last):
            self.at[self.seen] = time.perf_counter(), time.process_time()

    def per_step(self) -> Measures:
        (wall, cpu), (wall_end, cpu_end) = self.at[self.first], self.at[self.last]
        steps = self.last - self.first
        return {"wall": (wall_end - wall) / steps, "cpu": (cpu_end - cpu) / steps}


class Prepared:
    """Batches in memory, over and over.

    Args:
        size: windows a batch.
        samples: of a window.
        count: batches of an epoch.
        first: number of the first window.
    """

    def __init__(self, *, size: int, samples: int, count: int, first: int = 0) -> None:
        import torch

        from phmbench.types import Batch, Context

        torch.manual_seed(0)
        self.count, self.batches = count, []
        for at in range(min(count, 16)):
            number, unknown = (
                torch.arange(first + at * size, first + (at + 1) * size),
                torch.full((size,), float("nan")),
            )
            context = Context(unknown, unknown, unknown[:, None].expand(-1, 4), number * 0)
            label = torch.randint(CLASSES, (size,))
            self.batches.append(Batch(torch.randn(size, 1, samples), label, number * 0, number, context))

    def __len__(self) -> int:
        return self.count

    def __iter__(self) -> Iterator[Any]:
        return (self.batches[at % len(self.batches)] for at in range(self.count))


def _network(model: str) -> Any:
    import torch

    from phmbench.heads import Linear
    from phmbench.models.resnet1d import ResNet1d
    from phmbench.network import Network

    torch.manual_seed(0)
    if model == "resnet":
        backbone = ResNet1d(channels=1, window=WINDOW)
        return Network(backbone, Linear(features=backbone.n_features, classes=CLASSES))
    return Network(torch.nn.Flatten(), Linear(features=SAMPLES, classes=CLASSES))


def _sizes(model: str) -> tuple[int, int, int, int]:
    """Windows a batch, samples a window, steps of the warm-up, batches an epoch."""
    return (RESNET_BATCH, WINDOW, 4, 64) if model == "resnet" else (BATCH, SAMPLES, WARM, EPOCH)


def raw(model: str, steps: int, folder: Path) -> Measures:
    """The loop that a person would write by hand."""
    import torch

    size, samples, warm, _ = _sizes(model)
    clock, network = Clock(warm, steps), _network(model)
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-3)
    for batch in Prepared(size=size, samples=samples, count=warm + steps + 1):
        clock()
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(network(batch.signal, batch.context), batch.label).backward()
        optimizer.step()
    return clock.per_step()


def bare(model: str, steps: int, folder: Path) -> Measures:
    """Lightning with everything off."""
    import lightning.pytorch as pl
    import torch

    size, samples, warm, _ = _sizes(model)
    clock = Clock(warm, steps)

    class Module(pl.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.network = _network(model)

        def training_step(self, batch: Any, index: int) -> Any:
            clock()
            return torch.nn.functional.cross_entropy(self.network(batch.signal, batch.context), batch.label)

        def configure_optimizers(self) -> Any:
            return torch.optim.AdamW(self.parameters(), lr=1e-3)

    trainer = pl.Trainer(
        accelerator="cpu", devices=1, max_epochs=1, logger=False, enable_checkpointing=False,
        enable_progress_bar=False, enable_model_summary=False, num_sanity_val_steps=0, default_root_dir=folder,
    )  # fmt: skip
    trainer.fit(Module(), Prepared(size=size, samples=samples, count=warm + steps + 1))
    return clock.per_step()


def ours(model: str, steps: int, folder: Path) -> Measures:
    """The trainer of a run: its callbacks, logger and task, as `train.py` builds them from the default options."""
    import torch

    from phmbench.algorithms.erm import ERM
    from phmbench.cli import Line, checked
    from phmbench.record import Record
    from phmbench.tasks.classification import Classification
    from phmbench.training.fit import _trainer

    size, samples, warm, each = _sizes(model)
    clock = Clock(warm, steps)
    line = Line(["trainer=cpu", f"trainer.max_epochs={-(-(warm + steps + 1) // each)}"])
    with line.hydra() as hydra:
        from hydra.core.hydra_config import HydraConfig

        composed = line.compose(hydra)
        HydraConfig.instance().set_config(composed)
        config = checked(line, composed, {})

    class Stamped(Classification):
        def training_step(self, batch: Any, index: int) -> Any:
            clock()
            return super().training_step(batch, index)

    network = _network(model)
    task = Stamped(
        network=network, algorithm=ERM(), scheduler=None, class_names=tuple("abcd"),
        optimizer=lambda parameters: torch.optim.AdamW(parameters, lr=1e-3),
    )  # fmt: skip
    with Record.open(folder / f"{time.time_ns()}", config) as record:
        trainer = _trainer(config, record)
        batches = Prepared(size=size, samples=samples, count=each)
        trainer.fit(task, batches, Prepared(size=size, samples=samples, count=2))
    return clock.per_step()


def _child(name: str, model: str, steps: str, folder: str) -> None:
    import logging
    import warnings

    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    found = {"raw": raw, "bare": bare, "ours": ours}[name](model, int(steps), Path(folder))
    print("\n" + json.dumps(found))


if __name__ == "__main__":
    _child(*sys.argv[1:])
