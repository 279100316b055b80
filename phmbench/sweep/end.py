"""The end of a search: its trials as a table and on a page, the best one as an experiment, trained again and tested."""

from __future__ import annotations

import csv
import io
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from phmbench.errors import PhmbenchError
from phmbench.record import atomic, lock, words
from phmbench.record.screen import WIDTH, console, shown_path
from phmbench.record.status import read_metrics
from phmbench.sweep import best, doubts, jobs, launchers, page, trials, workers
from phmbench.sweep.one_split import on_one_split
from phmbench.sweep.trials import Row, Trials, said, short

if TYPE_CHECKING:
    import optuna

    from phmbench.sweep.composing import Composer
    from phmbench.sweep.settings import Settings
    from phmbench.sweep.space import Space

log = logging.getLogger("phmbench")

TABLE = "trials.csv"
MOST_ROWS = 20


def finish(
    folder: Path, study: optuna.Study, *, settings: Settings, space: Space, composer: Composer, launcher: Any,
    failures: int,
) -> int:  # fmt: skip
    """Show what the trials have given, and train the best one again, once; the exit code.

    Where another process still runs trials of the study, the end is left to the one that ends last.

    Args:
        folder: of the sweep.
        study: of Optuna's; no trial of this process runs any more.
        settings: of the search.
        space: what was searched.
        composer: makes configurations of words.
        launcher: of Hydra's; runs the best trial again.
        failures: trials that failed one after the other at the end.
    """
    found = trials.read(study, folder)
    running = found.of("running")
    place = folder / workers.FOLDER / "end"
    place.mkdir(parents=True, exist_ok=True)
    if running:
        log.info(
            "search: %s in other processes; the one that ends last ends the search; see phmbench sweep-status %s",
            "1 trial still runs" if len(running) == 1 else f"{len(running)} trials still run", shown_path(folder),
        )  # fmt: skip
        return 0
    try:
        descriptor = lock.take(place)
    except lock.TakenError:
        log.info("search: another process ends it, in %s", shown_path(folder))
        return 0
    try:
        return _ended(found, study, settings=settings, space=space, composer=composer, launcher=launcher,
                      failed=failures >= settings.max_failures)  # fmt: skip
    finally:
        lock.release(descriptor)


def _ended(
    found: Trials, study: optuna.Study, *, settings: Settings, space: Space, composer: Composer, launcher: Any,
    failed: bool,
) -> int:  # fmt: skip
    _tidy(found.folder)
    write_table(found)
    show(found)
    row, refit, code = found.best, None, 1 if failed else 0
    command = best.command(composer)
    if row is not None:
        of_trial = best.words_of(study.trials[row.number], space)
        file = best.write_experiment(found, row, words=of_trial, composer=composer, command=command)
        _line("best", shown_path(file))
        if settings.refit and not failed:
            config = on_one_split(composer.job(of_trial), seed=int(composer.config.seed))
            refit, code = _refit(
                found, row, study, config, settings, space, launcher, launchers.threads_alone(composer.config)
            )
    looks = len(best.tested(study))
    warned = doubts.of(found, refit[1] if refit else None, looks=looks)
    try:
        page.write(found, study, refit=refit, warned=warned, settings=settings, command=command)
        _line("page", shown_path(found.folder / page.NAME))
    except Exception:
        log.exception("%s: figures or page could not be made; type the same command again", found.folder)
    for text in warned:
        log.warning("%s", text)
    if row is None:
        log.warning("search: no trial is complete, so there is no best one; see %s", found.folder / TABLE)
    if refit is not None:
        _show_refit(found, *refit, row=row)
    return code


def _refit(
    found: Trials, row: Row, study: optuna.Study, config: Mapping[str, Any], settings: Settings, space: Space,
    launcher: Any, threads: int | None,
) -> tuple[tuple[Path, dict[str, Any]] | None, int]:  # fmt: skip
    """The run directory and the result of the best trial trained again; None where it has none, and the exit code."""
    from phmbench.record import figures, report

    folder = best.refit(
        study, found, row, config=dict(config), space=space, count=settings.refit, launcher=launcher, threads=threads
    )
    try:
        result = read_metrics(folder)
    except PhmbenchError:
        log.error("refit: %s: %s; type the same command again to go on with it", folder, jobs.failure(folder))
        return None, 1
    if not (folder / "report.html").exists() and folder.parent == found.folder:
        figures.draw(folder)
        report.write_report(folder)
    return (folder, result), 0


def _tidy(folder: Path) -> None:
    """Remove what processes that were killed had half written. Nobody else writes there: the end's lock is held."""
    with workers.alone(folder):
        for part in [*folder.glob(f".*{atomic.PART}"), *folder.glob(f"experiment/.*{atomic.PART}")]:
            part.unlink(missing_ok=True)


def write_table(found: Trials) -> None:
    """trials.csv: every trial with every key, by number."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    keys = list(found.space)
    writer.writerow(["trial", "state", *found.objectives, "std", *keys, "epochs", "seconds", "folder", "error"])
    for row in found.rows:
        values = row.values or ("",) * len(found.objectives)
        chosen = [row.chosen.get(key, "") for key in keys]
        writer.writerow([row.number, row.state, *values, row.std, *chosen, row.epochs, row.seconds, row.folder,
                         row.error])  # fmt: skip
    atomic.write_text(found.folder / TABLE, text.getvalue())


def columns(found: Trials) -> tuple[list[str], list[list[str]]]:
    """Head and rows of the table, best first: what is the same in all trials is left out."""
    keys = found.varying()
    optimal = {row.number for row in found.front} if len(found.objectives) > 1 else set()
    head = ["trial", "state", *found.objectives, *short(keys).values(), "epochs", "seconds"]
    rows = []
    for row in found.ranked()[:MOST_ROWS]:
        values = [words.number(value) for value in row.values or ()] or ["–"] * len(found.objectives)
        values[0] += f" ± {words.number(row.std)}" if row.std is not None else ""
        state = "Pareto-optimal" if row.number in optimal else row.state
        chosen = [said(row.chosen.get(key)) for key in keys]
        epochs = "–" if row.epochs is None else str(row.epochs)
        seconds = "–" if row.seconds is None else f"{row.seconds:.1f}"
        rows.append([str(row.number), state, *values, *chosen, epochs, seconds])
    return head, rows


def show(found: Trials) -> None:
    """The table on the screen: as many of the keys as fit; the others are in trials.csv."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    head, rows = columns(found)
    shown, out = _fitting(head, rows, fixed=2 + len(found.objectives)), console()
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for i in shown:
        table.add_column(head[i], justify="left" if i == 1 else "right", no_wrap=True)
    for row in rows:
        is_best = found.best is not None and row[0] == str(found.best.number)
        table.add_row(*(Text(row[i]) for i in shown), style="bold green" if is_best else "")
    out.print()
    out.print(table)
    left = [head[i] for i in range(len(head)) if i not in shown]
    more = [f"{len(found.rows) - MOST_ROWS} more trials"] if len(found.rows) > MOST_ROWS else []
    more += [", ".join(left)] if left else []
    _line("table", f"{shown_path(found.folder / TABLE)}{' has also ' if more else ''}{' and '.join(more)}")


def _fitting(head: list[str], rows: list[list[str]], *, fixed: int) -> list[int]:
    """Columns that fit beside each other: the first ones and the last two always, keys while there is room."""
    widths = [max(len(row[i]) for row in [head, *rows]) + 3 for i in range(len(head))]
    always = [*range(fixed), len(head) - 2, len(head) - 1]
    room = WIDTH - sum(widths[i] for i in always)
    taken = []
    for i in range(fixed, len(head) - 2):
        if widths[i] <= room:
            taken.append(i)
            room -= widths[i]
    return sorted([*always, *taken])


def _line(label: str, text: str) -> None:
    console().print(f"{label:<9} {text}", markup=False, soft_wrap=True)


def _show_refit(found: Trials, folder: Path, result: Mapping[str, Any], *, row: Row | None) -> None:
    """The last lines: what the best settings are worth on the test set."""
    assert row is not None
    out, split = console(), result["split"]
    over = words.over(result) or "1 seed"
    out.print(f"\nTrial {row.number} trained again with fresh seeds ({over}), tested once", style="bold", markup=False)
    for stage in ("test", "val"):
        shown = [f"{words.title(name)} {words.number(result['metrics'][name])}{words.spread(result, name)}"
                 for name in words.overall(result["metrics"], stage=stage)[:4]]  # fmt: skip
        _line(words.SETS[stage], " · ".join(shown))
    _line("split", f"{split['name']}: {words.separates(split)}")
    if split["weak"]:
        _line("weak", words.WEAK.removeprefix("weak: "))
    _line("record", shown_path(folder))
