"""One checked configuration, from the opening of its record to its end."""

from __future__ import annotations

import gc
import logging
from pathlib import Path
from typing import Any

from phmbench.config import Config

log = logging.getLogger("phmbench")


def execute(config: Config, folder: Path, *, resume: bool = False, pages: bool = True) -> dict[str, Any]:
    """Run the pipeline of a configuration into a run directory; the result.

    Args:
        config: checked and filled.
        folder: the run directory.
        resume: go on with a run that failed or was interrupted there.
        pages: draw figures and write report.html at the end.

    Raises:
        PhmbenchError: anything that is meant for the user; the record then says failed.
    """
    from phmbench import build
    from phmbench.pipelines import axes
    from phmbench.record import Record, screen
    from phmbench.training import ranks, start

    start.import_lightning(lean=start.alone(config["trainer"]) and not ranks.joined())
    gc.enable()  # the command line has it off: its imports make nothing to collect
    pipeline = build.function(config["pipeline"])
    if ranks.joined() and ranks.rank():
        return axes.run(config, Record.attach(Path(ranks.board().share())), pipeline)
    record = Record.resume(folder, config) if resume else Record.open(folder, config)
    with record:
        if ranks.joined():
            ranks.board().share(str(record.path))
        log.debug("run of %s into %s", config["pipeline"]["_target_"], record.path)
        outcome = axes.run(config, record, pipeline)
        record.finish(outcome, pages=pages)
        outcome = record.result()
    screen.results(outcome, path=record.path)
    return outcome
