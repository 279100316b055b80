"""What chooses the values of a trial, and what ends one early: Optuna's, by the options that name them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from phmbench import build
from phmbench.errors import ConfigError

if TYPE_CHECKING:
    import optuna
    from optuna.pruners import BasePruner
    from optuna.samplers import BaseSampler

    from phmbench.sweep.space import Parameter

SAME_SEED = ("QMCSampler", "GridSampler")  # their sequence is one, and the study says how far it has been walked


def sampler(node: Mapping[str, Any], parameters: Sequence[Parameter], *, seed: int) -> BaseSampler:
    """The sampler of a search.

    Args:
        node: an option of `hydra/sweeper/sampler`.
        parameters: what is searched, for the grid.
        seed: where the node has none; another one in each sitting, or the values of the last one would come again.

    Raises:
        ConfigError: it refuses its settings, or a grid is asked for of ranges without steps.
    """
    name = str(node["_target_"]).rpartition(".")[2]
    own = dict(node)
    if own.get("seed") is None and name not in SAME_SEED:
        own["seed"] = seed % 2**32
    if name == "GridSampler":
        from phmbench.sweep.every_point import EveryPoint

        return EveryPoint({one.key: one.values() for one in parameters}, seed=int(node.get("seed") or 0))
    return _made("hydra.sweeper.sampler", own)  # type: ignore[no-any-return]


def left(study: optuna.Study) -> float:
    """Trials that the sampler still has values for: a grid has an end."""
    counted = getattr(study.sampler, "left", None)
    return math.inf if counted is None else counted(study.get_trials(deepcopy=False))


def pruner(node: Mapping[str, Any] | None) -> BasePruner | None:
    """The pruner of a search.

    Raises:
        ConfigError: it refuses its settings.
    """
    return None if node is None else _made("pruner", node)


def _made(path: str, node: Mapping[str, Any]) -> Any:
    import warnings

    given = {key: value for key, value in node.items() if value is not None}  # None is each class's own default
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Optuna calls some of its arguments experimental
            return build.of_optuna(given)
    except Exception as error:
        cause = error.__cause__ or error
        raise ConfigError(f"{path}: {str(cause).strip().splitlines()[0]}; expected settings that it takes") from error
