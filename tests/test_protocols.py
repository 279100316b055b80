"""What `make protocols` would run passes the check, and the tables of its pages are those of docs/protocols/."""

from __future__ import annotations

import importlib.util
import json
import shlex
import sys
from types import ModuleType

import pytest

from phmbench.check import check
from tests.conftest import ROOT
from tests.contract.composing import composed


@pytest.fixture(scope="module")
def script() -> ModuleType:
    sys.path.insert(0, str(ROOT / "docs"))
    try:
        spec = importlib.util.spec_from_file_location("make_protocols", ROOT / "docs" / "make_protocols.py")
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    finally:
        sys.path.remove(str(ROOT / "docs"))
    return module


@pytest.mark.slow
def test_every_row_passes_the_check(script: ModuleType):
    wrong = []
    aeon = importlib.util.find_spec("aeon")
    for row in script.rows():
        if row.words is None:  # of a search that is not done
            continue
        if "minirocket" in row.words and not aeon:  # an extra
            continue
        found = check(composed(*shlex.split(row.command)[2:]))
        wrong += [f"{row.command}: {finding}" for finding in found if finding.severity == "error"]
    assert wrong == []


def test_results_are_of_the_commands_of_the_plan(script: ModuleType):
    planned = {row.file: row.command for row in script.rows()}
    for file in sorted((ROOT / "docs" / "protocols").glob("*.json")):
        assert json.loads(file.read_text(encoding="utf-8"))["command"] == planned[file]


def test_a_search_takes_the_best_value_and_the_first_of_equals(script: ModuleType, tmp_path, monkeypatch):
    module = sys.modules["protocols_plan"]
    monkeypatch.setattr(module, "KEPT", tmp_path)
    for value, score in ((1, 0.5), (10, 0.7)):
        (tmp_path / f"search-irm-{value}.json").write_text(json.dumps({"metrics": {"test/macro_f1": score}}))
    assert module.best("search", "irm", [1, 10, 100]) is None
    (tmp_path / "search-irm-100.json").write_text(json.dumps({"metrics": {"test/macro_f1": 0.7}}))
    assert module.best("search", "irm", [1, 10, 100]) == 10
    (tmp_path / "search-irm-10.json").write_text(json.dumps({"refused": "it cannot"}))
    assert module.best("search", "irm", [1, 10, 100]) == 100


@pytest.mark.parametrize("page", ["unseen-rigs.md", "vieira-2026.md", "splits.md", "few-shot.md", "generalisation.md"])
def test_tables_are_those_of_the_results(script: ModuleType, page: str, tmp_path):
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    copy = tmp_path / page
    copy.write_text(text, encoding="utf-8")
    script.fill(copy)
    assert copy.read_text(encoding="utf-8") == text
    assert "<!-- protocols: " in text
