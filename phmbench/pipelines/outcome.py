"""What pipelines share: data prepared and shown before the fit, and its result put into words after it."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from phmbench import build
from phmbench.config import Config

if TYPE_CHECKING:
    from phmbench.data.datamodule import VibrationData
    from phmbench.record import Record
    from phmbench.training.fit import Fitted


def prepared(cfg: Config, record: Record, adopt: Mapping[str, Any] | None = None) -> VibrationData:
    """Store, split and audit; split.csv written and the sets shown, by the first process.

    Args:
        cfg: the checked configuration.
        record: gets split.csv.
        adopt: what a checkpoint says of the data it was trained on; its classes and statistics are taken.
    """
    from phmbench.data.audit import split_table
    from phmbench.record import screen
    from phmbench.training import ranks

    started = time.perf_counter()
    data = build.data(cfg)
    first = ranks.rank() == 0
    data.open(progress=screen.store_progress() if first else None)
    data.assign()
    if adopt is not None:
        data.adopt(adopt)
    data.seconds = time.perf_counter() - started
    if first:
        record.write_split(split_table(data.assignment, data.table, data.windows, data.window))
        screen.sets(split_of(data), data.notes)
    return data


def split_of(data: VibrationData) -> dict[str, Any]:
    """The split as the record holds it: sets, what separates them, what they share."""
    assignment, audit = data.assignment, data.audit
    return {
        "name": assignment.name,
        "level": assignment.level,
        "validation_level": assignment.validation_level,
        "leaky": assignment.leaky,
        "target": list(assignment.target),
        "domains": list(assignment.domains),
        "class_sources": {name: list(sources) for name, sources in assignment.class_sources.items()},
        "notes": [*assignment.notes, *audit.findings, *data.notes],
        **{name: dict(audit.sets[name]) for name in ("train", "val", "test")},
        "shared": dict(audit.shared),
    }


def describe(cfg: Config, data: VibrationData, fitted: Fitted) -> dict[str, Any]:
    """The result of one fit as metrics.json holds it."""
    from phmbench.record import result

    assert data.store is not None
    rigs = sorted({str(rig) for rig in data.table["rig"].iloc[_used(data)]})
    return result.build(
        metrics=fitted.metrics,
        seed=cfg["seed"],
        monitor=cfg["monitor"],
        selection=cfg["selection"],
        split=split_of(data),
        data={
            "source": sorted(cfg["data"]["sources"]),
            "rigs": rigs,
            "classes": list(data.classes),
            "hash": data.store.key,
            "channels": list(data.store.channels),
            "window": data.window,
        },
        model={"name": cfg["model"]["_target_"].rsplit(".", 1)[-1], "parameters": fitted.parameters},
        seconds={**fitted.seconds, "set_up": fitted.seconds.get("set_up", 0.0) + data.seconds},
        confusion=fitted.confusion,
        choices=cfg.get("choices"),
    )


def _used(data: VibrationData) -> Any:
    import numpy as np

    sets = (data.assignment.train, data.assignment.val, data.assignment.test)
    return np.unique(np.concatenate([data.windows.recording[rows] for rows in sets]))
