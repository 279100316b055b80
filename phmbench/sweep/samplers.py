"""What chooses the values of a trial, and what ends one early: Optuna's, by the options that name them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from phmbench import build
from phmbench.errors import ConfigError

if TYPE_CHECKING:
    from optuna.pruners import BasePruner
    from optuna.samplers import BaseSampler

    from phmbench.config import Config
    from phmbench.sweep.space import Parameter

SAME_SEED = ("QMCSampler", "GridSampler")  # their sequence is one, and the study says how far it has been walked


def sampler(node: Mapping[str, Any], parameters: Sequence[Parameter], *, seed: int, first: int = 0) -> BaseSampler:
    """The sampler of a search.

    Args:
        node: an option of `hydra/sweeper/sampler`.
        parameters: what is searched, for the grid.
        seed: where the node has none; another one in each sitting, or the values of the last one would come again.
        first: number of the first trial of this sitting; a grid tries again what failed before it.

    Raises:
        ConfigError: it refuses its settings, or a grid is asked for of ranges without steps.
    """
    name = str(node["_target_"]).rpartition(".")[2]
    own = dict(node)
    if own.get("seed") is None and name not in SAME_SEED:
        own["seed"] = seed % 2**32
    if name == "GridSampler":
        from phmbench.sweep.every_point import EveryPoint
        from phmbench.sweep.points import Points, every

        return EveryPoint(Points(every(parameters), first=first), seed=int(node.get("seed") or 0))
    return _made("hydra.sweeper.sampler", own)  # type: ignore[no-any-return]


def resolved(node: Mapping[str, Any] | None, base: Config, parameters: Sequence[Parameter]) -> Mapping[str, Any] | None:
    """A pruner with the steps of the longest trial there can be as its `max_resource`, where that is `auto`.

    Optuna would take those of the longest trial so far, in each process anew: the brackets and rungs of trials that are
    done would become others.

    Args:
        node: an option of `pruner`, or None.
        base: the first job of the search.
        parameters: what is searched.

    Raises:
        ConfigError: trials have no last epoch.
    """
    if node is None or node.get("max_resource") != "auto":
        return node
    searched = {one.key: one.ends() for one in parameters}
    epochs = searched.get("trainer.max_epochs", [(base.get("trainer") or {}).get("max_epochs")])
    if not all(isinstance(one, int) and one > 0 for one in epochs):
        raise ConfigError(
            "pruner.max_resource: auto is the number of epochs of the longest trial; got trainer.max_epochs="
            f"{epochs[0]}; expected a last epoch; set trainer.max_epochs, or pruner.max_resource"
        )
    fits = max(searched.get("repeats", [base["repeats"]]))
    return {**node, "max_resource": fits * (max(epochs) + 1) - 1}  # a step lies between two fits (reports.Reports)


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
