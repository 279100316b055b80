"""From what a split decided about recordings to an Assignment: validation, domains, and what a reader must know."""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np
import pandas as pd

from phmbench.data.splits.blocks import blocks
from phmbench.data.splits.columns import Mask, Rows, Texts, among, counted, in_order, known, listed, texts
from phmbench.data.splits.draw import SplitError, draw
from phmbench.data.splits.levels import separated
from phmbench.types import LEVELS, Assignment, Windows

TEST, VALIDATION = 0, 1  # streams of randomness: what is drawn for one does not move the other


class Sides(NamedTuple):
    """Recordings of the two sides, and what the split calls them."""

    name: str  # of the split
    classes: tuple[str, ...]  # the label space
    train: Mask  # (R,) recordings that training and validation are cut from
    test: Mask  # (R,) recordings that are held out
    domain: Texts  # (R,) source domain of each recording
    highest: str  # of LEVELS: no more than this is claimed, even where more happens to be separate
    target: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


class Cut(NamedTuple):
    """Windows of the three sets, and how validation was cut."""

    train: Rows
    val: Rows
    test: Rows
    validation_level: str
    notes: tuple[str, ...] = ()


def generator(seed: int, stream: int) -> np.random.Generator:
    """Randomness of one purpose."""
    return np.random.default_rng((seed, stream))


def rows_of(windows: Windows, recordings: Mask) -> Rows:
    """Rows of the window index that lie in some recordings, sorted."""
    return np.flatnonzero(recordings[windows.recording])


def rigs(table: pd.DataFrame) -> Texts:
    """Rig of each recording, (R,); the source domains of splits that hold out no value of a column."""
    found = texts(table, "rig")
    found[[value is None for value in found]] = "unknown rig"
    return found


def validation(
    sides: Sides,
    *,
    level: str,
    table: pd.DataFrame,
    label: Texts,
    windows: Windows,
    window: int,
    val: float,
    seed: int,
) -> Cut:
    """Cut validation from the training side at the level of the test set, or the next lower one that is possible.

    A validation set by condition or rig would cost the training side a whole one: by unit is the highest.

    Raises:
        SplitError: not even a cut in time leaves every class in training and validation.
    """
    test = rows_of(windows, sides.test)
    tried: list[str] = []
    for noun in ("unit", "recording"):
        if LEVELS.index(noun) > LEVELS.index(level):
            continue
        try:
            taken = _taken(sides, noun, table=table, label=label, val=val, seed=seed)
        except SplitError as error:
            tried.append(str(error))
            continue
        notes = tuple(f"validation is cut by {noun}: {reason} on the training side" for reason in tried)
        return Cut(rows_of(windows, sides.train & ~taken), rows_of(windows, taken), test, noun, notes)
    (train, part), short = blocks(windows, rows_of(windows, sides.train), window, [val])
    notes = tuple(f"validation is cut in time: {reason} on the training side" for reason in tried[-1:])
    missing = set(sides.classes) - known(label[windows.recording[part]])
    if missing:
        raise SplitError(
            f"val: class {in_order(missing)[0]!r} has no recording that is long enough to cut validation off in time; "
            "got fewer than two windows and a gap of one window; expected a longer recording or a shorter data.window"
        )
    if len(short):
        notes += (f"{counted(len(short), 'recording')} too short to be cut in time, kept in training",)
    return Cut(train, part, test, "sample", notes)


def _taken(sides: Sides, noun: str, *, table: pd.DataFrame, label: Texts, val: float, seed: int) -> Mask:
    """Recordings that validate, (R,), by unit or by recording; no domain is in validation alone if it can be had."""
    at = np.flatnonzero(sides.train)
    group = texts(table, noun)[at]
    if any(value is None for value in group):
        raise SplitError(f"the {noun} is not known of every recording")
    taken = np.zeros(len(table), dtype=bool)
    try:
        drawn = draw(group, label[at], sides.domain[at], share=val, rng=generator(seed, VALIDATION), noun=noun)
    except SplitError:
        anywhere = np.full(len(at), "", dtype=object)
        drawn = draw(group, label[at], anywhere, share=val, rng=generator(seed, VALIDATION), noun=noun)
    taken[at[drawn]] = True
    return taken


def divide(
    sides: Sides,
    *,
    table: pd.DataFrame,
    label: Texts,
    windows: Windows,
    window: int,
    val: float,
    seed: int,
    validate_by: str = "unit",
) -> Assignment:
    """Assignment of a split that puts whole recordings on one side or the other.

    The level is measured, not claimed: a split by load leaves the same bearings on both sides and is of level
    "recording" only, unless the recordings at hand say otherwise. Validation is cut no higher than `validate_by`.
    """
    measured = separated(table, sides.train, sides.test)
    level = min(measured, sides.highest, key=LEVELS.index)
    highest = min(level, validate_by, key=LEVELS.index)
    cut = validation(sides, level=highest, table=table, label=label, windows=windows, window=window, val=val, seed=seed)
    return finish(
        cut,
        table=table,
        label=label,
        windows=windows,
        name=sides.name,
        classes=sides.classes,
        domain=sides.domain,
        level=level,
        target=sides.target,
        notes=sides.notes,
    )


def finish(
    cut: Cut,
    *,
    table: pd.DataFrame,
    label: Texts,
    windows: Windows,
    name: str,
    classes: tuple[str, ...],
    domain: Texts,
    level: str,
    target: tuple[str, ...] = (),
    notes: tuple[str, ...] = (),
    leaky: bool = False,
) -> Assignment:
    """Put together the Assignment: domains of the training set, which domain has which class, and the notes."""
    trained = np.zeros(len(table), dtype=bool)
    trained[windows.recording[cut.train]] = True
    domains = tuple(in_order(known(domain[trained])))
    index = pd.Index(domains).get_indexer(pd.Index(domain)).astype(np.int64)  # (R,), −1 where training has it not
    of_window = np.full(len(windows.recording), -1, dtype=np.int64)
    for rows in (cut.train, cut.val):
        of_window[rows] = index[windows.recording[rows]]
    sources = {c: tuple(in_order(known(domain[trained & (label == c)]))) for c in classes}
    return Assignment(
        train=cut.train,
        val=cut.val,
        test=cut.test,
        classes=classes,
        domain=of_window,
        domains=domains,
        name=name,
        level=level,
        validation_level=cut.validation_level,
        target=target,
        class_sources=sources,
        notes=(
            *notes,
            *cut.notes,
            *_weakness(level, table, trained, cut, windows),
            *_told_by_rig(table, label, trained),
        ),
        leaky=leaky,
    )


def _weakness(level: str, table: pd.DataFrame, trained: Mask, cut: Cut, windows: Windows) -> tuple[str, ...]:
    if LEVELS.index(level) >= LEVELS.index("unit"):
        return ()
    tested = np.zeros(len(table), dtype=bool)
    tested[windows.recording[cut.test]] = True
    unit = texts(table, "unit")
    if known(unit[trained]) & known(unit[tested]):
        return ("weak: the same physical units are on both sides",)
    return ("weak: of some recordings the physical unit is not known; the same one may be on both sides",)


def _told_by_rig(table: pd.DataFrame, label: Texts, trained: Mask) -> tuple[str, ...]:
    rig = texts(table, "rig")
    if len(known(rig[trained])) < 2:
        return ()
    notes = []
    for name in in_order(known(label[trained])):
        of_class = known(rig[trained & (label == name)])
        if len(of_class) == 1:
            notes.append(f"class {name!r} comes from rig {of_class.pop()!r} alone: it can be told by the rig")
    return tuple(notes)


def label_space(label: Texts, needed: str) -> tuple[str, ...]:
    """All classes that occur, at least two.

    Raises:
        SplitError: one class only.
    """
    classes = tuple(in_order(known(label)))
    if len(classes) < 2:
        raise SplitError(
            f"{needed}: nothing to tell apart; got one class, {classes[0]!r}; expected two or more; "
            "choose another data.label or data.where"
        )
    return classes


def label_space_of(
    label: Texts, train: Mask, test: Mask, classes: Literal["shared", "sources"]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Label space of a split that holds out, and notes on what has no place in it: the target's classes that a source
    has ("shared"), or all that the sources have.

    Raises:
        SplitError: fewer than two such classes.
    """
    source, target = known(label[train]), known(label[test])
    shared = in_order(source & target)
    if len(shared) < 2:
        raise SplitError(
            f"target: it shares {counted(len(shared), 'class')} with the training side; "
            f"got {listed(target)} in the target, {listed(source)} in training; expected two shared classes or more; "
            "choose another target"
        )
    notes = []
    if classes == "sources":
        if target - source:
            notes.append(f"called, not scored, because no source has them: {listed(target - source)}")
        if source - target:
            notes.append(f"may be called, though the target lacks them: {listed(source - target)}")
        return tuple(in_order(source)), tuple(notes)
    if target - source:
        notes.append(f"dropped from the test set, because no source has them: {listed(target - source)}")
    if source - target:
        notes.append(f"dropped from training, because the target lacks them: {listed(source - target)}")
    return tuple(shared), tuple(notes)


def restrict(sides: Sides, label: Texts) -> Sides:
    """The same sides without recordings of other classes than those of the label space."""
    allowed = among(label, sides.classes)
    return sides._replace(train=sides.train & allowed, test=sides.test & allowed)


def present(label: Texts) -> Mask:
    """Recordings that can be split, (R,)."""
    return np.array([value is not None for value in label], dtype=bool)


def without_windows(table: pd.DataFrame, label: Texts) -> tuple[str, ...]:
    """Note on classes that are recorded, but nowhere as long as one window."""
    lost = known(texts(table, "label")) - known(label)
    return (f"dropped, because no recording of them is as long as one window: {listed(lost)}",) if lost else ()
