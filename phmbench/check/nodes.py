"""One node, a mapping with a `_target_`, against the signature of its target."""

from __future__ import annotations

import ast
import math
from collections.abc import Mapping, Sequence

from phmbench.check.extras import absent_extra
from phmbench.check.findings import Finding, near, unchecked
from phmbench.check.slots import (
    MAPPINGS_OF_NODES,
    MAY_BE_NULL,
    NEEDED_SLOTS,
    OF_EPISODES,
    SLOTS,
    home,
    is_fact,
    is_whole,
    may_be_absent,
    passed,
)
from phmbench.check.values import Scope, accepts, is_node
from phmbench.check.words import describe, show
from phmbench.errors import ConfigError
from phmbench.signatures import NOT_LITERAL, Parameter, Signature, signature_of
from phmbench.trust import LIBRARY_PACKAGES, OWN, check_target

CONVERSIONS = ("none", "partial", "object", "all")
SWITCHES = ("_partial_", "_recursive_")
MISSING = "???"
Node = Mapping[str, object]


def check_node(path: str, node: Node, config: Node, trusted: Sequence[str] = ()) -> list[Finding]:
    """Target, special keys, parameters and values of a node; those of nodes inside it are not looked at.

    Args:
        path: dotted path of the node.
        node: the node.
        config: the whole configuration, for what a task needs of a model.
        trusted: packages that the user trusts.
    """
    found = special_keys(path, node)
    reason = check_target(node["_target_"], trusted)
    if reason is not None:
        return [Finding(f"{path}._target_" if path else "_target_", reason), *found]
    elsewhere = _elsewhere(path, str(node["_target_"]))
    if elsewhere is not None:
        return [elsewhere, *found]
    try:
        signature = signature_of(str(node["_target_"]))
    except ConfigError as error:
        return [Finding(f"{path}._target_", str(error)), *found]
    lacking = absent_extra(signature)
    if lacking is not None:
        return [Finding(path, lacking), *found]
    for key in node:
        if not _is_special(key):
            found += [*_check_key(path, str(key), node[key], signature), *test_metric(f"{path}.{key}", node[key])]
    found += _missing(path, node, signature)
    found += _open(path, signature)
    return found + _needs(path, signature, config)


def _elsewhere(path: str, target: str) -> Finding | None:
    """A class of ours or of a library that is of another kind than its place: a callback as the model."""
    homes = home(path)
    ours = target.partition(".")[0] in LIBRARY_PACKAGES | {OWN}
    if not homes or not ours or any(target.startswith((f"{place}.", place)) for place in homes):
        return None
    return Finding(
        f"{path}._target_",
        f"not of the kind that belongs here; got {target}; expected a class of {' or '.join(homes)}, or of a package "
        "that you trust; choose an option of the group",
    )


def _is_special(key: object) -> bool:
    return isinstance(key, str) and len(key) > 2 and key.startswith("_") and key.endswith("_")


def special_keys(path: str, node: Node) -> list[Finding]:
    """Hydra's own keys in a node."""
    found = hidden_keys(path, [key for key in node if key not in ("_target_", "_convert_", *SWITCHES)])
    found += [
        Finding(f"{path}.{switch}", f"wrong value; got {show(node[switch])}; expected true or false")
        for switch in SWITCHES
        if switch in node and not isinstance(node[switch], bool)
    ]
    if node.get("_partial_") is True and is_whole(path):
        found.append(
            Finding(f"{path}._partial_", "not possible here; got true; the object is built at once; remove it")
        )
    if "_convert_" in node and node["_convert_"] not in CONVERSIONS:
        expected = f"expected one of {', '.join(CONVERSIONS)}"
        found.append(Finding(f"{path}._convert_", f"wrong value; got {show(node['_convert_'])}; {expected}"))
    return found


def hidden_keys(path: str, keys: Sequence[str]) -> list[Finding]:
    """Keys that Hydra would take for its own: `_args_`, `_execution_whitelist_`, …"""
    found = []
    for key in keys:
        if key == "_args_":
            found.append(Finding(f"{path}._args_", "no arguments by position; got _args_; give each by its name"))
        elif _is_special(key):
            found.append(
                Finding(f"{path}.{key}", f"no such key here; got {key}; expected names of parameters; remove it")
            )
    return found


def _check_key(path: str, key: str, value: object, signature: Signature) -> list[Finding]:
    where = f"{path}.{key}"
    if key in SLOTS.get(path, ()) and not (path == "model" and value and key in signature.by_name):
        return _check_slot(where, value)  # a model that takes a front itself says what it takes
    if path == "task" and key in drawn_by(signature):
        return [] if where not in OF_EPISODES else _check_slot(where, value)
    if key in signature.by_name and is_fact(path, key):
        return [Finding(where, f"{key} comes from the data; got {show(value)}; expected nothing; remove it")]
    if key in passed(path) and key in signature.by_name:
        return [Finding(where, f"phmbench passes it to {signature.name}; got {show(value)}; remove it")]
    if key in signature.by_name:
        return check_value(where, value, signature.by_name[key], signature.name, library=_is_library(signature))
    if signature.unread is not None:
        return [unchecked(where, f"the source of {signature.unread}, a base of {signature.name}, cannot be read")]
    if signature.open_in is not None and signature.open_in.partition(".")[0] in LIBRARY_PACKAGES:
        return [unchecked(where, f"{signature.name} takes any name (**kwargs in {signature.open_in})")]
    names = [n for n in signature.by_name if not is_fact(path, n) and n not in passed(path)]
    names += drawn_by(signature) if path == "task" else []
    return [Finding(where, f"{signature.name} has no parameter '{key}'{near(key, names)}")]


def drawn_by(signature: Signature) -> list[str]:
    """Keys of a task's node that what draws its episodes takes."""
    found = signature.attribute("drawn_by")
    return [str(name) for name in found] if isinstance(found, tuple | list) else []


def _is_library(signature: Signature) -> bool:
    return signature.definition.module.top in LIBRARY_PACKAGES


def _check_slot(where: str, value: object) -> list[Finding]:
    if where in MAPPINGS_OF_NODES:
        return check_mapping_of_nodes(where, value)
    if where == "data.rigs":
        fits = value is None or (isinstance(value, list | tuple) and all(isinstance(rig, str) for rig in value))
        return [] if fits else [Finding(where, f"wrong value; got {show(value)}; expected a list of names or null")]
    if is_node(value) or (where in MAY_BE_NULL and value is None):
        return []
    option = f"; write {where.replace('.', '/')}={value}" if isinstance(value, str) else ""
    return [Finding(where, f"wrong value; got {show(value)}; expected a node (_target_: …){option}")]


def check_mapping_of_nodes(where: str, value: object) -> list[Finding]:
    """Names to nodes, or null."""
    if value is None:
        return []
    if not isinstance(value, Mapping) or is_node(value):
        return [Finding(where, f"wrong value; got {show(value)}; expected a mapping of names to nodes (_target_: …)")]
    return [
        Finding(f"{where}.{name}", f"wrong value; got {show(one)}; expected a node (_target_: …) or null")
        for name, one in value.items()
        if not (one is None or is_node(one))
    ]


def check_value(where: str, value: object, parameter: Parameter, owner: str, *, library: bool) -> list[Finding]:
    """A value against a parameter's annotation.

    A number must be finite where the target is ours, unless the parameter's default is not.
    """
    if value == MISSING:
        return [Finding(where, f"has no value yet; got {MISSING}; set {where}=…")]
    if where in MAPPINGS_OF_NODES:
        return check_mapping_of_nodes(where, value)
    if _is_default(value, parameter):
        return []
    if parameter.annotation is None:
        return [unchecked(where, f"{owner} gives no type")]
    scope = Scope(parameter.home, finite=not library and not _may_be_infinite(parameter))
    verdict = accepts(value, parameter.annotation, scope)
    if verdict is None:
        return [unchecked(where, f"{show(value)} against {describe(parameter.annotation, scope)}")]
    if verdict:
        return []
    expected = describe(parameter.annotation, scope)
    if scope.finite and isinstance(value, float) and not math.isfinite(value):
        expected += ", finite"
    return [Finding(where, f"wrong value for {owner}; got {show(value)}; expected {expected}")]


def test_metric(where: str, value: object) -> list[Finding]:
    """Nothing reported may have been chosen on the test set."""
    if where.rpartition(".")[2] not in ("monitor", "objectives", "objective"):
        return []
    named = [value] if isinstance(value, str) else list(value) if isinstance(value, list | tuple | Mapping) else []
    return [
        Finding(where, f"nothing reported may be chosen on the test set; got '{name}'; take val/{name[5:]}")
        for name in named
        if isinstance(name, str) and name.startswith("test/")
    ]


def _is_default(value: object, parameter: Parameter) -> bool:
    default = parameter.literal
    return default is not NOT_LITERAL and type(value) is type(default) and value == default


def _may_be_infinite(parameter: Parameter) -> bool:
    if parameter.default is None:
        return False
    text = ast.unparse(parameter.default).lower()
    return "inf" in text or "nan" in text


def _missing(path: str, node: Node, signature: Signature) -> list[Finding]:
    if node.get("_partial_") is True:
        return []
    absent = [
        p
        for p in signature.parameters
        if p.required and p.name not in node and p.name not in may_be_absent(path) and not is_fact(path, p.name)
    ]
    found = [
        Finding(f"{path}.{p.name}", f"missing; {signature.name} needs it{_expected(p)}; set {path}.{p.name}=…")
        for p in absent
    ]
    slots = sorted(NEEDED_SLOTS.get(path, frozenset()) - node.keys())
    return found + [Finding(f"{path}.{s}", f"missing; every run needs it; choose {path}/{s}=…") for s in slots]


def _expected(parameter: Parameter) -> str:
    if parameter.annotation is None:
        return ""
    return f"; expected {describe(parameter.annotation, Scope(parameter.home))}"


def _open(path: str, signature: Signature) -> list[Finding]:
    if signature.open_in is None or signature.open_in.partition(".")[0] in LIBRARY_PACKAGES:
        return []
    what = f"{signature.name} takes **kwargs; expected each parameter by its name; write them out"
    return [Finding(f"{path}._target_", what)]


def _needs(path: str, signature: Signature, config: Node) -> list[Finding]:
    """Methods that a task, or a part of it, needs of the model."""
    asks = path.partition(".")[0] == "task" and signature.is_class and not _is_library(signature)
    needs = signature.attribute("needs") if asks else NOT_LITERAL
    model = config.get("model")
    if not isinstance(needs, tuple | list) or not isinstance(model, Mapping) or not needs:
        return []
    try:
        target = signature_of(str(model.get("_target_")))
    except ConfigError:
        return []  # said at model._target_
    found = []
    for method in needs:
        defined = target.defines(str(method)) if target.is_class else None
        if defined is None:
            found.append(unchecked("model", f"whether {target.name} has '{method}', which {signature.name} needs"))
        elif not defined:
            what = f"{signature.name} needs a model with '{method}'; got {target.name}, which has none"
            found.append(Finding("model", f"{what}; take another model"))
    return found
