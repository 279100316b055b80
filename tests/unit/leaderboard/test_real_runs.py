"""The command on records that real commands have left."""

from __future__ import annotations

import json

import pytest

from tests.conftest import TINY, Command

SPLIT = (*TINY[:-2], "data.sources.simulated.bearings=3", "task.split.test=0.5")


@pytest.mark.slow
def test_networks_and_baselines_stand_in_one_column(command: Command):
    """Two seeds of a network and, in a grid, of two baselines; the split is drawn with the seed."""
    done = [
        command(*SPLIT, "model=spectral_linear", "trainer=cpu", "trainer.max_epochs=2", "repeats=2", name="all/net"),
        command("-m", *SPLIT, "pipeline=baseline", "estimator=amplitude,majority", "repeats=2", name="all/grid"),
    ]
    assert [one.code for one in done] == [0, 0], [one.err for one in done]
    board = command(str(done[0].folder.parent), "--json", program="leaderboard")
    assert board.code == 0, board.err
    found = json.loads(board.out)
    (column,) = found["protocols"]
    cells = {cell["method"]: cell for cell in column["cells"]}
    assert set(cells) == {"amplitude", "majority", "spectral_linear"}
    net = cells["spectral_linear"]
    recorded = done[0].result["metrics"]["test/macro_f1"]
    assert (net["mean"], net["seeds"], net["state"]) == (pytest.approx(recorded), 2, "done")
    assert net["low"] <= net["mean"] <= net["high"]
    assert net["cpu_seconds"] > 0
    assert cells["amplitude"]["cpu_seconds"] > 0
    assert net["parameters"] > 0
    assert {net["baseline"], cells["majority"]["baseline"]} & {"amplitude", "majority"}
