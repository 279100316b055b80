"""config.yaml of a record: plain YAML, whole, from which the run can be repeated."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from phmbench.errors import RecordError
from phmbench.record import atomic
from phmbench.record.status import CONFIG

PLACES = ("paths", "hydra")
"""Keys that say where, not what: a run may be resumed after its folders have moved."""


def write_config(path: Path, config: Mapping[str, Any]) -> None:
    """Write the configuration, keys in their order.

    Raises:
        RecordError: it holds something that is not plain, or cannot be written.
    """
    try:
        text = yaml.safe_dump(dict(config), sort_keys=False, allow_unicode=True, width=120)
    except yaml.YAMLError as error:
        raise RecordError(
            f"{path / CONFIG}: the configuration is not plain; got {error}; expected dicts, lists, text, numbers, "
            "booleans and null; resolve it first (OmegaConf.to_container)"
        ) from error
    atomic.write_text(path / CONFIG, text)


def read_config(path: str | Path) -> dict[str, Any]:
    """The configuration of a record.

    Raises:
        RecordError: it is missing or damaged.
    """
    file = Path(path) / CONFIG
    try:
        config = yaml.safe_load(file.read_text("utf-8"))
    except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:
        raise RecordError(
            f"{file}: cannot be read; got {error}; expected the configuration of a run; the record is damaged: run it "
            "again in another folder"
        ) from error
    if not isinstance(config, dict):
        raise RecordError(
            f"{file}: not a configuration; got {type(config).__name__}; expected a mapping; the record is damaged: run "
            "it again in another folder"
        )
    return config


def require_same(path: Path, own: Mapping[str, Any], other: Mapping[str, Any]) -> None:
    """Hold a configuration against the one of a record, but for where things lie.

    Raises:
        RecordError: names the values that differ.
    """
    ours, theirs = dict(leaves(own)), dict(leaves(other))
    keys = [k for k in {**ours, **theirs} if k.partition(".")[0] not in PLACES]
    absent = "nothing"
    differ = [
        f"{key} {ours.get(key, absent)!r} here and {theirs.get(key, absent)!r} asked for"
        for key in keys
        if ours.get(key, absent) != theirs.get(key, absent)
    ]
    if differ:
        more = f" and {len(differ) - 3} more" if len(differ) > 3 else ""
        raise RecordError(
            f"{path}: the record is of another run; got {'; '.join(differ[:3])}{more}; expected the same "
            "configuration; choose another folder with hydra.run.dir=…"
        )


def leaves(config: object, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Dotted keys and their values; lists and empty mappings are values."""
    if isinstance(config, Mapping) and (config or not prefix):
        for key, value in config.items():
            yield from leaves(value, f"{prefix}.{key}" if prefix else str(key))
    else:
        yield prefix, list(config) if isinstance(config, tuple) else config
