"""What holds for every model of ours beyond the public contract, which test_model_options.py checks."""

import pytest
import torch

from phmbench.models.patch_transformer import PatchTransformer
from phmbench.models.resnet1d import ResNet1d
from phmbench.models.spectral_linear import SpectralLinear
from phmbench.models.wdcnn import WDCNN

MODELS = [WDCNN, ResNet1d, PatchTransformer, SpectralLinear]


@pytest.mark.parametrize("model", MODELS)
def test_same_seed_same_weights(model):
    states = []
    for _ in range(2):
        torch.manual_seed(3)
        states.append(model(channels=1, window=1024).state_dict())
    assert all(torch.equal(value, states[1][key]) for key, value in states[0].items())


@pytest.mark.slow
@pytest.mark.parametrize("model", MODELS)
def test_it_compiles_to_a_graph_without_breaks(model):
    exported = torch.export.export(model(channels=1, window=1024).eval(), (torch.randn(2, 1, 1024),))
    assert exported.module()(torch.ones(2, 1, 1024)).shape[0] == 2
