"""Algorithms on source domains, against plain formulas, window by window and domain by domain, and where ERM fails."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from phmbench.algorithms.coral import CORAL
from phmbench.algorithms.domains import Later, Rising, average, means, members, partners
from phmbench.algorithms.erm import ERM
from phmbench.algorithms.group_dro import GroupDRO
from phmbench.algorithms.irm import IRM
from phmbench.algorithms.mmd import MMD, RATES
from phmbench.algorithms.vrex import VREx
from phmbench.heads import Linear
from phmbench.network import Network
from phmbench.testing import check_algorithm
from phmbench.testing.examples import context_of
from phmbench.types import Batch

SEVERAL = [GroupDRO, IRM, VREx, CORAL, MMD]
F, K = 5, 3


def random_batch(domain: list[int], *, seed: int = 0) -> tuple[Network, Batch]:
    """Random signals, a network without memory, and a domain for each window."""
    generator, n = torch.Generator().manual_seed(seed), len(domain)
    torch.manual_seed(seed)
    network = Network(nn.Sequential(nn.Flatten(), nn.Linear(8, F), nn.Tanh()), Linear(features=F, classes=K))
    nn.init.normal_(network.parts[1].linear.weight)
    label = torch.randint(K, (n,), generator=generator)
    signal = torch.randn(n, 1, 8, generator=generator)
    return network, Batch(signal, label, torch.tensor(domain), torch.arange(n), context_of(n))


DOMAINS = [0, 1, 0, 2, 2, 1, 0, 0, 1, 2, 2, 2]
LACKING = [0, 2, 0, 2, 2, 2, 0, 0, 0]  # no window of domain 1


@pytest.mark.parametrize("algorithm", SEVERAL)
def test_contract(algorithm):
    check_algorithm(algorithm, paper=True, **({"after": 20, "weight": 1.0} if algorithm in (IRM, VREx) else {}))


@pytest.mark.parametrize("algorithm", SEVERAL)
def test_one_domain_is_refused(algorithm):
    with pytest.raises(
        ValueError, match="compares source domains; got 1; expected two or more; choose task=dg or cddg"
    ):
        algorithm(domains=1)


@pytest.mark.parametrize("algorithm", SEVERAL)
@pytest.mark.parametrize("domain", [LACKING, [0] * 6, [0, 1], [2]])
def test_a_batch_may_lack_a_domain(algorithm, domain):
    network, batch = random_batch(domain)
    losses = algorithm(domains=3)(network, batch)
    losses["loss"].backward()
    assert all(value.isfinite() for value in losses.values())
    assert all(one.grad.isfinite().all() for one in network.parameters())


@pytest.mark.parametrize("domain", [DOMAINS, LACKING])
def test_irm_is_the_gradient_of_a_scale(domain):
    """By autograd: of each domain the product of the gradients of two halves, every other window."""
    network, batch = random_batch(domain)
    algorithm = IRM(domains=3, weight=7.0, after=0)
    found = algorithm(network, batch)
    risks, penalties = [], []
    for d in sorted(set(domain)):
        rows = [i for i, one in enumerate(domain) if one == d]
        logits, label = network(batch.signal)[rows], batch.label[rows]
        scale = torch.ones((), requires_grad=True)
        halves = [cross_entropy(logits[k::2] * scale, label[k::2]) for k in (0, 1)]
        first, second = (torch.autograd.grad(half, scale, create_graph=True)[0] for half in halves)
        risks.append(cross_entropy(logits, label))
        penalties.append(first * second)
    risk, penalty = torch.stack(risks).mean(), torch.stack(penalties).mean()
    torch.testing.assert_close(found["penalty"], penalty.detach())
    torch.testing.assert_close(found["loss"], (risk + 7 * penalty) / 7)


@pytest.mark.parametrize("domain", [DOMAINS, LACKING])
def test_vrex_is_the_variance_of_the_losses(domain):
    network, batch = random_batch(domain)
    found = VREx(domains=3, weight=0.5, after=0)(network, batch)
    rows = [[i for i, one in enumerate(domain) if one == d] for d in sorted(set(domain))]
    losses = [float(cross_entropy(network(batch.signal)[row], batch.label[row]).detach()) for row in rows]
    assert float(found["loss"].detach()) == pytest.approx(np.mean(losses) + 0.5 * np.var(losses), rel=1e-5)


def test_group_dro_weighs_by_the_exponential_of_losses():
    """Weights 1/3 each, times exp(0.5 · loss), over their sum: kept, and multiplied again by the next batch."""
    network, batch = random_batch(DOMAINS)
    algorithm = GroupDRO(domains=3, rate=0.5)
    losses = np.array([float(cross_entropy(network(batch.signal)[row], batch.label[row]).detach()) for row in
                       ([i for i, one in enumerate(DOMAINS) if one == d] for d in range(3))])  # fmt: skip
    weights = np.full(3, 1 / 3)
    for _ in range(2):
        found = algorithm(network, batch)
        weights = weights * np.exp(0.5 * losses)
        weights /= weights.sum()
        assert float(found["loss"].detach()) == pytest.approx(float(weights @ losses), rel=1e-5)
        np.testing.assert_allclose(algorithm.weights, weights, rtol=1e-5)
    assert float(found["worst"]) == pytest.approx(losses.max(), rel=1e-5)
    algorithm.eval()(network, batch)
    np.testing.assert_allclose(algorithm.weights, weights, rtol=1e-5)


@pytest.mark.parametrize("domain", [DOMAINS, LACKING])
def test_coral_is_the_distance_of_means_and_covariances(domain):
    network, batch = random_batch(domain)
    features = network.features(batch.signal).detach().double().numpy()
    parts = [features[np.array(domain) == d] for d in sorted(set(domain))]
    expected = np.mean([
        np.mean((a.mean(0) - b.mean(0)) ** 2) + np.mean((np.cov(a.T) - np.cov(b.T)) ** 2)
        for a, b in combinations(parts, 2)
    ])  # fmt: skip
    found = CORAL(domains=3, weight=2.0)(network, batch)
    assert float(found["penalty"]) == pytest.approx(expected, rel=1e-4)
    assert float(found["loss"].detach()) == pytest.approx(float(found["risk"]) + 2 * expected, rel=1e-4)


@pytest.mark.parametrize("domain", [DOMAINS, LACKING])
def test_mmd_is_the_difference_of_mean_kernels(domain):
    network, batch = random_batch(domain)
    features = network.features(batch.signal).detach().double().numpy()
    parts = [features[np.array(domain) == d] for d in sorted(set(domain))]

    def kernel(a, b):
        return np.mean([sum(np.exp(-rate * np.sum((x - y) ** 2)) for rate in RATES) for x in a for y in b])

    expected = np.mean([kernel(a, a) + kernel(b, b) - 2 * kernel(a, b) for a, b in combinations(parts, 2)])
    found = MMD(domains=3, weight=2.0)(network, batch)
    assert float(found["penalty"]) == pytest.approx(expected, rel=1e-3)


def test_a_weight_comes_in_after_its_batches_and_survives_a_checkpoint():
    later = Later(weight=10.0, before=1.0, after=2)
    assert [float(later()) for _ in range(3)] == [1.0, 1.0, 10.0]
    again = Later(weight=10.0, before=1.0, after=4)
    again.load_state_dict(later.state_dict())
    assert [float(again()) for _ in range(2)] == [1.0, 10.0]
    assert [float(again.eval()()) for _ in range(2)] == [10.0, 10.0]
    assert int(again.steps) == 5


def test_a_weight_rises_as_ganins():
    rising = Rising(over=4)
    expected = [2 / (1 + np.exp(-10 * p)) - 1 for p in (0, 0.25, 0.5, 0.75, 1, 1)]
    assert [float(rising()) for _ in range(6)] == pytest.approx(expected, abs=1e-6)
    assert float(Rising(over=0)()) == 1.0


def test_partners_are_of_other_domains():
    _, batch = random_batch(DOMAINS)
    for _ in range(20):
        assert (batch.domain[partners(batch)] != batch.domain).all()
    _, alone = random_batch([1, 1, 1])
    assert set(partners(alone).tolist()) <= {0, 1, 2}


def test_means_of_what_is_not_there_are_zero_and_do_not_count():
    _, batch = random_batch([0, 0, 2])
    found, there = means(torch.tensor([1.0, 3.0, 5.0]), members(batch, 3))
    assert found.tolist() == [2.0, 0.0, 5.0]
    assert there.tolist() == [True, False, True]
    assert float(average(found, there)) == 3.5


# -- a feature that is right in training and wrong at the target -----------------------------------------------------


def signs(agreement: list[float], windows: list[int], *, seed: int = 0) -> Batch:
    """Two signs a window: the first is the label's in 3 of 4, everywhere; the second in a share that each domain has
    for itself. Who follows the first is right in 3 of 4 on any domain."""
    generator = torch.Generator().manual_seed(seed)
    parts = []
    for number, (share, count) in enumerate(zip(agreement, windows, strict=True)):
        label = torch.randint(2, (count,), generator=generator)
        flips = [torch.rand(count, generator=generator) < right for right in (0.75, share)]
        both = torch.stack([torch.where(flip, 1.0, -1.0) * (2 * label - 1) for flip in flips], 1)
        parts.append((both[:, None], label, torch.full((count,), number)))
    signal, label, domain = (torch.cat(column) for column in zip(*parts, strict=True))
    return Batch(signal, label, domain, torch.arange(len(label)), context_of(len(label)))


def right_at_the_target(algorithm: nn.Module, batch: Batch) -> float:
    """Accuracy where the second sign is the label's in one of ten."""
    torch.manual_seed(0)
    network = Network(nn.Flatten(), nn.Linear(2, 2))
    optimizer = torch.optim.Adam(network.parameters(), lr=0.02)
    for _ in range(400):
        optimizer.zero_grad()
        algorithm(network, batch)["loss"].backward()
        optimizer.step()
    target = signs([0.1], [4000], seed=1)
    return float((network(target.signal).argmax(1) == target.label).double().mean())


def test_where_most_windows_mislead_erm_fails_and_the_others_do_not():
    """19 of 20 windows are of a domain where the second sign is nearly always right; in the other it is wrong."""
    batch = signs([0.95, 0.3], [7600, 400])
    assert right_at_the_target(ERM(), batch) < 0.2
    for algorithm in (IRM(domains=2, after=100), VREx(domains=2, after=100), GroupDRO(domains=2, rate=0.1)):
        assert right_at_the_target(algorithm, batch) > 0.7, type(algorithm).__name__


def test_where_all_domains_mislead_a_little_irm_alone_does_not():
    """As coloured digits (Arjovsky et al. 2019): the second sign is better than the first in both domains."""
    batch = signs([0.9, 0.8], [4000, 4000])
    assert right_at_the_target(ERM(), batch) < 0.2
    assert right_at_the_target(GroupDRO(domains=2), batch) < 0.2
    assert right_at_the_target(IRM(domains=2, weight=1e4, after=100), batch) > 0.7
