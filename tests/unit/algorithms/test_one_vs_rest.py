"""One detector a class, against hand arithmetic and torchmetrics."""

import math

import pytest
import torch
from torch import nn
from torchmetrics.classification import MultilabelAUROC

from phmbench.algorithms.one_vs_rest import OneVsRest
from phmbench.metrics import Collected, Scores, classification_metrics
from phmbench.network import Network
from phmbench.testing import check_algorithm
from tests.unit.algorithms.test_erm import batch_of


def test_loss_is_the_mean_binary_cross_entropy():
    """Log-odds (ln 3, 0), label 0: class 0 has 3/4 and is there, class 1 has 1/2 and is not: (ln 4/3 + ln 2) / 2."""
    out = OneVsRest()(Network(nn.Flatten()), batch_of([[math.log(3), 0.0]], [0]))
    assert list(out) == ["loss"]
    assert out["loss"].item() == pytest.approx((math.log(4 / 3) + math.log(2)) / 2)


def test_contract():
    check_algorithm(OneVsRest, paper=True)


def test_each_class_is_ranked_by_its_own_score():
    """As MultilabelAUROC of torchmetrics has it; by shares of one whole the areas would be others."""
    generator = torch.Generator().manual_seed(0)
    logits, label = torch.randn(60, 3, generator=generator), torch.arange(60) % 3
    logits += 0.8 * torch.nn.functional.one_hot(label, 3) + 2 * torch.randn(60, 1, generator=generator)
    found = {
        flag: classification_metrics(Collected(logits, label, torch.arange(60), flag), ("a", "b", "c"))["macro_auroc"]
        for flag in (True, False)
    }
    expected = MultilabelAUROC(num_labels=3, average="macro")(logits, torch.nn.functional.one_hot(label, 3))
    assert found[True] == pytest.approx(float(expected), abs=1e-6)
    assert abs(found[True] - found[False]) > 0.05


def test_scores_are_probabilities_of_their_own():
    scores = Scores(("a", "b"), independent=True)
    scores.update(torch.tensor([[0.0, 0.0]]), batch_of([[0.0, 0.0]], [0]))
    assert scores.gathered().probabilities.tolist() == [[0.5, 0.5]]
    scores = Scores(("a", "b"), independent=True)
    scores.update(torch.tensor([[math.log(3), math.log(3)]]), batch_of([[0.0, 0.0]], [0]))
    assert scores.gathered().probabilities.tolist() == [[pytest.approx(0.75)] * 2]
