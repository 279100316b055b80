"""Several rigs in one run: `data.rigs` names data options, whose sources are taken, with what was typed of them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from phmbench.errors import ConfigError
from phmbench.overrides import near

if TYPE_CHECKING:
    from omegaconf import DictConfig


def expand(job: DictConfig, folders: Sequence[Path]) -> None:
    """Put the sources of all named rigs into `data.sources`, and settings of one of them over its own.

    Args:
        job: composed, not resolved; changed in place.
        folders: in which options of data lie, the last one first to be believed.

    Raises:
        ConfigError: data that are not to be combined, a rig that is no data option, settings of a source that is none.
    """
    from omegaconf import OmegaConf, open_dict

    rigs = OmegaConf.select(job, "data.rigs")
    if rigs is None:
        return
    typed = OmegaConf.select(job, "data.sources") or {}
    if any("_target_" in (node or {}) for node in typed.values()):
        raise ConfigError("data.rigs: only data=bearings combines rigs; choose data=bearings data.rigs=[…]")
    files = {file.stem: file for folder in folders for file in folder.glob("*.yaml") if not file.name.startswith("_")}
    rigs = [rigs] if isinstance(rigs, str) else list(rigs)
    unknown = [rig for rig in rigs if rig not in files or rig == "bearings"]
    if unknown or not rigs:
        words = "; ".join(f"{rig!r}: {near(str(rig), files) or 'no such data option'}" for rig in unknown)
        raise ConfigError(f"data.rigs: names of data options, such as [cwru,mfpt]; got {rigs}; {words or 'name one'}")
    found = {name: node for rig in rigs for name, node in OmegaConf.load(files[rig]).sources.items()}
    for name, node in typed.items():
        if name not in found:
            raise ConfigError(
                f"data.sources.{name}: no source of these rigs; got settings of {name!r}; "
                f"{near(str(name), map(str, found)) or 'there are ' + ', '.join(map(str, found))}"
            )
        found[name] = node and OmegaConf.merge(found[name], node)
    with open_dict(job):
        job.data.sources = found
        del job.data["rigs"]
