"""Records as runs leave them, with answers that a test chooses."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from phmbench.record import Record, result

CONFIG: dict[str, Any] = {
    "seed": 0, "repeats": 1, "folds": None, "monitor": "val/macro_f1", "selection": "source_validation", "init": None,
    "test": True, "paths": {"output": "outputs"},
    "data": {"label": "fault_type", "window": 8, "hop": 8, "noise_db": None, "normalise": "window", "batch_size": 64,
             "augment": None, "num_workers": 0, "where": None,
             "sources": {"rig": {"_target_": "phmbench.data.sources.simulated.Simulated", "root": "data"}}},
    "task": {"_target_": "phmbench.tasks.classification.Classification",
             "split": {"_target_": "phmbench.data.splits.units.Units", "target": None, "val": 0.2},
             "algorithm": {"_target_": "phmbench.algorithms.erm.ERM"}},
    "model": {"_target_": "phmbench.models.wdcnn.WDCNN", "width": 16},
    "estimator": None,
    "trainer": {"_target_": "lightning.pytorch.Trainer", "max_epochs": 100, "devices": 1},
    "choices": {"data": "rig", "task/split": "units", "model": "wdcnn"},
}  # fmt: skip

Answers = Mapping[str, Sequence[str]]
"""Unit (`inner-0`, whose class is what stands before the dash) → what was said of each of its windows."""


def config(**over: Any) -> dict[str, Any]:
    """CONFIG with dotted keys (`data__window`) set."""
    found = copy.deepcopy(CONFIG)
    for key, value in over.items():
        *above, last = key.split("__")
        node = found
        for name in above:
            node = node[name]
        node[last] = value
    return found


def baseline(name: str = "rf_orders", **over: Any) -> dict[str, Any]:
    """The configuration of an estimator."""
    chosen = {"data": "rig", "task/split": "units", "estimator": name}
    node = {"_target_": "phmbench.estimators.on_features.OnFeatures", "features": name}
    return config(model=None, estimator=node, choices=chosen, **over)


def fit(
    path: Path, config: Mapping[str, Any], answers: Answers, *, hash: str = "key", trained: str = "train-0", **kept: Any
) -> Path:
    """A finished record of one fit."""
    with Record.open(path, config) as record:
        record.finish(outcome(record, config, answers, hash=hash, trained=trained, **kept), pages=False)
    return path


def outcome(
    record: Record, config: Mapping[str, Any], answers: Answers, *, hash: str, trained: str, **kept: Any
) -> dict[str, Any]:
    """Split and predictions into a record, and the result that goes with them."""
    from sklearn.metrics import accuracy_score, balanced_accuracy_score, confusion_matrix, f1_score

    names = list(answers)
    classes = sorted({name.partition("-")[0] for name in names} | {one for said in answers.values() for one in said})
    rows = [
        {"recording": f"r/{name}", "rig": "rig", "unit": name, "condition": None, "label": name.partition("-")[0],
         "set": "test", "windows": len(answers[name]), "first_sample": 0, "last_sample": 7}
        for name in names
    ]  # fmt: skip
    record.write_split(pd.DataFrame([{**rows[0], "recording": trained, "unit": trained, "set": "train"}, *rows]))
    at = [(i, 8 * w, one) for i, name in enumerate(names) for w, one in enumerate(answers[name])]
    target = [classes.index(names[i].partition("-")[0]) for i, _, _ in at]
    said = [classes.index(one) for *_, one in at]
    scores = np.full((len(at), len(classes)), 0.1 / max(1, len(classes) - 1))
    scores[np.arange(len(at)), said] = 0.9
    record.write_predictions(recording=[i for i, *_ in at], names=[f"r/{name}" for name in names],
                             start=[start for _, start, _ in at], target=target, scores=scores, classes=classes,
                             window=8)  # fmt: skip
    metrics = {
        "test/macro_f1": f1_score(target, said, average="macro", labels=sorted(set(target)), zero_division=0),
        "test/accuracy": accuracy_score(target, said),
        "test/balanced_accuracy": balanced_accuracy_score(target, said),
        "val/macro_f1": 0.5,
    }
    counts = {"windows": len(at), "recordings": len(names), "units": len(names)}
    split = {"name": "units", "level": "unit", "validation_level": "unit", "target": [], "notes": [], "train": counts,
             "val": counts, "test": counts,
             "shared": dict.fromkeys(("samples", "recordings", "units", "conditions", "rigs"), 0)}  # fmt: skip
    found = result.build(
        metrics=metrics, seed=config["seed"], monitor=config["monitor"], selection=config["selection"], split=split,
        data={"source": ["rig"], "rigs": ["rig"], "classes": classes, "hash": hash, "window": 8},
        model={"name": "WDCNN", "parameters": None if config["estimator"] else 123},
        seconds={"fit": 2.0},
        confusion={"classes": classes, "counts": confusion_matrix(target, said, labels=range(len(classes))).tolist()},
        choices=config["choices"],
    )  # fmt: skip
    return {**found, **kept}


def seeds(path: Path, config: Mapping[str, Any], each: Sequence[Answers], **kept: Any) -> Path:
    """A finished record of several seeds."""
    with Record.open(path, {**config, "repeats": len(each)}) as record:
        results = []
        for seed, answers in enumerate(each):
            one = {**config, "seed": seed}
            with record.child(f"seed-{seed}", one) as child:
                child.finish(outcome(child, one, answers, hash="key", trained="train-0", **kept), pages=False)
            results.append(child.result())
        record.finish(result.aggregate_repeats(results), pages=False)
    return path


def folds(path: Path, config: Mapping[str, Any], each: Mapping[str, Answers], **kept: Any) -> Path:
    """A finished record of several folds."""
    with Record.open(path, {**config, "folds": "all"}) as record:
        results = {}
        for target, answers in each.items():
            with record.child(f"target-{target}", config) as child:
                child.finish(outcome(child, config, answers, hash="key", trained="train-0", **kept), pages=False)
            results[target] = child.result()
        record.finish(result.aggregate_folds(results), pages=False)
    return path


def answers(right: int, of: int = 4, *, units: int = 3, first: int = 0) -> dict[str, list[str]]:
    """Inner and outer, so many units each with `of` windows, of which so many are named right."""
    return {
        f"{name}-{unit}": [name] * right + [other] * (of - right)
        for name, other in (("inner", "outer"), ("outer", "inner"))
        for unit in range(first, first + units)
    }
