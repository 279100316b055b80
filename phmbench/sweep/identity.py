"""What makes two jobs the same: all that is computed, and nothing of where."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

ELSEWHERE = ("paths", "choices")
"""Keys that do not change what a run computes: where it lies, and by which words it was chosen."""


def content(config: Mapping[str, Any]) -> str:
    """A hash of what a run computes: equal for configurations that give the same run."""
    return hashlib.sha256(json.dumps(anywhere(config), sort_keys=True, default=str).encode()).hexdigest()


def anywhere(config: Mapping[str, Any]) -> dict[str, Any]:
    """A configuration without the places of one machine: a data root is elsewhere on the next."""
    said = {key: value for key, value in config.items() if key not in ELSEWHERE}
    root, sources = str((config.get("paths") or {}).get("data")), (config.get("data") or {}).get("sources")
    if isinstance(sources, Mapping):
        said["data"] = {**said["data"], "sources": _below(root, sources)}
    return said


def _below(root: str, value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _below(root, one) for key, one in value.items()}
    within = isinstance(value, str) and (value == root or value.startswith(f"{root}/"))
    return f"${{paths.data}}{value[len(root) :]}" if within else value


def named(config: Mapping[str, Any], sweep: Path) -> Path:
    """The folder of a job in that of its sweep: named by what is chosen, and by its content."""
    from phmbench.resolvers import run_name

    return sweep / f"{run_name(config['choices'])}-{content(config)[:8]}"
