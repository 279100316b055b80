"""Hold out by value: what all splits with a target share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import pandas as pd

from phmbench.data.splits.assign import Sides, label_space_of, present, restrict, without_windows
from phmbench.data.splits.columns import Texts, among, counted, in_order, known, listed, text, texts
from phmbench.data.splits.draw import SplitError
from phmbench.errors import ConfigError, DataError

Value = str | int | float


def as_texts(target: Sequence[Value] | None, name: str) -> tuple[str, ...] | None:
    """Values of a target as text; None stays None.

    Raises:
        ConfigError: not a list, an empty one, or one with an empty value.
    """
    if target is None:
        return None
    if isinstance(target, str) or not isinstance(target, Sequence) or not target:
        raise ConfigError(f"target: {name} takes a list of values; got {target!r}; expected for example [3], or null")
    values = [text(value) for value in target]
    if None in values:
        raise ConfigError(f"target: {name} takes values; got a missing one in {list(target)!r}; leave it out")
    return tuple(dict.fromkeys(value for value in values if value is not None))


def complete(values: Texts, label: Texts, table: pd.DataFrame, column: str) -> None:
    """See that each recording that can be split has a value.

    Raises:
        SplitError: some have none; names the first three.
    """
    lacking = [value is None for value in values] & present(label)
    if lacking.any():
        names = ", ".join(str(name) for name in texts(table, "recording")[lacking][:3])
        raise SplitError(
            f"{column}: not known of {counted(int(lacking.sum()), 'recording')}; got missing values, first {names}; "
            f'expected a value each; leave them out with data.where="{column} == {column}", true only where it is known'
        )


def hold(
    values: Texts,
    target: tuple[str, ...],
    *,
    name: str,
    column: str,
    domain: Texts,
    label: Texts,
    table: pd.DataFrame,
    classes: Literal["shared", "sources"] = "shared",
) -> Sides:
    """Sides of a split that puts the recordings with the target's values into the test set.

    Raises:
        DataError: a value that does not occur; lists those that do.
        SplitError: nothing left to train on, or fewer than two shared classes.
    """
    used = present(label)
    values_there = known(values[used])
    strangers = [value for value in target if value not in values_there]
    if strangers:
        raise DataError(
            f"target: {column} has no such value among the recordings with a label; got {', '.join(strangers)}; "
            f"expected one of {listed(values_there)}; set task.split.target to it"
        )
    if values_there <= set(target):
        raise SplitError(
            f"target: nothing is left to train on; got all values of {column}: {listed(values_there)}; "
            "expected at least one that is not held out"
        )
    test = used & among(values, target)
    train = used & ~test
    space, dropped = label_space_of(label, train, test, classes)
    held = f"held out: {column} = {', '.join(target)}; no value of it is on both sides"
    notes = (*without_windows(table, label), *dropped, held)
    return restrict(Sides(name, space, train, test, domain, "rig", target, notes), label)


def table_by_value(values: Texts, label: Texts) -> dict[str, set[str]]:
    """Value → the classes recorded at it, in order of the values."""
    used = present(label) & [value is not None for value in values]
    frame = pd.DataFrame({"value": values[used], "label": label[used]}).drop_duplicates()
    classes = {str(value): set(group) for value, group in frame.groupby("value")["label"]}
    return {value: classes[value] for value in in_order(set(classes))}
