"""Search spaces as words of a command line, in the syntax of hydra-optuna-sweeper; and values as words."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from phmbench.errors import ConfigError
from phmbench.sweep.parameter import Parameter, Value

if TYPE_CHECKING:
    from hydra.core.override_parser.types import Override

BARE = re.compile(r"[A-Za-z_][\w]*(?:[/.-][A-Za-z_]\w*)*", re.ASCII)  # text that Hydra reads as it is
NOT_TEXT = frozenset({"null", "true", "false", "inf", "nan"})


def from_words(arguments: Sequence[str]) -> tuple[list[Parameter], list[str]]:
    """What the words search, and the words that set a value for all trials.

    Args:
        arguments: `key=1,2`, `key=choice(…)`, `key=interval(…)`, `key=range(…)`, `key=tag(log, interval(…))`,
            `key=int(interval(…))`, as hydra-optuna-sweeper takes them; all else sets a value.

    Raises:
        ConfigError: a word is not understood, or cannot be searched.
    """
    parameters: dict[str, Parameter] = {}
    fixed = []
    for word in arguments:
        override = _parsed(word)
        if override.is_sweep_override():
            parameters[_key(override)] = _parameter(word, override)
        else:
            fixed.append(word)
    return list(parameters.values()), fixed


def settled(words: Sequence[str]) -> dict[str, Value]:
    """Key and value of words that set one."""
    overrides = [one for one in map(_parsed, words) if not one.is_delete()]
    return {_key(one): _plain(one.value()) for one in overrides}


def words(chosen: Mapping[str, Value]) -> list[str]:
    """The words that set these values: Hydra reads back exactly the same, whatever a text holds."""
    return [f"{'++' if _is_value(key) else ''}{key}={_written(value)}" for key, value in chosen.items()]


def typed(parameter: Mapping[str, Any]) -> str:
    """A parameter, as a study keeps it, as the word that searches it; and when it exists."""
    if parameter["choices"]:
        said = ",".join(map(_written, parameter["choices"]))
        said = said if len(parameter["choices"]) > 1 else f"choice({said})"
    else:
        low, high, step = parameter["low"], parameter["high"], parameter["step"]
        whole = not any(isinstance(number, float) for number in (low, high, step))
        said = f"interval({low},{high})" if step is None else f"range({low},{high + step},{step})"
        said = f"tag(log,{said})" if parameter["log"] else said
        said = f"int({said})" if whole and step is None else said
    when = [f"{key}={' or '.join(map(_written, values))}" for key, values in parameter["when"]]
    return f"{parameter['key']}={said}{' where ' if when else ''}{' and '.join(when)}"


def _is_value(key: str) -> bool:
    """A group has no dot; a value that no YAML lists must be added (`++`)."""
    return "." in key.partition("@")[0]


def _written(value: Value) -> str:
    if isinstance(value, list | tuple):
        return f"[{','.join(map(_written, value))}]"
    if isinstance(value, Mapping):
        return "{" + ",".join(f"{_written(key)}:{_written(one)}" for key, one in value.items()) + "}"
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if not isinstance(value, str):
        return repr(value)
    if BARE.fullmatch(value) and value.lower() not in NOT_TEXT:
        return value
    from hydra.core.override_parser.types import Quote, QuotedString

    return QuotedString(value, Quote.single).with_quotes()


def _parsed(word: str) -> Override:
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.errors import HydraException

    try:
        return OverridesParser.create().parse_override(word)
    except HydraException as error:
        said = str(error).splitlines()[0]
        raise ConfigError(f"{word}: not understood; {said}; expected key=value, or a range; correct it") from error


def _key(override: Override) -> str:
    return override.key_or_group + (f"@{override.package}" if override.package else "")


def _parameter(word: str, override: Override) -> Parameter:
    """By the plugin's own reading of the word, so that its syntax is ours."""
    from hydra_plugins.hydra_optuna_sweeper._impl import create_params_from_overrides
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    try:
        ((_, read),) = create_params_from_overrides([word])[0].items()
    except (ValueError, TypeError, AssertionError, NotImplementedError) as error:
        raise ConfigError(
            f"{word}: cannot be searched; {' '.join(str(error).split())}; expected choice(…), interval(…), range(…) or "
            "tag(log, interval(…)); correct it"
        ) from error
    key = _key(override)
    if isinstance(read, CategoricalDistribution):
        return Parameter(key, choices=_choices(word, override))
    assert isinstance(read, FloatDistribution | IntDistribution)
    step = None if isinstance(read, IntDistribution) and read.step == 1 else read.step
    return Parameter(key, low=read.low, high=read.high, log=read.log, step=step)


def _choices(word: str, override: Override) -> tuple[Value, ...]:
    """The choices as values: the plugin knows lists and quoted text by how they were typed alone."""
    from hydra.core.override_parser.types import Transformer

    found = [_plain(one) for one in override.sweep_iterator(transformer=Transformer.identity)]
    if getattr(override.value(), "shuffle", False):
        found.sort(key=repr)  # the same choices in another order would be another study
    if any(one in found[:i] for i, one in enumerate(found)):
        raise ConfigError(f"{word}: a choice is given twice; got {found}; expected each once; remove one")
    return tuple(found)


def _plain(value: Any) -> Value:
    from hydra.core.override_parser.types import QuotedString

    if isinstance(value, QuotedString):
        return value.text
    if isinstance(value, list):
        return [_plain(one) for one in value]
    if isinstance(value, dict):
        return {_plain(key): _plain(one) for key, one in value.items()}
    return value
