"""From the words on the command line to one plain, resolved configuration. Imports Hydra, and nothing heavy."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from phmbench import instead, rigs
from phmbench.errors import ConfigError

if TYPE_CHECKING:  # annotations are read from the source, by `check`
    from annotated_types import Ge, Le
    from omegaconf import DictConfig

Config = dict[str, Any]
"""A configuration after composition: plain dictionaries, lists and values, every interpolation resolved."""

CONFIG_NAME, SHARED_NAME = "train", "run"  # a command's root, and what it has in common with that of a search
NOT_GROUPS = {"hydra", "search"}  # folders of conf/ whose files no run chooses
MANY = {
    "launcher": (
        "phmbench.sweep.in_process.InProcessLauncher",
        "hydra_plugins.hydra_joblib_launcher.joblib_launcher.JoblibLauncher",
        "hydra_plugins.hydra_submitit_launcher.submitit_launcher.LocalLauncher",
        "hydra_plugins.hydra_submitit_launcher.submitit_launcher.SlurmLauncher",
        "hydra_plugins.hydra_ray_launcher.ray_launcher.RayLauncher",
    ),
    "sweeper": ("phmbench.sweep.grid.GridSweeper", "phmbench.sweep.search.SearchSweeper"),
}
"""What may run many runs, by its key in `hydra`."""


@dataclass
class Paths:
    """Where things lie."""

    data: str | None  # root of built rigs and other sources
    cache: str  # prepared stores
    output: str  # runs


@dataclass
class Run:
    """The root of a configuration; `check` holds every key against these fields."""

    seed: Annotated[int, Ge(0), Le(4294967295)]
    repeats: Annotated[int, Ge(1)]
    folds: Literal["all"] | None
    monitor: str
    selection: Literal["source_validation", "oracle"]
    other_selections: bool
    init: str | None
    profile: bool
    test: bool
    shortcuts: bool
    fit_memory: bool
    other_splits: Mapping[str, Any] | None
    paths: Paths
    data: Mapping[str, Any]
    task: Mapping[str, Any]
    model: Mapping[str, Any]
    trainer: Mapping[str, Any]
    logger: Mapping[str, Any] | None
    pipeline: Mapping[str, Any]
    estimator: Mapping[str, Any] | None = None
    choices: Mapping[str, str] | None = None  # option by group, noted by composition


@dataclass
class Search:
    """What a search has at the root besides a run."""

    search: Sequence[str]
    n_trials: Annotated[int, Ge(1)]
    pruner: Mapping[str, Any] | None
    objectives: Sequence[str]
    max_failures: Annotated[int, Ge(1)]
    refit: Annotated[int, Ge(0)]
    storage: str | None
    sweep_name: str


def conf_dir() -> Path:
    """Folder of the options that ship with phmbench: inside the package when installed, beside it in a checkout."""
    inside = Path(__file__).parent / "conf"
    return inside if inside.is_dir() else Path(__file__).parent.parent / "conf"


@dataclass(frozen=True)
class Place:
    """A folder of options and who provides it."""

    provider: str
    path: Path
    package: str | None = None  # a package whose installation makes its classes trusted

    def __str__(self) -> str:
        return f"{self.provider} ({self.path})"


def places(config_dirs: Sequence[str] = (), searchpath: Sequence[str] = ()) -> list[Place]:
    """All folders of options: ours, those of installed packages (entry point `phmbench`), and the user's, each once.

    Raises:
        ConfigError: a folder does not exist.
    """
    found = [Place("phmbench", conf_dir())]
    for entry in sorted(entry_points(group="phmbench"), key=lambda e: e.name):
        package, _, folder = entry.value.partition(":")
        root = _package_dir(package)
        if root is None:
            raise ConfigError(f"entry point phmbench/{entry.name}: package {package!r} cannot be found; reinstall it")
        found.append(Place(entry.name, root / (folder or "conf"), package.split(".")[0]))
    found += [Place("--config-dir", _folder(path)) for path in config_dirs]
    found += [Place("hydra.searchpath", _folder(path)) for path in searchpath]
    for place in found:
        if not place.path.is_dir():
            raise ConfigError(f"{place.provider}: no folder {place.path}; expected one with data/, model/, … in it")
    once: dict[Path, Place] = {}
    for place in found:
        once.setdefault(place.path.resolve(), place)
    return list(once.values())


def _package_dir(package: str) -> Path | None:
    from phmbench.signatures import find_module

    file = find_module(package)
    return file.parent if file is not None and file.name == "__init__.py" else None


def _folder(path: str) -> Path:
    if path.startswith("pkg://"):
        package, *rest = path[len("pkg://") :].split("/")
        parts = package.split(".") + rest
        root = _package_dir(parts[0])
        if root is None:
            raise ConfigError(
                f"hydra.searchpath: no package {parts[0]!r}; got {path}; expected one that is installed; install it"
            )
        return root.joinpath(*parts[1:])
    return Path(path.removeprefix("file://")).absolute()


def options(where: Iterable[Place]) -> dict[str, dict[str, list[Place]]]:
    """Groups, their options, and the places that provide each: {"model": {"wdcnn": [phmbench]}, "task/split": …}."""
    found: dict[str, dict[str, list[Place]]] = {}
    for place in where:
        for file in sorted(_files(place.path)):
            group = file.parent.relative_to(place.path).as_posix()
            if group.split("/")[0] not in NOT_GROUPS and not file.name.startswith("_"):
                found.setdefault(group, {}).setdefault(file.stem, []).append(place)
    return found


def spaces(where: Iterable[Place]) -> dict[str, list[Place]]:
    """Search spaces, and the places that provide each: {"optim": [phmbench]}."""
    found: dict[str, list[Place]] = {}
    for place in where:
        for file in sorted((place.path / "search").glob("*.yaml")):
            found.setdefault(file.stem, []).append(place)
    return found


def _files(folder: Path) -> Iterator[Path]:
    """YAML files in the folders of a folder; run directories, which lie beside a sweep's best.yaml, are none."""
    for inner, folders, names in os.walk(folder):
        folders[:] = [] if "status.json" in names else folders
        if Path(inner) != folder and "status.json" not in names:
            yield from (Path(inner, name) for name in names if name.endswith(".yaml"))


def clashes(known: Mapping[str, Mapping[str, list[Place]]]) -> list[str]:
    """An option of one name in one group from two places, in words."""
    return [
        f"{group}={name}: provided twice, by {' and by '.join(map(str, by))}; rename one of them"
        for group, names in known.items()
        for name, by in names.items()
        if len(by) > 1
    ]


def plain(composed: DictConfig, where: Sequence[Place]) -> Config:
    """The job's configuration, resolved, with the sources of all named rigs in place.

    Raises:
        ConfigError: an interpolation leads nowhere, a value is missing, `data.rigs` names no data option.
    """
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException

    others = {"hydra", *Search.__dataclass_fields__}
    job = OmegaConf.masked_copy(composed, [str(key) for key in composed if key not in others])
    try:
        rigs.expand(job, [place.path / "data" for place in where])
        config: Any = OmegaConf.to_container(job, resolve=True, throw_on_missing=True)
    except OmegaConfBaseException as error:
        raise ConfigError(
            f"{getattr(error, 'full_key', '') or 'configuration'}: {str(error).splitlines()[0]}"
        ) from error
    if config.get("estimator") is not None:
        instead.require_no_network([str(word) for word in composed.hydra.overrides.task])
        config["model"] = None
    for name in ("data", "task", "model"):  # an option without content, such as scheduler=none, is nothing
        if isinstance(config.get(name), dict):
            config[name] = {key: None if value == {} else value for key, value in config[name].items()}
    return dict(config)


def forbidden(composed: DictConfig) -> list[str]:
    """What an option file may not ask of Hydra: environment variables of the job and callbacks, which run before any
    check, and another launcher or sweeper, which would pass over the check of a grid."""
    hydra = composed.hydra
    asked = {"hydra.job.env_set": hydra.job.env_set, "hydra.callbacks": hydra.get("callbacks")}
    found = [
        f"{key}: not allowed; got {', '.join(map(str, value))}; remove it" for key, value in asked.items() if value
    ]
    for part, known in MANY.items():
        target = hydra[part].get("_target_")
        if target not in known:
            found.append(
                f"hydra.{part}: cannot run a grid here; got {target}; expected one of {', '.join(known)}; remove it"
            )
    return found


def save(config: Config, path: Path) -> None:
    """Write a configuration as YAML."""
    import yaml

    path.write_text(yaml.safe_dump(config, sort_keys=False, allow_unicode=True), encoding="utf-8")


MOST_VALUES = 100_000
"""More than any configuration has; a few lines of YAML can say a billion, which to look at would take for ever."""


def _larger_than(most: int, config: Any) -> bool:
    count, rest = 0, [config]
    while rest and count <= most:
        value = rest.pop()
        count += 1
        if isinstance(value, dict):
            rest += value.values()
        elif isinstance(value, list):
            rest += value
    return count > most


def load(path: Path) -> Config:
    """Read a configuration written by `save`; only plain YAML, nothing is executed.

    Raises:
        ConfigError: there is no such file, or it is not a configuration.
    """
    import yaml

    if not path.exists():
        raise ConfigError(f"{path}: no such file; expected the config.yaml of a run directory; correct the path")
    try:
        config = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:
        said = " ".join(str(error).split())  # YAML's are of several lines
        raise ConfigError(f"{path}: cannot be read as a configuration; {said}") from error
    if _larger_than(MOST_VALUES, config):
        raise ConfigError(
            f"{path}: not a configuration; got more than {MOST_VALUES} values, by aliases of aliases; expected the "
            "config.yaml of a run directory; copy it again"
        )
    if not isinstance(config, dict) or not all(isinstance(key, str) for key in config):
        raise ConfigError(f"{path}: not a configuration; expected the config.yaml of a run directory")
    return config
