"""The monitor: one validation metric, which the task reports, for early stopping and the choice of the checkpoint."""

from __future__ import annotations

from collections.abc import Mapping
from fnmatch import fnmatchcase

from phmbench.check.findings import Finding, near
from phmbench.check.slots import FIT_TEST
from phmbench.errors import ConfigError
from phmbench.signatures import NOT_LITERAL, signature_of


def check_monitor(config: Mapping[str, object]) -> list[Finding]:
    """That the monitor is one of the validation metrics, and that no callback looks at another one.

    A callback with a monitor of its own would choose by a metric that the record does not name.
    """
    monitor = config.get("monitor")
    if not isinstance(monitor, str) or monitor.startswith("test/"):
        return []  # reported where types and test metrics are checked
    return [*_unknown(config, monitor), *_others(config, monitor), *_nobody(config, monitor)]


def _unknown(config: Mapping[str, object], monitor: str) -> list[Finding]:
    task = config.get("task")
    try:
        reports = signature_of(str(task["_target_"])).attribute("reports") if isinstance(task, Mapping) else NOT_LITERAL
    except (ConfigError, KeyError):
        return []  # reported with the task
    if not isinstance(reports, list | tuple):
        return []  # a task of the user's own that does not say
    names = [f"val/{name}" for name in reports]
    if any(fnmatchcase(monitor, name) for name in names):
        return []
    what = f"not a validation metric of the task; got '{monitor}'; expected one of {', '.join(names)}"
    return [Finding("monitor", what + near(monitor, names))]


def _nobody(config: Mapping[str, object], monitor: str) -> list[Finding]:
    """Without a callback that keeps the best checkpoint, the last one would be tested as if validation had chosen
    it."""
    trainer, pipeline = config.get("trainer"), config.get("pipeline")
    if not isinstance(trainer, Mapping) or not str(trainer.get("_target_")).startswith("lightning."):
        return []  # a Trainer of the user's own
    if not isinstance(pipeline, Mapping) or pipeline.get("_target_") != FIT_TEST:
        return []
    callbacks = trainer.get("callbacks")
    for node in callbacks.values() if isinstance(callbacks, Mapping) else ():
        named = str(node.get("_target_", "")).rpartition(".")[2] if isinstance(node, Mapping) else ""
        if named == "ModelCheckpoint" and node.get("monitor") == monitor:
            return []
    what = f"nothing keeps the checkpoint that {monitor} chooses; expected a ModelCheckpoint with that monitor"
    return [Finding("trainer.callbacks", f"{what}; keep trainer.callbacks.checkpoint as the presets have it")]


def _others(config: Mapping[str, object], monitor: str) -> list[Finding]:
    trainer = config.get("trainer")
    callbacks = trainer.get("callbacks") if isinstance(trainer, Mapping) else None
    found = []
    for name, node in callbacks.items() if isinstance(callbacks, Mapping) else ():
        own = node.get("monitor") if isinstance(node, Mapping) else None
        if isinstance(own, str) and own != monitor and not own.startswith("test/"):
            where = f"trainer.callbacks.{name}.monitor"
            found.append(Finding(where, f"not the run's; got '{own}'; expected '{monitor}'; set monitor={own} for all"))
    return found
