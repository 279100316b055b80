"""What a search has at the root besides a run, read and checked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from phmbench.config import Config, Search
from phmbench.errors import ConfigError
from phmbench.overrides import near
from phmbench.sweep.study import OF_MODEL


@dataclass(frozen=True)
class Settings:
    """See conf/sweep.yaml for the fields; `places` are the folders of options, ours first."""

    search: list[str]
    n_trials: int
    pruner: Mapping[str, Any] | None
    objectives: list[str]
    max_failures: int
    refit: int
    storage: str | None
    sweep_name: str
    places: list[Path]


def read(config: DictConfig) -> Settings:
    """The settings of a composed search.

    Raises:
        ConfigError: all that is wrong with them, at once.
    """
    from phmbench.check.nodes import check_node
    from phmbench.check.root import check_root

    names = [field.name for field in fields(Search)]
    own: dict[str, Any] = {}
    for name in names:
        value = config[name]
        own[name] = OmegaConf.to_container(value, resolve=True) if OmegaConf.is_config(value) else value
    own["pruner"] = own.get("pruner") or None
    if isinstance(own["sweep_name"], int | float):
        own["sweep_name"] = str(own["sweep_name"])  # a year is a name, too
    for key in ("search", "objectives"):
        own[key] = [own[key]] if isinstance(own[key], str) else own[key]
    found = check_root(own, "phmbench.config.Search")
    wrong = [str(finding) for finding in found if finding.severity == "error"]
    if own["pruner"] is not None:
        wrong += [
            str(finding) for finding in check_node("pruner", own["pruner"], own, ()) if finding.severity == "error"
        ]
    wrong += [*_of_name(own["sweep_name"]), *_of_objectives(own)]
    if config.get("test"):
        wrong.append(
            "test: the trials of a search do not look at the test set; got test=true; expected false; leave it out: "
            "the best trial is tested at the end, with refit seeds"
        )
    if wrong:
        raise ConfigError("\n".join(wrong))
    places = [Path(str(source.path).removeprefix("file://")) for source in config.hydra.runtime.config_sources
              if source.schema == "file"]  # fmt: skip
    return Settings(**own, places=places)


def require_objectives(settings: Settings, base: Config) -> None:
    """That the task reports what is to be optimised, and that the first of several is not the size alone.

    Raises:
        ConfigError: it does not.
    """
    from phmbench.check.monitor import check_monitor

    wrong = []
    for objective in settings.objectives:
        if objective.startswith("model/") and objective not in OF_MODEL:
            wrong.append(f"objectives: no such measure of a model; got '{objective}'; "
                         f"{near(objective, OF_MODEL) or 'there are ' + ', '.join(OF_MODEL)}")  # fmt: skip
        elif objective not in OF_MODEL:
            found = check_monitor({**base, "monitor": objective, "trainer": None})
            wrong += [str(finding).replace("monitor:", "objectives:", 1) for finding in found]
    if all(objective in OF_MODEL for objective in settings.objectives):
        wrong.append(
            f"objectives: got {settings.objectives}; expected a validation metric among them; add val/macro_f1"
        )
    if wrong:
        raise ConfigError("\n".join(wrong))


def _of_name(name: object) -> list[str]:
    if isinstance(name, str) and (not name.strip() or "/" in name or name in (".", "..")):
        return [f"sweep_name: got {name!r}; expected the name of a folder, without /; for a path take hydra.sweep.dir"]
    return []


def _of_objectives(own: Mapping[str, Any]) -> list[str]:
    wrong, named = [], own["objectives"] if isinstance(own["objectives"], list) else []
    if not own["objectives"]:
        wrong.append("objectives: got none; expected one or more validation metrics; name one, as in [val/macro_f1]")
    if any("*" in str(one) for one in named):
        wrong.append(f"objectives: got {named}; expected one metric each; write the class in place of *")
    if len(set(map(str, named))) < len(named):
        wrong.append(f"objectives: one stands there twice; got {named}; expected each once; remove one")
    if len(own["objectives"]) > 1 and own["pruner"] is not None:
        wrong.append(
            f"pruner: got one beside {len(own['objectives'])} objectives; expected a single objective, since a trial "
            "that is behind in one of them may lead in another; choose pruner=none"
        )
    return wrong
