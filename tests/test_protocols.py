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
        if "minirocket" in row.words and not aeon:  # an extra
            continue
        found = check(composed(*shlex.split(row.command)[2:]))
        wrong += [f"{row.command}: {finding}" for finding in found if finding.severity == "error"]
    assert wrong == []


def test_results_are_of_the_commands_of_the_plan(script: ModuleType):
    planned = {row.file: row.command for row in script.rows()}
    for file in sorted((ROOT / "docs" / "protocols").glob("*.json")):
        assert json.loads(file.read_text(encoding="utf-8"))["command"] == planned[file]


@pytest.mark.parametrize("page", ["unseen-rigs.md", "vieira-2026.md", "splits.md", "few-shot.md"])
def test_tables_are_those_of_the_results(script: ModuleType, page: str, tmp_path):
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    copy = tmp_path / page
    copy.write_text(text, encoding="utf-8")
    script.fill(copy)
    assert copy.read_text(encoding="utf-8") == text
    assert "<!-- protocols: " in text
