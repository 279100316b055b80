"""Answers to episodes, and metrics of them by hand."""

from __future__ import annotations

import pytest
import torch

from phmbench.answers import Answered, Answers, few_shot_metrics
from phmbench.errors import PhmbenchError
from phmbench.types import Batch, Context, Episode


def part(label: list[int], first: int) -> Batch:
    n = len(label)
    none = torch.full((n,), float("nan"))
    context = Context(none, none, none[:, None].expand(n, 4), torch.zeros(n, dtype=torch.long))
    nowhere, rows = torch.zeros(n, dtype=torch.long), torch.arange(n) + first
    return Batch(torch.zeros(n, 1, 8), torch.tensor(label), nowhere, rows, context)


def episode(number: int, ways: list[int], novel: list[bool]) -> Episode:
    support, query = part([0, 1], 100), part([0, 0, 1, 1], 10 * number)
    return Episode(support, query, torch.tensor(ways), torch.tensor(novel), torch.tensor(number))


def scores(called: list[int]) -> torch.Tensor:
    return torch.nn.functional.one_hot(torch.tensor(called), 2).float() * 5


def test_metrics_of_two_episodes_by_hand():
    """Ways (2, 0) called 0 0 1 0 and ways (0, 2) called 0 1 1 1, labels 0 0 1 1 in both.

    Classes: first episode true 2 2 0 0, called 2 2 0 2; second true 0 0 2 2, called 0 2 2 2. Accuracy 3/4 and 3/4.
    Class 0: true 4, called right 2, called 2: F1 = 4/6. Class 2: true 4, right 4, called 6: F1 = 8/10. Class 1 is in
    neither: undefined, and left out of the mean. Class 2 is novel: base accuracy 2/4, novel 4/4, harmonic 2/3.
    """
    kept = Answers()
    kept.update(scores([0, 1, 1, 1]), episode(1, [0, 2], [False, True]))  # out of order
    kept.update(scores([0, 0, 1, 0]), episode(0, [2, 0], [True, False]))
    answered = kept.gathered()
    assert answered.ways.tolist() == [[2, 0], [0, 2]]
    assert answered.window[1].tolist() == [10, 11, 12, 13]
    found = few_shot_metrics(answered, ("a", "b", "c"))
    assert found["accuracy"] == pytest.approx(0.75)
    assert found["f1/a"] == pytest.approx(4 / 6)
    assert found["f1/c"] == pytest.approx(8 / 10)
    assert found["macro_f1"] == pytest.approx((4 / 6 + 8 / 10) / 2)
    assert (found["base_accuracy"], found["novel_accuracy"]) == (0.5, 1.0)
    assert found["harmonic_mean"] == pytest.approx(2 / 3)
    assert "macro_auroc" not in found  # an episode offers two of three classes
    e = torch.tensor([5.0, 0.0]).log_softmax(0)
    assert found["loss"] == pytest.approx(float(-(6 * e[0] + 2 * e[1]) / 8), rel=1e-5)


def test_the_answers_are_those_of_windows():
    kept = Answers()
    kept.update(scores([0, 0, 1, 0]), episode(0, [2, 0], [True, True]))
    every = kept.gathered().collected(3)
    assert every.label.tolist() == [2, 2, 0, 0]
    assert every.logits.argmax(1).tolist() == [2, 2, 0, 2]
    assert every.probabilities[:, 1].max() < 1e-12  # a class that was not offered
    assert "base_accuracy" not in few_shot_metrics(kept.gathered(), ("a", "b", "c"))


def test_a_score_that_is_not_finite_is_no_right_answer():
    kept = Answers()
    kept.update(torch.full((4, 2), float("nan")), episode(0, [0, 1], [True, True]))
    answered = kept.gathered()
    assert not answered.right.any()
    assert few_shot_metrics(answered, ("a", "b"))["accuracy"] != few_shot_metrics(answered, ("a", "b"))["accuracy"]


def test_what_does_not_fit_is_refused():
    kept = Answers()
    with pytest.raises(PhmbenchError, match="no episode was answered by this process"):
        kept.gathered()
    with pytest.raises(ValueError, match="shape does not fit the episode"):
        kept.update(torch.zeros(4, 3), episode(0, [0, 1], [True, True]))
    kept.update(scores([0, 0, 1, 0]), episode(0, [0, 1], [True, True]))
    three = episode(1, [0, 1, 2], [True] * 3)
    kept.update(torch.zeros(4, 3), three)
    with pytest.raises(PhmbenchError, match="episodes differ in their number of classes or windows"):
        kept.gathered()


def test_accuracy_of_each_episode():
    answered = Answered(
        logits=torch.stack([scores([0, 0, 1, 1]), scores([1, 1, 0, 1])]), label=torch.tensor([[0, 0, 1, 1]] * 2),
        ways=torch.tensor([[0, 1]] * 2), novel=torch.tensor([[False, True]] * 2), window=torch.arange(8).view(2, 4),
        support=torch.arange(4).view(2, 2),
    )  # fmt: skip
    assert answered.accuracy().tolist() == [1.0, 0.25]
    assert answered.accuracy(novel=False).tolist() == [1.0, 0.0]
    assert answered.accuracy(novel=True).tolist() == [1.0, 0.5]
