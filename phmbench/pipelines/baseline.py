"""A classical estimator in the place of a network: the same data, split, audit, metrics and record."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from phmbench.config import Config
from phmbench.errors import ConfigError
from phmbench.estimators.contract import Rows
from phmbench.metrics import Collected, calls, classification_metrics
from phmbench.record import Record
from phmbench.training import parted

if TYPE_CHECKING:
    from phmbench.data.datamodule import VibrationData
    from phmbench.estimators.contract import Estimator, Fitted
    from phmbench.training.fit import Fitted as Result
    from phmbench.types import Batch

WINDOWS = 256  # read and described at once


def run(*, cfg: Config, record: Record) -> dict[str, Any]:
    """Fit an estimator with each of its settings, choose by validation, test once; the result as metrics.json holds it.

    Args:
        cfg: the checked configuration of one fold and one seed.
        record: where split and predictions go.

    Raises:
        ConfigError: the estimator refuses a setting, or there is nothing to fit it to.
        LeakageError: the audit of the split found shared samples.
    """
    from phmbench import build
    from phmbench.pipelines.outcome import describe, prepared

    estimator: Estimator = build.estimator(cfg)
    data = prepared(cfg, record)
    return describe(cfg, data, _fitted(cfg, record, data, estimator))


def _fitted(cfg: Config, record: Record, data: VibrationData, estimator: Estimator) -> Result:
    from phmbench.training.fit import Fitted as Result

    begun = time.perf_counter()
    sets = {name: getattr(data.assignment, name) for name in ("train", "val", "test")}
    sets["test"] = np.union1d(sets["test"], data.foreign)[: None if cfg["test"] else 0]
    tables = _tables(data, sets, estimator, seed=cfg["seed"])
    _leave_out_unknown(data, sets, tables, estimator)
    described = time.perf_counter()
    if data.drawn is not None:
        return _episodes(cfg, record, data, estimator, sets, tables, times=(begun, described))
    fitted, setting, validation = _chosen(cfg, data, sets, tables, estimator)
    data.notes.append(f"validation chose {_said(setting)} of {len(estimator.settings)} settings")
    chosen = time.perf_counter()
    metrics, confusion = {f"val/{name}": value for name, value in validation.items()}, None
    if cfg["test"]:
        every = _collected(data, sets["test"], fitted.scores(tables["test"]))
        tested = every.of(every.label >= 0)  # the others are of classes that no source has: called, never scored
        found = _metrics(data, tested, groups=True) | calls(every, data.classes, parted.foreign(data))
        metrics |= {f"test/{name}": value for name, value in found.items()}
        confusion = _keep(record, data, tested)
    seconds = {
        "set_up": described - begun,
        "fit": chosen - described,
        "test": time.perf_counter() - chosen,
    }
    return Result(metrics=metrics, confusion=confusion, parameters=None, seconds=seconds)


def _episodes(
    cfg: Config,
    record: Record,
    data: VibrationData,
    estimator: Estimator,
    sets: dict[str, NDArray[np.int64]],
    tables: dict[str, NDArray[np.float32]],
    *,
    times: tuple[float, float],
) -> Result:
    """The same where an estimator learns from the support of each episode, and training is for scales alone."""
    from phmbench.answers import few_shot_metrics
    from phmbench.pipelines import episodes
    from phmbench.training import episodic
    from phmbench.training.fit import Fitted as Result

    setting, validation = episodes.chosen(cfg, data, sets, tables, estimator)
    data.notes.append(f"validation chose {_said(setting)} of {len(estimator.settings)} settings")
    done = time.perf_counter()
    metrics, confusion, intervals = {f"val/{name}": value for name, value in validation.items()}, None, None
    if cfg["test"]:
        answered = episodes.answers("test", data, sets, tables, estimator, setting=setting, seed=cfg["seed"])
        metrics |= {f"test/{name}": value for name, value in few_shot_metrics(answered, data.classes).items()}
        confusion = _keep(record, data, answered.collected(len(data.classes)))
        intervals = episodic.of_answers(data, answered)
    seconds = {"set_up": times[1] - times[0], "fit": done - times[1], "test": time.perf_counter() - done}
    return Result(metrics=metrics, confusion=confusion, parameters=None, seconds=seconds, intervals=intervals)


def _tables(
    data: VibrationData, sets: dict[str, NDArray[np.int64]], estimator: Estimator, *, seed: int
) -> dict[str, NDArray[np.float32]]:
    """Features of the windows of each set, (N, F); what they need to know before is of training windows.

    Raises:
        ConfigError: the windows are not such as the features need.
    """
    features = estimator.features

    def training() -> Iterator[Batch]:
        return _batches(data, sets["train"], raw=features.raw)

    try:
        data.notes += features.learn(training, seed=seed)
        found = {
            name: [features(batch).float().numpy() for batch in _batches(data, rows, raw=features.raw)]
            for name, rows in sets.items()
        }
    except ValueError as error:
        raise ConfigError(f"estimator.features: {' '.join(str(error).split())}") from error
    empty = found["train"][0][:0]
    return {name: np.concatenate([empty, *parts]) for name, parts in found.items()}


def _batches(data: VibrationData, rows: NDArray[np.int64], *, raw: bool) -> Iterator[Batch]:
    for start in range(0, len(rows), WINDOWS):
        yield data.batch(rows[start : start + WINDOWS], raw=raw)


def _leave_out_unknown(
    data: VibrationData,
    sets: dict[str, NDArray[np.int64]],
    tables: dict[str, NDArray[np.float32]],
    estimator: Estimator,
) -> None:
    """A feature that is not known of every window (lines of a bearing without geometry) is none.

    Raises:
        ConfigError: no feature is left, or the estimator needs all of them.
    """
    known = np.logical_and.reduce([np.isfinite(table).all(0) for table in tables.values()])
    if known.all():
        return
    if estimator.whole:
        rows = np.concatenate([sets[name][~np.isfinite(table).all(1)] for name, table in tables.items()])
        rigs = sorted({str(rig) for rig in data.table["rig"].iloc[data.windows.recording[rows]]})
        raise ConfigError(
            f"estimator: needs speed and fault orders of each window; got {len(rows)} windows without, of "
            f"{', '.join(rigs)}; expected bpfo, bpfi, bsf, ftf and speed_rpm; choose estimator=comb, which needs the "
            "speed alone, or other rigs"
        )
    if not known.any():
        raise ConfigError(
            "estimator.features: no feature is known of all windows; got rigs without speed or geometry; expected one "
            "at least; choose another estimator"
        )
    names = estimator.features.names(data.facts.channels)
    left = [name for name, is_known in zip(names, known, strict=True) if not is_known]
    data.notes.append(
        f"{len(left)} of {len(names)} features are not known of all windows and left out: {', '.join(left[:5])}"
        f"{', …' if len(left) > 5 else ''}"
    )
    for name in tables:
        tables[name] = tables[name][:, known]


def _chosen(
    cfg: Config,
    data: VibrationData,
    sets: dict[str, NDArray[np.int64]],
    tables: dict[str, NDArray[np.float32]],
    estimator: Estimator,
) -> tuple[Fitted, Mapping[str, Any], dict[str, float]]:
    """The setting that is best by the monitor, the first of equals; and its validation metrics."""
    from phmbench.resolvers import metric_mode

    sign = 1.0 if metric_mode(cfg["monitor"]) == "max" else -1.0
    name = cfg["monitor"].removeprefix("val/")
    recording = data.windows.recording[sets["train"]]
    rows = Rows(tables["train"], data.label_of[recording], data.rig_of[recording], data.classes)
    found = []
    for setting in estimator.settings:
        fitted = estimator.fit(rows, setting=setting, seed=cfg["seed"])
        scores = fitted.scores(tables["val"])
        metrics = _metrics(data, _collected(data, sets["val"], scores))
        found.append((sign * np.nan_to_num(metrics[name], nan=-np.inf), fitted, setting, metrics))
    _, fitted, setting, metrics = max(found, key=lambda one: one[0])
    return fitted, setting, metrics


def _collected(data: VibrationData, rows: NDArray[np.int64], scores: NDArray[np.float32]) -> Collected:
    import torch

    label = data.label_of[data.windows.recording[rows]]
    return Collected(torch.from_numpy(scores), torch.from_numpy(label), torch.from_numpy(rows))


def _metrics(data: VibrationData, collected: Collected, *, groups: bool = False) -> dict[str, float]:
    import torch
    from torch.nn.functional import cross_entropy

    found = {"loss": float(cross_entropy(collected.logits.float(), collected.label))}
    found |= classification_metrics(collected, data.classes)
    for axis, members in (parted.groups(data) if groups else {}).items():
        masks = {name: torch.isin(collected.window, rows) for name, rows in members.items()}
        found |= classification_metrics(collected, data.classes, masks, axis=axis)
    return found


def _keep(record: Record, data: VibrationData, tested: Collected) -> dict[str, Any]:
    from phmbench.training import fit

    return fit.write_predictions(record, data, tested)


def _said(setting: Mapping[str, Any]) -> str:
    return ", ".join(f"{name}={value}" for name, value in setting.items()) or "the only one"
