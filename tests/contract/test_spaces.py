"""What holds for every search space of conf/search: reasons, and values that the run it is meant for takes."""

from __future__ import annotations

import copy
import random
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from phmbench import build, cli, config
from phmbench.check import check
from phmbench.errors import ConfigError
from phmbench.options import title
from phmbench.sweep.space import Parameter, Space, read, read_spaces
from phmbench.sweep.space_words import words
from phmbench.types import Facts
from tests.contract.composing import CONF, composed, options

NAMES = sorted(config.spaces([config.Place("phmbench", CONF)]))
MODELS = [option.name for option in options("model")]
TASKS = [option.name for option in options("task")]
FACTS = Facts(
    channels=2, window=2048, classes=("inner", "normal"), domains=("0",), rigs=("motor",), rate_hz=12_000.0
)  # fmt: skip
GENERAL = {"optim", "augmentation"}
"""Spaces of any run; each other one has the name of the model or task that it is for."""


def meant_for(name: str) -> list[str]:
    return [f"{group}={name}" for group, names in (("model", MODELS), ("task", TASKS)) if name in names]


@cache
def space(name: str) -> Space:
    return read([name], [CONF], [])


def drawn(parameters: list[Parameter], rng: random.Random) -> dict[str, Any]:
    """Any values, as a search may draw them."""
    chosen: dict[str, Any] = {}
    for one in parameters:
        if one.applies(chosen):
            between = rng.randint if one.is_whole else rng.uniform
            chosen[one.key] = rng.choice(one.choices) if one.choices else between(one.low, one.high)  # type: ignore[operator]
    return chosen


def test_every_model_and_task_has_a_space():
    assert set(NAMES) == {*MODELS, *TASKS, *GENERAL}


@pytest.mark.parametrize("name", NAMES)
def test_a_space_has_a_title_and_a_reason_for_each_range(name: str):
    file = CONF / "search" / f"{name}.yaml"
    assert 20 <= len(title(file)) <= 118
    for key, one in yaml.safe_load(file.read_text(encoding="utf-8")).items():
        assert len(one["why"]) >= 30, f"{key}: why this range, and from which source"
        assert not one["why"].endswith("."), key


def with_values(name: str, chosen: dict[str, Any]) -> config.Config:
    """Composed with the groups of a trial, by the words of a command line; then its values put in."""
    groups = {key: value for key, value in chosen.items() if "." not in key}
    found = copy.deepcopy(composed(*meant_for(name), *words(groups)))
    for key, value in chosen.items():
        if key not in groups:
            *above, last = key.split(".")
            node: Any = found
            for part in above:
                node = node[part]
            node[last] = value
    return found


@pytest.mark.parametrize("name", NAMES)
def test_each_choice_and_both_ends_are_valid(name: str):
    for chosen in space(name).corners():
        found = check(with_values(name, chosen))
        assert [str(one) for one in found if one.severity == "error"] == [], chosen


@pytest.mark.parametrize("name", NAMES)
def test_the_words_of_a_trial_say_the_same(name: str):
    """The last corner, whose conditions are met, through the command line."""
    *_, chosen = space(name).corners()
    assert composed(*meant_for(name), *words(chosen)) == with_values(name, chosen)


@pytest.mark.parametrize("name", [name for name in NAMES if name in MODELS or name == "augmentation"])
def test_any_values_go_together(name: str):
    """What is valid one by one makes a model: no width that the heads do not divide, no kernel below a stride."""
    rng = random.Random(0)
    for chosen in [*space(name).corners(), *(drawn(space(name).parameters, rng) for _ in range(12))]:
        found = with_values(name, chosen)
        build.data(found)
        network = build.task(found, FACTS).network
        assert sum(parameter.numel() for parameter in network.parameters()) < 2_000_000  # two cores train it


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("task", TASKS)
def test_spaces_combine(model: str, task: str):
    """`search=[optim,augmentation,MODEL,TASK]`: no key has two ranges."""
    found = read_spaces(["optim", "augmentation", model, task], [CONF])
    assert len({one.key for one in found}) == len(found)


def test_a_key_that_nothing_takes_is_named(tmp_path: Path):
    """A space for another model: the check says so of its first trial."""
    file = tmp_path / "mine.yaml"
    file.write_text("model.widht: {low: 8, high: 16}")
    (first, _) = read([str(file)], [CONF], []).corners()
    with pytest.raises(ConfigError, match=r"model\.widht: .*did you mean 'width'\?"):
        composed(*words(first))


def test_spaces_are_listed_and_are_no_group(capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit) as ended:
        cli.main(["list", "search"])
    assert ended.value.code == 0
    said = capsys.readouterr().out
    assert all(name in said for name in NAMES)
    assert "what is worth searching" in " ".join(said.split())
    assert "search" not in config.options([config.Place("phmbench", CONF)])
    with pytest.raises(SystemExit):
        cli.main(["list"])
    assert f"({len(NAMES)})" in next(line for line in capsys.readouterr().out.splitlines() if "search" in line)
