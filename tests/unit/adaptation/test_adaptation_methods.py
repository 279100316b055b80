"""Methods of adaptation against plain formulas, window by window, and what they may not see."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy

from phmbench.adaptation.adabn import AdaBN
from phmbench.adaptation.cdan import CDAN
from phmbench.adaptation.coral import DeepCORAL
from phmbench.adaptation.dann import TargetDANN
from phmbench.adaptation.domains import kernel
from phmbench.adaptation.jmmd import JMMD
from phmbench.adaptation.mcd import MCD
from phmbench.adaptation.mk_mmd import MKMMD
from phmbench.adaptation.source_only import SourceOnly
from phmbench.heads import Linear
from phmbench.network import Network
from phmbench.testing.examples import context_of
from phmbench.types import Batch

F, K, B = 5, 3, 8
FACTS = {"features": F, "classes": K}
METHODS = {
    SourceOnly: {}, AdaBN: {}, DeepCORAL: {"over": 0}, MKMMD: {"over": 0}, JMMD: {"over": 0},
    TargetDANN: {"features": F, "over": 0}, CDAN: {**FACTS, "over": 0}, MCD: {**FACTS, "over": 0},
}  # fmt: skip


def network() -> Network:
    torch.manual_seed(0)
    return Network(nn.Sequential(nn.Flatten(), nn.Linear(6, F), nn.Tanh()), Linear(features=F, classes=K))


def batches() -> tuple[Batch, Batch]:
    """Eight labelled windows, and as many, shifted, without a label."""
    generator = torch.Generator().manual_seed(1)
    signal = torch.randn(2, B, 1, 6, generator=generator) + torch.tensor([0.0, 0.7])[:, None, None, None]
    label, none = torch.arange(B) % K, torch.full((B,), -1)
    row = torch.arange(B)
    source = Batch(signal[0], label, torch.zeros_like(label), row, context_of(B))
    return source, Batch(signal[1], none, none, row + B, context_of(B))


def seen(net: Network, source: Batch, target: Batch) -> tuple[np.ndarray, np.ndarray]:
    """Features and predictions of all sixteen windows."""
    features = torch.cat([net.features(source.signal), net.features(target.signal)]).double()
    return features.detach().numpy(), net.classify(features.float()).softmax(1).double().detach().numpy()


def risk(net: Network, source: Batch) -> float:
    return float(cross_entropy(net(source.signal), source.label).detach())


@pytest.mark.parametrize("cls", METHODS)
def test_every_method_gives_finite_parts_and_reaches_the_network(cls):
    net, (source, target) = network(), batches()
    losses = cls(**METHODS[cls])(net, source, target)
    assert all(value.ndim == 0 and bool(value.isfinite()) for value in losses.values())
    losses["loss"].backward()
    assert all(p.grad is not None and bool(p.grad.isfinite().all()) for p in net.parameters())


def test_source_only_is_the_mean_cross_entropy_of_the_source():
    net, (source, target) = network(), batches()
    assert float(SourceOnly()(net, source, target)["loss"].detach()) == pytest.approx(risk(net, source))


def test_coral_is_the_mean_squared_difference_of_means_and_covariances():
    net, (source, target) = network(), batches()
    features, _ = seen(net, source, target)
    one, other = features[:B], features[B:]
    apart = ((one.mean(0) - other.mean(0)) ** 2).mean() + ((np.cov(one.T) - np.cov(other.T)) ** 2).mean()
    losses = DeepCORAL(weight=3.0, over=0)(net, source, target)
    assert float(losses["penalty"].detach()) == pytest.approx(apart, rel=1e-4)
    assert float(losses["loss"].detach()) == pytest.approx(risk(net, source) + 3 * apart, rel=1e-5)


def plain_kernel(values: np.ndarray, widths: int, square: float | None = None) -> np.ndarray:
    """Pair by pair; the widths of five are a quarter, half, one, two and four times the mean squared distance."""
    n = len(values)
    apart = np.array([[((a - b) ** 2).sum() for b in values] for a in values])
    square = apart.sum() / (n * n - n) if square is None else square
    return sum(np.exp(-apart / (square * 2.0 ** (i - widths // 2))) for i in range(widths))


def plain_discrepancy(found: np.ndarray) -> float:
    return float(found[:B, :B].mean() + found[B:, B:].mean() - 2 * found[:B, B:].mean())


def test_mk_mmd_is_the_discrepancy_by_five_kernels():
    net, (source, target) = network(), batches()
    features, _ = seen(net, source, target)
    expected = plain_discrepancy(plain_kernel(features, 5))
    assert float(MKMMD(over=0)(net, source, target)["penalty"].detach()) == pytest.approx(expected, rel=1e-4)


def test_jmmd_multiplies_the_kernels_of_features_and_of_predictions():
    net, (source, target) = network(), batches()
    features, shares = seen(net, source, target)
    expected = plain_discrepancy(plain_kernel(features, 5) * plain_kernel(shares, 1, 1.68))
    assert float(JMMD(over=0)(net, source, target)["penalty"].detach()) == pytest.approx(expected, rel=1e-4)


def test_windows_that_are_all_the_same_have_a_finite_kernel():
    values = torch.ones(4, F, requires_grad=True)
    kernel(values, widths=5).sum().backward()
    assert torch.equal(kernel(values, widths=5).detach(), torch.full((4, 4), 5.0))
    assert bool(values.grad.isfinite().all())


@pytest.mark.parametrize("strength", [0.0, 0.5])
def test_dann_turns_the_adversarys_gradient_round(strength):
    """The network's gradient is that of risk − strength · domain; the adversary's own is that of its loss."""
    net, (source, target) = network(), batches()
    method = TargetDANN(features=F, weight=strength, over=0)
    method(net, source, target)["loss"].backward()
    own = [p.grad.clone() for p in net.parameters()]
    adversarys = [p.grad.clone() for p in method.parameters()]
    net.zero_grad()
    method.zero_grad()
    features = torch.cat([net.features(source.signal), net.features(target.signal)])
    which = torch.tensor([1.0] * B + [0.0] * B)
    domain = binary_cross_entropy_with_logits(method.adversary.layers(features)[:, 0], which)
    supervised = cross_entropy(net(source.signal), source.label)
    expected = torch.autograd.grad(supervised - strength * domain, [*net.parameters()], retain_graph=True)
    for got, want in zip(own, expected, strict=True):
        torch.testing.assert_close(got, want)
    for got, want in zip(adversarys, torch.autograd.grad(domain, [*method.parameters()]), strict=True):
        torch.testing.assert_close(got, want)


def test_cdan_weighs_windows_by_how_sure_they_are():
    """Entropy of each prediction in nats, 1 + exp(−entropy), eight of each domain scaled to a sum of eight."""
    net, (source, target) = network(), batches()
    method = CDAN(**FACTS, over=0)
    features, shares = seen(net, source, target)
    weight = 1 + np.exp((shares * np.log(shares + 1e-5)).sum(1))
    weight[:B] *= B / weight[:B].sum()
    weight[B:] *= B / weight[B:].sum()
    joint = np.stack([np.outer(p, f).ravel() for p, f in zip(shares, features, strict=True)])
    score = method.adversary.layers(torch.from_numpy(joint).float())[:, 0].detach().double().numpy()
    each = np.log1p(np.exp(-score * np.array([1] * B + [-1] * B)))
    assert float(method(net, source, target)["domain"]) == pytest.approx((weight * each).mean(), rel=1e-4)
    plain = CDAN(**FACTS, entropy=False, over=0)
    plain.load_state_dict(method.state_dict())
    assert float(plain(net, source, target)["domain"]) == pytest.approx(each.mean(), rel=1e-4)


def test_mcd_has_classifiers_part_and_features_join_them():
    """Classifiers get the gradient of risk − apart, what is before them that of risk + strength · apart."""
    net, (source, target) = network(), batches()
    method = MCD(**FACTS, weight=0.5, over=0)
    method(net, source, target)["loss"].backward()
    body, heads = [*net.parts[0].parameters()], [*net.parts[1].parameters(), *method.second.parameters()]
    got = [p.grad.clone() for p in (*body, *heads)]
    hidden, there = net.features(source.signal), net.features(target.signal)
    both = cross_entropy(net.classify(hidden), source.label) + cross_entropy(method.second(hidden), source.label)
    apart = (net.classify(there).softmax(1) - method.second(there).softmax(1)).abs().mean()
    expected = [
        *torch.autograd.grad(both + 0.5 * apart, body, retain_graph=True), *torch.autograd.grad(both - apart, heads)
    ]  # fmt: skip
    for one, other in zip(got, expected, strict=True):
        torch.testing.assert_close(one, other)


def test_a_trade_off_rises_and_is_in_the_checkpoint():
    """0 at the first batch; tanh(5 · ½), which 2 / (1 + exp(−5)) − 1 is, when half of it is over."""
    net, (source, target) = network(), batches()
    method, supervised = DeepCORAL(over=4), risk(net, source)
    found = [method(net, source, target) for _ in range(3)]
    assert float(found[0]["loss"].detach()) == pytest.approx(supervised)
    penalty = float(found[2]["penalty"])
    assert float(found[2]["loss"].detach()) == pytest.approx(supervised + np.tanh(2.5) * penalty, rel=1e-5)
    assert int(method.state_dict()["rising.steps"]) == 3


def test_adabn_takes_the_targets_statistics_and_nothing_else():
    """Batches 0, 2 and 4, 10 of one channel: means 1 and 7, variances 2 and 18, without bias; 4 and 10 in the mean."""
    norm = nn.BatchNorm1d(1)
    net = Network(nn.Sequential(norm, nn.Flatten()), nn.Linear(1, 2))
    norm.running_mean.fill_(99.0)
    weights = {name: value.clone() for name, value in net.named_parameters()}
    _, target = batches()
    parts = [
        target._replace(signal=torch.tensor(values).reshape(2, 1, 1), context=context_of(2))
        for values in ([0.0, 2.0], [4.0, 10.0])
    ]
    AdaBN.meet(net, parts)
    assert (float(norm.running_mean), float(norm.running_var)) == pytest.approx((4.0, 10.0))
    assert norm.momentum == 0.1
    assert norm.training
    assert all(torch.equal(value, weights[name]) for name, value in net.named_parameters())


def test_adabn_refuses_a_network_without_statistics():
    with pytest.raises(ValueError, match="AdaBN replaces running statistics of batch normalisation; got a network"):
        AdaBN.require(network())
