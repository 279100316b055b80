"""Published protocols: the experiments that are named after them do what their publications say, on the real rigs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from phmbench import build
from phmbench.config import Config
from phmbench.data.datamodule import VibrationData
from tests.contract.composing import composed

pytestmark = pytest.mark.realdata


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(tmp_path_factory.mktemp("stores"))


def folds_of(experiment: str, stores: str, real_data: Path) -> dict[str, VibrationData]:
    """Name of each fold → its data, assigned and audited; "" where the split holds nothing out."""
    config: Config = composed(f"experiment={experiment}", f"paths.cache={stores}", f"paths.data={real_data}")
    whole = build.data(config)
    split = config["task"]["split"]
    targets = whole.split.targets(whole.open()) if config["folds"] == "all" else {"": split.get("target")}
    found = {}
    for name, target in targets.items():
        one = {**split, "target": target} if "target" in split else split
        found[name] = build.data({**config, "task": {**config["task"], "split": one}})
        found[name].setup()
    return found


def units(data: VibrationData, name: str) -> set[str]:
    rows = getattr(data.assignment, name)
    return set(data.table["unit"].iloc[np.unique(data.windows.recording[rows])])


@pytest.mark.slow
def test_vieira_tests_one_bearing_of_each_fault(stores: str, real_data: Path):
    """27 combinations of three sizes, less the three that are tuned on; 4 recordings of ten seconds a bearing."""
    tested = folds_of("vieira_2026", stores, real_data)
    tuned = folds_of("vieira_2026_tuning", stores, real_data)
    assert (len(tested), len(tuned)) == (24, 3)
    sets = {frozenset(units(data, "test")) for data in (*tested.values(), *tuned.values())}
    assert len(sets) == 27
    assert {f"cwru/DE_{name}" for name in ("B014", "IR007", "OR014")} in [units(d, "test") for d in tuned.values()]
    for data in tested.values():
        assert sorted(name[8] for name in units(data, "test")) == ["B", "I", "O"]
        assert len(units(data, "train")) == 6
        assert (data.audit.shared["units"], data.audit.shared["recordings"]) == (0, 0)
        assert (len(data.assignment.test), len(data.assignment.train) + len(data.assignment.val)) == (120, 240)
        assert (data.assignment.level, data.assignment.validation_level) == ("unit", "recording")


def test_hendriks_tests_each_size_once(stores: str, real_data: Path):
    folds = folds_of("hendriks_2022", stores, real_data)
    assert [sorted(units(data, "test")) for data in folds.values()] == [
        [f"cwru/DE_B{size}", f"cwru/DE_IR{size}", f"cwru/DE_OR{size}"] for size in ("007", "014", "021")
    ]
    assert all(data.audit.shared["units"] == 0 for data in folds.values())


def test_matania_leaves_each_severity_out_once(stores: str, real_data: Path):
    folds = folds_of("matania_2024", stores, real_data)
    assert list(folds) == ["1", "2", "3"]
    for data in folds.values():
        assert len(units(data, "test")) == 4  # two faults on two rigs
        assert data.audit.shared["units"] == 0


@pytest.mark.parametrize(("experiment", "leaky"), [("zhao_2020_random", True), ("zhao_2020_order", False)])
def test_zhao_has_every_bearing_on_both_sides(experiment: str, leaky: bool, stores: str, real_data: Path):
    (data,) = folds_of(experiment, stores, real_data).values()
    assert len(data.classes) == 9
    assert data.assignment.leaky is leaky
    assert (data.audit.shared["units"], data.audit.shared["recordings"], data.audit.shared["samples"]) == (9, 36, 0)


def test_each_of_four_rigs_is_the_machine_that_nobody_has_seen(stores: str, real_data: Path):
    folds = folds_of("unseen_rigs", stores, real_data)
    assert list(folds) == ["cwru", "hit_sm/self_built", "hit_sm/spectraquest", "mfpt"]
    for target, data in folds.items():
        assert data.window == 2400
        assert data.audit.shared["rigs"] == data.audit.shared["units"] == 0
        assert ("rolling_element" in data.classes) is (target != "cwru")
        assert (len(data.foreign) > 0) is (target == "cwru")


def test_healthy_machines_are_learnt_from_another_rig(stores: str, real_data: Path):
    folds = folds_of("unseen_rigs_healthy", stores, real_data)
    assert list(folds) == ["cwru", "hit_sm/self_built", "hit_sm/spectraquest"]
    assert all(data.assignment.class_sources["normal"] for data in folds.values())
