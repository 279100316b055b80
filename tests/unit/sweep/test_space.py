"""Spaces of files and of the command line together; drawn values, and the words that set them."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from hypothesis import given
from hypothesis import strategies as st

from phmbench.errors import ConfigError
from phmbench.sweep.space import Parameter, Space, combined, from_words, ordered, read, suggest, words
from phmbench.sweep.space_words import settled
from tests.conftest import ROOT

SGD = (("task/optimizer", ("sgd",)),)
OPTIMIZER = Parameter("task/optimizer", choices=("adamw", "sgd"))
RATE = Parameter("task.optimizer.lr", low=1e-4, high=1e-2, log=True)
MOMENTUM = Parameter("task.optimizer.momentum", low=0.5, high=0.99, when=SGD)
NESTEROV = Parameter("task.optimizer.nesterov", choices=(True, False), when=(("task.optimizer.momentum", (0.5,)),))
WIDTH = Parameter("model.width", low=8, high=32, step=8)


# -- words -----------------------------------------------------------------------------------------------------------

SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(st.characters(codec="utf-8"))
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=3), max_leaves=5)


@given(VALUES)
def test_hydra_reads_back_what_was_chosen(value: Any):
    """Text with commas, quotes, brackets and backslashes, "null" and "1" as text, floats to the last digit."""
    (word,) = words({"model.x": value})
    (back,) = settled([word]).values()
    assert (back, type(back)) == (value, type(value))
    assert not OverridesParser.create().parse_override(word).is_sweep_override()


@pytest.mark.parametrize(
    ("chosen", "word"),
    [
        ({"task/optimizer": "sgd"}, "task/optimizer=sgd"),
        ({"model": "patch_transformer"}, "model=patch_transformer"),
        ({"seed": 3}, "seed=3"),
        ({"task.optimizer.lr": 1e-05}, "++task.optimizer.lr=1e-05"),
        ({"task.augment.noise_db": [0.0, 20.0]}, "++task.augment.noise_db=[0.0,20.0]"),
        ({"data.where": "fs == 12000, x"}, "++data.where='fs == 12000, x'"),
        ({"a.b": "null"}, "++a.b='null'"),
        ({"a.b": None}, "++a.b=null"),
        ({"a.b": True}, "++a.b=true"),
        ({"a.b": {"x": [1, "y z"]}}, "++a.b={x:[1,'y z']}"),
    ],
)
def test_values_as_words(chosen: dict[str, Any], word: str):
    """A value that no YAML lists is added, a group and a key of the root are chosen."""
    assert words(chosen) == [word]


def test_words_that_set_a_value_are_read():
    said = settled(["++model.width=64", "task/optimizer=adamw", "~logger", "+a.b=[1,'x']", "a@b=c"])
    assert said == {"model.width": 64, "task/optimizer": "adamw", "a.b": [1, "x"], "a@b": "c"}


@pytest.mark.parametrize(
    ("word", "parameter"),
    [
        ("model=wdcnn,resnet1d", Parameter("model", choices=("wdcnn", "resnet1d"))),
        ("++model.width=choice(16,32)", Parameter("model.width", choices=(16, 32))),
        ("++a.b=choice('x,y',\"1\",1e-3,true,[1,2])", Parameter("a.b", choices=("x,y", "1", 1e-3, True, [1, 2]))),
        ("a.b=null,1", Parameter("a.b", choices=(None, 1))),
        ("a.b=interval(0,1)", Parameter("a.b", low=0.0, high=1.0)),
        ("a.b=int(interval(1,5))", Parameter("a.b", low=1, high=5)),
        ("a.b=tag(log,interval(1e-4,1e-2))", Parameter("a.b", low=1e-4, high=1e-2, log=True)),
        ("a.b=tag(log,int(interval(1,64)))", Parameter("a.b", low=1, high=64, log=True)),
        ("a.b=range(1,10,3)", Parameter("a.b", low=1, high=7, step=3)),
        ("a.b=range(1,4)", Parameter("a.b", low=1, high=3)),
        ("a.b=range(0.1,0.5,0.1)", Parameter("a.b", low=0.1, high=0.4, step=0.1)),
        ("a.b=shuffle(3,1,2)", Parameter("a.b", choices=(1, 2, 3))),
    ],
)
def test_the_syntax_is_the_plugins(word: str, parameter: Parameter):
    pytest.importorskip("hydra_plugins.hydra_optuna_sweeper")
    assert from_words([word]) == ([parameter], [])


def test_what_is_not_searched_stays_a_word():
    typed = ["++data.batch_size=32", "model=wdcnn", "search=[optim]", "~logger.csv", "++a.b='x,y'"]
    assert from_words(typed) == ([], typed)


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("a.b=interval(5,1)", r"a.b=interval\(5,1\): cannot be searched; .*low <= high"),
        ("a.b=tag(log,interval(0,1))", "cannot be searched; .*low > 0"),
        ("model=glob(*)", "cannot be searched; .*expected choice"),
        ("a.b=choice(1,2,1)", r"a choice is given twice; got \[1, 2, 1\]"),
        ("a.b=[1", "not understood; .*expected key=value, or a range"),
    ],
)
def test_words_that_cannot_be_searched(word: str, said: str):
    pytest.importorskip("hydra_plugins.hydra_optuna_sweeper")
    with pytest.raises(ConfigError, match=said):
        from_words([word])


# -- together --------------------------------------------------------------------------------------------------------


def test_the_command_line_has_the_last_word():
    """A typed range takes the place of a file's, keeps its condition; a typed value ends the search of its key."""
    typed = Parameter("task.optimizer.momentum", low=0.8, high=0.9)
    found, notes = combined([MOMENTUM, OPTIMIZER, WIDTH], [typed], typed={"model.width": 64}, composed={})
    assert found == [OPTIMIZER, Parameter("task.optimizer.momentum", low=0.8, high=0.9, when=SGD)]
    assert notes == ["model.width: not searched, since the command line sets it"]


@pytest.mark.parametrize("where", ["typed", "composed"])
def test_a_condition_on_what_is_not_searched_is_decided(where: str):
    known: dict[str, dict[str, Any]] = {"typed": {}, "composed": {}}
    known[where] = {"task/optimizer": "sgd"}
    assert combined([RATE, MOMENTUM], [], **known) == (
        [RATE, Parameter("task.optimizer.momentum", low=0.5, high=0.99)], [],
    )  # fmt: skip
    known[where] = {"task/optimizer": "adamw"}
    assert combined([RATE, NESTEROV, MOMENTUM], [], **known) == (
        [RATE],
        [
            "task.optimizer.momentum: not searched, since task/optimizer is adamw",
            "task.optimizer.nesterov: not searched, since task.optimizer.momentum is not searched",
        ],
    )


def test_a_choice_that_is_searched_is_not_decided_by_the_default():
    found, notes = combined([OPTIMIZER, MOMENTUM], [], typed={}, composed={"task/optimizer": "adamw"})
    assert (found, notes) == ([OPTIMIZER, MOMENTUM], [])


def test_a_typed_optimizer_ends_its_search_and_decides():
    found, notes = combined([OPTIMIZER, MOMENTUM, RATE], [], typed={"task/optimizer": "sgd"}, composed={})
    assert found == [Parameter("task.optimizer.momentum", low=0.5, high=0.99), RATE]
    assert notes == ["task/optimizer: not searched, since the command line sets it"]


def test_conditions_come_after_what_they_name():
    assert ordered([NESTEROV, MOMENTUM, RATE, OPTIMIZER]) == [RATE, OPTIMIZER, MOMENTUM, NESTEROV]


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        (
            [MOMENTUM, RATE],
            "task.optimizer.momentum: when names a key that is not searched; got task/optimizer; expected one of "
            r"task.optimizer.lr; .*set it on the command line \(task/optimizer=sgd\)",
        ),
        ([MOMENTUM], "got task/optimizer; expected a second key, which is searched; search it"),
        (
            [
                Parameter("a", choices=(1,), when=(("b", (1,)),)),
                Parameter("b", choices=(1,), when=(("a", (1,)),)),
                RATE,
            ],
            "conditions go in a circle; got a, b; expected an order; drop one condition",
        ),
        (
            [OPTIMIZER, Parameter("a", choices=(1,), when=(("task/optimizer", ("sdg",)),))],
            r"a: a condition that never comes true; got task/optimizer sdg; expected a value of its",
        ),
        ([WIDTH, Parameter("a", choices=(1,), when=(("model.width", (64,)),))], "never comes true; got model.width 64"),
    ],
)  # fmt: skip
def test_conditions_that_cannot_be(parameters: list[Parameter], said: str):
    with pytest.raises(ConfigError, match=said):
        ordered(parameters)


def test_a_search_of_files_and_words(tmp_path: Path):
    (tmp_path / "search").mkdir()
    (tmp_path / "search" / "one.yaml").write_text("# One\nmodel.width: {low: 8, high: 16}\nseed: {choices: [0, 1]}")
    space = read(["one"], [tmp_path], ["++model.width=64", "model=wdcnn"])
    assert space == Space(
        [Parameter("seed", choices=(0, 1))],
        ["++model.width=64", "model=wdcnn"],
        ["model.width: not searched, since the command line sets it"],
    )
    for arguments in ([], ["model=wdcnn"]):
        with pytest.raises(
            ConfigError, match=r"nothing to search; got no space; expected a space.*add search=\[optim\]"
        ):
            read([], [tmp_path], arguments)
    with pytest.raises(ConfigError, match=r"nothing to search; got one, model\.width: not searched"):
        read(["one"], [tmp_path], ["++model.width=64", "seed=0"])


# -- trials ----------------------------------------------------------------------------------------------------------


def test_corners_hold_each_end_where_it_exists():
    """As many trials as needed: each choice and both ends of each range, conditions met on the way."""
    space = Space([WIDTH, OPTIMIZER, MOMENTUM, NESTEROV], [], [])
    corners = list(space.corners())
    assert corners[0] == {"model.width": 8, "task/optimizer": "adamw"}
    assert {"model.width": 32, "task/optimizer": "adamw"} in corners
    momenta = {one["task.optimizer.momentum"] for one in corners if one["task/optimizer"] == "sgd"}
    assert momenta == {0.5, 0.99}
    nested = [one for one in corners if "task.optimizer.nesterov" in one]
    assert {one["task.optimizer.nesterov"] for one in nested} == {True, False}
    assert all(one["task.optimizer.momentum"] == 0.5 for one in nested)
    assert len(corners) == 5


def test_optuna_draws_what_the_space_says():
    optuna = pytest.importorskip("optuna")
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    blocks = Parameter("model.blocks", choices=([1, 1], [2, 2], None, "x"))
    depth = Parameter("model.depth", low=1, high=64, log=True)
    dropout = Parameter("model.dropout", low=0.0, high=0.5, step=0.25)
    space = [WIDTH, OPTIMIZER, RATE, MOMENTUM, blocks, depth, dropout]
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    drawn = []
    for _ in range(60):
        trial = study.ask()
        drawn.append(suggest(trial, space))
        study.tell(trial, 0.0)
    assert {one["model.width"] for one in drawn} == {8, 16, 24, 32}
    assert {str(one["model.blocks"]) for one in drawn} == {"[1, 1]", "[2, 2]", "None", "x"}
    assert {one["model.dropout"] for one in drawn} == {0.0, 0.25, 0.5}
    assert all(type(one["model.depth"]) is int and 1 <= one["model.depth"] <= 64 for one in drawn)
    assert all(("task.optimizer.momentum" in one) is (one["task/optimizer"] == "sgd") for one in drawn)
    below = sum(one["task.optimizer.lr"] < 1e-3 for one in drawn)
    assert 18 <= below <= 42  # even in the logarithm: half of them below the geometric mean
    assert study.trials[0].params.keys() == drawn[0].keys()


@pytest.mark.parametrize(
    ("parameter", "values"),
    [
        (WIDTH, [8, 16, 24, 32]),
        (Parameter("a", low=1, high=3), [1, 2, 3]),
        (Parameter("a", low=0.0, high=0.3, step=0.1), pytest.approx([0.0, 0.1, 0.2, 0.3])),
        (Parameter("a", low=0.1, high=0.3, step=0.1), [0.1, 0.2, 0.3]),
        (Parameter("a", low=1, high=9, step=3), [1, 4, 7]),  # 10 would be beyond the range
        (Parameter("a", choices=("x", [1, 2], None)), ["x", "[1, 2]", None]),
    ],
)
def test_values_of_a_grid(parameter: Parameter, values: list[Any]):
    assert parameter.values() == values


@pytest.mark.parametrize("parameter", [RATE, Parameter("a", low=1, high=8, log=True)])
def test_a_grid_wants_values_that_can_be_counted(parameter: Parameter):
    with pytest.raises(ConfigError, match="a grid takes values that can be counted; got a range from"):
        parameter.values()


def test_a_parameter_can_be_kept_in_a_study():
    assert MOMENTUM.plain() == {
        "key": "task.optimizer.momentum", "choices": [], "low": 0.5, "high": 0.99, "log": False, "step": None,
        "when": [["task/optimizer", ["sgd"]]],
    }  # fmt: skip


def test_reading_spaces_imports_nothing_heavy():
    """Files and words that set values: neither torch nor Optuna."""
    program = (
        "import sys\nfrom phmbench.sweep.space import from_words, words\n"
        "from_words(['++a.b=1'])\nwords({'a.b': 'x y'})\n"
        "print([m for m in ('torch', 'optuna', 'numpy', 'pandas') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


# -- docs/sweeps.md --------------------------------------------------------------------------------------------------

PAGE = (
    (ROOT / "docs" / "sweeps.md").read_text(encoding="utf-8").partition("## Search spaces\n")[2].partition("\n## ")[0]
)


def test_the_space_of_the_page_is_one(tmp_path: Path):
    (text,) = re.findall(r"^```yaml\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    (tmp_path / "mine.yaml").write_text(text)
    for typed, dropped in (([], []), (["task/optimizer=adamw"], ["task/optimizer", "task.optimizer.momentum"])):
        space = read([str(tmp_path / "mine.yaml")], [], typed, composed={"data/augment": "standard"})
        assert len(space.parameters) == 5 - len(dropped)
        assert [note.partition(":")[0] for note in space.notes] == dropped
        assert not {one.key for one in space.parameters} & set(dropped)


def test_what_the_page_types_is_searched():
    pytest.importorskip("hydra_plugins.hydra_optuna_sweeper")
    typed = [
        word for word in re.findall(r"`([\w.]+=[^`]*)`", PAGE.partition("| typed |")[2]) if "(" in word or "," in word
    ]
    assert len(typed) == 6
    for word in typed:
        assert from_words([word])[1] == [], word
