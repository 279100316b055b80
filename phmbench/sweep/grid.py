"""A grid: every combination once, and not again what is done."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Sequence
from dataclasses import replace
from itertools import product
from pathlib import Path

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.plugins import Plugins
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

from phmbench.errors import ConfigError, PhmbenchError
from phmbench.sweep import identity, jobs, unsent
from phmbench.sweep.composing import Check, Composer
from phmbench.sweep.jobs import Job
from phmbench.sweep.launchers import parts, prepared, threads

log = logging.getLogger("phmbench")

MANIFEST = "manifest.json"


class GridSweeper(Sweeper):
    """Compose and check all combinations, then run those that are not done, with any launcher.

    The same command finds the same folder again, skips what is done there, and goes on with what failed or was cut
    off. Combinations that come to the same run are run once.

    Attributes:
        check: set before `sweep`: the plain configuration of a composed job, or ConfigError.
        dry_run: compose and check, write what a queue would be sent, and start nothing.
    """

    check: Check
    config: DictConfig
    dry_run: bool = False

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        self.context, self.task_function, self.config = hydra_context, task_function, config

    def sweep(self, arguments: list[str]) -> dict[Path, Exception]:
        """Run the grid; the errors of the jobs that failed.

        Raises:
            ConfigError: what is wrong with any of the jobs, before one of them starts.
        """
        from phmbench.training import ranks

        sweep = prepared(self.config)
        launcher = Plugins.instance().instantiate_launcher(
            hydra_context=self.context, task_function=self.task_function, config=self.config
        )
        self.grid = self._jobs(arguments, sweep)
        if ranks.rank():  # of torchrun or srun: the first process says what is run
            named = json.loads(ranks.board().share())
            return jobs.launch([job for job in self.grid if job.folder.name in named], launcher)
        standing = {job.folder: jobs.standing(job.folder) for job in self.grid}
        left = [job for job in self.grid if standing[job.folder] not in ("done", "running")]
        log.info("%s", _counted(list(standing.values()), sweep))
        if self.dry_run:
            unsent.show(self.config, sweep, count=len(left))
            return {}
        words = differing(self.grid)
        for job in left:
            number = self.grid.index(job)
            label = f"job {number + 1} of {len(self.grid)}: {words[number]}"
            jobs.write(replace(job, label=label), threads=threads(self.config))
        if ranks.joined():
            ranks.board().share(json.dumps([job.folder.name for job in left]))
        write_manifest(sweep, self.grid)
        try:
            errors: dict[Path, Exception] = {}
            for part in parts(left, self.config):
                errors.update(jobs.launch(part, launcher))
            for folder, error in errors.items():
                if isinstance(error, PhmbenchError) and self._is_unsaid(folder):
                    print(error, file=sys.stderr)
            return errors
        finally:
            write_manifest(sweep, self.grid)

    def _is_unsaid(self, folder: Path) -> bool:
        """Whether the screen has not seen why a job failed: its process was ended before it could say so, or has said
        so to a file of its own."""
        own = str(self.config.hydra.launcher._target_).endswith((".SlurmLauncher", ".LocalLauncher"))
        return own or jobs.standing(folder) in jobs.CUT_OFF

    def _jobs(self, arguments: Sequence[str], sweep: Path) -> list[Job]:
        """A job for each different run."""
        composer = Composer(context=self.context, config=self.config, check=self.check)
        found: dict[Path, Job] = {}
        wrong: list[str] = []
        for words in combinations(arguments):
            try:
                config = composer.job(words)
            except ConfigError as error:
                wrong += [message for message in str(error).splitlines() if message not in wrong]
            else:
                folder = identity.named(config, sweep)
                found.setdefault(folder, Job(words, config, folder))
        if wrong:
            raise ConfigError("\n".join(wrong))
        return list(found.values())


def combinations(arguments: Sequence[str]) -> list[tuple[str, ...]]:
    """The words of each job: `a=1,2 b=x` → (a=1, b=x), (a=2, b=x); the last word varies fastest.

    Raises:
        ConfigError: a word asks for a range without steps, which only a search can try.
    """
    values: list[list[str]] = []
    for override in OverridesParser.create().parse_overrides(list(arguments)):
        key = override.get_key_element()
        if not override.is_sweep_override():
            values.append([str(override.input_line)])
        elif override.is_discrete_sweep():
            values.append([f"{key}={value}" for value in override.sweep_string_iterator()])
            if not values[-1]:
                raise ConfigError(
                    f"{str(override.input_line).lstrip('+')}: an empty grid; got no value; expected one or more; a "
                    "range goes up to, and without, its second number"
                )
        else:
            raise ConfigError(
                f"{key.lstrip('+')}: a grid needs values; got a range without steps; expected a list such as 1,2,3 or "
                "range(1,4); search it with `phmbench sweep`"
            )
    return list(product(*values))


def write_manifest(folder: Path, grid: Sequence[Job]) -> None:
    """`manifest.json`: each job of the grid with its words, its hash and how it stands."""
    from phmbench.record import atomic, lock

    jobs.made(folder)
    listed = [
        {
            "folder": job.folder.name,
            "hash": identity.content(job.config),
            "words": [word.lstrip("+") for word in job.words],
            "state": jobs.standing(job.folder),
        }
        for job in grid
    ]
    held = lock.take(folder, patience_s=600.0)
    try:
        if held is not None:  # else another command may be writing one of these
            for part in folder.glob(f".{MANIFEST}.*{atomic.PART}"):  # of one that was killed
                part.unlink(missing_ok=True)
        atomic.write_text(folder / MANIFEST, json.dumps({"jobs": listed}, indent=1))
    finally:
        lock.release(held)


def show(grid: Sequence[Job]) -> None:
    """The results of all jobs that are done, as a table."""
    from phmbench.record import lines
    from phmbench.record.status import read_metrics
    from phmbench.training import ranks

    if ranks.rank():
        return
    words = differing(grid)
    done = [(word, read_metrics(job.folder)) for word, job in zip(words, grid, strict=True) if _is_done(job)]
    lines.grid([(word, result["metrics"]) for word, result in done])
    left = [f"{word or job.folder.name} ({jobs.standing(job.folder)})" for word, job in zip(words, grid, strict=True)
            if not _is_done(job)]  # fmt: skip
    if left:
        log.info(
            "%d of %d jobs are not done: %s; the same command goes on with them", len(left), len(grid), ", ".join(left)
        )


def _is_done(job: Job) -> bool:
    return jobs.standing(job.folder) == "done"


def differing(grid: Sequence[Job]) -> list[str]:
    """The words of each job that not all jobs have."""
    shared = set.intersection(*(set(job.words) for job in grid)) if grid else set()
    return [" ".join(word.lstrip("+") for word in job.words if word not in shared) for job in grid]


def _counted(standing: Sequence[str], folder: Path) -> str:
    """`6 jobs in outputs/sweeps/…, 4 done`."""
    counts = {state: standing.count(state) for state in ("done", "running", "failed", "interrupted")}
    said = "".join(f", {count} {state}" for state, count in counts.items() if count)
    return f"{len(standing)} job{'' if len(standing) == 1 else 's'} in {folder}{said}"
