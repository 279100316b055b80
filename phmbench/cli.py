"""The commands. Nothing heavy is imported before a configuration has been composed and checked.

phmbench train …     (= python train.py …)   run a sentence of choices, or a grid of them with -m
phmbench list GROUP                           what can be chosen
phmbench show …                               the whole configuration, defaults filled in
phmbench check …                              validate without running
phmbench rerun DIR   phmbench resume DIR      repeat a run from its record; go on with one that was cut off
phmbench rerun DIR --at-failure               the step at which a loss was not finite, module by module
phmbench report DIR                           make figures and page of a record again
phmbench doctor …                             whether a run would start here, and what mends it
"""

from __future__ import annotations

import argparse
import gc
import itertools
import logging
import os
import shlex
import sys
import traceback
from collections.abc import Callable, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from phmbench import __version__, config, interrupt, overrides, trust
from phmbench.errors import ConfigError, PhmbenchError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hydra._internal.hydra import Hydra
    from omegaconf import DictConfig

    from phmbench.origins import Chosen


def main(argv: Sequence[str] | None = None) -> None:
    """The console command `phmbench`."""
    words = list(sys.argv[1:] if argv is None else argv)
    commands: dict[str, Callable[[list[str]], int]] = {
        "train": _train,
        "list": _list,
        "show": _show,
        "check": _check,
        "rerun": _rerun,
        "resume": _resume,
        "report": _report,
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


# -- the command line ------------------------------------------------------------------------------------------------


class Line:
    """The words of a command, read: flags, trusted packages, where options lie, and overrides as Hydra is to see them.

    `wrong` holds what is wrong with the words themselves; it is reported together with what the check finds.
    """

    def __init__(self, words: Sequence[str]) -> None:
        from hydra._internal.utils import get_args_parser

        parser = get_args_parser()
        parser.add_argument("--trust", action="append", default=[], metavar="PACKAGE")
        self.parser, self.args = parser, parser.parse_intermixed_args(list(words))
        searchpath = [word for word in self.args.overrides if word.split("=")[0].lstrip("+") == "hydra.searchpath"]
        words = [word for word in self.args.overrides if word not in searchpath]  # Hydra would import what pkg:// names
        dirs = [] if self.args.config_dir is None else [self.args.config_dir]
        self.places = config.places(dirs, [p for word in searchpath for p in _listed(word)])
        self.options = config.options(self.places)
        understood, wrong = overrides.read_words(words, self.options)
        self.overrides, unreadable = overrides.readable(understood)
        self.wrong = [*config.clashes(self.options), *wrong, *unreadable]
        self.trusted = list(dict.fromkeys([*self.args.trust, *trust.of_environment(), *self._installed()]))

    def _installed(self) -> list[str]:
        return [place.package for place in self.places if place.package]

    @contextmanager
    def hydra(self) -> Iterator[Hydra]:
        """Hydra, reading all places."""
        from hydra._internal.hydra import Hydra
        from hydra._internal.utils import create_config_search_path
        from hydra.core.global_hydra import GlobalHydra
        from hydra.core.plugins import Plugins

        from phmbench.launcher import ComposeFirstLauncher

        config.register_resolvers()
        Plugins.instance().register(ComposeFirstLauncher)
        path: Any = create_config_search_path(str(self.places[0].path))
        for place in self.places[1:]:
            path.append(provider=place.provider, path=f"file://{place.path}")
        GlobalHydra.instance().clear()
        try:
            yield Hydra.create_main_hydra2("train", path)
        finally:
            GlobalHydra.instance().clear()

    def compose(self, hydra: Hydra, *, grid: bool = False) -> DictConfig:
        """Compose; what Hydra refuses is an error of the configuration, shown with what the words already had wrong."""
        from hydra.errors import HydraException
        from hydra.types import RunMode
        from omegaconf.errors import OmegaConfBaseException
        from yaml import YAMLError

        from phmbench.options import damaged

        try:
            return hydra.compose_config(
                config.CONFIG_NAME,
                self.overrides,
                run_mode=RunMode.MULTIRUN if grid else RunMode.RUN,
                with_log_configuration=False,
                activate_config_repository=True,
            )
        except (HydraException, OmegaConfBaseException) as error:
            raise ConfigError(_together([*self.wrong, str(error).strip()])) from error
        except (YAMLError, UnicodeDecodeError) as error:
            raise ConfigError(_together([*self.wrong, *damaged(self.places)])) from error

    def chosen(self, composed: DictConfig) -> Chosen:
        """What a job was composed of."""
        from phmbench.origins import Chosen

        rigs = composed.get("data", {}).get("rigs") or ()
        words = [str(word) for word in composed.hydra.overrides.task]
        several = (word.partition("=") for word in words if "=[" in word)  # of which Hydra notes no choice
        choices = {group: options for group, _, options in several if group in self.options}
        choices.update((group.split("@")[0], option) for group, option in _choices(composed).items())
        return Chosen(words, choices, self.options, [rigs] if isinstance(rigs, str) else list(rigs))


def _listed(word: str) -> list[str]:
    return [part.strip().strip("'\"") for part in word.split("=", 1)[1].strip("[]").split(",") if part.strip()]


def _together(messages: Sequence[str]) -> str:
    if len(messages) == 1:
        return messages[0]
    return f"{len(messages)} errors\n" + "\n".join(f"  {message}" for message in messages)


def checked(line: Line, composed: DictConfig, choices: dict[str, str]) -> config.Config:
    """The plain configuration of one job, its defaults filled in.

    Raises:
        ConfigError: all that is wrong with it, at once.
    """
    from phmbench.check import check, fill

    line.wrong += [message for message in config.forbidden(composed) if message not in line.wrong]
    job = config.plain(composed, line.places)
    chosen = line.chosen(composed)
    found = [
        f"{finding}{_stated(finding.path, chosen)}"
        for finding in check(job, trusted=line.trusted)
        if finding.severity == "error"
    ]
    if line.wrong or found:
        raise ConfigError(_together([*line.wrong, *found]))
    filled, _ = fill(job)
    return {**filled, "choices": choices}


def _stated(path: str, chosen: Chosen) -> str:
    """` (model/mine.yaml)` after a finding about a value of that file; nothing of what the command line gives."""
    from phmbench.origins import COMMAND_LINE, origin

    file = origin(path, chosen) if path else COMMAND_LINE
    return "" if file in ("", COMMAND_LINE) else f" (in {file})"


def _choices(composed: DictConfig) -> dict[str, str]:
    """Option by group, as composed."""
    chosen = composed.hydra.runtime.choices
    return {str(k): str(v) for k, v in chosen.items() if v is not None and not str(k).startswith("hydra")}


# -- train -----------------------------------------------------------------------------------------------------------


def _train(words: list[str]) -> int:
    line = Line(words)
    if line.args.help:
        from phmbench.options import help_text

        print(help_text(line.options))
        return 0
    os.environ[trust.VARIABLE] = ",".join(line.trusted)
    with line.hydra() as hydra:
        if line.args.cfg:
            if line.wrong:
                raise ConfigError(_together(line.wrong))
            hydra.show_cfg(config.CONFIG_NAME, line.overrides, line.args.cfg, line.args.package, line.args.resolve)
            return 0
        if line.args.hydra_help or line.args.shell_completion or line.args.info:
            return _of_hydra(line, hydra)
        return _grid(line, hydra) if line.args.multirun else _single(line, hydra)


def _of_hydra(line: Line, hydra: Hydra) -> int:
    if line.args.hydra_help:
        hydra.hydra_help(config_name=config.CONFIG_NAME, args_parser=line.parser, args=line.args)
    elif line.args.shell_completion:
        hydra.shell_completion(config_name=config.CONFIG_NAME, overrides=line.args.overrides)
    else:
        hydra.show_info(line.args.info, config_name=config.CONFIG_NAME, overrides=line.overrides)
    return 0


def _single(line: Line, hydra: Hydra) -> int:
    from hydra.core.hydra_config import HydraConfig

    composed = line.compose(hydra)
    HydraConfig.instance().set_config(composed)
    job = checked(line, composed, _choices(composed))
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


def _grid(line: Line, hydra: Hydra) -> int:
    """All jobs composed and checked, then run one after the other; a job that fails does not end the others.

    Into a folder that holds the grid already (hydra.sweep.dir=…): jobs that are done stay, what was cut off goes on.
    """
    from hydra.core.hydra_config import HydraConfig
    from hydra.core.utils import JobStatus

    from phmbench.launcher import ComposeFirstLauncher
    from phmbench.training import ranks

    jobs: list[config.Config] = []
    failures = []

    def run_job(_: DictConfig) -> Any:
        runtime = HydraConfig.get()
        try:
            return _execute(jobs[runtime.job.num], Path(runtime.runtime.output_dir), go_on=True, pages=False)["metrics"]
        except PhmbenchError as error:
            print(f"job {runtime.job.num} failed: {error}", file=sys.stderr)
            failures.append(error)
            if ranks.joined():  # the others would wait for this one, or go on with the next job by themselves
                raise SystemExit(error.exit_code) from error
            raise

    refused = config.forbidden(line.compose(hydra, grid=True))
    if refused:
        raise ConfigError(_together([*line.wrong, *refused]))
    ComposeFirstLauncher.before = staticmethod(lambda composed: jobs.extend(_all_checked(line, composed)))
    (returns,) = hydra.multirun(config.CONFIG_NAME, run_job, line.overrides)
    for one in returns:
        if one.status == JobStatus.FAILED and not isinstance(one._return_value, PhmbenchError):
            raise one._return_value
    _grid_table(returns)
    return failures[0].exit_code if failures else 0


def _all_checked(line: Line, composed: Sequence[DictConfig]) -> list[config.Config]:
    """The jobs of a grid.

    Raises:
        ConfigError: what is wrong with any of them, all at once.
    """
    from hydra.core.hydra_config import HydraConfig

    jobs, messages = [], []
    previous = HydraConfig.instance().cfg
    for job in composed:
        HydraConfig.instance().set_config(job)
        try:
            jobs.append(checked(line, job, _choices(job)))
        except ConfigError as error:
            messages.append(str(error))
    HydraConfig.instance().cfg = previous
    if messages:
        raise ConfigError(_together(list(dict.fromkeys(messages))))
    return jobs


def _grid_table(returns: Sequence[Any]) -> None:
    from hydra.core.utils import JobStatus

    from phmbench.record import lines
    from phmbench.training import ranks

    if ranks.rank():
        return
    shared = set.intersection(*(set(one.overrides) for one in returns))  # what all jobs have goes without saying
    rows = [
        (" ".join(word.lstrip("+") for word in one.overrides if word not in shared), one.return_value)
        for one in returns
        if one.status == JobStatus.COMPLETED
    ]
    lines.grid(rows)


def _execute(job: config.Config, folder: Path, **how: Any) -> dict[str, Any]:
    from phmbench import run

    _messages_to_screen()
    try:
        return run.execute(job, folder, **how)
    except BaseException as error:
        if interrupt.exit_code(error) is not None and (folder / "config.yaml").exists():
            error.add_note(f"go on with it: phmbench resume {shlex.quote(str(folder))}")
        raise


def _messages_to_screen() -> None:
    """What the logger "phmbench" is told goes to the screen, as well as into the record's log.txt; once, not by each
    process that torchrun has started."""
    from phmbench.training import ranks

    logger = logging.getLogger("phmbench")
    logger.propagate = False
    if not any(type(handler) is logging.StreamHandler for handler in logger.handlers):
        screen = logging.StreamHandler(sys.stdout)
        screen.setLevel(logging.ERROR if ranks.rank() else logging.INFO)
        screen.setFormatter(_Plain())
        logger.addHandler(screen)


class _Plain(logging.Formatter):
    """The text alone; a warning after that word, in lines of the screen's width."""

    def format(self, record: logging.LogRecord) -> str:
        if record.levelno != logging.WARNING:
            return super().format(record)
        import textwrap

        text = f"warning: {record.getMessage()}"
        return textwrap.fill(text, 100, subsequent_indent=" " * 9, break_long_words=False, break_on_hyphens=False)


# -- the other commands ----------------------------------------------------------------------------------------------


def _list(words: list[str]) -> int:
    from phmbench.options import list_groups, list_options

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
    else:
        raise ConfigError(f"{args.group}: no such group; {overrides.near(args.group, known) or ', '.join(known)}")
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
        return line, checked(line, composed, _choices(composed))


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
