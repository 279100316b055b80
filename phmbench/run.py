"""One checked configuration, from the opening of its record to its end."""

from __future__ import annotations

import gc
import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

from phmbench.config import Config

if TYPE_CHECKING:
    from phmbench.record import Record

log = logging.getLogger("phmbench")


def execute(
    config: Config, folder: Path, *, resume: bool = False, go_on: bool = False, pages: bool = True
) -> dict[str, Any]:
    """Run the pipeline of a configuration into a run directory; the result.

    Args:
        config: checked and filled.
        folder: the run directory.
        resume: go on with a run that failed or was interrupted there.
        go_on: the same if there is one, else begin it; one that is done is left as it is.
        pages: draw figures and write report.html at the end.

    Raises:
        PhmbenchError: anything that is meant for the user; the record then says failed.
    """
    from phmbench import build
    from phmbench.pipelines import axes
    from phmbench.record import Record, atomic, screen
    from phmbench.training import joined, ranks, shortage, start
    from phmbench.training.batch_size import settled

    start.import_lightning(lean=start.alone(config["trainer"]) and not ranks.joined())
    gc.enable()  # the command line has it off: its imports make nothing to collect
    pipeline = build.function(config["pipeline"])
    if ranks.joined() and ranks.board() and ranks.rank():
        with joined.failures():
            record = Record.attach(Path(ranks.board().share()))
            config = {**record.config, "paths": config["paths"]}
            with shortage.explained(config, record):
                return (
                    record.result() if record.state == "done" else axes.run(settled(config, record), record, pipeline)
                )
    begin = Record.resume if resume else Record.begin if go_on else Record.open
    with joined.failures():
        record = begin(folder, config)
    config = {**record.config, "paths": config["paths"]}  # its own: in the place of what was asked for, what fits
    with record, joined.failures(record), shortage.explained(config, record), atomic.faults_named(record.path):
        if ranks.joined():
            ranks.board().share(str(record.path))
        if record.state == "done":
            log.info("done before: %s", record.path)
            return record.result()
        _before_data(config, record)
        log.debug("run of %s into %s", config["pipeline"]["_target_"], record.path)
        outcome = axes.run(settled(config, record), record, pipeline)
        record.finish(outcome, pages=pages)
        outcome = record.result()
    screen.results(outcome, path=record.path)
    return outcome


def _before_data(config: Config, record: Record) -> None:
    """What can be warned of or refused before data are read, is."""
    from phmbench import build
    from phmbench.check import check_contradictions
    from phmbench.check.slots import EVALUATE
    from phmbench.training import ranks

    for finding in check_contradictions(config):
        if finding.severity == "warning":
            record.warn(str(finding))
    if config["pipeline"]["_target_"] != EVALUATE:
        build.rehearse(config)
    ranks.processes(config["trainer"])
