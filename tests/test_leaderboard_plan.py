"""What `make leaderboard` would run exists, and passes the check."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
import yaml

from phmbench import config
from tests.conftest import ROOT

PLAN = yaml.safe_load((ROOT / "docs" / "leaderboard.yaml").read_text(encoding="utf-8"))


def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("make_leaderboard", ROOT / "docs" / "make_leaderboard.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_protocols_and_methods_are_options():
    options = config.options(config.places([]))
    chosen = {"experiment": PLAN["protocols"]}
    for words in PLAN["grids"].values():
        for word in words.split():
            group, _, values = word.partition("=")
            chosen.setdefault(group, []).extend(values.split(","))
    missing = [f"{group}={one}" for group, several in chosen.items() for one in several if one not in options[group]]
    assert missing == []
    assert set(options["estimator"]) <= set(chosen["estimator"]), "a baseline that the leaderboard does not run"
    assert len(chosen["model"]) >= 4


def test_the_words_of_a_grid():
    words = script().grids({"protocols": ["a", "b"], "repeats": 3, "grids": {"nets": "trainer=cpu model=x,y"}})
    assert words == {
        "nets": ["-m", "experiment=a,b", "trainer=cpu", "model=x,y", "repeats=3",
                 f"hydra.sweep.dir={Path('outputs') / 'leaderboard' / 'nets'}"]
    }  # fmt: skip


@pytest.mark.slow
def test_every_run_of_the_plan_passes_the_check():
    """The real command, which composes and checks all, and starts none."""
    done = subprocess.run(
        [sys.executable, str(ROOT / "docs" / "make_leaderboard.py"), "--dry-run"], cwd=ROOT, capture_output=True,
        text=True, check=False, timeout=280, env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    said = done.stdout + done.stderr
    absent = {"aeon"} - ({"aeon"} if importlib.util.find_spec("aeon") else set())
    for words in (words for name, words in PLAN["grids"].items() if name not in absent):
        methods = words.rpartition("=")[2].split(",")
        assert f"{len(PLAN['protocols']) * len(methods)} jobs in " in said
