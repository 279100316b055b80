"""The check before torch: every key, value and target of a configuration, held against signatures read from source.

All findings come at once. Nothing is imported to find them, and what cannot be read is reported as not checked.
"""

from __future__ import annotations

import copy
import gc
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from phmbench.check.contradictions import check_contradictions
from phmbench.check.findings import Finding
from phmbench.check.monitor import check_monitor
from phmbench.check.nodes import check_node
from phmbench.check.optimizers import check_optimizers
from phmbench.check.root import check_estimator, check_init, check_root, fill_root
from phmbench.check.slots import is_fact, may_be_absent
from phmbench.check.trainer import check_trainer
from phmbench.errors import ConfigError
from phmbench.signatures import NOT_LITERAL, Signature, signature_of
from phmbench.trust import nodes, of_environment

__all__ = ["Finding", "check", "check_contradictions", "fill", "require"]

ROOT = "phmbench.config.Run"
DEEPEST, MOST = 50, 100_000  # levels and values of a configuration; YAML's anchors can make circles and explosions


def check(config: Mapping[str, object], *, trusted: Sequence[str] = (), root: str = ROOT) -> list[Finding]:
    """All that is wrong with a configuration, what contradicts itself, and what could not be checked; errors first.

    Args:
        config: plain and resolved; `hydra` at its root is not looked at.
        trusted: packages that the user trusts, besides those that a run needs.
        root: dotted name of the annotated class that describes the root keys.
    """
    if _is_boundless(config):
        what = (
            f"nested deeper than {DEEPEST} levels, in a circle, or of more than {MOST} values; expected a run's choices"
        )
        return [Finding("", what)]
    with _collector_off():
        found = check_root(config, root)
        for path, node in nodes(config):
            found += check_node(path, node, config, trusted)
    found += [
        *check_init(config),
        *check_estimator(config),
        *check_monitor(config),
        *check_trainer(config),
        *check_optimizers(config),
    ]
    found += check_contradictions(config)
    found = list(dict.fromkeys(found))
    return sorted(found, key=lambda finding: finding.severity != "error")


def require(config: Mapping[str, object], *, trusted: Sequence[str] | None = None, root: str = ROOT) -> list[Finding]:
    """Check, and give back warnings and what could not be checked.

    Args:
        config: as in `check`.
        trusted: as in `check`; None: whom the command line of this run trusts.
        root: as in `check`.

    Raises:
        ConfigError: something is wrong; the message lists all of it, a line each.
    """
    found = check(config, trusted=of_environment() if trusted is None else trusted, root=root)
    errors = [finding for finding in found if finding.severity == "error"]
    if errors:
        raise ConfigError("\n".join(map(str, errors)))
    return found


def fill(config: Mapping[str, object], *, root: str = ROOT) -> tuple[dict[str, object], set[str]]:
    """The configuration with the literal defaults of all signatures put in, and the dotted paths that this added.

    Facts of the data, what the code passes, and defaults that are computed stay out. Call it on a checked
    configuration: the record keeps the result, so that an old run can be repeated after a default has changed.
    """
    filled: dict[str, object] = copy.deepcopy(dict(config))
    with _collector_off():
        added = fill_root(filled, root)
        for path, node in nodes(filled):
            assert isinstance(node, dict)
            try:
                signature = signature_of(str(node["_target_"]))
            except ConfigError:
                continue  # reported by the check
            added |= _fill_node(path, node, signature)
    return filled, added


def _is_boundless(config: object) -> bool:
    """Whether a configuration, which may be read from a stranger's run directory, is too much to walk through."""
    stack, seen = [(config, 0)], 0
    while stack:
        value, depth = stack.pop()
        seen += 1
        if depth > DEEPEST or seen > MOST:
            return True
        inner = value.values() if isinstance(value, Mapping) else value if isinstance(value, list | tuple) else ()
        stack += [(one, depth + 1) for one in inner]
    return False


@contextmanager
def _collector_off() -> Iterator[None]:
    """Syntax trees are many small objects that stay: collecting among them would take as long as reading them."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def _fill_node(path: str, node: dict[str, object], signature: Signature) -> set[str]:
    added = set()
    for parameter in signature.parameters:
        default = parameter.literal
        left_out = is_fact(path, parameter.name) or parameter.name in may_be_absent(path)
        if parameter.name not in node and default is not NOT_LITERAL and not left_out:
            node[parameter.name] = _as_yaml(default)
            added.add(f"{path}.{parameter.name}")
    return added


def _as_yaml(value: object) -> object:
    """Tuples as lists, which is all that YAML has."""
    if isinstance(value, list | tuple):
        return [_as_yaml(v) for v in value]
    if isinstance(value, dict):
        return {k: _as_yaml(v) for k, v in value.items()}
    return value
