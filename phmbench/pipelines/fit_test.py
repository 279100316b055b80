"""Train, choose the checkpoint on validation, test it once."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from phmbench.config import Config
from phmbench.record import Record

if TYPE_CHECKING:
    from phmbench.training.fit import Fitted


def run(*, cfg: Config, record: Record) -> dict[str, Any]:
    """One fit and one test on the split of the configuration; the result as metrics.json holds it.

    Args:
        cfg: the checked configuration of one fold and one seed.
        record: where split, predictions and checkpoints go.

    Raises:
        ConfigError: the trainer's limits leave no validation.
        LeakageError: the audit of the split, or of what the checkpoint `init` has seen, found shared samples.
    """
    from phmbench.pipelines.outcome import describe, prepared
    from phmbench.training import ranks
    from phmbench.training.contradictions import contradictions, require_validation
    from phmbench.training.fit import fit_and_test
    from phmbench.training.launch import launch

    processes = ranks.processes(cfg["trainer"])
    data = prepared(cfg, record, processes=processes)
    require_validation(cfg, data, processes=processes)
    if not ranks.rank():
        for text in contradictions(cfg, data, processes=processes):
            record.warn(text)
    here = processes == 1 or ranks.joined()
    fitted = fit_and_test(cfg, record, data) if here else launch(_rank, processes, str(record.path))
    return describe(cfg, data, fitted, processes)


def _rank(path: str) -> Fitted:
    """One process of a distributed fit."""
    from phmbench import build
    from phmbench.pipelines.outcome import inherit
    from phmbench.training.fit import fit_and_test

    record = Record.attach(Path(path))
    data = build.data(record.config)
    if record.config["init"] is not None:
        inherit(record.config, data)
    return fit_and_test(record.config, record, data)
