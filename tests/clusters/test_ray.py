"""A grid on a local Ray of two workers: `make test-ray`."""

from __future__ import annotations

import json

import pytest

from tests.conftest import TINY, Command

pytestmark = pytest.mark.cluster
pytest.importorskip("ray")
QUICK = (*TINY[:-1], "task/split=recordings", "trainer.max_epochs=1", "model=spectral_linear")


def test_a_grid_on_two_workers(command: Command):
    words = (*QUICK, "-m", "seed=0,1", "hydra/launcher=ray", "+hydra.launcher.ray.init.num_cpus=2")
    done = command(*words)
    assert done.code == 0, done.err
    results = [json.loads(path.read_text()) for path in done.folder.glob("*/metrics.json")]
    assert len(results) == 2
    assert "test macro f1" in done.out
