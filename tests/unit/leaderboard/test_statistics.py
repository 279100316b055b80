"""Intervals and tests by unit, against arithmetic by hand and independent libraries."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import accuracy_score, balanced_accuracy_score, f1_score, roc_auc_score

from phmbench.leaderboard import statistics, tested
from phmbench.leaderboard.tested import ByUnit
from phmbench.record.predictions import Predictions


def by_unit(counts: Sequence[object], *, units: Sequence[str] = (), target: str = "", seed: int = 0) -> ByUnit:
    """A test from the confusion counts of its units, (U, K, K)."""
    found = np.array(counts, dtype=float)
    names = tuple(units) or tuple(f"u{i}" for i in range(len(found)))
    true = found.sum(2).T
    return ByUnit(target, seed, names, found, None, np.stack([true, true.sum(0) - true], 1), b"")


def test_macro_f1_of_units_by_hand():
    """Two units of class 0 (3 of 4, 1 of 4 right), one of class 1 (2 of 4): TP 4, FN 4, FP 2 for class 0, so F1 is
    8/14; TP 2, FN 2, FP 4 for class 1: 4/10. With the first unit twice: 7, 5, 2 → 14/21; 2, 2, 5 → 4/11."""
    one = by_unit([[[3, 1], [0, 0]], [[1, 3], [0, 0]], [[0, 0], [2, 2]]])
    found = tested.score(one, np.array([[1.0, 1, 1], [2, 1, 1]]), "macro_f1")
    assert found == pytest.approx([(8 / 14 + 4 / 10) / 2, (14 / 21 + 4 / 11) / 2])


@pytest.mark.parametrize("metric", ["macro_f1", "balanced_accuracy", "accuracy", "macro_auroc"])
def test_weighted_units_are_repeated_windows(metric: str):
    """Units that count twice or not at all give what scikit-learn gives on their windows taken so often."""
    rng = np.random.default_rng(0)
    N, K, U = 400, 3, 12
    of, target = rng.integers(0, U, N), rng.integers(0, K, N)
    scores = rng.dirichlet(np.ones(K), N) + 0.4 * np.eye(K)[target]
    scores = np.round(scores / scores.sum(1, keepdims=True), 1) + 0.01  # rounded: some are equal
    scores = (scores / scores.sum(1, keepdims=True)).astype(np.float32)
    said = scores.argmax(1)
    counts = np.bincount((of * K + target) * K + said, minlength=U * K * K).reshape(U, K, K)
    kept = Predictions(of, tuple(map(str, range(U))), np.arange(N), target, scores, ("a", "b", "c"), 8, ())
    one = by_unit(counts)._replace(pairs=tested._pairs(kept, of, U))
    weights = rng.integers(0, 3, (5, U))
    for w, value in zip(weights, tested.score(one, weights.astype(float), metric), strict=True):
        rows = np.repeat(np.arange(N), w[of])
        t, p = target[rows], said[rows]
        p_ = scores[rows].astype(float)
        odds = np.stack([np.log(p_[:, k]) - np.log(np.delete(p_, k, 1).sum(1)) for k in range(K)], 1)
        expected = {
            "macro_f1": lambda t=t, p=p: f1_score(t, p, average="macro"),
            "balanced_accuracy": lambda t=t, p=p: balanced_accuracy_score(t, p),
            "accuracy": lambda t=t, p=p: accuracy_score(t, p),
            "macro_auroc": lambda t=t, o=odds: np.mean([roc_auc_score(t == k, o[:, k]) for k in range(K)]),
        }[metric]()
        assert value == pytest.approx(expected, abs=1e-6)


def test_scores_of_detectors_are_ordered_by_themselves():
    """Of a class each: 0.9 stands above 0.8 whatever the other detector says, and with 0.7 below ties for the rest."""
    scores = np.array([[0.9, 0.99], [0.8, 0.0], [0.7, 0.5], [0.7, 0.4]], dtype=np.float32)
    target = np.array([0, 1, 0, 1])
    kept = Predictions(np.arange(4), tuple("abcd"), np.arange(4), target, scores, ("a", "b"), 8, ())
    pairs = tested._pairs(kept, np.arange(4), 4)
    assert pairs[0].sum() == 1 + 1 + 0 + 0.5  # 0.9 above both, 0.7 below 0.8 and like 0.7
    assert pairs[0, 0, 1] == 1.0


def drawn(rng: np.random.Generator, units: int, windows: int) -> list[list[list[int]]]:
    """Units of two classes, each with its own share of windows that are right: 0.7 on average, and never far from it
    for a window of a unit, but very much between units."""
    right = rng.binomial(windows, rng.beta(2.1, 0.9, 2 * units))
    return [
        [[r, windows - r], [0, 0]] if u < units else [[0, 0], [windows - r, r]] for u, r in enumerate(map(int, right))
    ]


def windows_of(counts: list[list[list[int]]]) -> list[list[list[int]]]:
    """Each window as if it were a unit of its own."""
    each = [(k, s) for unit in counts for k in range(2) for s in range(2) for _ in range(unit[k][s])]
    return [[[int((k, s) == (i, j)) for j in range(2)] for i in range(2)] for k, s in each]


def test_an_interval_by_units_covers_what_one_by_windows_does_not():
    """Test sets of 2 × 15 units with 20 windows each, true balanced accuracy 0.7: of 200 intervals over units nine of
    ten and more hold it (95 % but for the few units); of 60 that take windows for units, two thirds at most."""
    rng = np.random.default_rng(1)
    hits: dict[bool, list[bool]] = {False: [], True: []}
    wide: dict[bool, list[float]] = {False: [], True: []}
    for repetition in range(200):
        counts = drawn(rng, units=15, windows=20)
        for by_windows in (False, True)[: 2 if repetition < 60 else 1]:
            every = windows_of(counts) if by_windows else counts
            found = statistics.interval([by_unit(every)], "balanced_accuracy", draws=200)
            hits[by_windows].append(found.low <= 0.7 <= found.high)
            wide[by_windows].append(found.high - found.low)
    assert 0.87 <= np.mean(hits[False]) <= 0.99
    assert np.mean(hits[True]) < 2 / 3
    assert np.mean(wide[False]) > 1.7 * np.mean(wide[True])


def test_a_mean_over_folds_varies_less_than_its_folds():
    """Four folds of the same kind: the interval of the mean is about half as wide."""
    rng = np.random.default_rng(2)
    counts = [drawn(rng, units=20, windows=20) for _ in range(4)]
    names = [[f"{fold}-{u}" for u in range(40)] for fold in range(4)]
    each = [by_unit(c, units=n, target=str(i)) for i, (c, n) in enumerate(zip(counts, names, strict=True))]
    one = [statistics.interval([fit], "balanced_accuracy") for fit in each]
    all_ = statistics.interval(each, "balanced_accuracy")
    ratio = (all_.high - all_.low) / np.mean([i.high - i.low for i in one])
    assert 0.42 < ratio < 0.58


def test_units_that_are_tested_in_every_fold_are_drawn_once():
    """Four folds of the same units, as where a load is held out: the mean is no more certain than one of them."""
    counts = drawn(np.random.default_rng(3), units=20, windows=20)
    each = [by_unit(counts, target=str(i)) for i in range(4)]
    one, all_ = (statistics.interval(fits, "balanced_accuracy") for fits in (each[:1], each))
    assert (all_.low, all_.high) == pytest.approx((one.low, one.high))


def test_what_is_drawn_among_what():
    """Units are drawn among those of their class and fold: each class keeps its number of units in each draw."""
    two = [[[1, 0], [0, 0]]] * 3 + [[[0, 0], [0, 1]]] * 5
    weights = statistics.weights_of([by_unit(two)], draws=50, seed=0)
    assert (weights[:, :3].sum(1) == 3).all()
    assert (weights[:, 3:].sum(1) == 5).all()
    both = [*two[:1], [[1, 0], [0, 1]], *two[3:4]]  # a unit of both classes: all are drawn among each other
    weights = statistics.weights_of([by_unit(both)], draws=50, seed=0)
    assert (weights.sum(1) == 3).all()
    assert len(np.unique(weights[:, 0])) > 1


def test_one_unit_of_a_class_gives_no_interval():
    found = statistics.interval([by_unit([[[1, 0], [0, 0]], [[0, 0], [0, 1]], [[0, 0], [1, 1]]])], "macro_f1")
    assert np.isnan(found.low)
    assert (found.least, found.why) == (1, "a class of the test set has one physical unit")


def test_signs_of_folds_by_hand_and_by_scipy():
    """Five differences above 0: only they and their opposites reach the mean, 2 of 32. Others as scipy counts them."""
    assert statistics.over_folds([0.1, 0.2, 0.3, 0.1, 0.4])[1:] == (2 / 32, 5, 2 / 32)
    values = [0.1, -0.05, 0.3, 0.02, 0.2, -0.1, 0.25]
    by_scipy = stats.permutation_test((values,), np.mean, permutation_type="samples", n_resamples=np.inf)
    assert statistics.over_folds(values).p == pytest.approx(by_scipy.pvalue)
    assert statistics.over_folds([0.0, 0.0]) == statistics.Paired(0.0, 1.0, 0, 1.0)


def test_units_exchanged_by_hand():
    """Class 0: unit A 4 of 4 against 0 of 4, B 4 against 2; class 1: C 2 of 4 in both. Exchanges of A and B alone
    matter, of which 2 in 4 (none, both) reach the accuracy difference of 6/12; its sign is exchanged by the others."""
    one = by_unit([[[4, 0], [0, 0]], [[4, 0], [0, 0]], [[0, 0], [2, 2]]])
    other = by_unit([[[0, 4], [0, 0]], [[2, 2], [0, 0]], [[0, 0], [2, 2]]])
    assert statistics.over_units([one], [other], "accuracy") == pytest.approx((0.5, 0.5, 2, 0.5))


def test_units_exchanged_as_scipy_counts():
    """Balanced accuracy of units of one size is the mean over units: scipy's permutation of pairs is the same test."""
    rng = np.random.default_rng(4)
    a, b = drawn(rng, 5, 10), drawn(rng, 5, 10)
    rates = [[max(row[0][0], row[1][1]) / 10 for row in one] for one in (a, b)]
    by_scipy = stats.permutation_test(rates, lambda x, y: np.mean(x) - np.mean(y), permutation_type="samples",
                                      n_resamples=np.inf)  # fmt: skip
    found = statistics.over_units([by_unit(a)], [by_unit(b)], "balanced_accuracy")
    assert found.p == pytest.approx(by_scipy.pvalue)
    assert found.difference == pytest.approx(by_scipy.statistic)


def test_methods_that_are_alike_are_told_apart_in_one_of_twenty():
    """Two methods of the same quality on 2 × 8 units, 300 times: p ≤ 0.05 in 5 % of them; and many units are drawn, by
    which p is never 0."""
    rng = np.random.default_rng(5)
    p = [
        statistics.over_units([by_unit(drawn(rng, 5, 10))], [by_unit(drawn(rng, 5, 10))], "macro_f1").p
        for _ in range(300)
    ]
    assert 0.02 <= np.mean(np.array(p) <= 0.05) <= 0.085
    many = statistics.over_units([by_unit([[[9, 1], [0, 0]], [[0, 0], [1, 9]]] * 10)],
                                 [by_unit([[[1, 9], [0, 0]], [[0, 0], [9, 1]]] * 10)], "macro_f1")  # fmt: skip
    assert many.p == many.least == 1 / 10_000


def test_holm_by_hand():
    """0.01 × 3, 0.02 × 2 (= 0.04), and 0.03 × 1, which may not be less than the one before."""
    assert statistics.holm([0.03, 0.01, 0.02]) == pytest.approx([0.04, 0.03, 0.04])
    assert statistics.holm([0.9, 0.8]) == [1.0, 1.0]
    assert statistics.holm([]) == []


DEMSAR = np.array([
    [0.763, 0.768, 0.771, 0.798], [0.599, 0.591, 0.590, 0.569], [0.954, 0.971, 0.968, 0.967],
    [0.628, 0.661, 0.654, 0.657], [0.882, 0.888, 0.886, 0.898], [0.936, 0.931, 0.916, 0.931],
    [0.661, 0.668, 0.609, 0.685], [0.583, 0.583, 0.563, 0.625], [0.775, 0.838, 0.866, 0.875],
    [1.000, 1.000, 1.000, 1.000], [0.940, 0.962, 0.965, 0.962], [0.619, 0.666, 0.614, 0.669],
    [0.972, 0.981, 0.9751, 0.975], [0.957, 0.978, 0.946, 0.970],
])  # fmt: skip
"""Table 6 of Demšar (2006): AUC of four variants of C4.5 on fourteen data sets."""


def test_ranks_of_demsar():
    """His mean ranks, and his critical difference of 1.25 (2.569 · sqrt(4 · 5 / (6 · 14)))."""
    found = statistics.ranks(DEMSAR)
    assert found.mean == pytest.approx((3.143, 2.000, 2.893, 1.964), abs=5e-4)
    assert found.critical == pytest.approx(2.569 * np.sqrt(20 / 84), abs=1e-3)
    assert found.p == pytest.approx(stats.friedmanchisquare(*DEMSAR.T).pvalue)
    assert found.p < 0.05
    assert statistics.ranks(np.ones((8, 3))).p == 1.0


@pytest.mark.parametrize(("k", "q"), [(3, 2.343), (5, 2.728), (8, 3.031), (10, 3.164)])
def test_critical_values_of_demsar(k: int, q: float):
    """Table 5a, q at 0.05."""
    scores = np.random.default_rng(0).random((10, k))
    assert statistics.ranks(scores).critical == pytest.approx(q * np.sqrt(k * (k + 1) / 60), rel=5e-4)
