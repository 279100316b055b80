"""Every kind of leak, in several variants: the audit names the kind, and the recordings or units."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from phmbench.data.apart import audit_episode, audit_selection, audit_stage, audit_statistics
from phmbench.data.seen import seen
from tests.audit.leaks import LEAKS, UNITS, WINDOW, Leak, clean, normaliser, of_recording, opened


@pytest.mark.parametrize("leak", LEAKS, ids=lambda leak: f"{leak.kind}: {leak.variant}")
def test_the_audit_names_it(leak: Leak, cache: Path):
    text = leak.said(cache)
    assert [part for part in leak.expected if part not in text] == [], text


def test_there_are_eleven_kinds_and_more():
    kinds = {leak.kind for leak in LEAKS}
    assert len(kinds) == 11  # and the copies of test_copies.py
    assert all(sum(leak.kind == kind for leak in LEAKS) > 1 for kind in kinds)


def test_what_keeps_apart_passes(cache: Path):
    """Statistics of training, a choice by validation, an episode of two units, a stage that has seen training alone."""
    data = clean(cache)
    held = {"table": data.table, "windows": data.windows}
    with data.reading() as read:
        normaliser(data, data.assignment.train)
    audit_statistics(np.concatenate(read), data.assignment, what="normaliser", **held)
    audit_selection(data.assignment.val, data.assignment, what="early stopping", **held)
    assert data.store is not None
    found = audit_episode(
        of_recording(0, 0)(data), of_recording(2, 0)(data), window=WINDOW, fingerprints=data.store.fingerprints, **held
    )
    assert found == {"units": 0, "conditions": 1, "rigs": 1}
    by_unit = opened(cache, UNITS)
    of_training = seen(by_unit.assignment.train, window=WINDOW, **held)
    shared = audit_stage(of_training, by_unit.assignment, what="generator", window=WINDOW, **held)
    assert shared == {"samples": 0, "recordings": 0, "units": 0, "rigs": 2}


def test_below_its_own_level_a_split_lets_a_stage_have_seen_what_training_has(cache: Path):
    """By recording, units are on both sides: a generator that has seen the training recordings has seen test units."""
    data = clean(cache)
    held = {"table": data.table, "windows": data.windows, "window": WINDOW}
    shared = audit_stage(seen(data.assignment.train, **held), data.assignment, what="generator", **held)
    assert shared["units"]
    assert shared["recordings"] == 0


def test_reading_ends_with_the_block(cache: Path):
    data = clean(cache)
    with data.reading() as read:
        data.batch(np.array([3, 4]))
    data.batch(np.array([5]))
    assert [rows.tolist() for rows in read] == [[3, 4]]


@pytest.mark.parametrize(
    ("kind", "variant", "step"),
    [
        ("support and query", "the same window", "expected other recordings; draw them by recording, or by unit"),
        (
            "generator has seen",
            "a test unit at another condition",
            "keeps apart; got simulated/motor-normal-0; expected none; make it from the training windows of this split",
        ),
        ("the target chooses", "early stopping on the test set", "expected none; choose by validation windows"),
    ],
)
def test_a_message_says_what_to_do_next(kind: str, variant: str, step: str, cache: Path):
    (leak,) = (leak for leak in LEAKS if (leak.kind, leak.variant) == (kind, variant))
    assert step in leak.said(cache)
