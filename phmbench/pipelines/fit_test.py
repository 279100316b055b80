"""Train, choose the checkpoint on validation, test it once."""

from __future__ import annotations

from typing import Any

from phmbench.config import Config
from phmbench.record import Record


def run(*, cfg: Config, record: Record) -> dict[str, Any]:
    """One fit and one test on the split of the configuration; the result as metrics.json holds it.

    Args:
        cfg: the checked configuration of one fold and one seed.
        record: where split, predictions and checkpoints go.
    """
    from phmbench.pipelines.outcome import describe, prepared
    from phmbench.training import ranks
    from phmbench.training.fit import fit_and_test

    count = ranks.wanted(cfg["trainer"])
    data = prepared(cfg, record)
    alone = count == 1 or ranks.joined()
    fitted = fit_and_test(cfg, record, data) if alone else ranks.launch(cfg, record, count)
    return describe(cfg, data, fitted)
