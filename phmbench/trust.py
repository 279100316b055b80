"""Which targets a configuration may name: nothing is imported to find out.

A prefix alone is walked around by `phmbench.x.shutil.rmtree`, and so is a name that a module imported from elsewhere.
So a target must be a class or function that the file of its dotted path defines, or takes over from the same package.
"""

from __future__ import annotations

import ast
import os
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from phmbench import syntax
from phmbench.lineage import lineage
from phmbench.signatures import absent
from phmbench.syntax import Definition, Import

VARIABLE = "PHMBENCH_TRUST"
"""The environment variable by which a run tells the processes that it starts whom the user trusts."""
OWN = "phmbench"
OWN_CLASSES = (
    "phmbench.adaptation",
    "phmbench.adapters",
    "phmbench.algorithms",
    "phmbench.data.augment",
    "phmbench.data.datamodule",
    "phmbench.data.episodes",
    "phmbench.data.normalise",
    "phmbench.data.sources",
    "phmbench.data.splits",
    "phmbench.data.target",
    "phmbench.estimators",
    "phmbench.features",
    "phmbench.generators",
    "phmbench.heads",
    "phmbench.losses",
    "phmbench.methods",
    "phmbench.metrics",
    "phmbench.models",
    "phmbench.normalise",
    "phmbench.tasks",
    "phmbench.training",
)
"""Modules and packages of ours whose classes may be targets."""
OWN_FUNCTIONS = ("phmbench.features", "phmbench.losses", "phmbench.metrics")
"""Those whose functions may be targets; in `phmbench.pipelines` it is `run`, and nothing else."""


class Kind(NamedTuple):
    """Classes of a library that a run needs."""

    prefix: str  # the target begins with it and one dot more
    within: str  # its definition begins with it
    bases: frozenset[str]  # and derives from one of these


def _kind(prefix: str, within: str, *bases: str) -> Kind:
    return Kind(prefix, within, frozenset(bases))


_CALLBACK = ("lightning.pytorch.callbacks.Callback", "lightning.pytorch.callbacks.callback.Callback")
_PLUGINS = (
    "lightning.fabric.plugins.precision.precision.Precision",
    "lightning.fabric.plugins.environments.cluster_environment.ClusterEnvironment",
    "lightning.fabric.plugins.io.checkpoint_io.CheckpointIO",
    "lightning.pytorch.plugins.layer_sync.LayerSync",
)
_MODULE = ("torch.nn.Module", "torch.nn.modules.module.Module")
_LIGHTNING = "lightning.pytorch"
_AEON = "aeon.transformations.collection"
LIBRARIES = (
    _kind("torch.optim", "torch.optim.", "torch.optim.optimizer.Optimizer", "torch.optim.adam.Adam"),
    _kind("torch.optim.lr_scheduler", "torch.optim.lr_scheduler.", "torch.optim.lr_scheduler.LRScheduler"),
    _kind("torch.nn", "torch.nn.modules.", *_MODULE),
    _kind(_LIGHTNING, f"{_LIGHTNING}.trainer.", f"{_LIGHTNING}.trainer.trainer.Trainer"),
    _kind(f"{_LIGHTNING}.callbacks", f"{_LIGHTNING}.callbacks.", *_CALLBACK),
    _kind(f"{_LIGHTNING}.loggers", f"{_LIGHTNING}.loggers.", f"{_LIGHTNING}.loggers.logger.Logger"),
    _kind(f"{_LIGHTNING}.strategies", f"{_LIGHTNING}.strategies.", f"{_LIGHTNING}.strategies.strategy.Strategy"),
    _kind(f"{_LIGHTNING}.plugins", "lightning.", *_PLUGINS),
    _kind(f"{_LIGHTNING}.profilers", f"{_LIGHTNING}.profilers.", f"{_LIGHTNING}.profilers.profiler.Profiler"),
    _kind("torchmetrics", "torchmetrics.classification.", "torchmetrics.metric.Metric"),
    _kind("torchmetrics", "torchmetrics.regression.", "torchmetrics.metric.Metric"),
    _kind("torchmetrics", "torchmetrics.aggregation.", "torchmetrics.metric.Metric"),
    _kind("sklearn", "sklearn.", "sklearn.base.ClassifierMixin"),
    _kind(f"{_AEON}.convolution_based", f"{_AEON}.convolution_based.", f"{_AEON}.BaseCollectionTransformer"),
    _kind(f"{_AEON}.interval_based", f"{_AEON}.interval_based.", f"{_AEON}.BaseCollectionTransformer"),
    _kind("optuna.pruners", "optuna.pruners.", "optuna.pruners._base.BasePruner", "optuna.pruners.BasePruner"),
    _kind("swanlab.integration.pytorch_lightning", "swanlab.", f"{_LIGHTNING}.loggers.logger.Logger"),
)
"""The exact kinds that libraries are needed for. Not torch.load, torch.hub, torchmetrics that fetch networks, …"""

EXTRAS = {"aeon": "aeon", "optuna": "sweep", "swanlab": "swanlab"}
"""Library packages that an extra installs, and its name."""
NEVER = frozenset({"hydra", "omegaconf", "pip", "setuptools", "pkg_resources", "numpy", "pandas", "scipy", "yaml"})
"""Packages that no `--trust` opens, besides the standard library and those of LIBRARIES and ours, which have their own
rules: nearly all of them run what they are given."""
LIBRARY_PACKAGES = frozenset(kind.prefix.partition(".")[0] for kind in LIBRARIES)
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)+", re.ASCII)


def nodes(config: object, path: str = "") -> Iterator[tuple[str, Mapping[str, object]]]:
    """Every mapping with a `_target_`, with its dotted path, outermost first; in lists and everywhere but under `hydra`
    at the root, which Hydra itself has used by then."""
    if isinstance(config, Mapping):
        if "_target_" in config:
            yield path, config
        for key, value in config.items():
            if path or key != "hydra":
                yield from nodes(value, f"{path}.{key}" if path else str(key))
    elif isinstance(config, list | tuple):
        for i, value in enumerate(config):
            yield from nodes(value, f"{path}[{i}]")


def of_environment() -> list[str]:
    """The packages that the command line of this process, or of the one that started it, trusts."""
    return [name for name in os.environ.get(VARIABLE, "").split(",") if name]


def check_target(target: object, trusted: Sequence[str] = ()) -> str | None:
    """Why a target is not trusted, or None where it is.

    Args:
        target: what stands behind `_target_`.
        trusted: packages (`mypackage`, or a part of one, `mypackage.models`) that the user trusts.
    """
    reason = _malformed(target)
    if reason is not None:
        return reason
    assert isinstance(target, str)
    top = target.partition(".")[0]
    if top in sys.stdlib_module_names or top in NEVER:
        return f"{target} is not trusted; no configuration may run '{top}', and --trust does not change that"
    if top not in LIBRARY_PACKAGES and top != OWN and not _starts(target, trusted):
        return f"{target} is not trusted; got the package '{top}'; if you wrote or checked it, add --trust {top}"
    if top in LIBRARY_PACKAGES and not _starts(target, [kind.prefix for kind in LIBRARIES]):
        return _of_no_kind(target)  # before anything of a large package is parsed
    definition, reason = _follow(target)
    if definition is None:
        return reason
    if top == OWN:
        return _not_ours(target, definition)
    return _not_needed(target, definition) if top in LIBRARY_PACKAGES else None


def whitelist(config: object) -> list[str]:
    """The exact targets of a checked configuration, as written and as defined, sorted: what Hydra may execute.

    Hydra looks at both names: `torch.optim.AdamW` and the `torch.optim.adamw.AdamW` that it finds there.
    """
    names: set[str] = set()
    for _, node in nodes(config):
        target = str(node["_target_"])
        definition = syntax.define(target)
        names |= {target} if definition is None else {target, definition.dotted}
    return sorted(names)


def _malformed(target: object) -> str | None:
    if not isinstance(target, str):
        return f"_target_ is not text; got {target!r}; expected a dotted name such as phmbench.models.wdcnn.WDCNN"
    if "${" in target:
        return f"_target_ is an interpolation that was not resolved; got {target!r}; write the name itself"
    if not _NAME.fullmatch(target):
        return f"_target_ is no dotted name of plain letters; got {target!r}; expected package.module.Name"
    private = next((part for part in target.split(".") if part.startswith("_")), None)
    if private is not None:
        return f"{target} is not trusted; '{private}' is private to its module; name a public class or function"
    return None


def _starts(target: str, prefixes: Sequence[str]) -> bool:
    return any(target.startswith(f"{prefix}.") for prefix in prefixes)


def _follow(target: str) -> tuple[Definition | None, str]:
    """The class or function a target names, if each step to it stays in its package; else the reason."""
    parted = syntax.split(target)
    if parted is None:
        package = target.partition(".")[0]
        extra = f"; the extra has it: pip install 'phmbench[{EXTRAS[package]}]'" if package in EXTRAS else ""
        return None, f"{absent(target)}{extra}"
    module, rest = parted
    if not rest or "." in rest:
        what = "a module" if not rest else f"'{rest}', which is no single name in {module}"
        return None, f"{target} is not trusted; got {what}; expected a class or function that a module defines"
    top = module.partition(".")[0]
    if top not in LIBRARY_PACKAGES:
        hidden = _hidden(target, module)
        if hidden:
            return None, hidden
    start = syntax.read(module)
    if start is None:
        return None, f"{target} is not trusted; the source of {module} cannot be read; expected Python source"
    for at, name, binding in syntax.hops(start, rest):
        if binding is None:
            return None, absent(target)
        if isinstance(binding, Import):
            if binding.name is None or binding.module.partition(".")[0] != top:
                source = binding.module if binding.name is None else f"{binding.module}.{binding.name}"
                return (
                    None,
                    f"{target} is not trusted; {at.name} imports it from elsewhere ({source}); name what is meant",
                )
        elif isinstance(binding, ast.ClassDef | ast.FunctionDef):
            return Definition(at, name, binding, ()), ""
        else:
            return None, f"{target} is not trusted; {at.name} assigns it; expected a class or function defined there"
    return None, absent(target)


def _hidden(target: str, module: str) -> str | None:
    """A package that binds the name of its own submodule to something else would be asked for that at run time."""
    parts = module.split(".")
    for end in range(1, len(parts)):
        package, name = ".".join(parts[:end]), parts[end]
        above = syntax.read(package)
        binding = above.names.get(name) if above else None
        if binding is not None and binding not in (Import(package, name), Import(f"{package}.{name}", None)):
            return f"{target} is not trusted; {package} binds '{name}' to something that is not its module"
    return None


def _not_ours(target: str, definition: Definition) -> str | None:
    for dotted in (target, definition.dotted):
        if _starts(dotted, ["phmbench.pipelines"]) and dotted.endswith(".run"):
            continue
        areas = OWN_CLASSES if isinstance(definition.node, ast.ClassDef) else OWN_FUNCTIONS
        if not _starts(dotted, areas):
            what = "class" if isinstance(definition.node, ast.ClassDef) else "function"
            return f"{target} is not trusted; no {what} of {dotted.rpartition('.')[0]} is meant to be a target"
    return None


def _not_needed(target: str, definition: Definition) -> str | None:
    """Library targets: of one of the kinds that are needed, and truly derived from its base."""
    if isinstance(definition.node, ast.ClassDef):
        ancestors = {syntax.dotted_name(base, definition.module) for base in definition.node.bases}  # not parsed
        for kind in LIBRARIES:
            if not (_starts(target, [kind.prefix]) and definition.dotted.startswith(kind.within)):
                continue
            if ancestors.isdisjoint(kind.bases):
                ancestors |= {b if isinstance(b, str) else b.dotted for b in lineage(definition)}
            if ancestors & kind.bases:
                return None
    return _of_no_kind(target)


def _of_no_kind(target: str) -> str:
    return (
        f"{target} is not trusted; expected of '{target.partition('.')[0]}' an optimizer, scheduler, module, callback, "
        "logger, strategy, plugin, profiler, metric, classifier, transform or the Trainer; name one of these"
    )
