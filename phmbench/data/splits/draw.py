"""Choose groups of recordings at random, so that every class is on both sides."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from phmbench.data.splits.columns import Mask, Rows, Texts
from phmbench.errors import DataError


class SplitError(DataError):
    """These recordings do not allow the split; `possible.explained` adds to the message what they do allow."""


class Pairs(NamedTuple):
    """Which tags (classes, domains) each group has, as sorted pairs."""

    tag: Rows  # tags of all groups, group after group
    begin: Rows  # (G + 1,) where each group's tags begin
    total: Rows  # (T,) groups that have each tag

    def of(self, group: int) -> Rows:
        """Tags of one group."""
        return self.tag[self.begin[group] : self.begin[group + 1]]


def codes(values: Texts) -> tuple[Rows, list[str]]:
    """Index of each text among the sorted ones; independent of the order of the rows."""
    names = sorted(set(values))
    index = {name: i for i, name in enumerate(names)}
    return np.fromiter((index[value] for value in values), dtype=np.int64, count=len(values)), names


def pairs(group: Rows, tag: Rows, groups: int, tags: int) -> Pairs:
    """Distinct (group, tag) pairs of the recordings."""
    both = np.unique(group * tags + tag)
    begin = np.searchsorted(both, np.arange(groups + 1) * tags)
    return Pairs(both % tags, begin, np.bincount(both % tags, minlength=tags))


def spread(stratum: Rows, rng: np.random.Generator) -> Rows:
    """A random order in which each beginning takes from every stratum its share (systematic sampling)."""
    order = rng.permutation(len(stratum))
    order = order[np.argsort(stratum[order], kind="stable")]
    sorted_stratum = stratum[order]
    first = np.searchsorted(sorted_stratum, sorted_stratum)
    size = np.bincount(stratum)
    offset = rng.random(len(size))
    key = (np.arange(len(order)) - first + offset[sorted_stratum]) / size[sorted_stratum]
    return order[np.argsort(key, kind="stable")]


def draw(group: Texts, label: Texts, keep: Texts, *, share: float, rng: np.random.Generator, noun: str) -> Mask:
    """Take a share of the groups of each class, at least one, and leave at least one of each class and domain.

    Args:
        group: what stays together, (P,): unit or recording of each recording.
        label: class of each recording, (P,). A group may have several.
        keep: domain of each recording, (P,): groups are drawn from all in proportion, and each keeps at least one.
        share: part of the groups of each class that is taken, 0 to 1.
        rng: source of randomness.
        noun: what a group is called in messages: "unit", "recording".

    Returns:
        Recordings taken, (P,).

    Raises:
        SplitError: a class with fewer than two groups, or whose groups cannot be taken because another class or a
            domain would lose its last one.
    """
    group_index, groups = codes(group)
    label_index, classes = codes(label)
    keep_index, domains = codes(keep)
    of_class = pairs(group_index, label_index, len(groups), len(classes))
    of_domain = pairs(group_index, keep_index, len(groups), len(domains))
    for name, count in zip(classes, of_class.total, strict=True):
        if count < 2:
            raise SplitError(f"class {name!r} has one {noun}")
    taken = np.zeros(len(groups), dtype=bool)
    wanted = np.maximum(1, np.rint(share * of_class.total)).astype(np.int64)
    left = (of_class.total.copy(), of_domain.total.copy())
    stratum = of_domain.tag[of_domain.begin[:-1]]
    member = np.zeros(len(groups), dtype=bool)
    for index in np.argsort(of_class.total, kind="stable"):  # the rarest class first: it has the least choice
        member[:] = False
        member[group_index[label_index == index]] = True
        candidates = np.flatnonzero(member)
        candidates = candidates[spread(stratum[candidates], rng)]
        _take(candidates, int(index), int(wanted[index]), taken, left, (of_class, of_domain))
        if left[0][index] == of_class.total[index]:
            raise SplitError(f"class {classes[index]!r}: no {noun} of it can be taken without another losing its last")
    return taken[group_index]


def _take(
    candidates: Rows, index: int, wanted: int, taken: Mask, left: tuple[Rows, Rows], tags: tuple[Pairs, Pairs]
) -> None:
    """Take candidates until the class has given what is wanted, never the last group of a tag."""
    of_class = tags[0]
    for group in candidates:
        if of_class.total[index] - left[0][index] >= wanted:
            return
        own = [pair.of(group) for pair in tags]
        if taken[group] or any((rest[tag] < 2).any() for rest, tag in zip(left, own, strict=True)):
            continue
        taken[group] = True
        for rest, tag in zip(left, own, strict=True):
            rest[tag] -= 1
