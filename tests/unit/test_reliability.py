"""docs/reliability.md says what was counted, and nothing else."""

from __future__ import annotations

import importlib.util
import json
from types import ModuleType

import pytest

from tests.conftest import ROOT


@pytest.fixture(scope="module")
def maker() -> ModuleType:
    spec = importlib.util.spec_from_file_location("make_reliability", ROOT / "docs" / "make_reliability.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_table_is_that_of_the_counts(maker: ModuleType):
    counted = json.loads(maker.JSON.read_text(encoding="utf-8"))
    assert maker.table(counted) in maker.PAGE.read_text(encoding="utf-8")


def test_counts_are_added(maker: ModuleType):
    """Two processes killed 3 and 4 times, of which 3 and 2 were survived: 7 and 5."""
    lines = [json.dumps({"kind": "kills", "what": "a", "count": n, "survived": s}) for n, s in ((3, 3), (4, 2))]
    rows = maker.summed([*lines, json.dumps({"kind": "faults", "what": "b", "count": 1, "survived": 1})])
    assert [(row["what"], row["count"], row["survived"]) for row in rows] == [("a", 7, 5), ("b", 1, 1)]
    text = maker.table({"date": "d", "command": "c", "machine": "m", "rows": rows})
    assert "| **kills** | **7** | **5** |\n| a | 7 | 5 |" in text
