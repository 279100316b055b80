"""The data options of the real rigs, as they stand, by the real command."""

from __future__ import annotations

from pathlib import Path

import pytest

from phmbench.types import LEVELS
from tests.conftest import Command

FEW = ("trainer=debug", "model=spectral_linear")


@pytest.mark.slow
@pytest.mark.realdata
@pytest.mark.parametrize(
    ("words", "level", "classes"),
    [
        (("data=cwru",), "unit", {"inner", "outer", "rolling_element"}),
        (("data=cwru_48k",), "sample", {"inner", "normal", "outer", "rolling_element"}),
        (("data=mfpt",), "recording", {"inner", "outer"}),
        (("data=hit_sm",), "recording", {"inner", "normal", "outer"}),
        (("data=bearings", "task=cddg"), "rig", {"inner", "outer"}),
    ],
    ids=lambda value: value[0] if isinstance(value, tuple) else "",
)
def test_a_rig_runs_as_it_stands(
    words: tuple[str, ...], level: str, classes: set[str], command: Command, real_data: Path
):
    """With the default task, at the level that its recordings allow; a level below units is marked as weak."""
    done = command(*words, *FEW, env={"PHMBENCH_DATA": str(real_data)})
    assert done.code == 0, done.err
    split = done.result["split"]
    assert split["level"] == level
    assert split["weak"] is (LEVELS.index(level) < LEVELS.index("unit"))
    assert ("weak" in done.out) is split["weak"]
    assert set(done.result["data"]["classes"]) == classes
    assert split["shared"]["samples"] == 0


@pytest.mark.slow
@pytest.mark.realdata
def test_a_rig_without_classes_says_so(command: Command, real_data: Path):
    done = command("data=femto", *FEW, env={"PHMBENCH_DATA": str(real_data)})
    assert done.code == 3
    assert "data.label: no recording has a 'fault_type'" in done.err
    assert not (done.folder / "metrics.json").exists()
