"""A search has one split: what its trials are chosen by is in the test set of none of them, nor of the refit."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from phmbench import build
from phmbench.config import Config
from phmbench.sweep.one_split import is_drawn, on_one_split
from tests.contract.composing import QUICK, composed


def held_out(config: Config) -> list[int]:
    data = build.data(config)
    data.assign()
    return sorted(np.unique(data.windows.recording[data.assignment.test]).tolist())


@pytest.mark.parametrize("split", ["recordings", "units"])
def test_every_seed_of_a_search_tests_the_same(split: str, tmp_path: Path):
    config = composed(*QUICK, f"task/split={split}", f"paths.cache={tmp_path}")
    seeds = [{**config, "seed": seed} for seed in range(4)]
    drawn = [held_out(one) for one in seeds]
    assert any(one != drawn[0] for one in drawn)  # each its own: recordings that one tests another trains on
    assert [held_out(on_one_split(one, seed=0)) for one in seeds] == [drawn[0]] * 4


def test_a_split_that_is_not_drawn_and_one_that_was_given_a_seed_stay_as_they_are():
    config = composed("task/split=recordings", "task.split.seed=7")
    assert not is_drawn(config)
    assert on_one_split(config, seed=0) is config
    held = composed("task/split=speed", "task.split.target=[1200]", "data=hit_sm")
    assert on_one_split(held, seed=0) is held or on_one_split(held, seed=0)["task"]["split"]["seed"] == 0
