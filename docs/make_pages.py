"""Makes the tables of docs/reference/ from the code and the options in conf/.

    python docs/make_pages.py

Everything is read as text: titles and comments from YAML, parameters, ranges, papers and meanings from signatures and
docstrings. The same sources give the same pages; tests/test_docs.py holds that the committed ones are up to date.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import yaml
from option_texts import Value, arguments, bases, defaults, group_files, head, own_values, prose  # beside this file

from phmbench import cli, errors, options, signatures, syntax
from phmbench.check import slots, values, words
from phmbench.config import conf_dir
from phmbench.signatures import NOT_LITERAL, Parameter, Signature

REFERENCE = Path(__file__).parent / "reference"
MADE = "<!-- made by docs/make_pages.py: change the code or the YAML, then run it -->"
PAGES: Mapping[str, tuple[str, Sequence[str]]] = {
    "data": ("Data", ["data", "data/augment"]),
    "task": ("Tasks", ["task"]),
    "split": ("Splits", ["task/split"]),
    "training": ("Algorithms, adaptation, few-shot methods, averaging, heads, optimizers, schedulers",
                 ["task/algorithm", "task/adaptation", "task/method", "task/adapter", "task/averaging", "task/head",
                  "task/optimizer", "task/scheduler"]),
    "model": ("Models", ["model", "model/front"]),
    "estimator": ("Estimators", ["estimator"]),
    "trainer": ("Trainers", ["trainer"]),
    "pipeline": ("Pipelines and loggers", ["pipeline", "logger", "experiment"]),
    "pruner": ("Pruners", ["pruner"]),
}  # fmt: skip
"""Page → its title, and the groups of options on it."""


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    escaped = [[cell.replace("|", "\\|") for cell in row] for row in rows]
    if not escaped:
        return []
    return ["", *(f"| {' | '.join(row)} |" for row in [list(heads), ["---"] * len(heads), *escaped]), ""]


def parameters(signature: Signature, given: Mapping[str, Value], group: str) -> list[str]:
    """What a class or function of ours takes, and what it gets."""
    path, meaning = group.replace("/", "."), arguments(signature)
    rows = []
    for p in signature.parameters:
        if p.name not in slots.passed(path) and not slots.is_fact(f"{path}.{p.name}", p.name) and _may_be_set(p, given):
            one = given.get(p.name, Value("", ""))
            takes = words.describe(p.annotation, values.Scope(p.home)) if p.annotation is not None else ""
            rows.append((f"`{path}.{p.name}`", _value(p, one), takes, meaning.get(p.name) or one.comment))
    return table(("key", "value", "takes", "meaning"), rows)


def _may_be_set(parameter: Parameter, given: Mapping[str, Value]) -> bool:
    """Not what `build` alone passes: the parts of a task, the seed of a run."""
    return not parameter.required or parameter.name in given


def _value(parameter: Parameter, given: Value) -> str:
    if given.value:
        return f"`{given.value}`"
    literal = parameter.literal
    return "computed" if literal is NOT_LITERAL else f"`{_yaml(literal)}`"


def _yaml(value: object) -> str:
    plain = list(value) if isinstance(value, tuple) else value
    return yaml.safe_dump(plain, default_flow_style=True, width=1000).removesuffix("...\n").strip()


def option(group: str, file: Path) -> list[str]:
    """The section of one option."""
    lines = [f"### {file.stem}", "", options.title(file), "", *head(file), ""]
    chosen = [f"`{_short(key)}={name}`" for one in defaults(file) if isinstance(one, dict) for key, name in one.items()]
    lines += [f"Chooses {', '.join(chosen)} unless the command line says otherwise.", ""] if chosen else []
    model = [base.stem for base in bases(file) if not base.name.startswith("_")]
    lines += [f"As [`{model[0]}`](#{model[0]}) otherwise.", ""] if model else []
    target, given = options.target(file), own_values(file)
    if target.startswith("phmbench.") and not bases(file):
        signature = signatures.signature_of(target)
        return [*lines, f"`{target}`", "", *prose(signature), "", *parameters(signature, given, group)]
    if group == "data":  # its sources have their own tables; here is what an option asks a user to set
        given = {key: one for key, one in given.items() if one.comment or not key.startswith("sources")}
    lines += [f"`{target}`", ""] if target and not bases(file) else []
    return [*lines, *keys(group, given)]


def keys(group: str, given: Mapping[str, Value]) -> list[str]:
    """A table of what a YAML file sets."""
    path = "" if group == "experiment" else group.replace("/", ".") + "."
    rows = [(f"`{path}{key}`", f"`{one.value}`", one.comment) for key, one in given.items()]
    return table(("key", "value", "meaning"), rows)


def shared(group: str) -> list[str]:
    """What all options of a group have in common: the files whose names begin with an underscore."""
    lines = []
    for file in sorted((conf_dir() / group).glob("_*.yaml")):
        target = options.target(file)
        lines += [f"### In every option of {group}", "", f"`{target}`", *keys(group, own_values(file))]
        if not target.startswith("phmbench."):
            lines += [f"Every other parameter of `{target}` can be set in the same way.", ""]
    return lines


def _short(key: str) -> str:
    """`override /task/split@_global_.task.split` is what a user calls `task/split`."""
    return key.removeprefix("override ").removeprefix("/").split("@")[0]


def group_page(name: str) -> str:
    """All options of the groups of a page: a table of them, then a section each."""
    title, groups = PAGES[name]
    lines = [f"# {title}", ""]
    for group in groups:
        files = group_files(group)
        if not files:
            continue
        lines += [f"## {group}", "", f"`{group}=…`: {options.GROUPS.get(group, '')}."]
        rows = [(f"[`{file.stem}`](#{file.stem})", options.title(file)) for file in files]
        lines += table(("option", "what it is"), rows)
        lines += [*shared(group), *(sources() if group == "data" else [])]
        for file in files:
            lines += option(group, file)
    return page(lines)


def sources() -> list[str]:
    """The classes that read recordings, as `data.sources.NAME` takes them."""
    lines: list[str] = []
    texts = [file.read_text(encoding="utf-8") for file in group_files("data")]
    targets = sorted({t for text in texts for t in re.findall(r"_target_: (phmbench\.data\.sources\.\S+)", text)})
    for target in targets:
        signature = signatures.signature_of(target)
        rows = [
            (
                f"`{p.name}`",
                "required" if p.required else _value(p, Value("", "")),
                arguments(signature).get(p.name, ""),
            )
            for p in signature.parameters
        ]
        lines += [f"### Source: {signature.name}", "", f"`{target}`", "", *prose(signature)]
        lines += ["", *table(("parameter", "default", "meaning"), rows)]
    return lines


def search_page() -> str:
    """The search spaces: each key, what is tried, when, and why."""
    lines = ["# Search spaces", "", "What `search=[…]` of a search can name; see [Sweeps](../sweeps.md)."]
    for file in group_files("search"):
        space = yaml.safe_load(file.read_text(encoding="utf-8"))
        rows = [(f"`{key}`", _tried(one), _when(one), one["why"]) for key, one in space.items()]
        lines += ["", f"## {file.stem}", "", f"{options.title(file)}.", *table(("key", "tried", "when", "why"), rows)]
    return page(lines)


def _tried(parameter: Mapping[str, object]) -> str:
    if "choices" in parameter:
        return f"`{_yaml(parameter['choices'])}`"
    how = [f"in steps of {parameter['step']}"] if "step" in parameter else []
    how += ["in the logarithm"] if parameter.get("log") else []
    return ", ".join([f"`{parameter['low']}` to `{parameter['high']}`", *how])


def _when(parameter: Mapping[str, object]) -> str:
    when = parameter.get("when")
    return f"`{_yaml(when)[1:-1]}`" if when else ""


def index_page() -> str:
    """Groups, keys of the root, commands, exit codes."""
    lines = ["# Reference", "", "Made from the code: what can be chosen, and what each choice takes.", ""]
    where = {group: name for name, (_, groups) in PAGES.items() for group in groups} | {"search": "search"}
    rows = [
        (f"[`{group}`]({where[group]}.md)", text, str(len(group_files(group))))
        for group, text in options.GROUPS.items()
        if group_files(group)
    ]
    lines += ["## Groups", *table(("group", "question", "options"), rows)]
    run = {**own_values(conf_dir() / "run.yaml")}
    rows = [(f"`{key}`", f"`{one.value}`", one.comment) for key, one in run.items() if one.comment]
    lines += ["## Keys of the root", *table(("key", "value", "meaning"), rows)]
    rows = [
        (f"`{key}`", f"`{one.value}`", one.comment)
        for key, one in own_values(conf_dir() / "sweep.yaml").items()
        if one.comment
    ]
    lines += ["## Keys of the root of a search", *table(("key", "value", "meaning"), rows)]
    lines += ["## Commands", "", "```text", (cli.__doc__ or "").split("\n\n", 1)[1].rstrip(), "```", ""]
    tree = (errors.__doc__ or "").split("\n\n")[1]
    lines += ["## Exit codes", "", "```text", tree, "130  interrupted (Ctrl-C)".rjust(28), "```", ""]
    return page(lines)


def checks_page() -> str:
    """The public checks of phmbench.testing."""
    lines = ["# Checks for your own classes", "", "From `phmbench.testing`, to be called in your package's tests.", ""]
    for name in _exported("phmbench.testing"):
        signature = signatures.signature_of(f"phmbench.testing.{name}")
        node = syntax.define(f"phmbench.testing.{name}").node  # type: ignore[union-attr]
        call = ast.unparse(node.args) if isinstance(node, ast.FunctionDef) else ""
        rows = [(f"`{key}`", text) for key, text in arguments(signature).items()]
        lines += [
            f"## {name}",
            "",
            f"`{name}({call})`",
            "",
            *prose(signature),
            "",
            *table(("argument", "meaning"), rows),
        ]
    return page(lines)


def _exported(module: str) -> list[str]:
    """`__all__`, read without importing torch."""
    found = syntax.read(module)
    text = Path(found.file).read_text(encoding="utf-8") if found else ""
    names = [one.value for one in ast.parse(text).body if isinstance(one, ast.Assign) and "__all__" in ast.unparse(one)]
    return [str(name) for name in ast.literal_eval(names[0])]


def page(lines: Sequence[str]) -> str:
    text = "\n".join([MADE, "", *lines])
    return re.sub(r"\n{3,}", "\n\n", text).rstrip() + "\n"


def pages() -> dict[str, str]:
    """File name → text of every page of docs/reference/."""
    found = {f"{name}.md": group_page(name) for name in PAGES}
    return {"index.md": index_page(), **found, "search.md": search_page(), "checks.md": checks_page()}


def main() -> None:
    made = pages()
    for old in REFERENCE.glob("*.md"):
        if old.name not in made:
            old.unlink()
    REFERENCE.mkdir(exist_ok=True)
    for name, text in made.items():
        (REFERENCE / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
