"""From the words of a job to its checked configuration, a hundred times over."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.types import HydraContext
from omegaconf import DictConfig, open_dict, read_write

from phmbench.config import Config
from phmbench.errors import ConfigError
from phmbench.overrides import no_such_option

if TYPE_CHECKING:
    from phmbench.sweep.space import Space

Check = Callable[[DictConfig], Config]


class Composer:
    """Compose and check the jobs of a sweep.

    Hydra reads the options anew for each; here each choice of options is composed once, and values are set in a copy:
    a search would spend more on composition than on all else around a trial.

    Args:
        context: of the sweep.
        config: of the sweep, as composed.
        check: the plain configuration of a composed job; raises ConfigError.
    """

    def __init__(self, *, context: HydraContext, config: DictConfig, check: Check) -> None:
        self.context, self.config, self.check = context, config, check
        self.parser = OverridesParser.create()
        self.composed: dict[tuple[str, ...], DictConfig] = {}

    def job(self, words: Sequence[str]) -> Config:
        """The checked configuration of these words, which are all that was typed for the job.

        Raises:
            ConfigError: what is wrong with it.
        """
        from hydra.core.hydra_config import HydraConfig
        from hydra.errors import MissingConfigException

        try:
            job = self._composed(words)
        except MissingConfigException as error:
            group, _, name = str(error.missing_cfg_file).rpartition("/")
            raise ConfigError(no_such_option(group, name, error.options or ())) from error
        before = HydraConfig.instance().cfg
        HydraConfig.instance().set_config(job)
        try:
            return self.check(job)
        finally:
            HydraConfig.instance().cfg = before

    def first_of(self, space: Space) -> Config:
        """The first job of a space, of which every choice and both ends of every range are checked.

        Raises:
            ConfigError: all that is wrong with them.
        """
        from phmbench.sweep.space import words

        wrong: list[str] = []
        first: Config | None = None
        for chosen in space.corners():
            try:
                job = self.job([*space.fixed, *words(chosen)])
            except ConfigError as error:
                wrong += [message for message in str(error).splitlines() if message not in wrong]
            else:
                first = first or job
        if wrong or first is None:
            raise ConfigError("\n".join(wrong))
        return first

    def _composed(self, words: Sequence[str]) -> DictConfig:
        values = [word for word in words if word.startswith("++")]
        options = tuple(word for word in words if word not in values)
        if options not in self.composed:
            self.composed[options] = self._of_hydra(options)
        job = copy.deepcopy(self.composed[options])
        ConfigLoaderImpl._apply_overrides_to_config(self.parser.parse_overrides(values), job)
        with read_write(job), open_dict(job):
            job.hydra.overrides.task = list(words)  # a finding about a value that was typed names no file
        return job

    def _of_hydra(self, options: Sequence[str]) -> DictConfig:
        job: Any = self.context.config_loader.load_sweep_config(self.config, list(options))
        with open_dict(job):
            job.hydra.job.id, job.hydra.job.num = "0", 0
        return job  # type: ignore[no-any-return]
