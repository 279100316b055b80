"""The contract of a model: (batch, channel, time) to (batch, feature)."""

import copy
import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from phmbench.heads import Linear
from phmbench.network import Network
from phmbench.testing.examples import context_of, require_explicit, require_paper, tones

CLASSES = 4
WINDOWS = 16  # of the batch


def check_model(
    cls: Callable[..., nn.Module],
    *,
    windows: Sequence[int] = (2048, 2500),
    steps: int = 60,
    lr: float = 3e-3,
    paper: bool = False,
    **arguments: Any,
) -> None:
    """Check a model class against the contract.

    Checked: the signature is explicit; shapes with one, two and three channels and with each window; `n_features`; a
    window of one sample works or ends in a ValueError that names `window`; the first loss with a linear head is near
    that of a guess; every parameter gets finite gradients, and none is left out; sixteen windows are learnt by heart;
    in evaluation it is deterministic, and a window's features do not depend on the others; they survive a state dict;
    bfloat16, by autocast and throughout.

    Args:
        cls: the class, called with `channels`, `window` and `arguments`.
        windows: samples of the windows to try; the first is the one that is trained on.
        steps: optimizer steps within which sixteen windows must be learnt.
        lr: learning rate of these steps.
        paper: the docstring must name its source.
        arguments: design values, to make the model small.

    Raises:
        AssertionError: says which part of the contract does not hold, and what is expected.
    """
    require_explicit(cls)
    if paper:
        require_paper(cls)
    generator_state = torch.get_rng_state()
    torch.manual_seed(0)
    try:
        for channels in (1, 2, 3):
            for window in windows if channels == 1 else windows[:1]:
                _check_shapes(cls(channels=channels, window=window, **arguments), channels=channels, window=window)
        _check_short_window(cls, arguments)
        model = cls(channels=2, window=windows[0], **arguments)
        _check_training(model, window=windows[0], steps=steps, lr=lr)
        fresh = cls(channels=2, window=windows[0], **arguments)
        _check_evaluation(model, fresh, window=windows[0])
        _check_half_precision(model, window=windows[0])
    finally:
        torch.set_rng_state(generator_state)


def _features(model: nn.Module, signal: Tensor) -> Tensor:
    features: Tensor = Network(model)(signal, context_of(len(signal)))
    return features


def _check_shapes(model: nn.Module, *, channels: int, window: int) -> None:
    name = type(model).__name__
    count = getattr(model, "n_features", None)
    assert isinstance(count, int), f"{name}: n_features is {count!r}; expected an int, the length of a feature vector"
    signal = torch.randn(2, channels, window)
    before = signal.clone()
    given = _features(model, signal)
    assert tuple(given.shape) == (2, count), (
        f"{name}: two windows of {channels} channels and {window} samples gave the shape {tuple(given.shape)}; "
        f"expected (2, {count}), as n_features says"
    )
    assert torch.equal(signal, before), f"{name}: changed the signal that it was given; work on a copy"
    assert bool(given.isfinite().all()), f"{name}: features of noise are not finite"
    silent = _features(model.eval(), torch.zeros(2, channels, window))
    assert bool(silent.isfinite().all()), (
        f"{name}: features of silence are not finite; expected numbers; guard divisions"
    )
    sequence = getattr(model, "sequence", None)
    if sequence is not None and not getattr(model, "reads", ()):
        shape = tuple(sequence(signal).shape)
        assert len(shape) == 3, f"{name}: sequence gave the shape {shape}; expected (batch, feature, time)"
        assert shape[:2] == (2, count), f"{name}: sequence gave the shape {shape}; expected (2, {count}, time)"


def _check_short_window(cls: Callable[..., nn.Module], arguments: dict[str, Any]) -> None:
    name = cls.__name__
    try:
        given = _features(cls(channels=1, window=1, **arguments).eval(), torch.zeros(2, 1, 1))
    except ValueError as error:
        if "window" not in str(error):
            raise AssertionError(
                f"{name}: refuses a window of one sample with {str(error)!r}; expected a message that names window "
                "and the shortest that makes sense"
            ) from error
    except Exception as error:
        raise AssertionError(
            f"{name}: a window of one sample ends in {type(error).__name__}: {error}; "
            "expected ValueError('window: …; got 1; expected …') when it is built"
        ) from error
    else:
        assert bool(given.isfinite().all()), f"{name}: accepts a window of one sample, but its features are not finite"


def _check_training(model: nn.Module, *, window: int, steps: int, lr: float) -> None:
    name = type(model).__name__
    signal, label = tones(WINDOWS, channels=2, window=window, classes=CLASSES)
    network = Network(model, Linear(features=model.n_features, classes=CLASSES)).train()  # type: ignore[arg-type]
    context = context_of(WINDOWS)
    first = float(cross_entropy(network(signal, context), label).detach())
    assert abs(first - math.log(CLASSES)) < 0.15, (
        f"{name}: the first loss is {first:.3f}; expected about ln {CLASSES} = {math.log(CLASSES):.3f}, a guess's; "
        "let features start at about size one"
    )
    optimizer = torch.optim.AdamW(network.parameters(), lr=lr)
    unused = dict(model.named_parameters())
    loss, correct = first, False
    for _ in range(steps):
        logits = network(signal, context)
        objective = cross_entropy(logits, label)
        loss, correct = float(objective.detach()), bool((logits.argmax(1) == label).all())
        optimizer.zero_grad()
        torch.autograd.backward(objective)
        unused = {key: each for key, each in unused.items() if not _has_gradient(name, key, each)}
        if correct and loss < 0.5 and not unused:
            break
        optimizer.step()
    assert not unused, (
        f"{name}: {', '.join(unused)} never got a gradient; expected every parameter to be used; "
        "remove it, or freeze it with requires_grad_(False)"
    )
    assert correct, (
        f"{name}: {WINDOWS} windows were not learnt in {steps} steps (loss {first:.3f} to {loss:.3f}); "
        f"expected every one to be right; look for detached or saturated parts, or allow more steps"
    )


def _has_gradient(name: str, key: str, parameter: nn.Parameter) -> bool:
    """Whether the parameter takes part; a frozen one need not."""
    if not parameter.requires_grad:
        return True
    if parameter.grad is None:
        return False
    assert bool(parameter.grad.isfinite().all()), f"{name}: the gradient of {key} is not finite; guard roots and logs"
    return bool(parameter.grad.any())


@torch.no_grad()
def _check_evaluation(model: nn.Module, fresh: nn.Module, *, window: int) -> None:
    name = type(model).__name__
    signal, _ = tones(WINDOWS, channels=2, window=window, classes=CLASSES)
    model.eval()
    state = {key: value.clone() for key, value in model.state_dict().items()}
    given = _features(model, signal)
    assert torch.equal(given, _features(model, signal)), f"{name}: not deterministic in evaluation; obey model.eval()"
    alone = torch.cat([_features(model, signal[i : i + 1]) for i in range(2)])
    assert torch.allclose(given[:2], alone, rtol=1e-3, atol=1e-4), (
        f"{name}: the features of a window depend on the rest of the batch in evaluation; expected them not to; "
        "use running statistics, or normalise each window by itself"
    )
    changed = [key for key, value in model.state_dict().items() if not torch.equal(value, state[key])]
    assert not changed, f"{name}: evaluation changed {', '.join(changed)}; expected the state to stay as it is"
    fresh.load_state_dict(state)
    again = _features(fresh.eval(), signal)
    assert torch.equal(given, again), (
        f"{name}: a new object with the same state dict gives other features; "
        "expected the same; keep whatever is learnt or drawn at random in parameters and buffers"
    )


@torch.no_grad()
def _check_half_precision(model: nn.Module, *, window: int) -> None:
    name = type(model).__name__
    signal, _ = tones(WINDOWS, channels=2, window=window, classes=CLASSES)
    expected = _features(model.eval(), signal)
    try:
        with torch.autocast("cpu", dtype=torch.bfloat16):
            mixed = _features(model, signal)
        whole = _features(copy.deepcopy(model).to(torch.bfloat16), signal.to(torch.bfloat16))
    except RuntimeError as error:
        raise AssertionError(
            f"{name}: does not run in bfloat16 ({error}); expected it to; compute Fourier transforms and the like in "
            "float32 (signal.float()), and give the result the signal's type"
        ) from error
    for way, given in (("autocast", mixed), ("bfloat16 throughout", whole)):
        near = (given.float() - expected).square().mean() <= 0.1 * expected.square().mean() + 1e-4
        assert bool(near), f"{name}: features in half precision ({way}) are far from those in float32"
