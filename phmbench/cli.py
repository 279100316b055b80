"""The commands. Nothing heavy is imported before a configuration has been composed and checked.

phmbench train …     (= python train.py …)   run a sentence of choices, or a grid of them with -m
phmbench sweep …     (= python sweep.py …)   search for the best values of some of them
phmbench sweep-status DIR [--json]            how a search or a grid stands: counts, best so far, time left
phmbench list GROUP                           what can be chosen
phmbench show …                               the whole configuration, defaults filled in
phmbench check …                              validate without running
phmbench rerun DIR   phmbench resume DIR      repeat a run from its record; go on with one that was cut off
phmbench rerun DIR --at-failure               the step at which a loss was not finite, module by module
phmbench report DIR                           make figures and page of a record again
phmbench leaderboard DIR…                     methods × protocols, from the records of runs
phmbench doctor …                             whether a run would start here, and what mends it
"""

from __future__ import annotations

import argparse
import gc
import itertools
import os
import shlex
import sys
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from phmbench import __version__, config, interrupt, messages, overrides, trust
from phmbench.command_line import Line, checked, choices, together
from phmbench.errors import ConfigError, PhmbenchError

if TYPE_CHECKING:
    from hydra._internal.hydra import Hydra


def main(argv: Sequence[str] | None = None) -> None:
    """The console command `phmbench`."""
    words = list(sys.argv[1:] if argv is None else argv)
    commands: dict[str, Callable[[list[str]], int]] = {
        "train": _train,
        "sweep": _sweep,
        "sweep-status": _sweep_status,
        "list": _list,
        "show": _show,
        "check": _check,
        "rerun": _rerun,
        "resume": _resume,
        "report": _report,
        "leaderboard": _leaderboard,
        "doctor": _doctor,
    }
    if not words or words[0] in ("-h", "--help", "help"):
        print((__doc__ or "").split("\n\n", 1)[1].rstrip())
        _exit(0)
    if words[0] == "--version":
        print(f"phmbench {__version__}")
        _exit(0)
    if words[0] not in commands:
        _stop(
            ConfigError(f"{words[0]}: no such command; {overrides.near(words[0], commands) or 'see phmbench --help'}")
        )
    _guarded(commands[words[0]], words[1:])


def train() -> None:
    """`python train.py`, the same as `phmbench train`."""
    _guarded(_train, sys.argv[1:])


def sweep() -> None:
    """`python sweep.py`, the same as `phmbench sweep`."""
    _guarded(_sweep, sys.argv[1:])


def _guarded(command: Callable[[list[str]], int], words: list[str]) -> None:
    """Run a command; errors that are meant for the user end it with a message, a next step and an exit code."""
    gc.disable()  # a third of the time of importing torch is collections that find nothing; on again before a fit
    with interrupt.listened():
        try:
            code = command(words)
        except BaseException as error:
            stopped = interrupt.exit_code(error)
            if stopped is not None:
                print("; ".join(["interrupted", *getattr(error, "__notes__", [])]), file=sys.stderr)
            code = _explain(error) if stopped is None else stopped
    _exit(code)


def _exit(code: int) -> NoReturn:
    gc.freeze()  # the interpreter's last collection would walk over all that was imported: a fifth of a short command
    sys.exit(code)


def _explain(error: BaseException) -> int:
    """Say what went wrong; the exit code."""
    if isinstance(error, BrokenPipeError):  # `phmbench list | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    if not isinstance(error, Exception) or os.environ.get("HYDRA_FULL_ERROR") == "1":
        raise error
    if not isinstance(error, PhmbenchError):  # a bug of ours, of a library or of a user's own class
        last = traceback.extract_tb(error.__traceback__)[-1]
        error = PhmbenchError(
            f"{type(error).__name__}: {error} (at {Path(last.filename).name}:{last.lineno}); not foreseen; the "
            "traceback is in log.txt of the run directory, and on the screen with HYDRA_FULL_ERROR=1"
        )
    return _stop(error)


def _stop(error: PhmbenchError) -> NoReturn:
    if os.environ.get("HYDRA_FULL_ERROR") == "1":
        raise error
    red, plain = ("\033[31m", "\033[0m") if sys.stderr.isatty() and "NO_COLOR" not in os.environ else ("", "")
    print(f"{red}error:{plain} {error}", file=sys.stderr)
    _exit(error.exit_code)


# -- train -----------------------------------------------------------------------------------------------------------


def _train(words: list[str]) -> int:
    line = Line(words)
    if line.args.help:
        from phmbench.options import help_text

        print(help_text(line.options))
        return 0
    os.environ[trust.VARIABLE] = ",".join(line.trusted)
    with line.hydra() as hydra:
        if line.args.cfg or line.args.hydra_help or line.args.shell_completion or line.args.info:
            return _of_hydra(line, hydra)
        if line.args.multirun:
            return _grid(line, hydra)
        if line.args.dry_run:
            raise ConfigError("--dry-run: one run has no jobs to show; expected -m, or a search; use phmbench check")
        return _single(line, hydra)


def _of_hydra(line: Line, hydra: Hydra) -> int:
    if line.args.cfg:
        if line.wrong:
            raise ConfigError(together(line.wrong))
        hydra.show_cfg(line.root, line.overrides, line.args.cfg, line.args.package, line.args.resolve)
    elif line.args.hydra_help:
        hydra.hydra_help(config_name=line.root, args_parser=line.parser, args=line.args)
    elif line.args.shell_completion:
        hydra.shell_completion(config_name=line.root, overrides=line.args.overrides)
    else:
        hydra.show_info(line.args.info, config_name=line.root, overrides=line.overrides)
    return 0


def _single(line: Line, hydra: Hydra) -> int:
    from hydra.core.hydra_config import HydraConfig

    composed = line.compose(hydra)
    HydraConfig.instance().set_config(composed)
    job = checked(line, composed, choices(composed))
    folder = Path(str(composed.hydra.run.dir)).absolute()
    if not any(word.lstrip("+").startswith("hydra.run.dir=") for word in line.overrides):
        folder = _unused(folder)
    _execute(job, folder)
    return 0


def _unused(folder: Path) -> Path:
    """Two runs that start at the same moment get two directories: the one who makes a folder has it."""
    from phmbench.training import ranks

    if ranks.rank():
        return folder  # the first process says where
    for number in itertools.count(1):
        path = folder if number == 1 else folder.with_name(f"{folder.name}-{number}")
        try:
            path.mkdir(parents=True)
        except FileExistsError:
            continue
        except OSError:
            break  # the record, which makes it as well, says why it cannot
        return path
    return folder


def _many(line: Line, hydra: Hydra) -> Any:
    """The sweeper of a command, its configuration composed, and the words that it is given."""
    from hydra._internal.callbacks import Callbacks
    from hydra.core.hydra_config import HydraConfig
    from hydra.core.plugins import Plugins
    from hydra.types import HydraContext

    from phmbench.sweep import jobs

    composed = line.compose(hydra, grid=True)
    refused = config.forbidden(composed)
    if refused:
        raise ConfigError(together([*line.wrong, *refused]))
    HydraConfig.instance().set_config(composed)
    context = HydraContext(config_loader=hydra.config_loader, callbacks=Callbacks(composed))
    sweeper: Any = Plugins.instance().instantiate_sweeper(
        hydra_context=context, task_function=jobs.run_composed, config=composed
    )
    sweeper.dry_run = line.args.dry_run
    sweeper.check = lambda job: checked(line, job, choices(job))
    messages.to_screen()
    return sweeper


def _grid(line: Line, hydra: Hydra) -> int:
    """All jobs composed and checked, then run; a job that fails does not end the others, and one that is done is not
    run again."""
    from phmbench.sweep import grid

    sweeper = _many(line, hydra)
    failures = sweeper.sweep(list(sweeper.config.hydra.overrides.task))
    for error in failures.values():
        if not isinstance(error, PhmbenchError):
            raise error
    grid.show(sweeper.grid)
    return next((error.exit_code for error in failures.values()), 0)


def _sweep(words: list[str]) -> int:
    """A search, or what is left of it."""
    from phmbench.sweep import extras

    line = Line(words, root="sweep")
    if line.args.help:
        from phmbench.options import help_of_search

        print(help_of_search(line.options, line.places))
        return 0
    extras.require()
    os.environ[trust.VARIABLE] = ",".join(line.trusted)
    with line.hydra() as hydra:
        if line.args.cfg or line.args.hydra_help or line.args.shell_completion or line.args.info:
            return _of_hydra(line, hydra)
        sweeper = _many(line, hydra)
        if line.wrong:  # else the space is judged first, which lacks the words that were wrong
            raise ConfigError(together(line.wrong))
        return int(sweeper.sweep(list(sweeper.config.hydra.overrides.task)))


def _sweep_status(words: list[str]) -> int:
    from phmbench.sweep import status

    return status.main(words)


def _execute(job: config.Config, folder: Path, **how: Any) -> dict[str, Any]:
    from phmbench import run

    messages.to_screen()
    try:
        return run.execute(job, folder, **how)
    except BaseException as error:
        if interrupt.exit_code(error) is not None and (folder / "config.yaml").exists():
            error.add_note(f"go on with it: phmbench resume {shlex.quote(str(folder))}")
        raise


# -- the other commands ----------------------------------------------------------------------------------------------


def _list(words: list[str]) -> int:
    from phmbench.options import list_groups, list_options, list_plugins
    from phmbench.sweep import plugins

    parser = argparse.ArgumentParser("phmbench list", description="what can be chosen")
    parser.add_argument("group", nargs="?", help="model, data, task/split, …; none: the groups")
    parser.add_argument("--config-dir", "-cd", action="append", default=[], metavar="DIR")
    args = parser.parse_args(words)
    places = config.places(args.config_dir)
    known = {**config.options(places), "search": config.spaces(places)}
    if args.group is None:
        print(list_groups(known))
    elif args.group in known:
        print(list_options(args.group, known[args.group]))
    elif args.group in plugins.TITLES:
        print(list_plugins(args.group, plugins.groups("sweep", places)[args.group]))
    else:
        names = [*known, *plugins.TITLES]
        raise ConfigError(f"{args.group}: no such group; {overrides.near(args.group, names) or ', '.join(names)}")
    return 0


def _show(words: list[str]) -> int:
    from hydra.core.hydra_config import HydraConfig

    from phmbench.check import fill
    from phmbench.options import show

    line = Line(words)
    with line.hydra() as hydra:
        composed = line.compose(hydra)
        HydraConfig.instance().set_config(composed)
        job = config.plain(composed, line.places)
        filled, added = fill(job)
        chosen = line.chosen(composed)
    print(show(filled, added, chosen))
    for message in line.wrong:
        print(message, file=sys.stderr)
    return 2 if line.wrong else 0


def _job(words: Sequence[str]) -> tuple[Line, config.Config]:
    """The checked configuration of one job."""
    from hydra.core.hydra_config import HydraConfig

    line = Line(words)
    with line.hydra() as hydra:
        composed = line.compose(hydra)
        HydraConfig.instance().set_config(composed)
        return line, checked(line, composed, choices(composed))


def _doctor(words: list[str]) -> int:
    from phmbench import doctor

    def compose(choices: Sequence[str]) -> config.Config:
        line, job = _job(choices)
        os.environ[trust.VARIABLE] = ",".join(line.trusted)
        return job

    return doctor.main(words, compose=compose)


def _check(words: list[str]) -> int:
    from phmbench.check import check

    line, job = _job(words)
    found = check(job, trusted=line.trusted)
    for finding in found:
        if finding.severity == "warning":
            print(f"warning: {finding}")
    unchecked = [finding for finding in found if finding.severity == "unchecked"]
    for finding in unchecked:
        print(finding)
    print("the configuration is valid" + (f"; {len(unchecked)} values could not be checked" if unchecked else ""))
    return 0


def _of_record(words: list[str], name: str, description: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser(f"phmbench {name}", description=description)
    parser.add_argument("dir", type=Path, help="a run directory")
    parser.add_argument("--trust", action="append", default=[], metavar="PACKAGE")
    if name == "rerun":
        how = parser.add_mutually_exclusive_group()
        how.add_argument("--into", type=Path, help="the new run directory; default: beside the old one")
        how.add_argument("--at-failure", action="store_true", help="show the step whose loss was not finite")
    return parser.parse_args(words)


def _recorded(args: argparse.Namespace) -> config.Config:
    """A record's configuration; it may come from elsewhere, so it is checked like any other.

    Raises:
        ConfigError: the check refuses it.
    """
    from phmbench.check import require

    job = config.load(args.dir / "config.yaml")
    trusted = [*args.trust, *trust.of_environment(), *(p.package for p in config.places() if p.package)]
    os.environ[trust.VARIABLE] = ",".join(dict.fromkeys(trusted))
    try:
        require(job, trusted=trusted)
    except ConfigError as error:
        raise ConfigError(f"{args.dir / 'config.yaml'}: damaged, or of another version: {error}") from error
    return job


def _rerun(words: list[str]) -> int:
    args = _of_record(words, "rerun", "repeat a run from its record, into a new directory")
    job = _recorded(args)
    if args.at_failure:
        from phmbench.pipelines import at_failure

        at_failure.show(job, args.dir.resolve())
        return 0
    _execute(job, _unused(args.into or args.dir.resolve().with_name(f"{args.dir.resolve().name}-rerun")))
    return 0


def _resume(words: list[str]) -> int:
    args = _of_record(words, "resume", "go on with a run that failed or was interrupted")
    _execute(_recorded(args), args.dir.resolve(), resume=True)
    return 0


def _report(words: list[str]) -> int:
    from phmbench.record import figures, report

    args = _of_record(words, "report", "make figures and page of a record again")
    figures.draw(args.dir)
    print(report.write_report(args.dir))
    return 0


def _leaderboard(words: list[str]) -> int:
    from phmbench.leaderboard import command

    return command.main(words)
