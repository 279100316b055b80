"""The words of a command, read; and what they compose, checked. Imports Hydra, never torch, NumPy or pandas."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from phmbench import config, instead, overrides, resolvers, trust
from phmbench.errors import ConfigError
from phmbench.sweep import plugins

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hydra._internal.hydra import Hydra
    from omegaconf import DictConfig

    from phmbench.origins import Chosen


class Line:
    """The words of a command, read: flags, trusted packages, where options lie, and overrides as Hydra is to see them.

    `wrong` holds what is wrong with the words themselves; it is reported together with what the check finds.
    """

    def __init__(self, words: Sequence[str], *, root: str = config.CONFIG_NAME) -> None:
        from hydra._internal.utils import get_args_parser

        parser = get_args_parser()
        parser.add_argument("--trust", action="append", default=[], metavar="PACKAGE")
        parser.add_argument("--dry-run", action="store_true", help="of many runs: check, show what would start")
        self.root = root
        self.parser, self.args = parser, parser.parse_intermixed_args(list(words))
        searchpath = [word for word in self.args.overrides if _key(word) == "hydra.searchpath"]
        words = [word for word in self.args.overrides if word not in searchpath]  # Hydra would import what pkg:// names
        dirs = [] if self.args.config_dir is None else [self.args.config_dir]
        self.places = config.places(dirs, [p for word in searchpath for p in _listed(word)])
        self.options = config.options(self.places)
        self.search = [part for word in words if _key(word) == SEARCH for part in _listed(word)]
        if root == "sweep":  # a path is no option, and Hydra would take the name of the folder for a group
            words = [word for word in words if _key(word) != SEARCH]
        words, absent = plugins.absent(words)
        groups = {**self.options, **plugins.groups(root, self.places)}
        understood, wrong = overrides.read_words(words, groups, _keys())
        self.overrides, unreadable = overrides.readable(understood)
        self.wrong = [*config.clashes(self.options), *absent, *wrong, *unreadable, *self._of_a_search(words)]
        self.trusted = list(dict.fromkeys([*self.args.trust, *trust.of_environment(), *self._installed()]))

    def _of_a_search(self, words: Sequence[str]) -> list[str]:
        """Keys of a search, which a run or a grid would pass over."""
        if self.root != config.CONFIG_NAME:
            return []
        keys = [_key(word) for word in words if _key(word) in config.Search.__dataclass_fields__]
        return [
            f"{key}: no such key of a run or a grid; got a key of a search; expected sweep.py in the place of "
            f"train.py{'; the folder of a grid is named by hydra.sweep.dir' if key == 'sweep_name' else ''}"
            for key in keys
        ]

    def _installed(self) -> list[str]:
        return [place.package for place in self.places if place.package]

    @contextmanager
    def hydra(self) -> Iterator[Hydra]:
        """Hydra, reading all places."""
        from hydra._internal.hydra import Hydra
        from hydra._internal.utils import create_config_search_path
        from hydra.core.global_hydra import GlobalHydra
        from hydra.core.plugins import Plugins

        from phmbench.sweep.grid import GridSweeper
        from phmbench.sweep.in_process import InProcessLauncher
        from phmbench.sweep.search import SearchSweeper

        resolvers.register()
        for plugin in (GridSweeper, SearchSweeper, InProcessLauncher):
            Plugins.instance().register(plugin)
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
        from omegaconf.errors import OmegaConfBaseException
        from yaml import YAMLError

        from phmbench.options import damaged

        try:
            composed = self._composed(hydra, self.overrides, grid=grid)
            if self.search:
                composed[SEARCH] = self.search
            return composed
        except (HydraException, OmegaConfBaseException) as error:
            if (word := _unmergeable(self.overrides, error)) is not None:
                key, _, value = word.lstrip("+").partition("=")
                self.wrong.append(
                    f"{key}: a list where names and values belong, or the other way round; got {value}; expected one "
                    f"entry at a time; write {key}.NAME=…, and {key}.NAME=null to remove one"
                )
                self.overrides.remove(word)
                return self.compose(hydra, grid=grid)
            refused = plugins.refused(self.overrides, error, lambda words: self._composed(hydra, words, grid=grid))
            raise ConfigError(together([*self.wrong, *(refused or [_said(error)])])) from error
        except (YAMLError, UnicodeDecodeError) as error:
            raise ConfigError(together([*self.wrong, *damaged(self.places)])) from error

    def _composed(self, hydra: Hydra, words: list[str], *, grid: bool) -> DictConfig:
        from hydra.types import RunMode

        return hydra.compose_config(
            self.root,
            words,
            run_mode=RunMode.MULTIRUN if grid else RunMode.RUN,
            with_log_configuration=False,
            activate_config_repository=True,
        )

    def chosen(self, composed: DictConfig) -> Chosen:
        """What a job was composed of."""
        from phmbench.origins import Chosen

        rigs = composed.get("data", {}).get("rigs") or ()
        words = [str(word) for word in composed.hydra.overrides.task]
        several = (word.partition("=") for word in words if "=[" in word)  # of which Hydra notes no choice
        found = {group: options for group, _, options in several if group in self.options}
        found.update((group.split("@")[0], option) for group, option in choices(composed).items())
        return Chosen(words, found, self.options, [rigs] if isinstance(rigs, str) else list(rigs))


SEARCH = "search"


def _unmergeable(overrides: Sequence[str], error: Exception) -> str | None:
    """The word whose value is of another kind than what it would be merged with."""
    if "container" not in str(error.__cause__):
        return None
    return next((word for word in overrides if str(error).startswith(f"Error merging override {word}")), None)


def _said(error: Exception) -> str:
    """Hydra's words, without the pluses that nobody typed."""
    text = str(error).strip().replace("++", "")
    if text.startswith("Ambiguous value for argument '"):
        word = text.split("'")[1]
        key, _, values = word.partition("=")
        return (
            f"{key}: several values; got {values}; expected one; add -m for a run of each, or write '{key}=[{values}]' "
            f"for a list, '{key}=\"{values}\"' for a text with a comma"
        )
    if "incompatible container" in text:
        where = text.partition(":")[0]
        text = f"{where}: a list where names and values belong, or the other way round; write a name before each entry"
    return text


def _keys() -> list[str]:
    """Of the root, in the order in which they are listed: those of a run, then those of a search."""
    return [key for kind in (config.Run, config.Search) for key in kind.__dataclass_fields__ if key != "choices"]


def _key(word: str) -> str:
    return word.split("=")[0].lstrip("+")


def _listed(word: str) -> list[str]:
    return [part.strip().strip("'\"") for part in word.split("=", 1)[1].strip("[]").split(",") if part.strip()]


def together(messages: Sequence[str]) -> str:
    """Several messages as one."""
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
    errors = [finding for finding in check(job, trusted=line.trusted) if finding.severity == "error"]
    composition = line.chosen(composed) if errors else None
    found = [f"{finding}{_stated(finding.path, composition)}" for finding in errors]
    if line.wrong or found:
        raise ConfigError(together([*line.wrong, *found]))
    filled, _ = fill(job)
    return {**filled, "choices": choices}


def _stated(path: str, composition: Chosen | None) -> str:
    """` (model/mine.yaml)` after a finding about a value of that file; nothing of what the command line gives."""
    from phmbench.origins import COMMAND_LINE, origin

    file = origin(path, composition) if path and composition else COMMAND_LINE
    return "" if file in ("", COMMAND_LINE) else f" (in {file})"


def choices(composed: DictConfig) -> dict[str, str]:
    """Option by group, as composed."""
    chosen = composed.hydra.runtime.choices
    found = {str(k): str(v) for k, v in chosen.items() if v is not None and not str(k).startswith("hydra")}
    return instead.choices(found)
