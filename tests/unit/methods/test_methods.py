"""Methods against plain formulas, on a network whose features are the signal itself."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier, NearestCentroid
from torch import nn

from phmbench.adapters import Full, LinearProbe
from phmbench.methods.finetune import FineTune
from phmbench.methods.knn import KNN
from phmbench.methods.maml import MAML
from phmbench.methods.matching import Matching
from phmbench.methods.prototypical import Prototypical
from phmbench.methods.relation import Relation
from phmbench.methods.siamese import Siamese
from phmbench.methods.simpleshot import SimpleShot
from phmbench.network import Network
from phmbench.types import Batch, Context

F, WAYS, SHOT, ASKED = 5, 3, 4, 6


def batch(values: np.ndarray, label: np.ndarray) -> Batch:
    """Windows whose F samples are the features."""
    n = len(values)
    none = torch.full((n,), float("nan"))
    context = Context(none, none, none[:, None].expand(n, 4), torch.zeros(n, dtype=torch.long))
    signal = torch.tensor(values, dtype=torch.float32)[:, None]
    rows = torch.arange(n)
    return Batch(signal, torch.tensor(label), torch.zeros(n, dtype=torch.long), rows, context)


def as_it_is() -> Network:
    return Network(nn.Flatten(), nn.Linear(F, WAYS))


def learning() -> Network:
    torch.manual_seed(0)
    return Network(nn.Sequential(nn.Flatten(), nn.Linear(F, F)), nn.Linear(F, WAYS))


@pytest.fixture
def episode() -> tuple[Batch, Batch, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Support and query of three classes around means of their own, and the same as arrays."""
    rng = np.random.default_rng(0)
    centre = rng.normal(size=(WAYS, F)) * 2
    taught, asked = np.repeat(np.arange(WAYS), SHOT), np.repeat(np.arange(WAYS), ASKED)
    s = (centre[taught] + rng.normal(size=(len(taught), F))).astype(np.float32)
    q = (centre[asked] + rng.normal(size=(len(asked), F))).astype(np.float32)
    return batch(s, taught), batch(q, asked), s, taught, q, asked


def unit(values: np.ndarray) -> np.ndarray:
    return values / np.linalg.norm(values, axis=1, keepdims=True)


def test_prototypical_is_the_squared_distance_to_means(episode):
    support, query, s, label, q, _ = episode
    means = np.stack([s[label == k].mean(0) for k in range(WAYS)])
    expected = -((q[:, None] - means) ** 2).sum(2)
    np.testing.assert_allclose(Prototypical()(as_it_is(), support, query).numpy(), expected, rtol=1e-4, atol=1e-4)


def test_matching_is_attention_over_cosines(episode):
    support, query, s, label, q, _ = episode
    cosine = unit(q) @ unit(s).T / 0.1
    weight = np.exp(cosine) / np.exp(cosine).sum(1, keepdims=True)
    expected = np.stack([weight[:, label == k].sum(1) for k in range(WAYS)], 1)  # as many windows of each class
    found = Matching()(as_it_is(), support, query).exp().numpy()
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)


def test_relation_scores_pairs_and_regresses_to_one_and_zero(episode):
    support, query, s, label, q, asked = episode
    torch.manual_seed(1)
    method = Relation(features=F, hidden=7)
    first, last = ([p.detach().numpy() for p in part.parameters()] for part in (method.relation[0], method.relation[2]))
    means = np.stack([s[label == k].mean(0) for k in range(WAYS)])
    scores = np.array(
        [[np.maximum(first[0] @ np.r_[m, x] + first[1], 0) @ last[0][0] + last[1][0] for m in means] for x in q]
    )
    np.testing.assert_allclose(method(as_it_is(), support, query).detach().numpy(), scores, rtol=1e-4, atol=1e-5)
    squared = (1 / (1 + np.exp(-scores)) - np.eye(WAYS)[asked]) ** 2
    loss = method.losses(as_it_is(), support, query)["loss"]
    assert float(loss.detach()) == pytest.approx(squared.mean(), rel=1e-4)


def test_siamese_weighs_same_and_different_pairs_alike(episode):
    support, query, s, label, q, asked = episode
    torch.manual_seed(1)
    method = Siamese(features=F)
    weight, bias = method.alike.weight.detach().numpy()[0], float(method.alike.bias.detach())
    odds = np.abs(q[:, None] - s) @ weight + bias  # (Q, S)
    expected = np.stack([odds[:, label == k].mean(1) for k in range(WAYS)], 1)
    np.testing.assert_allclose(method(as_it_is(), support, query).detach().numpy(), expected, rtol=1e-4, atol=1e-5)
    same = asked[:, None] == label
    chance = 1 / (1 + np.exp(-odds))
    loss = -(np.log(chance[same]).mean() + np.log(1 - chance[~same]).mean()) / 2
    assert float(method.losses(as_it_is(), support, query)["loss"].detach()) == pytest.approx(loss, rel=1e-4)


@pytest.mark.parametrize("neighbours", [1, 3])
def test_knn_votes_as_scikit_learn_does(episode, neighbours):
    """Cosines order unit vectors as distances do. Of three votes for three classes scikit-learn takes the first
    class, and this the most alike: only where a class has two votes must they agree."""
    support, query, s, label, q, _ = episode
    votes = KNeighborsClassifier(neighbours).fit(unit(s), label).predict_proba(unit(q)) * neighbours
    found = KNN(neighbours=neighbours)(as_it_is(), support, query).numpy()
    clear = votes.max(1) > neighbours / 2
    assert clear.sum() > len(q) // 2
    assert (found.argmax(1) == votes.argmax(1))[clear].all()
    np.testing.assert_array_equal(np.rint(found - 0.01)[clear][:, :], votes[clear])


def test_simpleshot_is_the_nearest_centroid_of_centred_unit_features(episode):
    support, query, s, label, q, _ = episode
    method = SimpleShot(features=F)
    for one in np.split(s, 4):
        method.see(torch.tensor(one))
    np.testing.assert_allclose(method.mean.numpy(), s.mean(0), rtol=1e-5, atol=1e-6)  # the first hundred: a plain mean
    expected = NearestCentroid().fit(unit(s - s.mean(0)), label).predict(unit(q - s.mean(0)))
    assert (method(as_it_is(), support, query).argmax(1).numpy() == expected).all()


def test_a_linear_probe_ends_where_logistic_regression_does(episode):
    """Without a penalty, many steps: the separable support is fitted, and queries are called as scikit-learn does."""
    support, query, s, label, q, _ = episode
    method = FineTune(adapter=LinearProbe(steps=500, rate=0.1))
    found = method(as_it_is(), support, query)
    expected = LogisticRegression(C=1e4, max_iter=10_000).fit(s, label).predict(q)
    assert (found.argmax(1).numpy() == expected).mean() >= 0.9
    assert not found.requires_grad


@pytest.mark.parametrize("adapter", [LinearProbe(steps=3, rate=0.1), Full(steps=3, rate=0.1)])
def test_fine_tuning_leaves_the_network_as_it_was(episode, adapter):
    support, query, *_ = episode
    network = learning().eval()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    with torch.inference_mode():  # as in a test
        one, again = (FineTune(adapter=adapter)(network, support, query) for _ in range(2))
    assert torch.equal(one, again)  # nothing is kept from one episode to the next
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert all(p.grad is None for p in network.parameters())


def test_full_fine_tuning_moves_the_features_too(episode):
    """The first of Adam's steps moves each weight by the rate, against its gradient; of zero weights behind them the
    features' have none, so that the second is the first that counts."""
    support, *_ = episode
    network = learning().eval()
    features, _ = Full(steps=2, rate=0.1)(network, support, WAYS)
    plain = network.features(support.signal, support.context)
    assert not torch.allclose(features(support), plain)
    probed, _ = LinearProbe(steps=2, rate=0.1)(network, support, WAYS)
    assert torch.equal(probed(support), plain)


def test_maml_of_one_step_by_hand(episode):
    """The new layer starts at zero, so that its first step alone moves: W = −rate · d loss / d W, by hand; and the
    first-order gradient of the network's weights is that at the weights they were moved to."""
    support, query, _, label, _, asked = episode
    network = learning()
    method = MAML(steps=1, rate=0.5).train()
    loss = method.losses(network, support, query)["loss"]
    loss.backward()
    found = {name: value.grad for name, value in network.named_parameters()}

    z = network.features(support.signal, support.context).detach()
    residual = torch.full((len(label), WAYS), 1 / WAYS) - nn.functional.one_hot(torch.tensor(label), WAYS)
    W, b = -0.5 * residual.T @ z / len(label), -0.5 * residual.mean(0)
    logits = network.features(query.signal, query.context) @ W.T + b
    by_hand = nn.functional.cross_entropy(logits, torch.tensor(asked))
    assert float(loss.detach()) == pytest.approx(float(by_hand.detach()), rel=1e-5)
    network.zero_grad()
    by_hand.backward()
    for name, value in network.named_parameters():
        if name.startswith("parts.0"):
            torch.testing.assert_close(found[name], value.grad, rtol=1e-4, atol=1e-6)
    assert found["parts.1.weight"] is None  # the head of a classifier is not asked


def test_maml_takes_more_steps_in_a_test_and_leaves_the_network(episode):
    support, query, *_ = episode
    network = learning().eval()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    one, more = (MAML(steps=1, test_steps=steps, rate=0.1).eval() for steps in (1, 5))
    with torch.inference_mode():
        assert not torch.allclose(one(network, support, query), more(network, support, query))
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


METHODS = [
    Prototypical(), Matching(), Relation(features=F), Siamese(features=F), KNN(), SimpleShot(features=F), MAML(),
    FineTune(adapter=LinearProbe(steps=5, rate=0.1)),
]  # fmt: skip


@pytest.mark.parametrize("method", METHODS, ids=lambda method: type(method).__name__)
def test_a_query_is_answered_for_itself(episode, method):
    """In evaluation the others that are asked beside it, and the order of the support, change nothing."""
    support, query, s, label, *_ = episode
    network = learning().eval()
    method.eval()
    whole = method(network, support, query)
    assert whole.shape == (WAYS * ASKED, WAYS)
    half = method(network, support, batch(query.signal[:4, 0].numpy(), query.label[:4].numpy()))
    torch.testing.assert_close(half, whole[:4], rtol=1e-3, atol=1e-4)
    order = np.random.default_rng(1).permutation(len(s))
    moved = method(network, batch(s[order], label[order]), query)
    torch.testing.assert_close(moved, whole, rtol=1e-3, atol=1e-4)
