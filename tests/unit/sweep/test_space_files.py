"""Spaces read from YAML and JSON: what they say, and each thing that can be wrong with one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from phmbench.errors import ConfigError
from phmbench.sweep.parameter import Parameter
from phmbench.sweep.space_files import read_file, read_spaces

OPTIM = """\
# Rates
task/optimizer:
  choices: [adamw, sgd]
  why: both are used
task.optimizer.lr: {low: 1e-4, high: 1.0e-2, log: true}
task.optimizer.momentum: {low: 0.5, high: 1, when: {task/optimizer: sgd}}
model.width: {low: 8, high: 32, step: 8}
model.blocks: {choices: [[1, 1], [2, 2, 2], null]}
data.hop: {low: 0, high: 3, step: 0.5, when: {model.width: [8, 16]}}
"""
READ = [
    Parameter("task/optimizer", choices=("adamw", "sgd")),
    Parameter("task.optimizer.lr", low=0.0001, high=0.01, log=True),
    Parameter("task.optimizer.momentum", low=0.5, high=1.0, when=(("task/optimizer", ("sgd",)),)),
    Parameter("model.width", low=8, high=32, step=8),
    Parameter("model.blocks", choices=([1, 1], [2, 2, 2], None)),
    Parameter("data.hop", low=0.0, high=3.0, step=0.5, when=(("model.width", (8, 16)),)),
]


def written(folder: Path, name: str, text: str) -> Path:
    file = folder / "search" / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")
    return file


def test_a_space_is_read_as_it_stands(tmp_path: Path):
    """Whole numbers stay whole; a number with an exponent and no dot is a number, as in all of Hydra's YAML."""
    written(tmp_path, "optim.yaml", OPTIM)
    assert read_spaces(["optim"], [tmp_path]) == READ
    assert [one.is_whole for one in READ if not one.choices] == [False, False, True, False]


def test_json_and_paths_work_as_well(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    said = {"task.optimizer.lr": {"low": 1e-4, "high": 1e-2, "log": True, "why": "…"}, "seed": {"choices": [0, 1]}}
    Path("hyperparameters.json").write_text(json.dumps(said))
    written(tmp_path, "mine.yml", "seed: {choices: [0, 1]}")
    expected = [READ[1], Parameter("seed", choices=(0, 1))]
    assert read_spaces(["hyperparameters.json", "search/mine.yml"], []) == expected


def test_several_spaces_combine_and_agree(tmp_path: Path):
    """One range that two files name alike is one parameter; a folder named twice is one folder."""
    written(tmp_path, "a.yaml", "seed: {choices: [0, 1]}\nmodel.width: {low: 8, high: 16}")
    written(tmp_path, "b.yaml", "model.width: {low: 8, high: 16}\nmodel.kernel: {choices: [3]}")
    found = read_spaces(["a", "b"], [tmp_path, tmp_path])
    assert [one.key for one in found] == ["seed", "model.width", "model.kernel"]


def test_two_ranges_of_one_key_are_refused(tmp_path: Path):
    written(tmp_path, "a.yaml", "model.width: {low: 8, high: 16}")
    written(tmp_path, "b.yaml", "model.width: {low: 8, high: 64}")
    with pytest.raises(ConfigError, match=r"model\.width stands in two spaces with different ranges; got a and b"):
        read_spaces(["a", "b"], [tmp_path])


def test_a_name_is_one_file(tmp_path: Path):
    written(tmp_path / "one", "optim.yaml", OPTIM)
    written(tmp_path / "two", "optim.yaml", OPTIM)
    with pytest.raises(ConfigError, match=r"search: optim is provided twice; got .*one.* and .*two.*rename one"):
        read_spaces(["optim"], [tmp_path / "one", tmp_path / "two"])


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("optm", "search: no such space; got optm; expected a name, or a path to .yaml or .json; did you mean 'optim'"),
        ("nothing_like_it", "there are optim"),
        ("none.json", "search: no such file; got none.json; expected a search space in YAML or JSON; correct it"),
    ],
)
def test_a_name_that_is_none(tmp_path: Path, name: str, said: str):
    written(tmp_path, "optim.yaml", OPTIM)
    with pytest.raises(ConfigError, match=said):
        read_spaces([name], [tmp_path])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "an empty space; got {}; expected a mapping from keys to ranges or choices"),
        ("[1, 2]", r"an empty space; got \[1, 2\]"),
        ("a: [", "cannot be read; got .*expected YAML, or JSON where it ends in .json"),
        ("a: {choices: [1]}\na: {choices: [2]}", "cannot be read; got .*duplicate key a"),
        ("a b: {choices: [1]}", "x.yaml: a b: no key; expected one such as task.optimizer.lr, or a group; correct it"),
        ("a: 3", "x.yaml: a: got 3; expected low and high, or choices; write {low: …, high: …}"),
        ("a: {low: 1, hihg: 2}", "no such word; got hihg; expected one of choices, .*did you mean 'high'?"),
        ("a: {low: 1, high: 2, prior: normal}", "got prior; .*; leave it out"),
        ("a: {choices: [1], step: 1}", "got choices and step; expected choices or a range; leave one of them out"),
        ("a: {choices: []}", r"choices; got \[\]; expected a list of values; write choices: \[1, 2\]"),
        ("a: {choices: adamw}", "choices; got 'adamw'"),
        ("a: {choices: [1, 2, 1]}", "a choice stands there twice; got 1"),
        ("a: {choices: [1], when: sgd}", "when; got 'sgd'; expected keys and values; write {task/optimizer: sgd}"),
        ("a: {low: 1}", "a: high; got None; expected a number; give low and high, or choices"),
        ("a: {low: true, high: 2}", "a: low; got True; expected a number"),
        ("a: {low: 1, high: .inf}", "a: high; got inf; expected a number"),
        ("a: {low: 1, high: x}", "a: high; got 'x'; expected a number"),
        ("a: {low: 1, high: 2, log: 3}", "a: log; got 3; expected true or false; correct it"),
        ("a: {low: 2, high: 1}", "an empty range; got low 2 above high 1; swap them"),
        ("a: {low: 0, high: 1.0, log: true}", "zero and less have no logarithm; got low 0 with log"),
        ("a: {low: 1, high: 9, log: true, step: 2}", "step; got 2, log True; expected a step above 0 without log"),
        ("a: {low: 1, high: 9, step: 0}", "step; got 0, log False; expected a step above 0"),
        ("a: {low: 0.1, high: 1.0, step: 0.4}", "no step ends at high; got 0.1, 1.0, 0.4; expected high 0.9, say"),
    ],
)
def test_what_is_wrong_with_a_file(tmp_path: Path, text: str, said: str):
    with pytest.raises(ConfigError, match=said) as caught:
        read_file(written(tmp_path, "x.yaml", text))
    assert len(str(caught.value).splitlines()) == 1


def test_a_file_that_is_no_text(tmp_path: Path):
    file = tmp_path / "x.json"
    file.write_bytes(b"\xff\xfe{")
    with pytest.raises(ConfigError, match=r"cannot be read; got .*expected YAML, or JSON where it ends in \.json"):
        read_file(file)
