"""The root of a configuration against the annotated class that describes it."""

from __future__ import annotations

import ast
from collections.abc import Mapping

from phmbench import syntax
from phmbench.check.findings import Finding, near
from phmbench.check.nodes import check_mapping_of_nodes, check_value, hidden_keys, test_metric
from phmbench.check.slots import BASELINE, EVALUATE, MAPPINGS_OF_NODES, NODES
from phmbench.check.values import is_node
from phmbench.check.words import show
from phmbench.errors import ConfigError
from phmbench.signatures import NOT_LITERAL, Parameter, Signature, signature_of

HYDRA = "hydra"


def check_root(config: Mapping[str, object], root: str) -> list[Finding]:
    """Keys of the root and of plain mappings in it (`paths`), their types and ranges, and places of nodes."""
    try:
        signature = signature_of(root)
    except ConfigError as error:
        return [Finding("", str(error))]
    found = _check_keys("", config, signature)
    for path, value in _plain_mappings("", config):
        found += hidden_keys(path, list(value))
    return found


def check_init(config: Mapping[str, object]) -> list[Finding]:
    """A pipeline that only tests needs a checkpoint to test."""
    pipeline = config.get("pipeline")
    target = pipeline.get("_target_") if isinstance(pipeline, Mapping) else None
    if target != EVALUATE or config.get("init") is not None:
        return []
    return [Finding("init", "pipeline=evaluate tests a checkpoint; got none; set init=…/checkpoints/best.ckpt")]


def check_estimator(config: Mapping[str, object]) -> list[Finding]:
    """An estimator and the pipeline that fits it need each other; without one there is a network."""
    pipeline, estimator = config.get("pipeline"), config.get("estimator")
    fits = isinstance(pipeline, Mapping) and pipeline.get("_target_") == BASELINE
    if fits and estimator is None:
        return [Finding("estimator", "pipeline=baseline fits an estimator; got none; choose estimator=…")]
    if estimator is not None and not fits:
        return [Finding("pipeline", "does not fit an estimator; got estimator=…; choose pipeline=baseline")]
    if estimator is None and config.get("model", "") is None:
        return [Finding("model", "wrong value; got null; expected a node (_target_: …); choose model=…")]
    return []


def _check_keys(path: str, config: Mapping[str, object], signature: Signature) -> list[Finding]:
    found: list[Finding] = []
    for key, value in config.items():
        where = f"{path}.{key}" if path else str(key)
        if not path and key == HYDRA:
            continue
        if key in signature.by_name:
            found += _check_field(where, value, signature.by_name[key], signature)
        else:
            what = f"no such key in {path}" if path else "no such key"
            found.append(Finding(where, f"{what}; got '{key}'{near(str(key), signature.by_name)}"))
        found += test_metric(where, value)
    for p in signature.parameters:
        if p.required and p.name not in config:
            where = f"{path}.{p.name}" if path else p.name
            found.append(Finding(where, f"missing; every run needs it; set {where}=…"))
    return found


def _check_field(where: str, value: object, field: Parameter, signature: Signature) -> list[Finding]:
    if where in NODES or where == "estimator":
        if is_node(value) or (value is None and where in ("model", "estimator")):  # `check_estimator` looks further
            return []
        return [Finding(where, f"wrong value; got {show(value)}; expected a node (_target_: …); choose {where}=…")]
    if where in MAPPINGS_OF_NODES:
        return check_mapping_of_nodes(where, value)
    inner = _nested(field)
    if inner is not None and isinstance(value, Mapping) and not is_node(value):
        return _check_keys(where, value, inner)
    return check_value(where, value, field, signature.name, library=False)


def _nested(field: Parameter) -> Signature | None:
    """The class that a field's annotation names, where it is an annotated class of ours."""
    if not isinstance(field.annotation, ast.Name | ast.Attribute | ast.Constant):
        return None
    name = field.annotation
    if isinstance(name, ast.Constant):
        name = ast.Name(str(name.value))
    definition = syntax.define(syntax.dotted_name(name, field.home) or "")
    if definition is None or not isinstance(definition.node, ast.ClassDef) or definition.module.top != field.home.top:
        return None
    return signature_of(definition.dotted)


def _plain_mappings(path: str, value: object) -> list[tuple[str, Mapping[str, object]]]:
    """Mappings without a `_target_`, anywhere but under `hydra`."""
    found: list[tuple[str, Mapping[str, object]]] = []
    if isinstance(value, Mapping):
        if path and not is_node(value):
            found.append((path, value))
        for key, one in value.items():
            if path or key != HYDRA:
                found += _plain_mappings(f"{path}.{key}" if path else str(key), one)
    elif isinstance(value, list | tuple):
        for i, one in enumerate(value):
            found += _plain_mappings(f"{path}[{i}]", one)
    return found


def fill_root(config: dict[str, object], root: str) -> set[str]:
    """Put in the literal defaults of the root's fields; gives the paths that were added."""
    added: set[str] = set()
    for field in signature_of(root).parameters:
        inner = _nested(field)
        value = config.get(field.name)
        if field.name not in config and field.literal is not NOT_LITERAL:
            config[field.name] = field.literal
            added.add(field.name)
        elif inner is not None and isinstance(value, dict):
            for one in inner.parameters:
                if one.name not in value and one.literal is not NOT_LITERAL:
                    value[one.name] = one.literal
                    added.add(f"{field.name}.{one.name}")
    return added
