"""Metrics against hand arithmetic, a plain NumPy re-derivation and torchmetrics; scores against what was put in."""

import math
import os

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import multiprocessing

from phmbench.errors import PhmbenchError
from phmbench.metrics import CAPACITY, Collected, Scores, calls, classification_metrics, confusion, one_vs_rest_auroc
from phmbench.testing.examples import context_of
from phmbench.types import Batch

CLASSES = ("inner", "normal", "outer")


def collected_of(logits, label):
    return Collected(torch.as_tensor(logits, dtype=torch.float32), torch.as_tensor(label), torch.arange(len(label)))


def predicting(predicted, label, K=3):
    """Scores whose highest is at the predicted class."""
    return collected_of(torch.eye(K)[torch.tensor(predicted)], label)


def batch_of(label, window):
    n = len(label)
    return Batch(
        torch.zeros(n, 1, 1), torch.tensor(label), torch.zeros(n, dtype=torch.long), torch.tensor(window), context_of(n)
    )


def random_scores(seed, n=200, K=4):
    generator = torch.Generator().manual_seed(seed)
    logits = (torch.randn(n, K, generator=generator) * 3).round(decimals=1)  # rounded, so that some are equal
    return collected_of(logits, torch.randint(K, (n,), generator=generator))


def test_hand_arithmetic():
    """True i i i n n o, predicted i i n n o o (inner, normal, outer).

    Rows of the confusion matrix: i 2 1 0; n 0 1 1; o 0 0 1. Accuracy 4/6. Recall 2/3, 1/2, 1; their mean 13/18.
    F1 = 2 TP / (true + predicted): i 4/(3 + 2) = 4/5, n 2/(2 + 2) = 1/2, o 2/(1 + 2) = 2/3; mean 59/90.
    """
    collected = predicting([0, 0, 1, 1, 2, 2], [0, 0, 0, 1, 1, 2])
    assert confusion(collected).tolist() == [[2, 1, 0], [0, 1, 1], [0, 0, 1]]
    metrics = classification_metrics(collected, CLASSES)
    assert metrics["accuracy"] == pytest.approx(4 / 6)
    assert metrics["balanced_accuracy"] == pytest.approx(13 / 18)
    assert metrics["macro_f1"] == pytest.approx(59 / 90)
    assert [metrics[f"recall/{name}"] for name in CLASSES] == pytest.approx([2 / 3, 1 / 2, 1])
    assert [metrics[f"f1/{name}"] for name in CLASSES] == pytest.approx([4 / 5, 1 / 2, 2 / 3])
    assert all(type(value) is float for value in metrics.values())


def test_a_class_without_windows_has_no_score_and_does_not_count_in_means():
    """True i i n, predicted i o n: outer has no window. Recall i 1/2, n 1: mean 3/4. F1 i 2/(2 + 1), n 1: mean 5/6."""
    metrics = classification_metrics(predicting([0, 2, 1], [0, 0, 1]), CLASSES)
    assert math.isnan(metrics["f1/outer"])
    assert math.isnan(metrics["recall/outer"])
    assert metrics["balanced_accuracy"] == pytest.approx(3 / 4)
    assert metrics["macro_f1"] == pytest.approx(5 / 6)


def test_a_class_that_is_never_hit_has_f1_zero():
    """True i n, predicted n n: i is missed, 0; n 2/(1 + 2) = 2/3; mean 1/3."""
    metrics = classification_metrics(predicting([1, 1], [0, 1], K=2), ("a", "b"))
    assert metrics["f1/a"] == 0
    assert metrics["macro_f1"] == pytest.approx(1 / 3)


def test_auroc_counts_pairs():
    """Two classes, log-odds of class 1: 1, 2, 2, 3; labels 0, 0, 1, 1. Of four pairs (negative, positive) 1-2, 1-3 and
    2-3 are in order, 2-2 is half: 3.5 / 4. Class 0 sees the same pairs the other way round."""
    collected = collected_of([[0, 1.0], [0, 2], [0, 2], [0, 3]], [0, 0, 1, 1])
    assert one_vs_rest_auroc(collected).tolist() == [0.875, 0.875]


def test_auroc_does_not_saturate():
    """Probabilities of 1 − e⁻⁴⁰ and 1 − e⁻⁵⁰ are both 1 in float64; their order still counts."""
    collected = collected_of([[0, 40.0], [0, 50.0]], [0, 1])
    assert one_vs_rest_auroc(collected).tolist() == [1.0, 1.0]


def test_auroc_of_what_is_not_there_is_missing():
    """One class of three has no window: it is left out of the mean; with one class alone there is nothing to order."""
    two = one_vs_rest_auroc(predicting([0, 1], [0, 1]))
    assert two.isnan().tolist() == [False, False, True]
    assert classification_metrics(predicting([0, 1], [0, 1]), CLASSES)["macro_auroc"] == 1.0
    assert math.isnan(classification_metrics(predicting([0, 1], [0, 0]), CLASSES)["macro_auroc"])


def test_an_empty_set_has_no_metrics():
    metrics = classification_metrics(collected_of(torch.empty(0, 3), torch.empty(0, dtype=torch.long)), CLASSES)
    assert all(math.isnan(value) for value in metrics.values())
    assert len(metrics) == 4 + 2 * 3


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_scores_that_are_not_finite_have_no_metrics(value):
    collected = predicting([0, 1, 2], [0, 1, 2])
    collected.logits[1, 1] = value
    assert all(math.isnan(value) for value in classification_metrics(collected, CLASSES).values())


def test_groups_are_scored_by_themselves():
    """True i n | i n, predicted i n | n n: the first rig is perfect; the second has accuracy 1/2, F1 0 and 2/3."""
    collected = predicting([0, 1, 1, 1], [0, 1, 0, 1])
    groups = {"cwru": torch.tensor([True, True, False, False]), "hit_sm/self_built": torch.tensor([0, 0, 1, 1]).bool()}
    metrics = classification_metrics(collected, CLASSES, groups)
    assert metrics["rig/cwru/accuracy"] == metrics["rig/cwru/macro_f1"] == 1
    assert metrics["rig/hit_sm/self_built/accuracy"] == 0.5
    assert metrics["rig/hit_sm/self_built/macro_f1"] == pytest.approx(1 / 3)
    assert classification_metrics(collected, CLASSES, groups, axis="target")["target/cwru/accuracy"] == 1


def test_calls_of_classes_that_are_not_there():
    """Of four scored windows (inner, outer) one is called normal: 1/4. Of three ball faults two are called inner."""
    every = predicting([0, 2, 1, 0, 0, 0, 1], [0, 2, 2, 2, -1, -1, -1])
    found = calls(every, CLASSES, {"ball": torch.tensor([4, 5, 6]), "cage": torch.tensor([])})
    assert found == {
        "false_calls": 0.25,
        "foreign/ball/inner": pytest.approx(2 / 3),
        "foreign/ball/normal": pytest.approx(1 / 3),
        "foreign/ball/outer": 0.0,
    }
    assert calls(predicting([0, 1, 2], [0, 1, 1, 2][:3]), CLASSES, {})["false_calls"] == pytest.approx(1 / 3)
    assert calls(predicting([0, 1, 2], [0, 1, 2]), CLASSES, {}) == {}


def test_calls_of_a_network_that_has_diverged_are_not_known():
    every = collected_of([[math.nan, 0, 0], [0, math.nan, 0]], [0, -1])
    found = calls(every, CLASSES, {"ball": torch.tensor([1])})
    assert all(math.isnan(value) for value in found.values())
    assert set(found) == {"false_calls", "foreign/ball/inner", "foreign/ball/normal", "foreign/ball/outer"}


def test_a_group_that_is_no_mask_says_what_to_do():
    message = (
        r"groups: rig cwru needs a mask of its windows; got torch.int64 of shape \(2,\); expected torch.bool of shape"
    )
    with pytest.raises(ValueError, match=message):
        classification_metrics(predicting([0, 1], [0, 1]), CLASSES, {"cwru": torch.tensor([0, 1])})


@pytest.mark.parametrize("label", [-1, 3])
def test_a_label_that_is_no_class_says_what_to_do(label):
    with pytest.raises(
        ValueError, match=r"label: is no class; got .*; expected 0 to 2; score only windows whose class"
    ):
        confusion(predicting([0, 1], [1, label]))


def by_numpy(collected, K):
    """The same definitions written as loops over classes and pairs."""
    logits, label = collected.logits.double().numpy(), collected.label.numpy()
    predicted = logits.argmax(1)
    probability = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    recalls, scores, areas = [], [], []
    for k in range(K):
        true, given_k = label == k, predicted == k
        hits = int((true & given_k).sum())
        if true.any():
            recalls.append(hits / true.sum())
            precision = hits / given_k.sum() if given_k.any() else 0.0
            scores.append(2 * precision * recalls[-1] / (precision + recalls[-1]) if hits else 0.0)
        if true.any() and not true.all():
            difference = np.log(probability[true, k] / (1 - probability[true, k]))[:, None] - np.log(
                probability[~true, k] / (1 - probability[~true, k])
            )
            equal = np.abs(difference) < 1e-9
            areas.append(((difference > 0) & ~equal).mean() + equal.mean() / 2)
    return {
        "accuracy": (predicted == label).mean(),
        "balanced_accuracy": np.mean(recalls),
        "macro_f1": np.mean(scores),
        "macro_auroc": np.mean(areas),
    }


@settings(deadline=None, max_examples=40)
@given(seed=st.integers(0, 10_000), n=st.integers(5, 60), K=st.integers(2, 6))
def test_metrics_are_those_of_a_plain_derivation(seed, n, K):
    collected = random_scores(seed, n, K)
    if len(collected.label.unique()) < 2:
        collected.label[:2] = torch.tensor([0, 1])
    metrics = classification_metrics(collected, tuple("abcdef"[:K]))
    for name, value in by_numpy(collected, K).items():
        assert metrics[name] == pytest.approx(value, abs=1e-9), name


def test_metrics_are_those_of_torchmetrics():
    """An independent library, where every class is there, so that its treatment of absent ones does not matter."""
    from torchmetrics.functional import classification as theirs

    collected = random_scores(1, n=500, K=4)
    logits, label = collected.logits.double().softmax(1), collected.label
    metrics = classification_metrics(collected, ("a", "b", "c", "d"))
    expected = {
        "accuracy": theirs.multiclass_accuracy(logits, label, 4, average="micro"),
        "balanced_accuracy": theirs.multiclass_accuracy(logits, label, 4, average="macro"),
        "macro_f1": theirs.multiclass_f1_score(logits, label, 4, average="macro"),
        "macro_auroc": theirs.multiclass_auroc(logits, label, 4, average="macro"),
    }
    for name, value in expected.items():
        assert metrics[name] == pytest.approx(float(value), abs=1e-6), name
    assert torch.equal(confusion(collected), theirs.multiclass_confusion_matrix(logits, label, 4))


@settings(deadline=None, max_examples=20)
@given(seed=st.integers(0, 10_000))
def test_the_order_of_the_windows_changes_no_digit(seed):
    collected = random_scores(seed, n=80)
    order = torch.randperm(80, generator=torch.Generator().manual_seed(seed))
    shuffled = Collected(*(values[order] for values in collected[:3]))
    names = ("a", "b", "c", "d")
    assert classification_metrics(collected, names) == classification_metrics(shuffled, names)


def test_scores_come_back_in_the_order_of_the_index():
    scores = Scores(CLASSES)
    scores.update(torch.tensor([[1.0, 0, 0], [0, 1, 0]]), batch_of([0, 1], [7, 3]))
    scores.update(torch.tensor([[0.0, 0, 1]]), batch_of([2], [5]))
    assert len(scores) == 3
    collected = scores.gathered()
    assert collected.window.tolist() == [3, 5, 7]
    assert collected.label.tolist() == [1, 2, 0]
    assert collected.logits.argmax(1).tolist() == [1, 2, 0]


def test_buffers_grow_and_keep_what_they_hold():
    scores, n = Scores(CLASSES), 3 * CAPACITY + 5
    logits = torch.randn(n, 3)
    for i in range(0, n, 300):
        rows = list(range(i, min(i + 300, n)))
        scores.update(logits[rows].requires_grad_(), batch_of([row % 3 for row in rows], rows))
    collected = scores.gathered()
    assert torch.equal(collected.logits, logits)
    assert torch.equal(collected.label, torch.arange(n) % 3)
    assert not collected.logits.requires_grad


def test_what_was_collected_stays_when_the_next_epoch_begins():
    scores = Scores(CLASSES)
    scores.update(torch.eye(3), batch_of([0, 1, 2], [0, 1, 2]))
    collected = scores.gathered()
    scores.reset()
    assert len(scores) == 0
    scores.update(torch.zeros(2, 3), batch_of([1, 1], [0, 1]))
    assert torch.equal(collected.logits, torch.eye(3))
    assert scores.gathered().label.tolist() == [1, 1]


def test_half_precision_scores_are_kept():
    scores = Scores(CLASSES)
    scores.update(torch.eye(3, dtype=torch.bfloat16), batch_of([0, 1, 2], [0, 1, 2]))
    assert torch.equal(scores.gathered().logits, torch.eye(3))


def test_nothing_scored_is_an_empty_set():
    collected = Scores(CLASSES).gathered()
    assert collected.logits.shape == (0, 3)
    assert len(collected.window) == 0


def test_a_window_scored_twice_is_refused():
    scores = Scores(CLASSES)
    scores.update(torch.eye(3), batch_of([0, 1, 2], [4, 9, 4]))
    message = (
        r"scores: windows were scored more than once; got 1 repetitions, the first of window 4; expected each .* reset"
    )
    with pytest.raises(PhmbenchError, match=message):
        scores.gathered()


def test_scores_of_other_classes_say_what_to_do():
    message = r"logits: shape does not fit batch and classes; got \(2, 4\); expected \(2, 3\); let the head"
    with pytest.raises(ValueError, match=message):
        Scores(CLASSES).update(torch.zeros(2, 4), batch_of([0, 1], [0, 1]))


def score_a_share(rank, address, shares, logits, answer):
    torch.distributed.init_process_group("gloo", init_method=address, rank=rank, world_size=len(shares))
    scores = Scores(CLASSES)
    for rows in shares[rank]:
        scores.update(logits[rows], batch_of([row % 3 for row in rows], rows))
    torch.save(tuple(scores.gathered()), f"{answer}{rank}")
    torch.distributed.destroy_process_group()


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="gloo over a file")
@pytest.mark.parametrize("shares", [[[[0, 2], [4]], [[3, 1]]], [[[4, 3, 0], [1, 2]], []]])
def test_two_processes_give_what_one_gives(tmp_path, shares):
    """Shares of different length, one of them empty: the same windows in the same order on every rank."""
    logits = torch.randn(5, 3, generator=torch.Generator().manual_seed(0))
    args = (f"file://{tmp_path / 'store'}", shares, logits, str(tmp_path / "rank"))
    multiprocessing.spawn(score_a_share, args, nprocs=2)
    alone = Scores(CLASSES)
    alone.update(logits, batch_of([0, 1, 2, 0, 1], list(range(5))))
    for rank in range(2):
        together = Collected(*torch.load(tmp_path / f"rank{rank}", weights_only=True))
        assert all(torch.equal(a, b) for a, b in zip(together[:3], alone.gathered()[:3], strict=True))
        assert classification_metrics(together, CLASSES) == classification_metrics(alone.gathered(), CLASSES)
