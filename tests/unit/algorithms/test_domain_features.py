"""Adversaries, mixtures, meta-learning and contrast between domains, against plain formulas."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from phmbench.algorithms.ccdg import CCDG
from phmbench.algorithms.dann import CDANN, DANN, Reversed
from phmbench.algorithms.fishr import Fishr
from phmbench.algorithms.mixstyle import MixStyle
from phmbench.algorithms.mixup import Mixup
from phmbench.algorithms.mldg import MLDG
from phmbench.algorithms.sagnet import SagNet, restyled
from phmbench.heads import Linear
from phmbench.models.patch_transformer import PatchTransformer
from phmbench.models.resnet1d import ResNet1d
from phmbench.models.wdcnn import WDCNN
from phmbench.network import Network
from phmbench.testing import check_algorithm
from tests.unit.algorithms.test_domain_penalties import DOMAINS, LACKING, F, K, random_batch

FACTS = {
    DANN: {"domains": 3, "features": F},
    CDANN: {"domains": 3, "features": F, "classes": K},
    Mixup: {},
    Fishr: {"domains": 3, "features": F, "classes": K},
    MLDG: {"domains": 3},
    SagNet: {"features": F, "classes": K},
    CCDG: {"domains": 3, "features": F},
}


@pytest.mark.parametrize("algorithm", FACTS)
def test_contract(algorithm):
    check_algorithm(algorithm, paper=True, steps=150, **({"after": 20, "weight": 1.0} if algorithm is Fishr else {}))


@pytest.mark.parametrize("algorithm", [one for one, facts in FACTS.items() if "domains" in facts])
def test_one_domain_is_refused(algorithm):
    with pytest.raises(ValueError, match=f"domains: {algorithm.__name__} compares source domains; got 1; expected two"):
        algorithm(**{**FACTS[algorithm], "domains": 1})


@pytest.mark.parametrize("algorithm", FACTS)
@pytest.mark.parametrize("domain", [LACKING, [0] * 6, [0, 1], [2]])
def test_a_batch_may_lack_a_domain(algorithm, domain):
    network, batch = random_batch(domain)
    losses = algorithm(**FACTS[algorithm])(network, batch)
    losses["loss"].backward()
    assert all(value.isfinite() for value in losses.values())
    assert all(one.grad is None or one.grad.isfinite().all() for one in network.parameters())


def test_a_gradient_is_reversed():
    features = torch.ones(2, 3, requires_grad=True)
    (Reversed.apply(features, torch.tensor(0.5)) * torch.arange(6.0).view(2, 3)).sum().backward()
    assert torch.equal(features.grad, -0.5 * torch.arange(6.0).view(2, 3))


def test_dann_minimises_for_the_discriminator_and_maximises_for_the_features():
    """Gradients of the risk and of the domain's loss by autograd, the latter with the sign turned for the features."""
    network, batch = random_batch(DOMAINS)
    algorithm = DANN(domains=3, features=F, weight=0.3, over=0)
    weights, own = list(network.parts[0].parameters()), list(algorithm.discriminator.parameters())
    features = network.features(batch.signal)
    risk = cross_entropy(network.classify(features), batch.label)
    domain = cross_entropy(algorithm.discriminator(features), batch.domain)
    of_risk = torch.autograd.grad(risk, weights, retain_graph=True)
    of_domain = torch.autograd.grad(domain, [*weights, *own])
    algorithm(network, batch)["loss"].backward()
    for weight, one, other in zip(weights, of_risk, of_domain, strict=False):
        torch.testing.assert_close(weight.grad, one - 0.3 * other)
    for weight, expected in zip(own, of_domain[len(weights) :], strict=True):
        torch.testing.assert_close(weight.grad, expected)


def test_cdann_weighs_classes_alike():
    network, batch = random_batch(DOMAINS)
    algorithm = CDANN(domains=3, features=F, classes=K)
    features = network.features(batch.signal)
    scores = algorithm.discriminator(features + algorithm.of_class(batch.label))
    each = cross_entropy(scores, batch.domain, reduction="none").detach().numpy()
    label = batch.label.numpy()
    expected = np.mean([each[label == k].mean() for k in set(label.tolist())])
    assert float(algorithm.domain_loss(features, batch).detach()) == pytest.approx(expected, rel=1e-5)


def test_mixup_is_a_weighted_sum_of_windows_and_losses(monkeypatch):
    network, batch = random_batch(DOMAINS)
    other, share = torch.arange(len(DOMAINS)).roll(1), torch.linspace(0.5, 1, len(DOMAINS))
    monkeypatch.setattr("phmbench.algorithms.mixup.partners", lambda batch: other)
    algorithm = Mixup()
    monkeypatch.setattr(algorithm, "shares", lambda count, device: share)
    losses = []
    for i in range(len(DOMAINS)):
        logits = network((share[i] * batch.signal[i] + (1 - share[i]) * batch.signal[other[i]])[None])[0]
        own, others = (-logits.log_softmax(0)[label] for label in (batch.label[i], batch.label[other[i]]))
        losses.append(float((share[i] * own + (1 - share[i]) * others).detach()))
    assert float(algorithm(network, batch)["loss"].detach()) == pytest.approx(np.mean(losses), rel=1e-5)


def test_shares_of_mixup_are_at_least_a_half():
    torch.manual_seed(0)
    drawn = Mixup(alpha=0.2).shares(2000, torch.device("cpu"))
    assert drawn.min() >= 0.5
    assert drawn.max() <= 1
    assert 0.8 < float(drawn.mean()) < 0.95  # Beta(0.2, 0.2) lies at its ends


def test_fishr_is_the_variance_of_single_gradients():
    """Gradients of each window by autograd; twice, so that the moving average is in it."""
    network, batch = random_batch(DOMAINS)
    algorithm = Fishr(domains=3, features=F, classes=K, weight=2.0, after=0, kept=0.9)
    head = network.parts[-1].linear
    rows = []
    for i in range(len(DOMAINS)):
        loss = cross_entropy(network(batch.signal[i : i + 1]), batch.label[i : i + 1])
        weight, bias = torch.autograd.grad(loss, [head.weight, head.bias])
        rows.append(torch.cat([weight, bias[:, None]], 1).flatten().double().numpy())
    of_domain = [np.array([row for row, d in zip(rows, DOMAINS, strict=True) if d == k]) for k in range(3)]
    now = np.array([part.var(0) for part in of_domain])
    kept = np.zeros_like(now)
    for _ in range(2):
        kept = 0.9 * kept + 0.1 * now
        scaled = kept / 0.1
        expected = np.mean(np.sum((scaled - scaled.mean(0)) ** 2, 1))
        found = algorithm(network, batch)
        assert float(found["penalty"]) == pytest.approx(expected, rel=1e-3)
    assert float(found["loss"].detach()) == pytest.approx(float(found["risk"]) + 2 * expected, rel=1e-3)


def test_fishr_needs_a_linear_head():
    network, batch = random_batch(DOMAINS)
    with pytest.raises(ValueError, match=r"task\.head: Fishr writes out the gradients of a linear head; got Linear"):
        Fishr(domains=3, features=F, classes=K)(Network(network.parts[0], nn.Linear(F, K)), batch)


@pytest.mark.parametrize("second_order", [False, True])
def test_mldg_is_a_step_on_some_that_helps_on_another(second_order):
    """Each domain held out in turn, as the seed draws it; the step by hand, the network linear."""
    network, batch = random_batch([0, 1, 0, 1, 1, 0])
    algorithm = MLDG(domains=2, rate=0.5, weight=0.7, second_order=second_order)
    seen = set()
    for seed in range(6):
        torch.manual_seed(seed)
        held = int(torch.rand(2).argmax())
        torch.manual_seed(seed)
        network.zero_grad()
        found = algorithm(network, batch)
        found["loss"].backward()
        weights = dict(network.named_parameters())
        inner, outer = batch.domain != held, batch.domain == held
        risk = cross_entropy(network(batch.signal[inner]), batch.label[inner])
        gradients = torch.autograd.grad(risk, list(weights.values()), create_graph=True)
        steps = [one if second_order else one.detach() for one in gradients]
        moved = {name: value - 0.5 * one for (name, value), one in zip(weights.items(), steps, strict=True)}
        after = torch.func.functional_call(network, moved, (batch.signal[outer],))
        held_out = cross_entropy(after, batch.label[outer])
        expected = torch.autograd.grad(risk + 0.7 * held_out, list(weights.values()))
        torch.testing.assert_close(found["loss"], risk + 0.7 * held_out)
        for value, one in zip(weights.values(), expected, strict=True):
            torch.testing.assert_close(value.grad, one)
        seen.add(held)
    assert seen == {0, 1}


def test_mldg_counts_a_batch_once_for_batch_norm():
    network = Network(nn.Sequential(nn.Flatten(), nn.Linear(8, F), nn.BatchNorm1d(F)), Linear(features=F, classes=K))
    MLDG(domains=3)(network, random_batch(DOMAINS)[1])
    assert int(network.parts[0][2].num_batches_tracked) == 1


def test_sagnet_gives_features_another_ones_style():
    """Share 0: mean and deviation are the other's, the order within the vector is its own."""
    features = torch.randn(4, 64, generator=torch.Generator().manual_seed(0)) * 3 + 1
    other = torch.tensor([1, 2, 3, 0])
    given = restyled(features, other, torch.zeros(4, 1))
    torch.testing.assert_close(given.mean(1), features[other].mean(1), rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(given.std(1), features[other].std(1), rtol=1e-4, atol=1e-4)
    assert torch.equal(given.argsort(1), features.argsort(1))
    torch.testing.assert_close(restyled(features, other, torch.ones(4, 1)), features, rtol=1e-4, atol=1e-4)


def test_sagnets_style_head_learns_of_style_and_the_features_do_not_follow_it():
    network, batch = random_batch(DOMAINS)
    algorithm = SagNet(features=F, classes=K, weight=0.0)
    algorithm(network, batch)["loss"].backward()
    without = [value.grad.clone() for value in network.parameters()]
    assert algorithm.style.weight.grad.abs().max() > 0
    network.zero_grad()
    torch.manual_seed(1)
    losses = SagNet(features=F, classes=K, weight=5.0)(network, batch)
    losses["loss"].backward()
    assert float(losses["adversary"]) >= math.log(K) - 1e-6  # least where all classes are alike
    assert any(not torch.equal(one, value.grad) for one, value in zip(without, network.parameters(), strict=True))


def test_contrast_is_the_share_of_positives():
    """Window by window, as Khosla et al. write it."""
    _, batch = random_batch(DOMAINS)
    algorithm = CCDG(domains=3, features=F, temperature=0.5)
    projected = torch.randn(len(DOMAINS), 4, generator=torch.Generator().manual_seed(3))
    unit = (projected / projected.norm(dim=1, keepdim=True)).double().numpy()
    label, losses = batch.label.tolist(), []
    for i in range(len(DOMAINS)):
        positive = [j for j in range(len(DOMAINS)) if label[j] == label[i] and DOMAINS[j] != DOMAINS[i]]
        negative = [j for j in range(len(DOMAINS)) if label[j] != label[i]]
        if positive:
            below = sum(math.exp(unit[i] @ unit[j] / 0.5) for j in positive + negative)
            losses.append(-np.mean([unit[i] @ unit[j] / 0.5 - math.log(below) for j in positive]))
    found = algorithm.contrast(projected, batch.label, batch.domain)
    assert float(found) == pytest.approx(np.mean(losses), rel=1e-5)


@pytest.mark.parametrize("make", [WDCNN, ResNet1d, PatchTransformer])
def test_mixstyle_mixes_in_training_alone_and_leaves_no_trace(make):
    _, batch = random_batch(DOMAINS)
    batch = batch._replace(signal=torch.randn(len(DOMAINS), 1, 1024, generator=torch.Generator().manual_seed(0)))
    torch.manual_seed(0)
    model = make(channels=1, window=1024)
    network = Network(model, Linear(features=model.n_features, classes=K)).eval()
    shapes = []
    hooks = [module.register_forward_hook(lambda m, a, out: shapes.append(out.shape)) for module in model.early()]
    plain = cross_entropy(network(batch.signal), batch.label)
    assert all(len(shape) == 3 and shape[0] == len(DOMAINS) for shape in shapes)
    assert shapes
    for hook in hooks:
        hook.remove()
    algorithm = MixStyle(probability=1.0)
    mixed = algorithm(network, batch)["loss"]
    assert not torch.equal(mixed, plain)
    assert torch.equal(MixStyle(probability=0.0)(network, batch)["loss"], plain)
    assert torch.equal(algorithm.eval()(network, batch)["loss"], plain)
    assert torch.equal(cross_entropy(network(batch.signal), batch.label), plain)


def test_mixed_maps_have_the_style_of_another():
    maps = torch.randn(4, 3, 500, generator=torch.Generator().manual_seed(0)) * torch.arange(1, 5)[:, None, None]
    other = torch.tensor([3, 2, 1, 0])
    given = MixStyle.mix(maps, other, torch.zeros(4))
    torch.testing.assert_close(given.mean(-1), maps[other].mean(-1), rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(given.std(-1), maps[other].std(-1), rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(MixStyle.mix(maps, other, torch.ones(4)), maps, rtol=1e-3, atol=1e-4)


def test_mixstyle_needs_maps():
    network, batch = random_batch(DOMAINS)
    with pytest.raises(ValueError, match="model: MixStyle needs feature maps along time; got Sequential"):
        MixStyle()(network, batch)
