"""The untrained rule: the highest family of lines among the classes that there are; refused without geometry."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from phmbench import run
from phmbench.data.sources.simulated import Simulated
from phmbench.errors import ConfigError
from phmbench.estimators.contract import Rows
from phmbench.estimators.envelope_rule import LOWEST_DB, EnvelopeRule
from phmbench.features.tables import FaultHeights
from tests.contract.composing import QUICK, composed

HEIGHTS = np.array([[9, 3, 4, 5], [2, 3, 4, 5], [1, 2, 8, 20]], np.float32)  # BPFO, BPFI, twice BSF, FTF


def rule(*classes: str, values: np.ndarray = HEIGHTS) -> np.ndarray:
    features = FaultHeights(harmonics=3, tolerance=0.02, whiten=True, band=[500.0, 10_000.0])
    estimator = EnvelopeRule(features=features, threshold_db=7.0)
    rows = Rows(values, np.zeros(len(values), np.int64), np.zeros(len(values), np.int64), classes)
    return estimator.fit(rows, setting={}, seed=0).scores(values)


def test_the_highest_family_wins_and_below_the_threshold_it_is_healthy():
    scores = rule("cage", "inner", "normal", "outer", "rolling_element")
    assert scores[0].tolist() == [5, 3, 7, 9, 4]
    assert scores.argmax(1).tolist() == [3, 2, 0]


def test_only_classes_that_can_occur_are_chosen():
    """Without cages and healthy bearings the second window is of a rolling element, although weakly."""
    scores = rule("gear", "inner", "outer", "rolling_element")
    assert scores.argmax(1).tolist() == [2, 3, 3]
    assert (scores[:, 0] == LOWEST_DB).all()


def test_of_several_channels_the_highest_counts():
    both = np.concatenate([HEIGHTS, HEIGHTS[::-1]], 1)
    scores = rule("cage", "outer", values=both)
    assert scores.tolist() == [[20, 9], [5, 2], [20, 9]]


def test_classes_without_lines_are_refused():
    with pytest.raises(ConfigError, match="estimator: no class is a fault that has lines; got gear, normal;"):
        rule("gear", "normal")


WORDS = (*QUICK, "pipeline=baseline", "estimator=ses_rule", "data.sources.simulated.snr_db=30")
LONG = ("data.sources.simulated.seconds=1.5", "data.window=16000", "data.hop=16000")


def test_simulated_faults_are_told_apart_without_training(tmp_path: Path):
    job = composed(*WORDS, *LONG, f"paths.cache={tmp_path / 'cache'}")
    result = run.execute(job, tmp_path / "run", pages=False)
    assert result["metrics"]["test/macro_f1"] > 0.8
    assert result["model"]["parameters"] is None


def test_a_rig_without_geometry_is_refused_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    known = Simulated.table

    def table(self: Simulated):
        found = known(self)
        found.loc[found["rig"] == "simulated/pump", "bpfo"] = np.nan
        return found

    monkeypatch.setattr(Simulated, "table", table)
    job = composed(*WORDS, f"paths.cache={tmp_path / 'cache'}")
    with pytest.raises(
        ConfigError, match=r"needs speed and fault orders of each window; got \d+ windows without, of simulated/pump; e"
    ):
        run.execute(job, tmp_path / "run", pages=False)
