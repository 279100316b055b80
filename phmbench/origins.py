"""Where a value of a composed configuration comes from: the command line, or the YAML that gives it. Reads files as
text; imports nothing heavy."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from phmbench.config import SHARED_NAME, Place, conf_dir

COMMAND_LINE = "command line"


class Chosen(NamedTuple):
    """What a configuration was composed of."""

    words: Sequence[str]  # of the command line
    options: Mapping[str, str]  # by group
    known: Mapping[str, Mapping[str, Sequence[Place]]]  # all options
    rigs: Sequence[str] = ()  # data options whose sources data.rigs has taken


class _File(NamedTuple):
    name: str
    file: Path
    keys: Sequence[str]  # of the value, within it


def origin(path: str, chosen: Chosen) -> str:
    """`command line`, or the YAML that gives the value, relative to its folder of options.

    A value that no file gives, as one that is missing, is a matter of the option in whose place it stands.

    Args:
        path: dotted; list positions in brackets.
        chosen: what the configuration was composed of.
    """
    given = {word.lstrip("+").split("=", 1)[0] for word in chosen.words if "=" in word} - set(chosen.known)
    path = path.partition("[")[0]
    if any(path == key or path.startswith(f"{key}.") for key in given):
        return COMMAND_LINE
    files = list(_files(path.split("."), chosen))
    options = [one for one in files if len(one.keys) < path.count(".") + 1]  # those whose place is within the whole
    found = (one.name for one in files if _states(one.file, one.keys))
    return next(found, None) or next((one.name for one in options if _states(one.file, one.keys[:-1])), "")


def _files(keys: Sequence[str], chosen: Chosen) -> Iterator[_File]:
    """The files that may give a value, the last word first."""
    for depth in (0, 2, 1):
        group = "/".join(keys[:depth]) or "experiment"
        names = re.findall(r"\w+", chosen.options.get(group, ""))  # of loggers several
        for option in [*names, *(chosen.rigs if group == "data" else ())]:
            places = chosen.known.get(group, {}).get(option)
            if places and len(keys) > min(depth, 1):  # a whole task.scheduler is one of its group, a whole task is not
                for file in _line(places[0].path / group / f"{option}.yaml", group):
                    yield _File(f"{group}/{file.name}", file, keys[_depth(file, depth) :])
    yield _File(f"{SHARED_NAME}.yaml", conf_dir() / f"{SHARED_NAME}.yaml", keys)


def _line(file: Path, group: str) -> Iterator[Path]:
    """An option's file and, after it, those of its group on which it builds."""
    yield file
    for name in bases(file.read_text(encoding="utf-8")):
        found = (folder / f"{name}.yaml" for folder in (file.parent, conf_dir() / group))
        base = next((path for path in found if path.is_file() and path != file), None)
        if base is not None:
            yield from _line(base, group)


def bases(text: str) -> list[str]:
    """Names that a YAML's list of defaults takes from its own folder."""
    listed = re.findall(r"^\s*-\s*([\w/]+)\s*$|^defaults:\s*\[([\w/]+)", text, re.MULTILINE)
    return [name for pair in listed for name in pair if name and name != "_self_"]


def _depth(file: Path, depth: int) -> int:
    """Of the keys that its folder stands for; a file may begin at another place: `# @package _global_`, or logger's."""
    with file.open(encoding="utf-8") as lines:
        package = re.match(r"#\s*@package\s+(\S+)", lines.readline())
    return 0 if package and package[1] == "_global_" else depth


def _states(file: Path, keys: Sequence[str]) -> bool:
    """Whether a YAML gives the value at these keys."""
    node: Any = _content(file, file.stat().st_mtime_ns)
    for key in keys:
        if not isinstance(node, Mapping) or key not in node:
            return False
        node = node[key]
    return True


@functools.lru_cache(maxsize=64)
def _content(file: Path, changed: int) -> Any:
    import yaml

    return yaml.safe_load(file.read_text(encoding="utf-8"))
