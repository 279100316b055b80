"""Loops around any pipeline: `other_splits`, `folds=all` and `repeats=N`, each fit in a directory of its own."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from phmbench.config import Config
from phmbench.errors import ConfigError, DataError, LeakageError
from phmbench.record import Record
from phmbench.training import ranks

if TYPE_CHECKING:
    from phmbench.data.datamodule import VibrationData

Pipeline = Callable[..., dict[str, Any]]


def run(config: Config, record: Record, pipeline: Pipeline) -> dict[str, Any]:
    """Run a pipeline once, or once per fold and seed; the result with means and standard deviations.

    With other splits the same is run with each of them, too: the result is that of the split itself, and holds theirs
    beside it. Fits that the record already holds as done are not run again, so that a run which was cut off goes on
    where it was.

    Raises:
        DataError: folds are asked for of a split that holds nothing out by value.
    """
    found = _folds(config, record, pipeline)
    others = config.get("other_splits")
    if not others:
        return found
    rows = [_other(name, node, config, record, pipeline) for name, node in others.items() if node]
    ran = [found["seconds"], *(row["seconds"] for row in rows if row["refused"] is None)]
    seconds = {key: sum(one.get(key) or 0.0 for one in ran) for key in found["seconds"]}
    return {**found, "other_splits": rows, "seconds": seconds}


def _other(name: str, node: Mapping[str, Any], config: Config, record: Record, pipeline: Pipeline) -> dict[str, Any]:
    """The run with another split, in short; one that these recordings do not allow says why."""

    _heading(f"other split: {name}")
    by_value = config["folds"] is not None and "target" in node
    one = {
        **config,
        "other_splits": None,
        "folds": config["folds"] if by_value else None,
        "task": {**config["task"], "split": node},
    }
    try:
        data = _opened(one, folds(one) if by_value else None)
        if data.drawn is not None:
            one = _as_leaky(one, data)
            _opened(one, folds(one) if by_value else None).require_episodes()
    except (DataError, LeakageError) as error:
        return {"name": name, "refused": str(error)}
    result = _in_child(f"split-{name}", one, record, lambda cfg, child: _folds(cfg, child, pipeline))
    kept = ("metrics", "std", "std_over", "split", "seconds")
    return {"name": name, "refused": None, **{key: result[key] for key in kept}}


def _of_fold(config: Config, target: list[Any]) -> Config:
    split = {**config["task"]["split"], "target": target}
    return {**config, "folds": None, "task": {**config["task"], "split": split}}


def _opened(config: Config, targets: dict[str, list[Any]] | None) -> VibrationData:
    """Split and audited, of several folds the first."""
    from phmbench import build

    data = build.data(config if targets is None else _of_fold(config, next(iter(targets.values()))))
    data.assign()
    return data


def _as_leaky(config: Config, data: VibrationData) -> Config:
    """Few-shot: support and query are no further apart than training and test are, as where such splits are used."""
    node = config["task"]["episodes"]
    by_level = {"sample": "time", "recording": "recording"}
    apart = "window" if data.assignment.leaky else by_level.get(data.assignment.level, "unit")
    task = {**config["task"], "disjoint": apart, "episodes": {**node, "disjoint": apart}}
    return {**config, "task": task}


def _folds(config: Config, record: Record, pipeline: Pipeline) -> dict[str, Any]:
    if config["folds"] is None:
        return _repeats(config, record, pipeline)
    from phmbench.record import result

    results = {}
    targets = folds(config)
    for number, (name, target) in enumerate(targets.items(), 1):
        _heading(f"target {name} ({number} of {len(targets)})")
        one = _of_fold(config, target)
        results[name] = _in_child(f"target-{name}", one, record, lambda cfg, child: _repeats(cfg, child, pipeline))
    return result.aggregate_folds(results)


def folds(config: Config) -> dict[str, list[Any]]:
    """Name of each fold → the value of `task.split.target`."""
    from phmbench import build

    if "target" not in config["task"]["split"]:
        raise ConfigError(
            "folds: all needs a split that holds values out; task.split has no target; choose task/split=units, "
            "hold_out, load, speed, severity or hold_out_rigs, or leave folds out"
        )
    data = build.data(config)
    targets = data.split.targets(data.open())
    if len(targets) < 2:
        raise DataError(
            f"folds: all needs at least two values that can be held out; got {list(targets) or 'none'}; "
            f"leave folds out, or choose another task/split{_reason(data)}"
        )
    return targets


def _reason(data: VibrationData) -> str:
    """Why the split is not possible at all, where it is not."""
    try:
        data.assign()
    except DataError as error:
        return f"; {error}"
    return ""


def _repeats(config: Config, record: Record, pipeline: Pipeline) -> dict[str, Any]:
    if config["repeats"] == 1:
        return pipeline(cfg=config, record=record)
    from phmbench.record import result

    results = []
    for number in range(config["repeats"]):
        seed = config["seed"] + number
        _heading(f"seed {seed} ({number + 1} of {config['repeats']})")
        one = {**config, "repeats": 1, "seed": seed}
        results.append(_in_child(f"seed-{seed}", one, record, lambda cfg, child: pipeline(cfg=cfg, record=child)))
    return result.aggregate_repeats(results)


def _heading(text: str) -> None:
    from phmbench.record import lines

    if not ranks.rank():
        lines.heading(text)


def _in_child(
    name: str, config: Config, parent: Record, call: Callable[[Config, Record], dict[str, Any]]
) -> dict[str, Any]:
    if ranks.rank():  # the first process makes directories and results; the others follow it into them
        state, path = json.loads(ranks.board().share())
        child = Record.attach(Path(path))
        return child.result() if state == "done" else call(config, child)
    with parent.child(name, config) as child:
        state = child.state
        if ranks.joined():
            ranks.board().share(json.dumps([state, str(child.path)]))
        if state != "done":
            outcome = call(config, child)
            child.finish(outcome, pages=False)
        return child.result()
