"""The options of conf/data: what each says of itself, held against the package it names."""

import importlib
import inspect
from pathlib import Path

import pytest
import yaml
from bearing_datasets import list_datasets

from phmbench.data.sources.bearing_datasets import BearingDatasets
from phmbench.options import title

ROOT = Path(__file__).parents[4]
OPTIONS = sorted(p for p in (ROOT / "conf" / "data").glob("*.yaml") if not p.name.startswith("_"))
SPLITS = {p.stem for p in (ROOT / "conf" / "task" / "split").glob("*.yaml")}


@pytest.mark.parametrize("path", OPTIONS, ids=lambda p: p.stem)
def test_an_option_has_a_title_a_split_and_sources_that_take_its_arguments(path):
    text = path.read_text(encoding="utf-8")
    assert text.startswith("# ")
    option = yaml.safe_load(text)
    (split,) = (v for entry in option["defaults"] if isinstance(entry, dict) for v in entry.values())
    assert split in SPLITS
    assert option["sources"] or option["rigs"]
    for node in option["sources"].values():
        module, name = node["_target_"].rsplit(".", 1)
        parameters = inspect.signature(getattr(importlib.import_module(module), name)).parameters
        given = {key: value for key, value in node.items() if key != "_target_"}
        assert set(given) <= set(parameters)
        assert {n for n, p in parameters.items() if p.default is p.empty} <= set(given)
        assert [n for n, v in given.items() if v == parameters[n].default] == []  # a default has one home


@pytest.mark.parametrize("path", OPTIONS, ids=lambda p: p.stem)
def test_an_option_of_the_package_says_licence_citation_and_how_to_build(path):
    text = path.read_text(encoding="utf-8")
    names = [
        n["name"] for n in yaml.safe_load(text)["sources"].values() if n["_target_"].endswith(BearingDatasets.__name__)
    ]
    for name in names:
        assert name in list_datasets()
        assert all(word in text for word in ("# Licence: ", "Cite: ", f"build {name}", "# Channels: ", "# Splits: "))


def test_every_rig_of_the_package_is_an_option():
    assert len(list_datasets()) == 69
    assert set(list_datasets()) - {p.stem for p in OPTIONS} == set()


@pytest.mark.parametrize("path", OPTIONS, ids=lambda p: p.stem)
def test_channels_of_an_option_are_the_package_s(path):
    """Of rigs that were not at hand, too: the builders of the package name them."""
    for node in yaml.safe_load(path.read_text(encoding="utf-8"))["sources"].values():
        if node["_target_"].endswith(BearingDatasets.__name__):
            builder = importlib.import_module(f"bearing_datasets.datasets.{node['name']}.builder")
            assert set(node.get("channels") or ()) <= set(builder.CHANNELS)


@pytest.mark.parametrize("path", OPTIONS, ids=lambda p: p.stem)
def test_a_title_is_whole(path):
    assert not title(path).endswith("…")
