"""Signs that a network cannot learn, looked for now and then while it is trained."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Annotated, Any, NamedTuple

import torch
from annotated_types import Ge
from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from phmbench.training.names import named_modules

IN_A_ROW = 4  # looked-at steps with a sign: one batch is chance, and blocks that start as the identity pass no gradient
DEAD_SHARE = 0.5  # of a layer's units; a few dead ones are usual, and a rate that is too high kills up to two fifths
VANISHED = 1e-6  # of the head's gradient; where that is 1e-2, as it is early on, 1e-8 is left: the ε of Adam
EXPLODED = 1e4  # change of the loss by a relative change of the weights; a usual step, 1e-3, would change it by 10
FAR = 2.0  # times ln K, or divided by it
SAME = 4.0  # roundings (ε of the type) by which values that ought to be equal may differ
SHOWN = 3  # layers that a warning names

UNITS_LAST = (nn.Linear, nn.LayerNorm, nn.RMSNorm)
UNITS_SECOND = (nn.Conv1d, nn.Conv2d, nn.BatchNorm1d, nn.BatchNorm2d, nn.GroupNorm, nn.InstanceNorm1d)


class Group(NamedTuple):
    """Gradient and weights of one layer."""

    rms: float  # root mean square of its gradient
    sensitivity: float  # norm of its gradient × norm of its weights


class Health(Callback):
    """Looks at some training steps for signs that a network cannot learn, and warns of each once, with the layers.

    Looked at is every `every`-th step, of several ranks by the first. It pays for forward hooks and for the norms of
    the gradients; the others pay nothing. Nothing that is trained is touched.

    Signs, all but the last in four looked-at steps in a row:
        dead units: half of a rectifier's outputs (nn.ReLU, or a module that ends in a relu) are zero for all windows
            (Lu et al. 2019, Dying ReLU and initialization, arXiv 1903.06733);
        vanishing gradients: the root mean square of a layer's is below a millionth of the head's (Glorot & Bengio 2010,
            Understanding the difficulty of training deep feedforward neural networks, AISTATS, section 4); where the
            head's is 0.01, what is left is the ε of Adam (Kingma & Ba 2015, arXiv 1412.6980), below which steps shrink;
        exploding gradients: norm of gradient × norm of weights, which is how fast the loss changes with a relative
            change of the weights, is above 10 000 before clipping (Pascanu et al. 2013, On the difficulty of training
            recurrent neural networks, arXiv 1211.5063, for the remedy);
        parameters without gradient: no part of the loss;
        a head that ignores its input, or a model that does: the same for all windows of a batch but for rounding;
        a first loss that is over twice or under half of ln K, the cross-entropy of a guess; not asked after `init`.

    What a layer without an owner computes (a relu in the middle of a `forward`) is not looked at. Under fsdp, gradients
    are spread over the ranks, and the signs of gradients are not looked for.

    Args:
        every: steps from one look to the next.
        warn: is given the text of each warning.
        init: checkpoint from which the weights come, or None.
    """

    def __init__(self, *, every: Annotated[int, Ge(1)], warn: Callable[[str], None], init: str | None = None) -> None:
        self.every, self.warn, self.init = every, warn, init
        self.said: set[str] = set()
        self.in_a_row: dict[str, int] = {}  # sign and layer → looks
        self.dark: dict[str, Tensor] = {}  # rectifier → looks in which each unit was zero for all windows (units,)
        self.look: Look | None = None
        self.looked_at = -1  # step

    def state_dict(self) -> dict[str, Any]:
        dark = {name: looks.cpu() for name, looks in self.dark.items()}
        return {"said": sorted(self.said), "in_a_row": self.in_a_row, "dark": dark}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.said = set(state_dict["said"])
        self.in_a_row, self.dark = dict(state_dict.get("in_a_row", {})), dict(state_dict.get("dark", {}))

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        step = trainer.global_step
        if step == self.looked_at or not trainer.is_global_zero or step % self.every:
            return
        self.looked_at, self.look = step, Look(pl_module, batch)

    def on_after_backward(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if self.look is not None:
            self.look.end()

    def on_before_optimizer_step(
        self, trainer: Trainer, pl_module: LightningModule, optimizer: torch.optim.Optimizer
    ) -> None:
        look, self.look = self.look, None
        if look is None:
            return
        layers = look.layers
        whole = self._dead(look)
        signs: dict[str, list[str]] = {}
        if not _is_sharded(trainer):
            signs = gradient_signs(layers, look.head)
        same = look.same()
        if whole or (same and same == look.head):  # so what comes before has no gradient
            signs = {"exploding": signs.get("exploding", [])}
        if same and not whole and not signs.get("vanishing"):
            signs["same"] = [same]
        self._count(signs, layers)
        if trainer.global_step == 0 and self.init is None and look.first_loss is not None:
            self._first_loss(look, *look.first_loss)

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        if self.look is not None:
            self.look.end()

    def _dead(self, look: Look) -> bool:
        """Count the looks in which a unit was dark; whether a whole layer is."""
        for name, dark in look.dark.items():
            before = self.dark.get(name)
            known = before is not None and before.shape == dark.shape
            self.dark[name] = (before.to(dark.device) + 1) * dark if known and before is not None else dark.long()
        shares = {name: float((self.dark[name] >= IN_A_ROW).float().mean()) for name in look.dark}
        found = {name: share for name, share in shares.items() if share >= DEAD_SHARE}
        for name, share in found.items():
            self._say(
                f"dead {name}",
                f"{shown([name], look.layers)}: {share:.0%} of its units are dead, zero for every window of {IN_A_ROW} "
                "batches; they learn nothing; lower task.optimizer.lr, or take a rectifier that leaks",
            )
        return 1.0 in found.values()

    def _count(self, signs: dict[str, list[str]], layers: dict[str, nn.Module]) -> None:
        now = {f"{sign} {name}" for sign, names in signs.items() for name in names}
        self.in_a_row = {key: self.in_a_row.get(key, 0) + 1 for key in now}
        for sign, names in signs.items():
            lasting = [name for name in names if self.in_a_row[f"{sign} {name}"] >= IN_A_ROW]
            if lasting:
                self._say(sign, f"{shown(lasting, layers)}: {ADVICE[sign]}")

    def _first_loss(self, look: Look, loss: float, classes: int) -> None:
        guess = math.log(classes)
        if not guess / FAR <= loss <= guess * FAR and math.isfinite(loss):
            self._say(
                "start",
                f"{shown([look.head], look.layers)}: the first cross-entropy is {loss:.3g}; expected about "
                f"{guess:.3g}, ln {classes}, that of a guess; start the head smaller, or scale what it is given",
            )

    def _say(self, key: str, text: str) -> None:
        if key not in self.said:
            self.said.add(key)
            self.warn(text)


ADVICE = {
    "vanishing": f"gradients vanish, {IN_A_ROW} times in a row below a millionth of the head's; next to nothing is "
    "learnt there; normalise between the layers, carry their input past them, or use relu in place of sigmoid or tanh",
    "exploding": f"gradients explode, {IN_A_ROW} times in a row: a thousandth more weight would change the loss by "
    "more than 10; start the layers smaller, normalise between them, or lower task.optimizer.lr",
    "unused": "no gradient: it takes no part in the loss; use it in forward, or remove it",
    "same": f"gives the same for all windows of a batch, {IN_A_ROW} times in a row: it ignores its input; look at its "
    "forward, or lower task.optimizer.lr if it did not from the beginning",
}
"""Sign → what a warning says of the layers."""


class Look:
    """One training step, looked at by forward hooks on the modules of a task, until `end`."""

    def __init__(self, task: LightningModule, batch: Any) -> None:
        self.layers = named_modules(task)  # type: ignore[arg-type]
        self.head = "head" if "head" in self.layers else ""
        self.label = getattr(batch, "label", None)
        self.dark: dict[str, Tensor] = {}
        self.first_loss: tuple[float, int] | None = None  # cross-entropy, classes K
        self._axis = 1  # of the units in what the last layer gave
        self._rectified: Tensor | None = None
        self._same: list[Tensor] = []  # whether the head's input and output are the same for all windows
        self._hooks = [layer.register_forward_hook(self._hook(name)) for name, layer in self.layers.items()]

    def end(self) -> None:
        """Take the hooks away."""
        for hook in self._hooks:
            hook.remove()
        self._hooks, self._rectified = [], None

    def same(self) -> str:
        """What gives the same for all windows: the head, what comes before it, or "", neither."""
        if not self._same:
            return ""
        before, after = torch.stack(self._same).tolist()
        return "" if not after else self.head if not before else "model" if "model" in self.layers else ""

    def _hook(self, name: str) -> Callable[[nn.Module, tuple[Any, ...], Any], None]:
        def see(module: nn.Module, given: tuple[Any, ...], output: Any) -> None:
            if isinstance(module, UNITS_LAST):
                self._axis = -1
            elif isinstance(module, UNITS_SECOND):
                self._axis = 1
            if isinstance(output, Tensor):
                if output.grad_fn is not None and output.grad_fn.name() == "ReluBackward0":
                    self._see_rectified(name, output)
                if name == self.head and not self._same and isinstance(given[0], Tensor) and len(output) > 1:
                    self._see_head(given[0].detach(), output.detach())

        return see

    def _see_rectified(self, name: str, output: Tensor) -> None:
        if output is self._rectified or output.ndim < 2:  # a row of modules gives what its last one gave
            return
        self._rectified = output
        axis = self._axis % output.ndim
        dark = output.detach().amax([i for i in range(output.ndim) if i != axis]) <= 0  # (units,)
        before = self.dark.get(name)  # one module may be used twice, behind layers of different width: the last counts
        self.dark[name] = before & dark if before is not None and before.shape == dark.shape else dark

    def _see_head(self, feature: Tensor, logits: Tensor) -> None:
        self._same = [_is_same(feature), _is_same(logits)]
        label, classes = self.label, logits.shape[-1]
        if not isinstance(label, Tensor) or label.is_floating_point() or classes < 2:
            return
        if logits.ndim == 2 and label.shape == logits.shape[:1]:
            self.first_loss = float(cross_entropy(logits.float(), label)), classes


def _is_same(values: Tensor) -> Tensor:
    """Whether all windows have the same (B, …)."""
    spread = (values.amax(0) - values.amin(0)).amax()
    return spread <= SAME * torch.finfo(values.dtype).eps * values.abs().amax()


def gradient_signs(layers: dict[str, nn.Module], head: str) -> dict[str, list[str]]:
    """Layers whose gradients vanish or explode, and parameters without any, by sign; {} where one is not finite."""
    owned = {name: [p for p in layer.parameters(recurse=False) if p.requires_grad] for name, layer in layers.items()}
    groups = {name: group for name, ps in owned.items() if ps and (group := _group(ps)) is not None}
    if not all(math.isfinite(group.rms) for group in groups.values()):
        return {}  # a scaler skips such a step; without one, the fit is stopped
    unused = [
        f"{name}.{key}"
        for name, layer in layers.items()
        for key, p in layer.named_parameters(recurse=False)
        if p.requires_grad and p.grad is None
    ]
    near = [group.rms for name, group in groups.items() if name == head or name.startswith(f"{head}.")]
    least = VANISHED * max(near, default=0.0)
    return {
        "vanishing": [name for name, group in groups.items() if group.rms < least],
        "exploding": [name for name, group in groups.items() if group.sensitivity > EXPLODED],
        "unused": unused,
    }


def _group(parameters: Sequence[nn.Parameter]) -> Group | None:
    pairs = [(p.grad, p.detach()) for p in parameters if p.grad is not None]
    if not pairs:
        return None
    gradient, weight = _norm(g for g, _ in pairs), _norm(w for _, w in pairs)
    return Group(gradient / math.sqrt(sum(w.numel() for _, w in pairs)), gradient * weight)


def _norm(tensors: Iterable[Tensor]) -> float:
    return math.hypot(*torch.stack([torch.linalg.vector_norm(t, dtype=torch.float32) for t in tensors]).tolist())


def shown(names: Sequence[str], layers: dict[str, nn.Module]) -> str:
    """`model.stem.0 (Conv1d), head (Linear) and 2 more`."""
    listed = [f"{name} ({type(layers[name]).__name__})" if name in layers else name for name in names[:SHOWN]]
    return ", ".join(listed) + (f" and {len(names) - SHOWN} more" if len(names) > SHOWN else "")


def _is_sharded(trainer: Trainer) -> bool:
    return type(trainer.strategy).__name__ in ("FSDPStrategy", "ModelParallelStrategy")
