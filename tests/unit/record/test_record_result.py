"""The result of a run: its format, means and deviations by hand arithmetic, and the schema it is held against."""

import copy
import json
import math

import jsonschema
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from phmbench.errors import RecordError
from phmbench.record import result, schema


def test_a_fit_fits_the_schema_and_jsonschema_agrees(fit):
    outcome = fit()
    assert schema.findings(outcome, schema.metrics_schema()) == []
    jsonschema.Draft202012Validator.check_schema(schema.metrics_schema())
    jsonschema.Draft202012Validator(schema.metrics_schema()).validate(outcome)
    assert json.loads(json.dumps(outcome, allow_nan=False)) == outcome


def test_a_single_fit_has_no_deviation(fit):
    outcome = fit()
    assert outcome["std"] == dict.fromkeys(outcome["metrics"])
    assert (outcome["std_over"], outcome["repeats"], outcome["folds"]) == (None, [], [])


@pytest.mark.parametrize(("level", "weak"), [("sample", True), ("recording", True), ("unit", False), ("rig", False)])
def test_a_level_below_units_is_weak(fit, level, weak):
    assert fit(level=level)["split"]["weak"] is weak


def test_repeats_by_hand(fit):
    """0.5, 0.6 and 0.7: mean 0.6, deviations −0.1, 0, 0.1, variance 0.02 / 2, so 0.1. Confusion counts three times."""
    outcome = result.aggregate_repeats([fit(seed=s, f1=f1) for s, f1 in enumerate((0.5, 0.6, 0.7))])
    assert outcome["metrics"]["test/macro_f1"] == pytest.approx(0.6)
    assert outcome["std"]["test/macro_f1"] == pytest.approx(0.1)
    assert outcome["std"]["test/accuracy"] == 0
    assert outcome["metrics"]["test/macro_auroc"] is None  # undefined in each
    assert [(r["seed"], r["metrics"]["test/macro_f1"]) for r in outcome["repeats"]] == [(0, 0.5), (1, 0.6), (2, 0.7)]
    assert outcome["confusion"]["counts"][0] == [60, 30, 0]
    assert outcome["seconds"]["fit"] == 210
    assert outcome["seed"] is None
    assert (outcome["std_over"], "split" in outcome["repeats"][0]) == ("seeds", False)
    schema.require(outcome)


def test_one_repeat_has_no_deviation(fit):
    assert result.aggregate_repeats([fit()])["std"]["test/macro_f1"] is None


def test_splits_that_differ_by_seed_are_kept_and_the_worst_is_said(fit):
    outcome = result.aggregate_repeats([fit(seed=0), fit(seed=1, level="recording")])
    assert (outcome["split"]["level"], outcome["split"]["weak"]) == ("recording", True)
    assert outcome["split"]["shared"]["units"] == 4
    assert outcome["split"]["shared"]["rigs"] is None
    assert outcome["repeats"][0]["split"]["level"] == "unit"
    schema.require(outcome)


def test_folds_of_repeats_by_hand(fit):
    """Fold a: 0.5, 0.7, mean 0.6. Fold b: 0.2, 0.6, mean 0.4. Mean of both 0.5, over folds ± 0.2 / √2.

    Seed 0: (0.5 + 0.2) / 2 = 0.35; seed 1: 0.65; so ± 0.3 / √2 over seeds.
    """
    folds = {
        "a": result.aggregate_repeats([fit(seed=0, f1=0.5), fit(seed=1, f1=0.7)]),
        "b": result.aggregate_repeats([fit(seed=0, f1=0.2), fit(seed=1, f1=0.6, level="recording")]),
    }
    outcome = result.aggregate_folds(folds)
    assert outcome["metrics"]["test/macro_f1"] == pytest.approx(0.5)
    assert outcome["std"]["test/macro_f1"] == pytest.approx(0.2 / math.sqrt(2))
    assert outcome["std_seeds"]["test/macro_f1"] == pytest.approx(0.3 / math.sqrt(2))
    assert [r["metrics"]["test/macro_f1"] for r in outcome["repeats"]] == pytest.approx([0.35, 0.65])
    assert [f["target"] for f in outcome["folds"]] == ["a", "b"]
    assert outcome["folds"][1]["metrics"]["test/macro_f1"] == pytest.approx(0.4)
    assert outcome["split"]["target"] == ["a", "b"]
    assert outcome["split"]["test"] is None  # counts are the folds'
    assert outcome["split"]["weak"] is True
    assert outcome["confusion"]["counts"][1] == [0, 120, 0]
    schema.require(outcome)
    jsonschema.validate(outcome, schema.metrics_schema())


def test_folds_without_repeats_keep_the_seed(fit):
    outcome = result.aggregate_folds({"a": fit(f1=0.5), "b": fit(f1=0.7)})
    assert (outcome["seed"], outcome["repeats"], outcome["std_seeds"]) == (0, [], {})
    assert outcome["std_over"] == "folds"


def test_a_metric_that_only_some_folds_have_stands_with_those_alone(fit):
    first, second = fit(), fit()
    first["metrics"]["test/f1/cage"] = 0.3
    second["confusion"]["classes"] = ["a", "b", "c"]
    outcome = result.aggregate_folds({"a": first, "b": second})
    assert "test/f1/cage" not in outcome["metrics"]
    assert outcome["folds"][0]["metrics"]["test/f1/cage"] == 0.3
    assert outcome["confusion"] is None  # counts of different classes are not added


def test_nothing_to_average_says_so():
    with pytest.raises(RecordError, match="repeats: nothing to average; got no results"):
        result.aggregate_repeats([])
    with pytest.raises(RecordError, match="folds: nothing to average"):
        result.aggregate_folds({})


def test_plain_gives_json_types():
    given_ = {"a": np.float32(0.5), "b": np.array([1, 2]), "c": (math.inf, True), "d": np.nan, 3: np.int64(4)}
    assert result.plain(given_) == {"a": 0.5, "b": [1, 2], "c": [None, True], "d": None, "3": 4}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda r: r.pop("split"), "result: split is missing"),
        (lambda r: r.update(status="running"), r"result\.status: 'running' is not 'done'"),
        (lambda r: r.update(colour="red"), "result: colour is unknown"),
        (lambda r: r["split"].update(level="box"), r"result\.split\.level: 'box' is none of"),
        (lambda r: r["seconds"].update(fit=-1), r"result\.seconds\.fit: -1 is below 0"),
        (lambda r: r["confusion"].update(counts=[["x"]]), r"result\.confusion\.counts\[0\]\[0\]: 'x' is not integer"),
        (lambda r: r["metrics"].update(x=True), r"result\.metrics\.x: True is not \['number', 'null'\]"),
    ],
)
def test_findings_name_the_place(fit, change, message):
    outcome = fit()
    change(outcome)
    with pytest.raises(RecordError, match=message):
        schema.require(outcome)


def test_a_keyword_that_is_not_read_is_not_passed_over():
    with pytest.raises(ValueError, match=r"schema: keywords that are not read here; got \['pattern'\]"):
        schema.findings("x", {"pattern": "y"})


VALUES = st.sampled_from([None, True, -1, 2.0, 0.5, "text", "unit", [], ["a"], [[1]], {}, {"windows": 1}])


def places(value, path=()):
    """Every place in a nested value."""
    yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield from places(item, (*path, key))


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_our_reading_of_the_schema_agrees_with_jsonschema(data):
    """A valid result with one place changed, removed or added to."""
    outcome = copy.deepcopy(VALID[0])
    *way, last = data.draw(st.sampled_from([p for p in places(outcome) if p]))
    inner = outcome
    for key in way:
        inner = inner[key]
    what = data.draw(st.sampled_from(["change", "remove", "add"]))
    if what == "remove":
        del inner[last]
    elif what == "add" and isinstance(inner, dict):
        inner["new"] = data.draw(VALUES)
    else:
        inner[last] = data.draw(VALUES)
    ours = not schema.findings(outcome, schema.metrics_schema())
    assert ours == jsonschema.Draft202012Validator(schema.metrics_schema()).is_valid(outcome)


VALID = []


@pytest.fixture(autouse=True)
def _valid(fit):
    if not VALID:
        repeats = [fit(seed=0), fit(seed=1, level="recording")]
        VALID.append(result.aggregate_folds({"a": result.aggregate_repeats(repeats)}))


def test_the_docs_name_every_key_of_the_format():
    from pathlib import Path

    text = (Path(__file__).parents[3] / "docs" / "record.md").read_text()
    shape = schema.metrics_schema()
    keys = [*shape["properties"], *shape["$defs"]["split"]["properties"], *shape["$defs"]["fold"]["properties"]]
    assert [key for key in keys if f"`{key}`" not in text] == []
