"""A classical estimator in the place of a network: the same data, split, audit, metrics and record."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from phmbench.config import Config
from phmbench.errors import ConfigError
from phmbench.metrics import Collected, classification_metrics
from phmbench.record import Record

if TYPE_CHECKING:
    from phmbench.data.datamodule import VibrationData
    from phmbench.estimators.on_features import Fitted, OnFeatures
    from phmbench.training.fit import Fitted as Result

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

    estimator: OnFeatures = build.estimator(cfg)
    data = prepared(cfg, record)
    return describe(cfg, data, _fitted(cfg, record, data, estimator))


def _fitted(cfg: Config, record: Record, data: VibrationData, estimator: OnFeatures) -> Result:
    from phmbench.training.fit import Fitted as Result

    begun = time.perf_counter()
    sets = {name: getattr(data.assignment, name) for name in ("train", "val", "test")}
    if not cfg["test"]:
        sets["test"] = sets["test"][:0]
    tables = {name: _table(data, rows, estimator) for name, rows in sets.items()}
    _leave_out_unknown(data, tables, estimator)
    described = time.perf_counter()
    fitted, setting, validation = _chosen(cfg, data, sets, tables, estimator)
    data.notes.append(f"validation chose {_said(setting)} of {len(estimator.settings)} settings")
    chosen = time.perf_counter()
    metrics, confusion = {f"val/{name}": value for name, value in validation.items()}, None
    if cfg["test"]:
        tested = _collected(data, sets["test"], fitted.scores(tables["test"], len(data.classes)))
        metrics |= {f"test/{name}": value for name, value in _metrics(data, tested, groups=True).items()}
        confusion = _keep(record, data, tested)
    seconds = {
        "set_up": described - begun,
        "fit": chosen - described,
        "test": time.perf_counter() - chosen,
    }
    return Result(metrics=metrics, confusion=confusion, parameters=None, seconds=seconds)


def _table(data: VibrationData, rows: NDArray[np.int64], estimator: OnFeatures) -> NDArray[np.float32]:
    """Features of windows, (N, F)."""
    parts = [estimator.features(batch).float().numpy() for batch in _batches(data, rows, raw=estimator.features.raw)]
    width = len(estimator.features.names(data.facts.channels))
    return np.concatenate(parts) if parts else np.zeros((0, width), np.float32)


def _batches(data: VibrationData, rows: NDArray[np.int64], *, raw: bool) -> Iterator[Any]:
    for start in range(0, len(rows), WINDOWS):
        yield data.batch(rows[start : start + WINDOWS], raw=raw)


def _leave_out_unknown(data: VibrationData, tables: dict[str, NDArray[np.float32]], estimator: OnFeatures) -> None:
    """A feature that is not known of every window (lines of a bearing without geometry) is none.

    Raises:
        ConfigError: no feature is left.
    """
    known = np.logical_and.reduce([np.isfinite(table).all(0) for table in tables.values()])
    if not known.any():
        raise ConfigError(
            "estimator.features: no feature is known of all windows; got rigs without speed or geometry; expected one "
            "at least; choose another estimator"
        )
    if not known.all():
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
    estimator: OnFeatures,
) -> tuple[Fitted, dict[str, Any], dict[str, float]]:
    """The setting that is best by the monitor, the first of equals; and its validation metrics."""
    from phmbench.resolvers import metric_mode

    sign = 1.0 if metric_mode(cfg["monitor"]) == "max" else -1.0
    name = cfg["monitor"].removeprefix("val/")
    label = data.label_of[data.windows.recording[sets["train"]]]
    found = []
    for setting in estimator.settings:
        fitted = estimator.fit(tables["train"], label, setting=setting, seed=cfg["seed"])
        scores = fitted.scores(tables["val"], len(data.classes))
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

    from phmbench.training import fit

    found = {"loss": float(cross_entropy(collected.logits.float(), collected.label))}
    found |= classification_metrics(collected, data.classes)
    for axis, members in (fit.groups(data) if groups else {}).items():
        masks = {name: torch.isin(collected.window, rows) for name, rows in members.items()}
        found |= classification_metrics(collected, data.classes, masks, axis=axis)
    return found


def _keep(record: Record, data: VibrationData, tested: Collected) -> dict[str, Any]:
    from phmbench.training import fit

    return fit.write_predictions(record, data, tested)


def _said(setting: dict[str, Any]) -> str:
    return ", ".join(f"{name}={value}" for name, value in setting.items()) or "the only one"
