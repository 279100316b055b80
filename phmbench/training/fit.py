"""One fit and one test, in this process: what a pipeline runs, and each rank of a distributed run."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from phmbench import build
from phmbench.config import Config
from phmbench.errors import ConfigError, DataError
from phmbench.training import episodic, parted, ranks, selection
from phmbench.training.checkpoints import read_checkpoint, start_from
from phmbench.training.readable import require_readable
from phmbench.training.resume import Curves, checkpoint_of

if TYPE_CHECKING:
    from lightning.pytorch import Callback, Trainer

    from phmbench.data.datamodule import VibrationData
    from phmbench.metrics import Collected
    from phmbench.record import Record
    from phmbench.record.predictions import Example
    from phmbench.tasks.base import Task
    from phmbench.training.profile import FitProfiler


log = logging.getLogger("phmbench")

OF_TRAINING = "algorithm."  # what a loss has learnt for itself, discriminators and counts, has no part in a test


class Fitted(NamedTuple):
    """What a fit and its test gave, in plain values that travel between processes."""

    metrics: dict[str, float]
    confusion: dict[str, Any] | None
    parameters: int | None  # None: of an estimator, whose size is no such number
    seconds: dict[str, float]
    intervals: dict[str, dict[str, Any]] | None = None  # of few-shot: metric → interval


def fit_and_test(config: Config, record: Record, data: VibrationData) -> Fitted:
    """Train, choose the checkpoint on validation, test it once; predictions go into the record.

    Raises:
        PhmbenchError: no checkpoint was chosen, the loss is not finite, or the trainer refuses its arguments.
    """
    from lightning.pytorch import seed_everything

    from phmbench.training import latency

    started = time.perf_counter()
    seed_everything(config["seed"], workers=True, verbose=False)
    data.assign()
    task = build.task(config, data.facts)
    require_readable(task, data)
    if config["init"] is not None:
        start_from(task, Path(config["init"]), data.classes, warn=log.debug if ranks.rank() else record.warn)
    begun = time.perf_counter()
    with _joined_curves(record):  # until after the test: Lightning's writer refuses columns that another one wrote
        trainer = _fit(config, record, data, task)
        fitted = time.perf_counter()
        chosen, metrics = selection.selected(config, record, trainer)
        tested = test(config, record, data, trainer, chosen) if config.get("test", True) else _untested(task)
        if config.get("test", True) and getattr(task, "tests_last", False):
            metrics |= _of_last(config, data, trainer, record)
    seconds = {"set_up": begun - started, "fit": fitted - begun, "test": time.perf_counter() - fitted}
    asked = latency.asked_for(task, data, trainer)
    return tested._replace(metrics={**tested.metrics, **metrics, **asked}, seconds=seconds)


@contextmanager
def _joined_curves(record: Record) -> Iterator[None]:
    """Curves of earlier sittings lie aside while this one writes its own."""
    curves, first = Curves(record.path / "csv"), ranks.rank() == 0
    if first:
        curves.put_aside()
    try:
        yield
    finally:
        if first:
            curves.join()


def _fit(config: Config, record: Record, data: VibrationData, task: Task) -> Trainer:
    """Fit, from a checkpoint where there is one: the run is gone on with."""
    earlier = _earlier(record, task)
    with _profiled(config, record) as profiler:
        trainer = _trainer(config, record)
        if profiler is not None:
            profiler.attach(trainer)
        _run(trainer, "fit", trainer.fit, task, data, ckpt_path=earlier)
    return trainer


def _profiled(config: Config, record: Record) -> AbstractContextManager[FitProfiler | None]:
    """What `profile` asks for; of several processes the first is looked at."""
    if not config["profile"] or ranks.rank():
        return nullcontext()
    from phmbench.training.profile import profiled

    return profiled(record.path)


def _earlier(record: Record, task: Task) -> str | None:
    """The checkpoint to go on from, by the first process's word: it may put a damaged one aside."""
    if ranks.rank():
        return ranks.board().share() or None
    found = checkpoint_of(record.checkpoints, task)
    if ranks.joined():
        ranks.board().share(str(found or ""))
    return None if found is None else str(found)


def test(config: Config, record: Record, data: VibrationData, trainer: Trainer, checkpoint: dict[str, Any]) -> Fitted:
    """Test the weights of a checkpoint on the test set, once; predictions go into the record.

    The task is built anew: a strategy may have wrapped or spread the one that was fitted.
    """
    begun = time.perf_counter()
    task = _loaded(config, data, checkpoint)
    parameters = sum(p.numel() for p in task.parameters())
    tested = _run(trainer, "test", trainer.test, task, data, verbose=False)
    if not tested:
        raise DataError("test: no window was tested; expected at least one; check trainer.limit_test_batches")
    confusion, intervals = None, None
    if trainer.is_global_zero:
        confusion = write_predictions(record, data, task.tested)  # type: ignore[arg-type]
        if data.drawn is not None:
            intervals = episodic.of_answers(data, task.answered)  # type: ignore[arg-type]
    if confusion is not None:
        of = len(data.assignment.test) if data.drawn is None else episodic.answers_expected(data)
        _mark_parts(record, trainer, tested=sum(map(sum, confusion["counts"])), of=of)
    return Fitted(
        metrics={name: float(value) for name, value in tested[0].items()},
        confusion=confusion,
        parameters=parameters,
        seconds={"test": time.perf_counter() - begun},
        intervals=intervals,
    )


def _loaded(config: Config, data: VibrationData, checkpoint: dict[str, Any]) -> Task:
    """A task with the weights of a checkpoint, that knows the parts of the test set."""
    task = build.task(config, data.facts)
    require_readable(task, data)
    own = {name: value for name, value in task.state_dict().items() if name.startswith(OF_TRAINING)}
    weights = {name: value for name, value in checkpoint["state_dict"].items() if not name.startswith(OF_TRAINING)}
    task.load_state_dict({**own, **weights})
    meet = getattr(task, "meet", None)
    if callable(meet):
        meet(data.target_batches())
    task.groups, task.foreign = parted.groups(data), parted.foreign(data)  # type: ignore[assignment]
    return task


def _of_last(config: Config, data: VibrationData, trainer: Trainer, record: Record) -> dict[str, float]:
    """`last/…`: the test metrics of the last epoch's weights, beside those of the weights that validation chose."""
    path = record.checkpoints / "last.ckpt"
    if not path.is_file():
        record.warn("last: no metrics of the last epoch, whose weights are not kept; set "
                    "trainer.callbacks.checkpoint.save_last=true")  # fmt: skip
        return {}
    loggers, trainer.loggers = trainer.loggers, []  # curves hold one test, that of what was chosen
    task = _loaded(config, data, read_checkpoint(path))
    tested = _run(trainer, "test", trainer.test, task, data, verbose=False)
    trainer.loggers = loggers
    return {name.replace("test/", "last/", 1): float(value) for name, value in tested[0].items()}


def _untested(task: Task) -> Fitted:
    """Where only validation is to speak."""
    return Fitted(metrics={}, confusion=None, parameters=sum(p.numel() for p in task.parameters()), seconds={})


def _mark_parts(record: Record, trainer: Trainer, *, tested: int, of: int) -> None:
    """A number from a part of the data must not look like one from all of them."""
    if tested < of:
        record.warn(f"test: {tested} of {of} windows were tested (trainer.limit_test_batches): no result of the split")
    for name, what in (("limit_train_batches", "trained on"), ("limit_val_batches", "chose by")):
        limit = getattr(trainer, name)
        if limit not in (None, 1.0):
            record.warn(f"each epoch {what} a part of its windows (trainer.{name} is {limit})")


def _trainer(config: Config, record: Record) -> Trainer:
    from phmbench.sweep import jobs
    from phmbench.training import finite
    from phmbench.training.callbacks import KeepParts, LossLog, Progress, SeedEpoch
    from phmbench.training.oracle import Oracle

    parts = {"model": config["model"], "head": config["task"]["head"]}
    extra: list[Callback] = [LossLog(), SeedEpoch(seed=config["seed"]), KeepParts(parts=parts)]
    extra.append(finite.Finite(folder=record.path / finite.FOLDER))
    if config["selection"] == "oracle" or config.get("other_selections"):
        extra.append(Oracle(monitor=config["monitor"], folder=record.path))
    folder = jobs.trial()
    if folder is not None:
        from phmbench.sweep import reports

        extra += reports.of_trial(folder, record.path)
    elif ranks.rank() == 0:
        extra.append(Progress(monitor=config["monitor"], label=_label(record.path)))
    return build.trainer(config, record.path, extra=extra, warn=record.warn)


def _label(path: Path) -> str:
    """Which split, fold and seed is fitted: `mfpt seed-0`; `fit` where there is one."""
    ours = ("target-", "seed-", "split-")
    parts = [part.removeprefix("target-") for part in path.parts[-3:] if part.startswith(ours)]
    return " ".join(parts) or "fit"


def _run(trainer: Trainer, what: str, call: Any, *args: Any, **kwargs: Any) -> Any:
    """Lightning lets its own exceptions for settings through: told apart here."""
    from lightning.fabric.utilities.exceptions import MisconfigurationException

    try:
        return call(*args, **kwargs)
    except (MisconfigurationException, ValueError, RuntimeError) as error:
        if not isinstance(error, MisconfigurationException) and not _is_of_lightning(error):
            raise
        raise ConfigError(f"trainer ({what}): {str(error).strip()}") from error


def _is_of_lightning(error: BaseException) -> bool:
    """Whether Lightning itself raised it, about its settings, and not a model or a loss that it called."""
    at = error.__traceback__
    while at is not None and at.tb_next is not None:
        at = at.tb_next
    return at is not None and str(at.tb_frame.f_globals.get("__name__", "")).startswith("lightning.")


def write_predictions(record: Record, data: VibrationData, tested: Collected) -> dict[str, Any]:
    """Scores of the test set into the record, with a window of each class to look at; the confusion matrix."""
    from phmbench.metrics import confusion

    assert data.store is not None
    rows = tested.window.numpy()
    recording = data.windows.recording[rows]
    used, compact = _compact(recording)
    label = tested.label.numpy()
    of_class = {name: rows[label == k] for k, name in enumerate(data.classes)}
    examples = [_example(data, name, int(found[len(found) // 2])) for name, found in of_class.items() if len(found)]
    record.write_predictions(
        recording=compact,
        names=[str(name) for name in data.table["recording"].iloc[used]],
        start=data.windows.start[rows],
        target=label,
        scores=tested.probabilities.numpy(),
        classes=data.classes,
        window=data.window,
        examples=examples,
    )
    return {"classes": list(data.classes), "counts": confusion(tested).tolist()}


def _example(data: VibrationData, label: str, window: int) -> Example:
    """A window of a class to look at, before it is normalised, with what is known of it."""
    import numpy as np

    from phmbench.record.predictions import Example

    assert data.store is not None
    row = int(data.windows.recording[window])
    enveloped = data.view.name == "envelope_angle"  # its unit is lost
    unit = data.table["signal_unit"].iloc[row] if "signal_unit" in data.table and not enveloped else None
    return Example(
        signal=data._raw(np.array([window]))[0],
        rate_hz=float(data.rate_of[row]),
        speed_hz=float(data.speed_of[row]),
        orders=data.orders_of[row],
        recording=str(data.table["recording"].iloc[row]),
        start=int(data.windows.start[window]),
        channels=data.store.channels,
        label=label,
        unit=str(unit or ""),
        envelope=enveloped,
    )


def _compact(recording: Any) -> tuple[Any, Any]:
    import numpy as np

    return np.unique(recording, return_inverse=True)
