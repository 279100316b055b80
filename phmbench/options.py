"""What can be chosen, in words: for `--help`, `phmbench list` and `phmbench show`. Reads files as text; imports
nothing heavy."""

from __future__ import annotations

import os
import re
import sys
import textwrap
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from phmbench.config import Place, conf_dir, spaces
from phmbench.errors import ConfigError
from phmbench.origins import COMMAND_LINE, Chosen, bases, origin
from phmbench.signatures import Signature, signature_of
from phmbench.trust import LIBRARY_PACKAGES

Options = Mapping[str, Mapping[str, Sequence[Place]]]
WIDTH = 100
DEFAULT = "default of the signature"
OF_SEARCH = frozenset({"pruner", "search"})
"""Groups that only a search asks for."""
GROUPS = {
    "data": "which recordings",
    "task": "what is learned from them, and how it is split, trained and scored",
    "model": "the network",
    "estimator": "a classical baseline in the place of a network, with pipeline=baseline",
    "trainer": "on what hardware",
    "pipeline": "the order of fits and tests",
    "logger": "where metrics go besides the record",
    "experiment": "a whole sentence under one name",
    "search": "what a search varies; no group of a run",
    "model/front": "physics in front of the network",
    "data/augment": "how training windows are varied",
    "task/split": "what separates training from test",
    "task/algorithm": "how the loss is made from domains",
    "task/method": "how an episode is classified",
    "task/adapter": "which weights are trained on the support of an episode, with task/method=finetune",
    "task/adaptation": "how a network is adapted to unlabelled windows of the target",
    "task/averaging": "which weights are validated, tested and kept",
    "task/head": "what ends the network",
    "task/optimizer": "how weights change",
    "task/scheduler": "how the learning rate changes",
    "pruner": "of a search: when a trial is given up",
}
EXAMPLES = """\
examples
  python train.py                                                    simulated rigs, a small network
  python train.py data=cwru model=resnet1d                           real ones, split by bearing
  python train.py task=dg data=cwru task.split.column=load task.split.target=[3]
  python train.py task=cddg folds=all data=bearings data.rigs=[cwru,mfpt,hit_sm] repeats=3
  python train.py -m model=wdcnn,resnet1d seed=0,1,2                 a grid
  python train.py model.width=128 task.optimizer.lr=3e-4             any parameter of any signature

see also
  phmbench list GROUP    options with title, paper and parameters
  phmbench show …        the whole configuration, and where each value comes from
  phmbench check …       validate without running
  --cfg job, -m, --dry-run (of -m: check, and show what would start), --config-dir DIR, --trust PACKAGE, --hydra-help"""
EXAMPLES_OF_SEARCH = """\
examples
  python sweep.py search=[optim,wdcnn] n_trials=40 data=cwru         the same again goes on to 40
  python sweep.py model.width=16,32,64 hydra/sweeper/sampler=grid    a range on the command line
  python sweep.py … pruner=median hydra/launcher=joblib hydra.launcher.n_jobs=2
  phmbench sweep-status outputs/sweeps/NAME                          how it stands
  --dry-run                                                          check, and show what would start"""


def file_of(group: str, name: str, places: Sequence[Place]) -> Path:
    """The YAML of an option."""
    return places[0].path / group / f"{name}.yaml"


def title(file: Path) -> str:
    """The first line of an option's YAML, without its sign; `# @package …`, which Hydra wants above it, is none."""
    with file.open(encoding="utf-8", errors="replace") as lines:  # the check says what is wrong with a file
        first = next((line.strip() for line in lines if not re.match(r"\s*(#\s*@.*)?$", line)), "")
    return first.lstrip("# ").strip() if first.startswith("#") else ""


def target(file: Path) -> str:
    """What an option's YAML, or one that it builds on, names as `_target_`; "" where it is no single class."""
    text = file.read_text(encoding="utf-8", errors="replace")
    found = re.search(r"^_target_:\s*([\w.]+)\s*$", text, re.MULTILINE)
    if found:
        return found.group(1)
    for base in bases(text):
        parent = file.parent / f"{base}.yaml"
        if parent.is_file() and parent != file and (inherited := target(parent)):
            return inherited
    return ""


def damaged(where: Iterable[Place]) -> list[str]:
    """The files of these places that are not YAML, in words."""
    import yaml

    found = []
    for file in (file for place in where for file in sorted(place.path.rglob("*.yaml"))):
        try:
            yaml.compose(file.read_text(encoding="utf-8"), Loader=yaml.SafeLoader)
        except (yaml.YAMLError, UnicodeDecodeError) as error:
            found.append(
                f"{file}: not YAML; got {' '.join(str(error).split())}; expected YAML in UTF-8; correct the file"
            )
    return found


def help_of_search(known: Options, where: Sequence[Place]) -> str:
    """What a search has, and then what a run has."""
    from phmbench.sweep import plugins

    text = (conf_dir() / "sweep.yaml").read_text(encoding="utf-8")
    keys = re.findall(r"^(?!test)(\w+): .*? # (.*)$", text, re.MULTILINE)  # `test` is not to be changed
    lines = [
        "python sweep.py [search=[space,…]] [key=range …] [group=option …]        phmbench sweep … is the same",
        "",
    ]
    lines += [_bold("a search"), *(_line(key, said) for key, said in keys), ""]
    lines.append(f"{_bold('search')}  what is varied; or as a word: task.optimizer.lr='tag(log,interval(1e-4,1e-2))'")
    lines += [_line(name, title(file_of("search", name, by))) for name, by in sorted(spaces(where).items())]
    lines.append("")
    for group, names in plugins.groups("sweep", where).items():
        if group != plugins.SWEEPER:
            shown = (name for name in names if name not in plugins.REMOVED)
            lines += [f"{_bold(group)}  {', '.join(shown)}", ""]
    return "\n".join(lines) + "\n" + _groups(known, but=()) + EXAMPLES_OF_SEARCH


def help_text(known: Options) -> str:
    """The groups and their options, one line each."""
    first = "python train.py [group=option …] [key=value …]        phmbench train … is the same\n\n"
    return first + _groups(known, but=OF_SEARCH) + EXAMPLES


def _groups(known: Options, *, but: Collection[str]) -> str:
    lines = []
    long = 12  # more options than this are not listed one by one
    for group in (group for group in _in_order(known) if group not in but):
        lines.append(f"{_bold(group)}  {GROUPS.get(group, '')}".rstrip())
        names = known[group]
        shown = sorted(names, key=lambda n: _rank(file_of(group, n, names[n]), names[n][0]))
        shown = shown[: long if len(names) > long else None]
        lines += [_line(name, title(file_of(group, name, names[name]))) for name in shown]
        if len(shown) < len(names):
            lines.append(f"  … and {len(names) - len(shown)} more: phmbench list {group}")
        lines.append("")
    return "\n".join(lines)


def _rank(file: Path, place: Place) -> int:
    """The user's own options come first, those for rigs whose recordings must be fetched after the ones run here."""
    if place.provider != "phmbench":
        return 0
    return 2 if "not run here" in file.read_text(encoding="utf-8", errors="replace").lower() else 1


def list_groups(known: Options) -> str:
    """One line a group."""
    from phmbench.sweep.plugins import LAUNCHER, SAMPLER

    lines = [_line(group, f"{GROUPS.get(group, '')} ({len(known[group])})") for group in _in_order(known)]
    said = {LAUNCHER: "what runs the jobs of a grid or a search", SAMPLER: "what chooses the values of a trial"}
    return "\n".join([*lines, *(_line(group, text) for group, text in said.items())])


def list_options(group: str, names: Mapping[str, Sequence[Place]]) -> str:
    """A table: option, title, paper, parameters, and where the option comes from, if it is not ours."""
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    rows = {name: _about(file_of(group, name, places), places[0]) for name, places in sorted(names.items())}
    table = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1))
    table.add_column(group, style="bold", overflow="fold", min_width=max(map(len, rows)))
    heads = [head for head in ("title", "paper", "parameters", "from") if any(row[head] for row in rows.values())]
    for head in heads:
        table.add_column(head, overflow="fold", ratio=2 if head in ("title", "paper") else 1)
    for name, row in rows.items():
        table.add_row(Text(name), *(Text(row[head]) for head in heads), end_section=len(heads) > 1)
    out = Console(width=WIDTH, highlight=False)
    with out.capture() as captured:
        out.print(table)
    return "\n".join(line.rstrip() for line in captured.get().splitlines())


def list_plugins(group: str, names: Mapping[str, Sequence[Place]]) -> str:
    """One line a launcher or sampler: those that Hydra's plugins bring, and files of the user's."""
    from phmbench.sweep.plugins import REMOVED, TITLES

    own = {name: title(file_of(group, name, places)) for name, places in names.items() if places}
    return "\n".join(_line(name, {**TITLES[group], **own}.get(name, "")) for name in names if name not in REMOVED)


def _about(file: Path, place: Place) -> dict[str, str]:
    dotted = target(file)
    try:
        signature: Signature | None = signature_of(dotted) if dotted else None
    except ConfigError as error:
        return {"title": title(file), "paper": "", "parameters": f"cannot be read: {error}", "from": str(place)}
    found = () if signature is None else signature.parameters
    parameters = [p for p in found if p.home.top not in LIBRARY_PACKAGES]  # Lightning's own would fill pages
    return {
        "title": title(file),
        "paper": textwrap.shorten(signature.paper, 120, placeholder=" …") if signature is not None else "",
        "parameters": ", ".join(f"{p.name}={_short(p.literal)}" for p in parameters if p.default is not None),
        "from": "" if place.provider == "phmbench" else str(place),
    }


def show(filled: Mapping[str, Any], added: Collection[str], chosen: Chosen) -> str:
    """The configuration as YAML, each value with where it comes from: command line, a file of conf/, or a signature.

    Args:
        filled: the configuration, defaults of signatures filled in.
        added: dotted paths that were filled in.
        chosen: what it was composed of.
    """
    lines: list[tuple[str, str]] = []
    _walk(filled, "", "", lines, lambda path: DEFAULT if path in added else origin(path, chosen))
    width = min(60, max((len(text) for text, origin in lines if origin), default=0))
    return "\n".join(_with_origin(text, origin, width) for text, origin in lines)


def _walk(node: Mapping[str, Any], path: str, indent: str, lines: list[tuple[str, str]], origin: Any) -> None:
    for key, value in node.items():
        here = f"{path}.{key}" if path else str(key)
        if isinstance(value, Mapping) and value:
            lines.append((f"{indent}{key}:", ""))
            _walk(value, here, indent + "  ", lines, origin)
        else:
            lines.append((f"{indent}{key}: {_short(value)}", origin(here)))


def _with_origin(text: str, origin: str, width: int) -> str:
    if not origin:
        return _bold(text) if not text.startswith(" ") else text
    colour = {COMMAND_LINE: "33", DEFAULT: "2"}.get(origin, "36")
    return f"{text.ljust(width)}  {_colour(f'# {origin}', colour)}"


def _short(value: object) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_short(item) for item in value) + "]"
    if value == {}:
        return "{}"
    return str(value) if isinstance(value, str | int | float) else "computed"


def _in_order(known: Options) -> list[str]:
    return sorted(known, key=lambda group: (list(GROUPS).index(group) if group in GROUPS else len(GROUPS), group))


def _line(name: str, text: str) -> str:
    return f"  {name:<20}  " + textwrap.shorten(text, WIDTH - 24, placeholder=" …")


def _bold(text: str) -> str:
    return _colour(text, "1")


def _colour(text: str, code: str) -> str:
    return f"\033[{code}m{text}\033[0m" if sys.stdout.isatty() and "NO_COLOR" not in os.environ else text
