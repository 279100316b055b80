"""What options and signatures say in words, read as text: values and comments of YAML files, docstrings in parts."""

from __future__ import annotations

import re
from itertools import takewhile
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from phmbench.config import conf_dir
from phmbench.signatures import Signature

LINE = re.compile(r"^(?P<indent> *)(?P<key>\w+):(?: +(?P<value>[^#\s].*?))?(?:\s+# (?P<comment>.*))?$")
FIELDS = "Papers?|Deviations|Shapes|Size|Source|Layout"
"""What docstrings say in a line of its own."""


class Value(NamedTuple):
    """A key of a YAML file."""

    value: str
    comment: str


def group_files(group: str) -> list[Path]:
    """The options of a group, by name; what begins with an underscore is shared and no option."""
    return sorted(file for file in (conf_dir() / group).glob("*.yaml") if not file.name.startswith("_"))


def defaults(file: Path) -> list[Any]:
    node = yaml.safe_load(file.read_text(encoding="utf-8")) or {}
    return list(node.get("defaults") or [])


def bases(file: Path) -> list[Path]:
    """Options of the same folder that this one builds on."""
    names = [name for name in defaults(file) if isinstance(name, str) and name != "_self_"]
    return [base for name in names if (base := file.parent / f"{name}.yaml").is_file()]


def own_values(file: Path) -> dict[str, Value]:
    """Dotted key → value and comment, as they stand in the file; without `_target_`, `_partial_` and defaults."""
    found: dict[str, Value] = {}
    above: list[tuple[int, str]] = []
    for line in file.read_text(encoding="utf-8").splitlines():
        match = LINE.match(line)
        if not match:
            continue
        indent = len(match["indent"])
        above = [*(level for level in above if level[0] < indent), (indent, match["key"])]
        path = ".".join(key for _, key in above)
        hidden = match["key"] in ("_target_", "_partial_") or path.split(".")[0] in ("defaults", "hydra")
        if not hidden and (match["value"] is not None):
            found[path] = Value(match["value"], match["comment"] or "")
    return found


def head(file: Path) -> list[str]:
    """The comments below an option's title, as items of a list; what is indented goes on with the item above."""
    comments = takewhile(lambda line: line.startswith("#"), file.read_text(encoding="utf-8").splitlines())
    lines = [line for line in comments if not line.startswith("# @package")][1:]
    items: list[str] = []
    for text in (line.removeprefix("#").removeprefix(" ").rstrip() for line in lines):
        numbered = re.match(r"^ +(\d+\. .*)$", text)
        if numbered:
            items.append(f"    {numbered[1]}")
        elif text.startswith(" ") and items:
            items[-1] += f" {text.strip()}"
        elif text:
            items.append("- " + re.sub(r"^([A-Z][a-z]+):", r"**\1:**", text))
    return items


def arguments(signature: Signature) -> dict[str, str]:
    """Parameter → meaning, from the docstring's `Args:`."""
    found: dict[str, str] = {}
    name = ""
    for line in _section(signature.doc, "Args"):
        match = re.match(r"^    (\w+): (.*)$", line)
        if match:
            name = match[1]
            found[name] = match[2]
        elif name and line.strip():
            found[name] += f" {line.strip()}"
    return found


def _section(doc: str, title: str) -> list[str]:
    lines = doc.splitlines()
    if f"{title}:" not in lines:
        return []
    return list(takewhile(lambda line: not line or line.startswith(" "), lines[lines.index(f"{title}:") + 1 :]))


def prose(signature: Signature) -> list[str]:
    """A docstring without `Args:`: paragraphs, and a list of what stands behind `Paper:`, `Shapes:` and the like."""
    lines: list[str] = []
    for line in takewhile(lambda line: line not in ("Args:", "Raises:"), signature.doc.splitlines()):
        field = re.match(rf"^({FIELDS}): (.+)$", line)
        if field:
            lines += [] if lines and lines[-1].startswith("- ") else [""]
            lines.append(f"- **{field[1]}:** {field[2]}")
        elif line.startswith("    ") and lines and lines[-1].startswith("- "):
            lines[-1] += f" {line.strip()}"
        else:
            lines.append(line.strip())
    return lines
