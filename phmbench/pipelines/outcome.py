"""What pipelines share: data prepared and shown before the fit, and its result put into words after it."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from phmbench import build
from phmbench.config import Config
from phmbench.data.seen import separated
from phmbench.types import LEVELS

if TYPE_CHECKING:
    from phmbench.data.datamodule import VibrationData
    from phmbench.record import Record
    from phmbench.training.fit import Fitted


def prepared(
    cfg: Config,
    record: Record,
    *,
    processes: int = 1,
    adopt: Mapping[str, Any] | None = None,
    test_all: bool = False,
) -> VibrationData:
    """Store, split and audit; split.csv written and the sets shown, by the first process.

    Args:
        cfg: the checked configuration.
        record: gets split.csv.
        processes: among which each set is dealt out.
        adopt: what a checkpoint says of the data it was trained on; its classes and statistics are taken.
        test_all: every window is tested; the split is not asked.

    Raises:
        DataError: a set has fewer windows than there are processes, or the data are not what is asked for.
    """
    from phmbench.data.audit import split_table
    from phmbench.data.batches import require_windows
    from phmbench.record import lines
    from phmbench.training import ranks

    started = time.perf_counter()
    data = build.data(cfg)
    first = ranks.rank() == 0
    data.open(progress=lines.store_progress() if first else None)
    if test_all:
        data.test_all()
    data.assign()
    if adopt is not None:
        data.adopt(adopt)
    elif cfg["init"] is not None:
        inherit(cfg, data)
    for rows in (data.assignment.train, data.assignment.val, data.assignment.test):
        require_windows(len(rows) or processes, processes)  # a set without windows is not read
    data.seconds, data.cpu_begun = time.perf_counter() - started, _cpu_seconds()
    if first:
        record.write_split(split_table(data.assignment, table=data.table, windows=data.windows, window=data.window))
        if data.drawn is not None and cfg.get("test", True):
            record.write_episodes(data.drawn.listed())
        _show(cfg, record, data, processes)
    return data


def inherit(cfg: Config, data: VibrationData) -> None:
    """Tell the data what the checkpoint that training starts from has seen.

    Raises:
        ConfigError: not a checkpoint.
        LeakageError: it has seen samples of the test set.
    """
    from phmbench.training.checkpoints import read_checkpoint

    state = read_checkpoint(Path(cfg["init"])).get("VibrationData")
    if state is None:
        data.notes.append(f"what {cfg['init']} has been trained on is not known: it may have seen the test set")
    else:
        data.inherit(state["trained_on"])


def _show(cfg: Config, record: Record, data: VibrationData, processes: int) -> None:
    """The whole summary before the first fit of a process, a line before the others."""
    from phmbench.record import lines, screen

    split = with_weakness(split_of(data) | _adapt(cfg, data))
    if _shown:
        lines.sets(split, data.classes, notes=_unsaid(split))
    else:
        _shown.append(True)
        _unsaid(split)
        top = record.path
        while top.name.startswith(("seed-", "target-", "split-")):
            top = top.parent
        screen.summary(
            titled(cfg), split=split, data=data_of(cfg, data), path=top, batch=batch_of(cfg, data, processes)
        )


_shown: list[bool] = []
_said: set[str] = set()


def _unsaid(split: Mapping[str, Any]) -> list[str]:
    """The notes that no fold or seed before has given."""
    fresh = [note for note in split["notes"] if note not in _said]
    _said.update(fresh)
    return fresh


def titled(cfg: Config) -> dict[str, Any]:
    """The sentence: group → (option, title)."""
    from hydra.core.hydra_config import HydraConfig

    from phmbench import config, options

    folders = []  # of the command that composed the run: it has options of the user's own
    if HydraConfig.initialized():
        folders = [source.path for source in HydraConfig.get().runtime.config_sources if source.schema == "file"]
    known = config.options(config.places(folders))
    sentence: dict[str, Any] = {}
    for group in ("task", "data", "model", "estimator", "trainer", "pipeline"):
        option = (cfg.get("choices") or {}).get(group)
        if option is not None:
            found = known.get(group, {}).get(option)  # not there: it lay elsewhere when the run was begun
            sentence[group] = (option, options.title(options.file_of(group, option, found))) if found else option
    return sentence


def split_of(data: VibrationData) -> dict[str, Any]:
    """The split as the record holds it: sets, what separates them, what they share."""
    assignment, audit = data.assignment, data.audit
    level, shared, leaky = assignment.level, dict(audit.shared), assignment.leaky
    notes = [*assignment.notes, *audit.findings, *data.notes]
    if data.drawn is not None:  # an answer is taught by the support, too
        apart = data.drawn.audit()
        level = min(level, apart.level, key=LEVELS.index)
        leaky |= data.drawn.episodes.disjoint == "window"
        notes += [*apart.notes, *(data.drawn.audit("val").notes if len(assignment.val) else ())]
    if data.shared is not None:  # weights that come from another run have seen more than this run's training side
        if data.inherited:
            level = min(level, separated(data.shared), key=LEVELS.index)
        else:
            level, shared = separated(data.shared), {**shared, "conditions": None}
        for key, count in data.shared.items():
            own = shared.get(key)
            shared[key] = None if count is None or own is None else max(count, own)
    return {
        "name": assignment.name,
        "level": level,
        "validation_level": assignment.validation_level if data.inherited or data.shared is None else level,
        "leaky": leaky,
        "target": list(assignment.target),
        "domains": list(assignment.domains),
        "class_sources": {name: list(sources) for name, sources in assignment.class_sources.items()},
        "notes": notes,
        **{name: dict(audit.counts[name]) for name in ("train", "val", "test")},
        "shared": shared,
        "which": {name: list(values) for name, values in audit.which.items()},
    }


def with_weakness(split: dict[str, Any]) -> dict[str, Any]:
    """The split with its mark: below the level of units it is weak."""
    return {**split, "weak": LEVELS.index(split["level"]) < LEVELS.index("unit")}


def data_of(cfg: Config, data: VibrationData) -> dict[str, Any]:
    """The data as the record holds them."""
    assert data.store is not None
    return {
        "source": sorted(cfg["data"]["sources"]),
        "rigs": sorted({str(rig) for rig in data.table["rig"].iloc[_used(data)]}),
        "classes": list(data.classes),
        "hash": data.store.key,
        "channels": list(data.store.channels),
        "window": data.window,
        **data.view.settings(),
    }


def batch_of(cfg: Config, data: VibrationData, processes: int) -> dict[str, int] | None:
    """How many windows a step of training sees, and how that comes about; None where nothing is trained."""
    if not len(data.assignment.train) or cfg["estimator"] is not None:
        return None
    size = min(int(cfg["data"]["batch_size"]), len(data.assignment.train) // processes)
    if data.drawn is not None and data.drawn.trains:  # an episode is a batch
        one = data.drawn.draw("train", 0)
        size = len(one.support) + len(one.query)
    accumulated = int(cfg["trainer"].get("accumulate_grad_batches") or 1)
    return {
        "size": size,
        "processes": processes,
        "accumulated": accumulated,
        "effective": size * processes * accumulated,
    }


def describe(cfg: Config, data: VibrationData, fitted: Fitted, processes: int = 1) -> dict[str, Any]:
    """The result of one fit as metrics.json holds it."""
    from phmbench.record import result
    from phmbench.training import ranks

    return result.build(
        metrics=fitted.metrics,
        seed=cfg["seed"],
        monitor=cfg["monitor"],
        selection=cfg["selection"],
        split=split_of(data) | _adapt(cfg, data),
        data=data_of(cfg, data),
        model={"name": _named(cfg), "parameters": fitted.parameters},
        seconds={**fitted.seconds, "set_up": fitted.seconds.get("set_up", 0.0) + data.seconds},
        confusion=fitted.confusion,
        cpu_seconds=None if ranks.joined() else _cpu_seconds() - data.cpu_begun,
        threads=_threads() if processes == 1 else None,
        batch=batch_of(cfg, data, processes),
        choices=cfg.get("choices"),
        shortcuts=_shortcuts(cfg, data),
        intervals=fitted.intervals,
        episodes=_episodes(cfg, data),
    )


def _adapt(cfg: Config, data: VibrationData) -> dict[str, Any]:
    """What of the target was seen without labels, and whether the method looked at it; nothing where nothing was."""
    from phmbench.signatures import signature_of

    if not len(data.adapt) or cfg["estimator"] is not None:
        return {}
    adapts = signature_of(cfg["task"]["adaptation"]["_target_"]).attribute("adapts")
    return {"adapt": {**data.audit.counts["adapt"], "used": adapts is not False}}


def _episodes(cfg: Config, data: VibrationData) -> dict[str, Any] | None:
    """How the test's episodes were drawn, and what the method learnt from before them."""
    if data.drawn is None or not cfg.get("test", True):
        return None
    found = data.drawn.facts(data.rate_of)
    return found if cfg["estimator"] is None else {**found, "learn_from": "estimator"}


def _shortcuts(cfg: Config, data: VibrationData) -> dict[str, Any] | None:
    """What facts beside fault physics give away, found out by the first process after the fit; None: not looked at."""
    from phmbench.data.shortcuts import shortcuts
    from phmbench.training import ranks

    if not cfg.get("shortcuts", True) or ranks.rank() or not len(data.assignment.train):
        return None
    assert data.store is not None
    return shortcuts(
        data.assignment,
        table=data.table,
        windows=data.windows,
        window=data.window,
        store=data.store,
        test=cfg.get("test", True),
    )


def _threads() -> int:
    import torch

    return torch.get_num_threads()


def _cpu_seconds() -> float:
    """Of this process, its threads, and of the processes that it has started and that have ended."""
    return sum(os.times()[:4])


def _named(cfg: Config) -> str:
    """The network's class, behind the front's where there is one; of an estimator its option, which says more."""
    if cfg["model"] is None:
        option = (cfg.get("choices") or {}).get("estimator")
        return str(option or cfg["estimator"]["_target_"].rpartition(".")[2])
    return network(cfg)


def network(cfg: Config) -> str:
    """`Orders + WDCNN`, `WDCNN`."""
    nodes = [node for node in (cfg["model"].get("front"), cfg["model"]) if node]
    return " + ".join(str(node["_target_"]).rpartition(".")[2] for node in nodes)


def _used(data: VibrationData) -> Any:
    import numpy as np

    sets = (data.assignment.train, data.assignment.val, data.assignment.test)
    return np.unique(np.concatenate([data.windows.recording[rows] for rows in sets]))
