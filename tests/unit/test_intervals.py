"""Intervals over units and episodes, against plain loops."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from phmbench import intervals


@pytest.fixture
def answers():
    """Twenty episodes of two classes; four units of each, the first of which are always answered rightly."""
    rng = np.random.default_rng(0)
    query = np.concatenate([rng.integers(0, 4, (20, 1)).repeat(5, 1), rng.integers(4, 8, (20, 1)).repeat(5, 1)], 1)
    support = np.concatenate([rng.integers(0, 4, (20, 3)), rng.integers(4, 8, (20, 3))], 1)
    right = (query % 4 < 2) | (rng.random((20, 10)) < 0.3)
    return right, query, support


def test_a_draw_weighs_units_that_were_asked_and_those_that_taught(answers):
    right, query, support = answers
    drawn = intervals.draws([str(u) for u in range(8)], ["a"] * 4 + ["b"] * 4, number=7)
    assert drawn.shape == (7, 8)
    assert (drawn[:, :4].sum(1) == 4).all()
    assert (drawn[:, 4:].sum(1) == 4).all()
    asked = np.ones_like(right)
    asked[:, 0] = False
    found = intervals.resampled(right, query, support, asked, drawn)
    for d in range(7):
        top = bottom = 0.0
        for e in range(20):
            taught = np.mean([drawn[d, u] for u in support[e]])
            for i in range(1, 10):
                top += taught * drawn[d, query[e, i]] * right[e, i]
                bottom += taught * drawn[d, query[e, i]]
        assert found[d] == pytest.approx(top / bottom)


def test_the_same_units_are_drawn_alike_and_others_are_not():
    one, again, other = (intervals.draws(list(names), ["a"] * 3) for names in ("xyz", "xyz", "uvw"))
    assert (one == again).all()
    assert (one != other).any()
    assert one.shape == (intervals.DRAWS, 3)


def test_an_interval_over_episodes_is_the_usual_one(answers):
    right, query, support = answers
    each = right.mean(1)
    found = intervals.described(each, None, why="one unit")
    low, high = stats.norm.interval(0.95, loc=each.mean(), scale=stats.sem(each))
    assert found["episodes"] == pytest.approx([low, high], rel=1e-6)
    assert (found["units"], found["why"], found["draws"]) == (None, "one unit", None)
    drawn = intervals.draws([str(u) for u in range(8)], ["a"] * 4 + ["b"] * 4)
    over = intervals.described(each, intervals.resampled(right, query, support, np.ones_like(right), drawn))
    wide, narrow = (np.diff(over[name])[0] for name in ("units", "episodes"))
    assert wide > 2 * narrow  # half of the units are answered rightly, whichever episode asks


def test_over_folds_draws_are_averaged_and_over_repeats_seeds_are_drawn_too():
    each = [intervals.described(np.array([v, v]), np.full(intervals.DRAWS, v)) for v in (0.2, 0.6)]
    folds, repeats = intervals.over_folds(each), intervals.over_repeats(each)
    assert folds["units"] == pytest.approx([0.4, 0.4])  # nothing varies
    assert repeats["units"] == pytest.approx([0.2, 0.6])  # both seeds may be drawn twice
    share = np.mean(np.isclose(repeats["draws"], 0.4))
    assert share == pytest.approx(0.5, abs=0.1)
    assert folds["mean"] == repeats["mean"] == pytest.approx(0.4)
    assert folds["error"] == 0.0


def test_one_that_is_not_estimable_makes_the_mean_so():
    known = intervals.described(np.array([0.2, 0.4]), np.full(intervals.DRAWS, 0.3))
    unknown = intervals.described(np.array([0.2, 0.4]), None, why="one physical unit")
    joined = intervals.over_folds([known, unknown])
    assert (joined["units"], joined["why"]) == (None, "one physical unit")
    assert joined["error"] == pytest.approx(math.sqrt(2 * known["error"] ** 2) / 2)


def test_nothing_drawn_is_nothing():
    found = intervals.described(np.zeros(0), np.full(3, np.nan))
    assert (found["mean"], found["units"], found["episodes"]) == (None, None, None)
    assert found["why"] == "no draw of units holds an answer"
