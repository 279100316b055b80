"""What a set of recordings allows; and that all options of task/split are thought of."""

from importlib import import_module
from inspect import Parameter, signature
from pathlib import Path

import pytest
import yaml
from small_tables import WINDOW, cwru, hit_sm, mfpt, table_of, windows_of

from phmbench.data.splits.possible import options, possible

CONF = Path(__file__).parents[4] / "conf" / "task" / "split"


def test_every_option_is_tried():
    """All but the one whose folds are a list of the user's own, and the one that few-shot tasks alone can use."""
    assert {*options(), "named_folds", "hold_out_classes"} == {file.stem for file in CONF.glob("[!_]*.yaml")}


@pytest.mark.parametrize("file", sorted(CONF.glob("*.yaml")), ids=lambda file: file.stem)
def test_yaml_gives_each_argument_once_and_nothing_else(file):
    """All but the seed, which is the run's and comes from `build`."""
    text = file.read_text(encoding="utf-8")
    node = yaml.safe_load(text)
    if "defaults" in node:
        assert node["defaults"] == ["hold_out", "_self_"]
        node = {**yaml.safe_load((CONF / "hold_out.yaml").read_text(encoding="utf-8")), **node}
        del node["defaults"]
    module, name = node.pop("_target_").rsplit(".", 1)
    split = getattr(import_module(module), name)
    parameters = signature(split).parameters
    assert set(node) == set(parameters) - {"seed"}
    assert all(p.kind is Parameter.KEYWORD_ONLY and p.default is Parameter.empty for p in parameters.values())
    assert text.startswith("# ")


def test_what_the_rigs_allow():
    """No bearing of cwru has all classes; healthy hit_sm has a severity of its own; mfpt has a unit a class."""
    assert possible(cwru(), windows_of([7] * 60), WINDOW) == [
        "units", "severity", "hold_out", "load", "speed", "recordings", "time_blocks", "window_random",
    ]  # fmt: skip
    assert possible(hit_sm(), windows_of([7] * 42), WINDOW) == [
        "hold_out_rigs", "units", "hold_out", "speed", "recordings", "time_blocks", "window_random",
    ]  # fmt: skip
    assert possible(mfpt(), windows_of([7] * 14), WINDOW) == [
        "hold_out", "load", "recordings", "time_blocks", "window_random",
    ]  # fmt: skip


def test_a_table_that_allows_nothing():
    assert possible(table_of([("r", "rig", "u", "c", "a")]), windows_of([9]), WINDOW) == []
