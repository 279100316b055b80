"""What must agree for two runs to stand in one column, and what tells two methods apart."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from phmbench.leaderboard.runs import Fit, Run
from phmbench.record.configuration import leaves

OF_METHOD = ("augment", "balance", "batch_size", "normalise")
"""Keys of `data` that change how a method learns, and not what it is asked."""
IDLE = ("num_workers", "_target_")
"""Keys of `data` that change nothing."""
TRAINING = (
    "max_epochs", "min_epochs", "max_steps", "min_steps", "max_time", "precision", "accumulate_grad_batches",
    "gradient_clip_val", "gradient_clip_algorithm", "limit_train_batches", "limit_val_batches", "val_check_interval",
    "check_val_every_n_epoch",
)  # fmt: skip
"""Keys of `trainer` that change what is learned, not where."""
USUAL = {
    "task/algorithm": "erm",
    "task/adaptation": "source_only",
    "task/averaging": "none",
    "task/method": "",  # always said
    "task/adapter": "linear_probe",
    "task/head": "linear",
    "model/front": "none",
    "data/augment": "none",
}
"""Choices that go without saying."""

OF_EPISODES = ("n_way", "k_shot", "n_query", "disjoint")
"""Keys of a few-shot task that are part of what is asked, and not of how it is learnt."""

Protocol = str
"""The facts of a protocol as JSON, which is equal where they are."""


def asked(config: Mapping[str, Any]) -> str:
    """What a run was to answer, by its configuration alone: by this one that has no result finds its column."""
    data, task = config.get("data") or {}, config.get("task") or {}
    kept = {k: v for k, v in data.items() if k not in (*OF_METHOD, *IDLE, "sources")}
    sources = {
        name: {k: v for k, v in (source or {}).items() if k != "root"}
        for name, source in (data.get("sources") or {}).items()
    }
    return _said(
        {
            "data": kept,
            "sources": sources,
            "task": task.get("_target_"),
            "split": task.get("split"),
            "target": task.get("target"),  # how much of it is adapted to
            **{key: config.get(key) for key in ("folds", "selection", "monitor")},
            "init": config.get("init") is not None,
            **_episodes(task),
        }
    )


def _episodes(task: Mapping[str, Any]) -> dict[str, Any]:
    """What episodes ask, of few-shot tasks."""
    node = task.get("episodes")
    if not node:
        return {}
    drawn = {key: node.get(key) for key in ("base_shot", "test", "file")}
    return {"episodes": {**{key: task.get(key) for key in OF_EPISODES}, **drawn}}


def protocol(config: Mapping[str, Any], fits: Sequence[Fit]) -> Protocol:
    """What the fits of a method have answered: data, classes and windows of each set, and how was chosen.

    Where the split is drawn with the seed, the seeds belong to it: a mean over other draws is another number.
    """
    drawn = len({(fit.target, fit.split) for fit in fits}) > len({fit.target for fit in fits})
    facts = {
        f"{fit.target}, seed {fit.seed}" if drawn else fit.target: [
            fit.result["data"]["hash"],
            fit.result["data"].get("window"),
            fit.result["data"]["classes"],
            fit.split,
        ]
        for fit in fits
    }
    data, task = config.get("data") or {}, config.get("task") or {}
    more = {"task": task.get("_target_"), "noise_db": data.get("noise_db"), "init": config.get("init") is not None}
    chosen = {key: config.get(key) for key in ("selection", "monitor")}
    return _said({"fits": facts, **chosen, **more, **_episodes(task)})


def method(config: Mapping[str, Any]) -> dict[str, Any]:
    """What is compared: dotted keys and values of model or estimator and of how it was trained."""
    data, task, trainer = (config.get(key) or {} for key in ("data", "task", "trainer"))
    data = {"balance": "none", **data}  # records of before there was a choice have none
    found: dict[str, Any] = {"data": {"normalise": data.get("normalise")}, "init": config.get("init")}
    if config.get("estimator"):
        found["estimator"] = config["estimator"]
    else:
        parts = {key: value for key, value in task.items() if key not in ("split", "target", "_target_", *OF_EPISODES)}
        if parts.get("episodes"):
            parts["episodes"] = {key: parts["episodes"].get(key) for key in ("train", "val")}
        parts = {"averaging": {}, **parts}  # as above
        callbacks = trainer.get("callbacks") or {}
        learns = {name: one for name, one in callbacks.items() if name not in ("checkpoint", "health")}
        found |= {
            "model": config.get("model"),
            "task": parts,
            "data": {key: data.get(key) for key in OF_METHOD},
            "trainer": {**{key: trainer.get(key) for key in TRAINING}, "callbacks": learns},
        }
    return {key: value for key, value in leaves(found) if not key.endswith((".monitor", ".mode"))}


def name(config: Mapping[str, Any]) -> str:
    """A method in short: its option, and the choices beside it that are not the usual ones."""
    chosen = config.get("choices") or {}
    if config.get("estimator"):
        return str(chosen.get("estimator") or _class(config["estimator"]))
    model = str(chosen.get("model") or _class(config.get("model") or {}))
    more = [str(chosen[g]) for g, usual in USUAL.items() if chosen.get(g) and chosen[g] != usual]
    start = ["from weights"] if config.get("init") is not None else []
    return " + ".join([model, *more, *start])


def is_baseline(config: Mapping[str, Any]) -> bool:
    """Whether a classical estimator stands in the place of a network."""
    return bool(config.get("estimator"))


def differing(each: Iterable[Mapping[str, Any]]) -> list[str]:
    """The keys whose values are not the same in all."""
    every = list(each)
    keys = dict.fromkeys(key for one in every for key in one)
    return [key for key in keys if len({_said(one.get(key)) for one in every}) > 1]


def same(runs: Sequence[Run]) -> bool:
    """Whether all runs are of one method, settings and all."""
    return len({_said(method(run.config)) for run in runs}) == 1


def _class(node: Mapping[str, Any]) -> str:
    return str(node.get("_target_") or "?").rpartition(".")[2]


def _said(value: Any) -> str:
    return json.dumps(value, sort_keys=True, default=str)
