"""Options found by walking conf/, and configurations composed and checked as the command line does it."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from hydra.core.hydra_config import HydraConfig

from phmbench import cli, config
from phmbench.options import OF_SEARCH

CONF = config.conf_dir()
QUICK = (
    "data.sources.simulated.rigs=[motor,pump]",
    "data.sources.simulated.conditions=2",
    "data.sources.simulated.seconds=0.25",
    "data.window=256",
    "data.hop=256",
)
"""Simulated recordings that are made within a second: 60 of 12 windows, two units of each fault and rig."""


class Option(NamedTuple):
    """One answer to the question that a folder of conf/ asks."""

    group: str
    name: str

    @property
    def file(self) -> Path:
        return CONF / self.group / f"{self.name}.yaml"

    @property
    def word(self) -> str:
        return f"{self.group}={self.name}"


def options(*groups: str) -> list[Option]:
    """All options of these groups, as `phmbench list` knows them; of all groups where none is named."""
    known = config.options([config.Place("phmbench", CONF)])
    return [Option(group, name) for group in groups or known for name in known[group]]


@cache
def composed(*words: str) -> config.Config:
    """The checked configuration of `python train.py WORDS`; not to be changed, since it is kept.

    Raises:
        ConfigError: what the command line would say.
    """
    line = cli.Line(words, root="sweep" if {word.split("=")[0] for word in words} & OF_SEARCH else "train")
    with line.hydra() as hydra:
        one = line.compose(hydra)
        HydraConfig.instance().set_config(one)
        return cli.checked(line, one, {})


def nodes(value: Any, path: str = "") -> list[tuple[str, dict[str, Any]]]:
    """Dotted path and mapping of every node (a mapping with a `_target_`) in a configuration or a piece of YAML."""
    found = []
    if isinstance(value, dict):
        if "_target_" in value:
            found.append((path, value))
        for key, inner in value.items():
            found += nodes(inner, f"{path}.{key}" if path else str(key))
    elif isinstance(value, list):
        for inner in value:
            found += nodes(inner, path)
    return found
