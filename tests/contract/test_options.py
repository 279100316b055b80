"""What holds for every option of conf/, whoever adds it: files, titles, comments, targets, one home for each value."""

from __future__ import annotations

import importlib.util
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from phmbench import config
from phmbench import options as words
from phmbench.check.slots import is_fact
from phmbench.errors import ConfigError
from phmbench.signatures import NOT_LITERAL, signature_of
from phmbench.trust import check_target
from tests.contract.composing import CONF, Option, composed, nodes, options

OPTIONS = options()
FILES = sorted(path for path in CONF.rglob("*.yaml") if "hydra" not in path.relative_to(CONF).parts)
EXTRAS = {
    **{f"logger={name}": name for name in ("mlflow", "swanlab", "tensorboard", "wandb")},
    **{f"estimator={name}": "aeon" for name in ("minirocket", "multirocket_hydra", "quant")},
}
"""Options that need an extra, and its name, which is that of its package too."""
SAID_AT_THE_TOP = {"root", "name", "channels", "where"}
"""Keys of a rig's source: the same in every data option; the head of the file says what rig and channels are."""


def ids(value: object) -> str:
    return str(value.relative_to(CONF)) if isinstance(value, Path) else value.word if isinstance(value, Option) else ""


def raw(file: Path) -> dict[str, Any]:
    return yaml.safe_load(file.read_text(encoding="utf-8")) or {}


def test_the_walk_covers_every_file():
    """The folder listed without any of our code: each YAML is an option, a base of options (`_…`), or the root."""
    found = {
        Path(folder, name).relative_to(CONF).as_posix()
        for folder, _, names in os.walk(CONF)
        for name in names
        if not name.startswith("_")
    }
    assert all(name.endswith(".yaml") for name in found)
    options = {f"{option.group}/{option.name}.yaml" for option in OPTIONS}
    walked = options | {f"search/{name}.yaml" for name in config.spaces([config.Place("phmbench", CONF)])}
    assert found - walked == {
        "run.yaml", "train.yaml", "sweep.yaml", "hydra/launcher/in_process.yaml", "hydra/sweeper/grid.yaml",
        "hydra/sweeper/search.yaml",
    }  # fmt: skip
    assert len(options) == len(OPTIONS)


def test_every_group_says_what_it_asks():
    assert {option.group for option in OPTIONS} == set(words.GROUPS) - {"search"}


@pytest.mark.parametrize("file", FILES, ids=ids)
def test_the_first_line_is_a_title(file: Path):
    first, second = [*file.read_text(encoding="utf-8").splitlines(), ""][:2]
    line = second if first == "# @package _global_" else first
    assert line.startswith("# ")
    assert len(line) <= 120
    assert words.title(file) == line[2:]


EMPTY = ("task/scheduler=none", "task/averaging=none", "model/front=none", "data/augment=none", "pruner=none")
"""Options without content."""
NEEDS = {
    "task/split=hold_out_classes": ("task=gfs",),
    **{option.word: ("task=adapt",) for option in options("task/adaptation")},
    **{option.word: ("task=fewshot",) for option in options("task/method")},
    **{option.word: ("task=fewshot", "task/method=finetune") for option in options("task/adapter")},
    "pipeline=evaluate": ("init=RUN/checkpoints/best.ckpt",),
    "pipeline=baseline": ("estimator=majority",),
    "model/front=orders_of_envelope": ("data.view=envelope_angle", "data.sample_rate=null"),
    **{option.word: ("pipeline=baseline",) for option in options("estimator")},
}
"""What an option asks for besides the defaults."""


def is_rare(option: Option) -> bool:
    """Rigs whose recordings must be fetched first: sixty options of one form, composed with the slow tests."""
    return option.group == "data" and "not run here" in option.file.read_text(encoding="utf-8").lower()


@pytest.mark.parametrize(
    "option", [pytest.param(o, marks=pytest.mark.slow) if is_rare(o) else o for o in OPTIONS], ids=ids
)
def test_it_composes_and_the_check_finds_nothing(option: Option):
    """With the defaults of all other groups; where the package it needs is an extra, with the name of that extra."""
    if option.word in EXTRAS and importlib.util.find_spec(EXTRAS[option.word]) is None:
        with pytest.raises(ConfigError, match=rf"pip install 'phmbench\[{EXTRAS[option.word]}\]'") as caught:
            composed(option.word, *NEEDS.get(option.word, ()))
        assert caught.value.exit_code == 2
        errors = str(caught.value).count("pip install")  # one a target; of several the first line is their number
        assert len(str(caught.value).splitlines()) == (1 if errors == 1 else errors + 1)
        return
    config = composed(option.word, *NEEDS.get(option.word, ()))
    what = "model" if config["estimator"] is None else "estimator"
    assert {"data", "task", what, "trainer", "pipeline"} <= {path for path, _ in nodes(config)}


@pytest.mark.parametrize("file", FILES, ids=ids)
def test_every_target_is_trusted(file: Path):
    for path, node in nodes(raw(file)):
        assert node["_target_"].startswith(("aeon.", "swanlab.")) or check_target(node["_target_"], ()) is None, path


@pytest.mark.parametrize("option", OPTIONS, ids=ids)
def test_a_task_model_and_pipeline_names_its_target_once(option: Option):
    """An option is a node, or builds on one: what it is can be read in its file, or one beside it."""
    top = option.group.split("/")[0]
    if top in ("experiment", "logger") or option.word in EMPTY:
        return
    assert words.target(option.file)


# -- one home for each value -----------------------------------------------------------------------------------------


def own_values(file: Path) -> Iterator[tuple[str, str, object, Any]]:
    """Path, key, value and parameter of what a file gives to our own classes."""
    content = raw(file)
    root = {"run.yaml": "phmbench.config.Run", "sweep.yaml": "phmbench.config.Search"}.get(file.name)
    if root is not None or "_target_" not in content:
        content["_target_"] = root or words.target(file) or "none"
    for path, node in nodes(content):
        if not node["_target_"].startswith("phmbench."):
            continue
        signature = signature_of(node["_target_"])
        for key, value in node.items():
            if key in signature.by_name:
                yield path, key, value, signature.by_name[key]


@pytest.mark.parametrize("file", FILES, ids=ids)
def test_no_value_repeats_a_signatures_default(file: Path):
    for path, key, value, parameter in own_values(file):
        default = parameter.literal
        same = type(default) is type(value) and default == value
        assert not same, f"{path}.{key}: {value!r} is the default of the signature too; leave it out here"


@pytest.mark.parametrize("file", FILES, ids=ids)
def test_no_fact_of_the_data_stands_in_yaml(file: Path):
    group = file.parent.relative_to(CONF).as_posix().replace("/", ".")
    for path, node in nodes(raw(file)):
        where = ".".join(part for part in (group, path) if part)
        if where.split(".")[0] in ("model", "task"):
            assert [key for key in node if is_fact(where, key)] == []


def test_a_choice_has_no_second_home_in_python():
    """What every option of a group gives is a choice: our classes take it without a default."""
    for group in sorted({option.group for option in OPTIONS}):
        for option in options(group):
            for path, key, value, parameter in own_values(option.file):
                if value is None:
                    assert parameter.literal is NOT_LITERAL, f"{option.word} {path}.{key}: null here, a default there"


# -- comments --------------------------------------------------------------------------------------------------------

KEY = re.compile(r"^(?P<indent> *)(?P<key>[\w.]+):(?P<rest>.*)$")
WITHOUT = {"_target_", "defaults", "_partial_"}


def lines_without_comment(file: Path) -> list[str]:
    """Keys with a plain value and no comment on their line, or on their own above it."""
    found, above, inside_defaults = [], "", False
    for line in file.read_text(encoding="utf-8").splitlines():
        match = KEY.match(line)
        if match:
            inside_defaults = match["key"] == "defaults"
            is_leaf = bool(match["rest"].split("#")[0].strip())
            commented = "#" in line or (above.lstrip().startswith("#") and bool(match["indent"]))
            if is_leaf and not commented and not inside_defaults and match["key"] not in WITHOUT:
                found.append(match["key"])
        above = line
    return found


def explained(file: Path) -> set[str]:
    """Keys with a comment in the files that this one builds on."""
    bases = [base for base in raw(file).get("defaults", []) if isinstance(base, str) and base != "_self_"]
    found: set[str] = set()
    for base in bases:
        path = file.parent / f"{base}.yaml"
        if path.is_file():
            keys = {m["key"] for line in path.read_text(encoding="utf-8").splitlines() if (m := KEY.match(line))}
            found |= (keys - set(lines_without_comment(path))) | explained(path)
    return found


@pytest.mark.parametrize("file", [f for f in FILES if not {"experiment", "search"} & set(f.parts)], ids=ids)
def test_every_choice_has_a_comment(file: Path):
    """On its line or above it, or in the option it builds on; the hydra blocks of the roots are not ours to explain."""
    missing = [key for key in lines_without_comment(file) if key not in explained(file)]
    if "data" in file.relative_to(CONF).parts:
        missing = [key for key in missing if key not in SAID_AT_THE_TOP]
    if file.parent == CONF:
        missing = [key for key in missing if key not in ("dir", "subdir")]
    assert missing == []
