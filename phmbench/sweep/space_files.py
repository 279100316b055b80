"""Search spaces as files: YAML or JSON that says, for each key, which values are tried, when, and why.

    task.optimizer.lr: {low: 1.0e-4, high: 1.0e-2, log: true, why: "…"}
    task/optimizer: {choices: [adamw, sgd], why: "…"}
    task.optimizer.momentum: {low: 0.5, high: 0.99, when: {task/optimizer: sgd}, why: "…"}

`why` is for those who read the file; nothing is done with it.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from phmbench.errors import ConfigError
from phmbench.overrides import near
from phmbench.sweep.parameter import Parameter, Value

ENDINGS = (".json", ".yaml", ".yml")
RANGE = ("low", "high", "log", "step")
WORDS = ("choices", *RANGE, "when", "why")
KEY = re.compile(r"[A-Za-z_][\w.]*(/\w+)*")


def read_spaces(names: Sequence[str], folders: Sequence[Path]) -> list[Parameter]:
    """The parameters of several spaces together, in the order in which they stand there.

    Args:
        names: of files in `search/` of a folder, or paths that end in .json, .yaml or .yml.
        folders: places of options.

    Raises:
        ConfigError: no such space, not a space, or a key with different ranges in two of them.
    """
    found: dict[str, Parameter] = {}
    origin: dict[str, str] = {}
    for name in names:
        for parameter in read_file(_file(name, folders)):
            if found.setdefault(parameter.key, parameter) != parameter:
                raise ConfigError(
                    f"search: {parameter.key} stands in two spaces with different ranges; got {origin[parameter.key]} "
                    f"and {name}; expected one range a key; leave one space out, or type the range that you want"
                )
            origin.setdefault(parameter.key, name)
    return list(found.values())


def _file(name: str, folders: Sequence[Path]) -> Path:
    if name.endswith(ENDINGS):
        if not Path(name).is_file():
            raise ConfigError(f"search: no such file; got {name}; expected a search space in YAML or JSON; correct it")
        return Path(name)
    there: dict[str, list[Path]] = {}
    for folder in dict.fromkeys(folder.resolve() for folder in folders):
        for file in sorted((folder / "search").glob("*.yaml")):
            there.setdefault(file.stem, []).append(file)
    if name not in there:
        hint = near(name, there) or f"there are {', '.join(sorted(there)) or 'none'}"
        raise ConfigError(f"search: no such space; got {name}; expected a name, or a path to .yaml or .json; {hint}")
    if len(there[name]) > 1:
        raise ConfigError(
            f"search: {name} is provided twice; got {' and '.join(map(str, there[name]))}; expected one space of a "
            "name; rename one, or give its path"
        )
    return there[name][0]


def reasons(names: Sequence[str], folders: Sequence[Path]) -> dict[str, str]:
    """Why each key of these spaces has its range, in the words of the files; only those that say so."""
    written = [_content(_file(name, folders)) for name in names]
    return {key: str(one["why"]) for space in written for key, one in space.items() if "why" in one}


def read_file(file: Path) -> list[Parameter]:
    """The parameters of one space.

    Raises:
        ConfigError: what is wrong with the file.
    """
    written = _content(file)
    if not isinstance(written, dict) or not written:
        raise ConfigError(
            f"search: {file}: an empty space; got {written!r}; expected a mapping from keys to ranges or choices; "
            "add a key"
        )
    return [_parameter(f"search: {file.name}: {key}", str(key), value) for key, value in written.items()]


def _content(file: Path) -> Any:
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException
    from yaml import YAMLError

    try:
        if file.suffix == ".json":
            return json.loads(file.read_text(encoding="utf-8"))
        return OmegaConf.to_container(OmegaConf.load(file))  # 1e-4 is a number to it, and a key twice is an error
    except (OSError, ValueError, YAMLError, OmegaConfBaseException) as error:
        raise ConfigError(
            f"search: {file}: cannot be read; got {' '.join(str(error).split())}; expected YAML, or JSON where it ends "
            "in .json; correct the file"
        ) from error


def _parameter(place: str, key: str, value: object) -> Parameter:
    if not KEY.fullmatch(key):
        raise ConfigError(f"{place}: no key; expected one such as task.optimizer.lr, or a group; correct it")
    if not isinstance(value, dict):
        raise ConfigError(f"{place}: got {value!r}; expected low and high, or choices; write {{low: …, high: …}}")
    for name in value:
        if name not in WORDS:
            hint = near(str(name), WORDS) or "leave it out"
            raise ConfigError(f"{place}: no such word; got {name}; expected one of {', '.join(WORDS)}; {hint}")
    when = _conditions(place, value.get("when"))
    if "choices" not in value:
        return _range(place, key, value, when)
    both = [name for name in RANGE if name in value]
    if both:
        raise ConfigError(f"{place}: got choices and {both[0]}; expected choices or a range; leave one of them out")
    return Parameter(key, choices=_choices(place, value["choices"]), when=when)


def _conditions(place: str, when: object) -> tuple[tuple[str, tuple[Value, ...]], ...]:
    if when is None:
        return ()
    if not isinstance(when, dict) or not when:
        raise ConfigError(f"{place}: when; got {when!r}; expected keys and values; write {{task/optimizer: sgd}}")
    return tuple((str(key), tuple(only) if isinstance(only, list) else (only,)) for key, only in when.items())


def _choices(place: str, choices: object) -> tuple[Value, ...]:
    if not isinstance(choices, list) or not choices:
        raise ConfigError(f"{place}: choices; got {choices!r}; expected a list of values; write choices: [1, 2]")
    twice = [one for i, one in enumerate(choices) if one in choices[:i]]
    if twice:
        raise ConfigError(f"{place}: a choice stands there twice; got {twice[0]!r}; expected each once; remove one")
    return tuple(choices)


def _range(place: str, key: str, value: Mapping[str, Any], when: Any) -> Parameter:
    low, high = _number(place, "low", value.get("low")), _number(place, "high", value.get("high"))
    step = None if value.get("step") is None else _number(place, "step", value["step"])
    log = value.get("log", False)
    if not isinstance(log, bool):
        raise ConfigError(f"{place}: log; got {log!r}; expected true or false; correct it")
    if low > high:
        raise ConfigError(f"{place}: an empty range; got low {low} above high {high}; swap them")
    if log and low <= 0:
        raise ConfigError(f"{place}: zero and less have no logarithm; got low {low} with log; expected it above 0")
    if step is not None and (log or step <= 0):
        raise ConfigError(f"{place}: step; got {step}, log {log}; expected a step above 0 without log; leave out one")
    if step is not None and not math.isclose((high - low) / step, round((high - low) / step), abs_tol=1e-9):
        reached = low + (high - low) // step * step
        raise ConfigError(f"{place}: no step ends at high; got {low}, {high}, {step}; expected high {reached:g}, say")
    if any(isinstance(number, float) for number in (low, high, step)):
        low, high, step = float(low), float(high), None if step is None else float(step)
    return Parameter(key, low=low, high=high, log=log, step=step, when=when)


def _number(place: str, name: str, number: object) -> float | int:
    if isinstance(number, bool) or not isinstance(number, int | float) or not math.isfinite(number):
        raise ConfigError(f"{place}: {name}; got {number!r}; expected a number; give low and high, or choices")
    return number
