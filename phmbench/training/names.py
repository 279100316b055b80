"""Modules of a task by the names under which a user knows them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import nn

if TYPE_CHECKING:
    from phmbench.tasks.base import Task


def named_modules(task: Task) -> dict[str, nn.Module]:
    """`model.stem.0`, `head.linear`, `algorithm`: as the configuration says, not `network.parts.0.stem.0`."""
    parts = list(getattr(task.network, "parts", ()))
    short = {f"network.parts.{i}": f"parts.{i}" for i in range(len(parts))}
    if len(parts) == 2:
        short["network.parts.0"] = "model"
    if parts:
        short[f"network.parts.{len(parts) - 1}"] = "head"
    short_front = "network.front"
    found = {}
    for name, module in task.named_modules():
        part = ".".join(name.split(".")[:3])
        if name == short_front or name.startswith(f"{short_front}."):
            found[name.removeprefix("network.")] = module
        elif part in short:
            found[short[part] + name.removeprefix(part)] = module
        elif name not in ("", "network", "network.parts"):
            found[name] = module
    return found
