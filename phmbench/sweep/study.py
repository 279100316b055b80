"""A study of Optuna's as a sweep sees it: the same one again, or none; and what its trials are worth."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from phmbench.errors import ConfigError
from phmbench.resolvers import metric_mode
from phmbench.sweep.identity import anywhere
from phmbench.sweep.jobs import standing

if TYPE_CHECKING:
    import optuna
    from optuna.trial import FrozenTrial

    from phmbench.config import Config
    from phmbench.sweep.parameter import Parameter

IDENTITY = "phmbench"
DATA = "data"
MOST_DEATHS = 3  # of a trial's process, one after the other without a checkpoint between them
OF_MODEL = ("model/parameters", "model/latency_s")
"""Objectives that are no metric, and are to be small."""


def direction(objective: str) -> str:
    """`minimize` or `maximize`."""
    return "minimize" if objective in OF_MODEL or metric_mode(objective) == "min" else "maximize"


def opened(
    storage: Any, *, name: str, objectives: Sequence[str], identity: Mapping[str, Any], sampler: Any, pruner: Any
) -> optuna.Study:
    """The study of this name, begun or gone on with.

    Args:
        storage: an Optuna storage.
        name: of the study.
        objectives: what is optimised, in order.
        identity: what makes it this study (space, objectives, what all trials have), as plain values.
        sampler: of Optuna's.
        pruner: of Optuna's, or None.

    Raises:
        ConfigError: there is a study of this name, and it is another one.
    """
    import optuna

    directions: list[Any] = [direction(objective) for objective in objectives]
    try:
        study = optuna.create_study(
            study_name=name, storage=storage, directions=directions, load_if_exists=True, sampler=sampler,
            pruner=pruner or optuna.pruners.NopPruner(),
        )  # fmt: skip
    except ValueError as error:
        raise ConfigError(f"{_other(name)} {error}") from error
    before = study.user_attrs.get(IDENTITY)
    if before is None:
        study.set_user_attr(IDENTITY, dict(identity))
        return study
    if before.get("objectives") != list(objectives) or [d.name.lower() for d in study.directions] != directions:
        raise ConfigError(
            f"{_other(name)} got objectives {list(objectives)}; expected those it was begun with: "
            f"{before.get('objectives')}"
        )
    for key, said in json.loads(json.dumps(identity)).items():
        if before.get(key) != said:
            different = _of_space if key == "space" else _difference
            raise ConfigError(f"{_other(name)} {key}: {different(before.get(key), said)}")
    return study


def _other(name: str) -> str:
    return (
        f"sweep_name: the study {name!r} was begun for another search; type what it was begun with to go on, "
        "choose another sweep_name (where hydra.sweep.dir is given: another folder), or remove its folder;"
    )


def _difference(before: Any, now: Any) -> str:
    """The first entry that differs, in words."""
    old = before if isinstance(before, Mapping) else {"": before}
    new = now if isinstance(now, Mapping) else {"": now}
    for key in [*old, *(key for key in new if key not in old)]:
        if old.get(key) != new.get(key):
            expected = repr(old[key]) if key in old else "no such key, as in the phmbench that began it"
            return f"{key} got {new.get(key)!r}; expected {expected}".strip()
    return "differs"


def _of_space(before: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """The first key that is searched otherwise, as it is typed."""
    from phmbench.sweep.space_words import typed

    key = next((key for key in [*before, *now] if before.get(key) != now.get(key)), "")
    got = typed(now[key]) if key in now else f"nothing searched of {key}"
    expected = typed(before[key]) if key in before else f"nothing searched of {key}"
    return f"got {got}; expected {expected}"


def fixed(base: Config, searched: Sequence[str]) -> dict[str, Any]:
    """What all trials have, by dotted key: the sentence, without what is searched, what lies elsewhere, and the pruner,
    which may be another one in each sitting."""
    groups = {"pruner"} | {key for key in searched if "/" in key} | {key for key in searched if key in base["choices"]}
    nodes = [key.replace("/", ".") for key in groups]
    flat = {f"choices.{group}": option for group, option in base["choices"].items() if group not in groups}
    flat.update(_flat("", anywhere(base)))
    hidden = [key for key in searched if key not in groups] + nodes
    return {
        key: value for key, value in flat.items() if not any(key == one or key.startswith(f"{one}.") for one in hidden)
    }


def _flat(path: str, value: Any) -> dict[str, Any]:
    if not isinstance(value, Mapping) or not value:
        return {path: value}
    found: dict[str, Any] = {}
    for key, one in value.items():
        found.update(_flat(f"{path}.{key}" if path else str(key), one))
    return found


OF_STORES = (
    "data",
    "data.sources",
    "data.rigs",
    "data.where",
    "data.ids",
    "data.channels",
    "data.sample_rate",
    "data.view",
    "data.per_revolution",
    "data.band",
    "data.whiten",
    "data.nan",
)
"""Keys below which each value has recordings of its own; a window or a batch is cut from the same ones."""


def searches_recordings(keys: Iterable[str]) -> bool:
    """Whether trials differ in the recordings that they read, by the keys that are searched."""
    plain = [key.replace("/", ".") for key in keys]
    return any(key == one or (one != "data" and key.startswith(f"{one}.")) for key in plain for one in OF_STORES)


def require_data(base: Config, searched: Sequence[Parameter]) -> None:
    """What no trial can mend ends the search before the first: sources that are not there, unless they are searched.

    Raises:
        DataError: as a run would say.
    """
    from phmbench import build

    if not searches_recordings(one.key for one in searched):
        for name, node in (base["data"].get("sources") or {}).items():
            build.make(node, f"data.sources.{name}").fingerprint()


def require_same_data(study: optuna.Study, key: str) -> None:
    """That a trial has seen the same recordings as the trials before it.

    Args:
        study: remembers the key of the first.
        key: of the store that the trial read.

    Raises:
        ConfigError: the recordings have changed: values of before and after cannot be compared.
    """
    before = study.user_attrs.get(DATA)
    if before is None:
        study.set_user_attr(DATA, key)
    elif before != key:
        raise ConfigError(
            f"sweep_name: the recordings have changed since the study {study.study_name!r} was begun; got {key[:12]}; "
            f"expected {before[:12]}; choose another sweep_name, or bring back the recordings of before"
        )


def values_of(objectives: Sequence[str], result: Mapping[str, Any]) -> list[float] | None:
    """What a run is worth; None where one of the objectives is undefined for it."""
    known = {**result["metrics"], "model/parameters": result["model"]["parameters"]}
    found = [float("nan") if known.get(objective) is None else float(known[objective]) for objective in objectives]
    return found if all(map(math.isfinite, found)) else None


def dies_again(study: optuna.Study, trial: FrozenTrial, folder: Path) -> bool:
    """Count that the process of a trial has died; whether it has done so too often since its last checkpoint, and would
    end each search that runs it again. A trial that has ended, or was interrupted, has not died.

    Args:
        study: of the trial.
        trial: dead.
        folder: of the sweep; its lock (`alone`) is held.
    """
    run, told = folder / trial.user_attrs.get("folder", "."), trial.user_attrs
    if run != folder and standing(run) in ("done", "pruned"):
        return False
    files = [] if run == folder else [*run.rglob("last.ckpt"), *run.rglob("metrics.json")]
    made = max((file.stat().st_mtime_ns for file in files), default=0)
    before, then = told.get("deaths", (0, made))
    count = 0 if told.get("interrupted") else before + 1 if then == made else 1
    study._storage.set_trial_user_attr(trial._trial_id, "deaths", [count, made])
    study._storage.set_trial_user_attr(trial._trial_id, "interrupted", False)
    return count >= MOST_DEATHS


def states(study: optuna.Study) -> dict[str, list[FrozenTrial]]:
    """Trials by state: complete, pruned, failed, running."""
    from optuna.trial import TrialState

    named = {"complete": TrialState.COMPLETE, "pruned": TrialState.PRUNED, "failed": TrialState.FAIL,
             "running": TrialState.RUNNING}  # fmt: skip
    trials = study.get_trials(deepcopy=False)
    return {name: [trial for trial in trials if trial.state == state] for name, state in named.items()}
