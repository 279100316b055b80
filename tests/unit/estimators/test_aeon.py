"""MiniRocket, MultiRocket with Hydra, and QUANT: aeon's transforms, fitted to training windows without classes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from phmbench import run
from phmbench.features.transformed import Transformed
from tests.contract.composing import QUICK, composed
from tests.unit.estimators.test_baseline import windows

pytestmark = pytest.mark.aeon
SMALL = {
    "minirocket": ("estimator.features.transforms.minirocket.n_kernels=84",),
    "multirocket_hydra": (
        "estimator.features.transforms.multirocket.n_kernels=84",
        "estimator.features.transforms.hydra.n_groups=4",
    ),
    "quant": ("estimator.features.transforms.quant.interval_depth=3",),
}
"""By option: few features, for a test."""


@pytest.fixture(autouse=True)
def aeon() -> None:
    pytest.importorskip("aeon", reason="needs the extra aeon: make test-aeon")


@pytest.mark.parametrize("name", SMALL)
def test_an_estimator_of_aeon_runs_whole_and_again_the_same(name: str, tmp_path: Path):
    """The labels of the simulator's classes are found far above chance (1/5); the same seed gives the same numbers."""
    words = (*QUICK, "pipeline=baseline", f"estimator={name}", *SMALL[name])
    job = composed(*words, "data.sources.simulated.snr_db=30", f"paths.cache={tmp_path / 'cache'}")
    first = run.execute(job, tmp_path / "first", pages=False)
    assert first["metrics"]["test/macro_f1"] > 0.4
    assert first["model"]["parameters"] is None
    assert run.execute(job, tmp_path / "again", pages=False)["metrics"] == first["metrics"]


def test_threads_stay_as_they_were():
    """Hydra's transform sets those of the whole process to one."""
    from aeon.transformations.collection.convolution_based import HydraTransformer

    before = torch.get_num_threads()
    torch.set_num_threads(2)
    Transformed(transforms={"hydra": lambda: HydraTransformer(n_groups=4)}).learn(lambda: iter([windows()]), seed=0)
    assert torch.get_num_threads() == 2
    torch.set_num_threads(before)


def made(seed: int) -> Transformed:
    from aeon.transformations.collection.convolution_based import MiniRocket
    from aeon.transformations.collection.interval_based import QUANTTransformer

    made = {"a": lambda: MiniRocket(n_kernels=84), "b": lambda: QUANTTransformer(interval_depth=2)}
    features = Transformed(transforms=made)
    assert features.learn(lambda: iter([windows(40, length=128)]), seed=seed) == []
    return features


def test_rows_are_those_of_the_library_each_window_alone():
    from aeon.transformations.collection.interval_based import QUANTTransformer

    features, batch = made(0), windows(8, length=128)
    table = features(batch)
    names = features.names(2)
    assert table.shape == (8, len(names))
    assert (names[0], names[84]) == ("a 0", "b 0")
    signal = batch.signal.float().numpy()
    expected = QUANTTransformer(interval_depth=2).fit(signal).transform(signal)
    np.testing.assert_allclose(table[:, 84:], expected, rtol=1e-6)
    alone = batch._replace(signal=batch.signal[:1])
    np.testing.assert_allclose(features(alone)[0], table[0], rtol=1e-5, atol=1e-5)


def test_the_seed_draws_the_windows_that_biases_are_taken_from():
    batch = windows(8, length=128)
    assert torch.equal(made(0)(batch), made(0)(batch))
    assert not torch.equal(made(0)(batch)[:, :84], made(1)(batch)[:, :84])
