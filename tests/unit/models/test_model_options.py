"""Every option of conf/model against the public contract, and nothing in it that the signature already says."""

import inspect
from pathlib import Path

import pytest
from hydra.utils import get_class
from omegaconf import OmegaConf

from phmbench.testing import check_model

CONF = Path(__file__).parents[3] / "conf/model"
OPTIONS = {path.stem: OmegaConf.to_container(OmegaConf.load(path)) for path in sorted(CONF.glob("*.yaml"))}


@pytest.mark.parametrize("option", OPTIONS)
def test_contract(option):
    arguments = dict(OPTIONS[option])
    check_model(get_class(arguments.pop("_target_")), paper=True, windows=(1024, 1501), **arguments)


@pytest.mark.parametrize("option", OPTIONS)
def test_yaml_repeats_no_default(option):
    parameters = inspect.signature(get_class(OPTIONS[option]["_target_"])).parameters
    repeated = [key for key, value in OPTIONS[option].items() if key in parameters and parameters[key].default == value]
    assert repeated == []
