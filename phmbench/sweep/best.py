"""The best trial of a search: as an experiment that runs as it is, and trained again for the test result."""

from __future__ import annotations

import hashlib
import logging
import re
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from phmbench import trust
from phmbench.config import Config, conf_dir, places
from phmbench.config import Search as OfSearch
from phmbench.record import atomic
from phmbench.record import log as record_log
from phmbench.record.configuration import leaves
from phmbench.record.screen import shown_path
from phmbench.sweep import identity, jobs, one_split, workers
from phmbench.sweep.jobs import Job
from phmbench.sweep.trials import Row, Trials, said

if TYPE_CHECKING:
    from phmbench.sweep.composing import Composer
    from phmbench.sweep.space import Parameter, Space

log = logging.getLogger("phmbench")

REFIT = "refit "
"""So begins an attribute of the study, followed by the number of a trial: the folder in which it was trained again and
tested. There is one for each such folder, so that of two machines at once none is forgotten."""
AWAY = 1000  # seeds of a refit begin so far above those of the trials
LAST_SEED = 2**32 - 1
OF_SEARCH = frozenset({*OfSearch.__dataclass_fields__, "test", "hydra", "experiment"})
"""Keys and groups that a search has and a run has not, or that the experiment takes the place of."""


def shown(folder: Path) -> str:
    """A folder as it is typed."""
    return shlex.quote(shown_path(folder))


def words_of(trial: Any, space: Space) -> list[str]:
    """All words of a trial: those typed for all, and its own values."""
    from phmbench.sweep.space import suggest
    from phmbench.sweep.space_words import words

    return [*space.fixed, *words(suggest(trial, space.parameters))]


def write_experiment(trials: Trials, row: Row, *, words: Sequence[str], composer: Composer, command: str) -> Path:
    """`experiment/best.yaml`: the sentence of a trial and its values, as an option of `experiment`.

    What was typed or chosen stands in it. Where that alone would give another configuration (the search itself was
    one of an experiment, something was removed), the values that differ stand in it as well.

    Args:
        trials: of the search.
        row: the trial.
        words: all that was typed or chosen for it.
        composer: of the search.
        command: by which it was searched.
    """
    config = composer.job(words)
    choices = {group: option for group, option in config["choices"].items() if group.split("/")[0] not in OF_SEARCH}
    values = _values(words, config)
    values |= _left(config, choices, values, composer)
    if one_split.is_drawn(config):
        values[one_split.KEY] = int(composer.config.seed)
    defaults = [{f"override /{group}": _option(option)} for group, option in choices.items()]
    nested: dict[str, Any] = {}
    for key, value in values.items():
        *above, last = key.split(".")
        node = nested
        for name in above:
            node = node.setdefault(name, {})
        node[last] = value
    worth = ", ".join(f"{name} {said(value)}" for name, value in zip(trials.objectives, row.values or (), strict=False))
    place = shown_path(trials.folder)
    head = [
        "# @package _global_",
        f"# The best of {len(trials.rows)} trials of the search {trials.folder.name}: trial {row.number}, {worth}",
        f"# run it:    {_run(place, composer)}",
        f"# searched:  {command}",
    ]
    text = dumped({"defaults": defaults, **nested})
    file = trials.folder / "experiment" / "best.yaml"
    file.parent.mkdir(exist_ok=True)
    atomic.write_text(file, "\n".join(head) + "\n" + text)
    return file


def dumped(said: Mapping[str, Any]) -> str:
    """YAML that Hydra reads back as it is: text that it takes for a number, and PyYAML does not (1e-3), is quoted."""
    return yaml.dump(dict(said), Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120)


class _Dumper(yaml.SafeDumper):
    pass


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    try:
        float(text.replace("_", ""))
    except ValueError:
        return dumper.represent_str(text)
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="'")


_Dumper.add_representer(str, _text)


def _values(words: Sequence[str], config: Config) -> dict[str, Any]:
    """Key and value of the words that set one for the run."""
    from phmbench.sweep.space_words import settled

    return {
        key: value
        for key, value in settled(words).items()
        if key.split(".")[0] not in OF_SEARCH and "/" not in key and "@" not in key and key not in config["choices"]
    }


def _left(config: Config, choices: Mapping[str, str], values: Mapping[str, Any], composer: Composer) -> dict[str, Any]:
    """What these choices and values do not yet say of the configuration."""
    from phmbench.sweep.space_words import words

    typed = [f"{group}={option}" for group, option in choices.items()]
    there = composer.job([*typed, *words(dict(values))])
    ours, theirs = ({k: v for k, v in leaves(one) if not _elsewhere(k)} for one in (config, there))
    absent = object()
    found = {key: _literal(value) for key, value in ours.items() if theirs.get(key, absent) != value}
    for key in theirs:
        if key not in ours and not any(key.startswith(f"{one}.") for one in ours):
            found[_top(key, ours)] = None  # removed on the command line
    return found


def _literal(value: Any) -> Any:
    """A value of a configuration as it is read: what looks like an interpolation there is none any more."""
    if isinstance(value, list):
        return [_literal(one) for one in value]
    return re.sub(r"(\\*)\$\{", r"\1\1\\${", value) if isinstance(value, str) else value


def _elsewhere(key: str) -> bool:
    return key.partition(".")[0] in (*identity.ELSEWHERE, "test")


def _top(key: str, ours: Mapping[str, Any]) -> str:
    """The highest node above a key of which nothing is there."""
    parts = key.split(".")
    for end in range(1, len(parts)):
        node = ".".join(parts[:end])
        if not any(one.startswith(f"{node}.") for one in ours):
            return node
    return key


def _option(text: str) -> Any:
    """An option, or a list of them: `logger=[csv,tensorboard]`."""
    return yaml.safe_load(text) if text.startswith("[") else text


def _run(place: str, composer: Composer) -> str:
    """The command that runs the experiment, with the places of options and the packages that the search was given."""
    return shlex.join(["python", "train.py", "--config-dir", place, "experiment=best", *_flags(composer)])


def _flags(composer: Composer) -> list[str]:
    installed = {one.path.resolve() for one in places()} | {conf_dir().resolve()}
    sources = composer.config.hydra.runtime.config_sources
    found = [Path(str(one.path).removeprefix("file://")) for one in sources if one.schema == "file"]
    others = list(dict.fromkeys(str(path) for path in found if path.resolve() not in installed))
    packages = [one for one in trust.of_environment() if one not in {place.package for place in places()}]
    search = [f"hydra.searchpath=[{','.join(others)}]"] if others else []
    return [*search, *(word for package in packages for word in ("--trust", package))]


# -- trained again ----------------------------------------------------------------------------------------------------


def refit(
    study: Any,
    trials: Trials,
    row: Row,
    *,
    config: Config,
    space: Space,
    count: int,
    launcher: Any,
    threads: int | None,
) -> Path:
    """Train a trial again with seeds that no trial has had, and test it, unless that was done; its run directory.

    Args:
        study: of Optuna's; it keeps which trials were tested.
        trials: of the search.
        row: the trial.
        config: of the trial, on the split of the search.
        space: what was searched, which may be the seed.
        count: number of seeds.
        launcher: of Hydra's.
        threads: of the process; None: as many as it takes.
    """
    folder = trials.folder / f"best-trial-{row.number}"  # also where the sweep's folder was moved since
    known = [Path(place) for key, place in tested(study).items() if key.split()[1] == str(row.number)]
    if known and not folder.exists():
        folder = next((place for place in known if place.exists()), known[0])
        log.warning("refit: trial %d is trained again by another command, in %s", row.number, folder)
        return folder
    if jobs.standing(folder) not in ("done", "running"):
        again = fresh(config, space.parameters, count=count)
        label = f"refit: trial {row.number} with seeds {', '.join(map(str, seeds(again)))}"
        job = Job((), again, folder, label=label, aside=True)
        jobs.write(job, threads=threads)
        if not known:
            place = hashlib.sha256(f"{workers.machine()}:{folder}".encode()).hexdigest()[:8]
            study.set_user_attr(f"{REFIT}{row.number} {place}", str(folder))
        jobs.launch([job], launcher)
    return folder


def tested(study: Any) -> dict[str, str]:
    """Where trials were trained again and tested, by attribute."""
    return {key: place for key, place in study.user_attrs.items() if key.startswith(REFIT)}


def fresh(config: Config, parameters: Sequence[Parameter], *, count: int) -> Config:
    """The configuration of a trial with other seeds and a test, on the same split."""
    most = {key: config[key] for key in ("seed", "repeats")}
    for parameter in parameters:
        if parameter.key in most:
            most[parameter.key] = max(parameter.ends())
    seed = (most["seed"] + most["repeats"] + AWAY) % (LAST_SEED - count)
    return {**config, "test": True, "seed": seed, "repeats": count}


def seeds(config: Mapping[str, Any]) -> list[int]:
    """The seeds of a run."""
    return list(range(config["seed"], config["seed"] + config["repeats"]))


def command(composer: Composer) -> str:
    """What was typed for the search."""
    typed = composer.config.hydra.overrides
    own = ("hydra.mode=MULTIRUN", f"hydra.sweep.dir='{composer.config.hydra.sweep.dir}'")  # of `launchers.prepared`
    words = [str(word).lstrip("+") for word in (*typed.task, *typed.hydra) if str(word) not in own]
    search = list(composer.config.search or ())
    spaces = [f"search=[{','.join(map(str, search))}]"] if search else []
    return record_log.typed(["python", "sweep.py", *words, *spaces, *_flags(composer)])
