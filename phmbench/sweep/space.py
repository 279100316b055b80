"""What a search varies: spaces of files and of the command line together, in an order in which values can be drawn.

Nothing here imports torch; Optuna is imported where a word asks for it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from phmbench.errors import ConfigError
from phmbench.sweep.parameter import Parameter, Value
from phmbench.sweep.space_files import read_spaces
from phmbench.sweep.space_words import from_words, settled, words

if TYPE_CHECKING:
    from optuna.trial import BaseTrial

__all__ = ["Parameter", "Space", "combined", "from_words", "ordered", "read", "read_spaces", "suggest", "words"]

ABSENT = "not searched"


@dataclass(frozen=True)
class Space:
    """What a search varies, and what it does not.

    Attributes:
        parameters: each after those that its condition names.
        fixed: words that set a value for all trials.
        notes: what the spaces name and is not searched, in words.
    """

    parameters: list[Parameter]
    fixed: list[str]
    notes: list[str]

    def corners(self) -> Iterator[dict[str, Value]]:
        """Values for whole trials in which each choice, and both ends of each range, come up once at least."""
        seen: list[dict[str, Value]] = []
        for parameter in self.parameters:
            for end in parameter.ends():
                chosen = self._around({parameter.key: end}, parameter)
                if chosen not in seen:
                    seen.append(chosen)
        yield from seen

    def _around(self, wanted: dict[str, Value], parameter: Parameter) -> dict[str, Value]:
        """A trial with the wanted values, in which the parameter exists."""
        by_key = {one.key: one for one in self.parameters}
        needed = list(parameter.when)
        while needed:
            key, values = needed.pop()
            wanted.setdefault(key, next(value for value in values if by_key[key].admits(value)))
            needed += by_key[key].when
        chosen: dict[str, Value] = {}
        for one in self.parameters:
            if one.applies(chosen):
                chosen[one.key] = wanted.get(one.key, one.ends()[0])
        return chosen


def read(
    names: Sequence[str],
    folders: Sequence[Path],
    arguments: Sequence[str],
    *,
    composed: Mapping[str, Value] | None = None,
) -> Space:
    """The space of a search.

    Args:
        names: of spaces, as in `read_spaces`.
        folders: places of options.
        arguments: the words of the command line.
        composed: what is chosen where neither words nor spaces say so (option by group): it decides conditions.

    Raises:
        ConfigError: a space or a word is wrong, two choices are the same, or there is nothing to search.
    """
    line, fixed = from_words(arguments)
    parameters, notes = combined(read_spaces(names, folders), line, typed=settled(fixed), composed=composed or {})
    if not parameters:
        raise ConfigError(
            f"search: nothing to search; got {', '.join([*names, *notes]) or 'no space'}; expected a space, or a range "
            "on the command line; add search=[optim], or task.optimizer.lr='tag(log,interval(1e-4,1e-2))'"
        )
    for one in parameters:
        one.labels()
    return Space(parameters, fixed, notes)


def combined(
    spaces: Sequence[Parameter],
    line: Sequence[Parameter],
    *,
    typed: Mapping[str, Value],
    composed: Mapping[str, Value],
) -> tuple[list[Parameter], list[str]]:
    """The parameters of files and of the command line, which has the last word; and what is not searched, in words.

    A range that is typed takes the place of a file's and keeps its condition. A value that is typed ends the search of
    that key. A condition on a key that is not searched is decided by its value.

    Args:
        spaces: from files.
        line: from the command line.
        typed: key and value of the words that set one.
        composed: the same for what was not typed.

    Raises:
        ConfigError: a condition names a key whose value nobody says, or cannot come true.
    """
    found = {parameter.key: parameter for parameter in spaces}
    for one in line:
        found[one.key] = replace(one, when=found[one.key].when) if one.key in found else one
    notes = [f"{key}: not searched, since the command line sets it" for key in found if key in typed]
    left = {key: one for key, one in found.items() if key not in typed}
    known = {key: value for key, value in {**composed, **typed}.items() if key not in left}
    while gone := [one for one in left.values() if any(k in known and known[k] not in v for k, v in one.when)]:
        for one in gone:
            key = next(k for k, values in one.when if k in known and known[k] not in values)
            notes.append(f"{one.key}: not searched, since {key} is {known[key]}")
            del left[one.key]
            known[one.key] = ABSENT  # what exists only beside it does not exist either
    decided = [replace(one, when=tuple((k, v) for k, v in one.when if k not in known)) for one in left.values()]
    return ordered(decided), notes


def ordered(parameters: Sequence[Parameter]) -> list[Parameter]:
    """Each parameter after those that its condition names.

    Raises:
        ConfigError: a condition names a key that is not searched, cannot come true, or conditions go in a circle.
    """
    by_key = {parameter.key: parameter for parameter in parameters}
    for one in parameters:
        for key, values in one.when:
            if key not in by_key:
                others = ", ".join(sorted(set(by_key) - {one.key}))
                raise ConfigError(
                    f"search: {one.key}: when names a key that is not searched; got {key}; expected "
                    f"{f'one of {others}' if others else 'a second key, which is searched'}; "
                    f"search it, set it on the command line ({key}={values[0]}), or drop the condition"
                )
            if not any(by_key[key].admits(value) for value in values):
                raise ConfigError(
                    f"search: {one.key}: a condition that never comes true; got {key} {', '.join(map(str, values))}; "
                    f"expected a value of its search ({', '.join(map(str, by_key[key].ends()))}); correct it"
                )
    done: dict[str, Parameter] = {}
    while len(done) < len(parameters):
        ready = [p for p in parameters if p.key not in done and all(key in done for key, _ in p.when)]
        if not ready:
            circle = ", ".join(key for key in by_key if key not in done)
            raise ConfigError(f"search: conditions go in a circle; got {circle}; expected an order; drop one condition")
        done |= {parameter.key: parameter for parameter in ready}
    return list(done.values())


def suggest(trial: BaseTrial, parameters: Sequence[Parameter]) -> dict[str, Value]:
    """The values of a trial, asked for one after the other; a conditional one only where it exists."""
    chosen: dict[str, Value] = {}
    for one in parameters:
        if one.applies(chosen):
            chosen[one.key] = _suggested(trial, one)
    return chosen


def _suggested(trial: BaseTrial, one: Parameter) -> Value:
    if one.choices:
        labels = one.labels()
        return labels[trial.suggest_categorical(one.key, list(labels))]
    assert one.low is not None
    assert one.high is not None
    if one.is_whole:
        return trial.suggest_int(one.key, int(one.low), int(one.high), step=int(one.step or 1), log=one.log)
    return trial.suggest_float(one.key, one.low, one.high, step=one.step, log=one.log)
