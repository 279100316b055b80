"""From a checked configuration to objects: the only place where anything is instantiated.

Each function takes the node it is about and what the data or the record say, and returns one object. A parameter that
bears the name of a fact gets it; nothing else of the configuration is passed on.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from phmbench.config import Config
from phmbench.errors import ConfigError, PhmbenchError
from phmbench.signatures import signature_of
from phmbench.trust import whitelist

if TYPE_CHECKING:
    from lightning.pytorch import Callback, Trainer

    from phmbench.data.datamodule import VibrationData
    from phmbench.tasks.base import Task
    from phmbench.types import Facts

log = logging.getLogger("phmbench")


def make(node: Mapping[str, Any], path: str, **given: Any) -> Any:
    """Instantiate one node; of what is `given` it gets what its signature names and the node itself does not say.

    Raises:
        ConfigError: the class refuses a value; the message begins with where that stands in the configuration.
    """
    from hydra.utils import instantiate

    takes = {parameter.name for parameter in signature_of(node["_target_"]).parameters}
    call = instantiate({**node, "_partial_": True}, _convert_="all", _execution_whitelist_=whitelist(node))
    values = {name: value for name, value in given.items() if name in takes and name not in node}
    if node.get("_partial_", False):
        return call
    try:
        return call(**values)
    except PhmbenchError:
        raise
    except (ValueError, TypeError, ImportError, RuntimeError) as error:
        hint = _extra(node["_target_"]) if isinstance(error, ImportError) else ""
        raise ConfigError(f"{path}: {error}{hint}") from error
    except Exception as error:  # Lightning's exception for settings derives from Exception alone
        if type(error).__name__ != "MisconfigurationException":
            raise
        raise ConfigError(f"{path}: {error}") from error


def _extra(target: str) -> str:
    for name in ("tensorboard", "wandb", "mlflow", "swanlab"):
        if name in target.lower():
            return f"; install the extra: pip install 'phmbench[{name}]'"
    return ""


def function(node: Mapping[str, Any]) -> Any:
    """The function that a node names, with its arguments bound."""
    return make({**node, "_partial_": True}, "pipeline")


OF_OPTUNA = ("optuna.samplers.*", "optuna.pruners.*", "hydra_plugins.hydra_optuna_sweeper.*")


def of_optuna(node: Mapping[str, Any]) -> Any:
    """A sampler or a pruner of a search: Optuna's, or what its plugin for Hydra makes of them."""
    from hydra.utils import instantiate

    return instantiate(dict(node), _convert_="all", _execution_whitelist_=OF_OPTUNA)


def data(config: Config) -> VibrationData:
    """Sources, split and all that lies between them; nothing is read yet."""
    split = make(config["task"]["split"], "task.split", seed=config["seed"])
    node = {name: value for name, value in config["data"].items() if name != "augment"}
    augment = config["data"].get("augment")  # records of before there was any have none
    built: VibrationData = make(
        node,
        "data",
        split=split,
        augment=augment and make(augment, "data.augment"),
        cache=config["paths"]["cache"],
        seed=config["seed"],
        episodes=_episodes(config),
        target=_target(config),
    )
    return built


def _target(config: Config) -> Any:
    """Which windows of the target are adapted to, where the task adapts to any."""
    node = config["task"].get("target")
    return make(node, "task.target", seed=config["seed"]) if node else None


def _episodes(config: Config) -> Any:
    """How episodes are drawn, where the task has any; its method says what training is made of, if nobody else does."""
    from hydra.utils import get_class

    node, task = config["task"].get("episodes"), config["task"]
    if not node:
        return None
    method: Any = get_class(task["method"]["_target_"])
    learn_from = task.get("learn_from") or method.learns_from[0]
    return make(node, "task.episodes", seed=config["seed"], learn_from=learn_from)


def facts_for(facts: Facts) -> dict[str, Any]:
    """What a parameter of each name gets."""
    return {
        "channels": facts.channels,
        "window": facts.window,
        "rate_hz": facts.rate_hz,
        "classes": len(facts.classes),
        "domains": len(facts.domains),
        "rigs": len(facts.rigs),
    }


OF_OTHERS = ("split", "head", "averaging")
"""Parts of the task's node that data, network and trainer get, and not the task itself."""


def task(config: Config, facts: Facts) -> Task:
    """Network, algorithm, optimizer and schedule in a task."""
    from phmbench.network import Network

    node, known = config["task"], facts_for(facts)
    front, model = _front_and_model(config["model"], known)
    head = make(node["head"], "task.head", features=model.n_features, **known)
    drawn_by = signature_of(node["_target_"]).attribute("drawn_by")
    others = (*OF_OTHERS, *(drawn_by if isinstance(drawn_by, tuple) else ()))
    parts = {
        name: make(child, f"task.{name}", features=model.n_features, **known) if child else None
        for name, child in node.items()
        if name not in others and (child is None or isinstance(child, Mapping))
    }
    own = {name: value for name, value in node.items() if name not in (*parts, *others)}
    built: Task = make(own, "task", network=Network(model, head, front=front), class_names=facts.classes, **parts)
    return built


def _front_and_model(node: Mapping[str, Any], known: Mapping[str, Any]) -> tuple[Any, Any]:
    """The front, if there is one, and the model, to which what the front gives is the signal."""
    own = {name: value for name, value in node.items() if name != "front"}
    if not node.get("front"):
        return None, make(own, "model", **known)
    if "front" in {parameter.name for parameter in signature_of(node["_target_"]).parameters}:
        return None, make(node, "model", **known)  # a model of the user's own that takes it itself
    front = make(node["front"], "model.front", **known)
    seen = {**known, "channels": front.out_channels, "window": front.out_window, "rate_hz": float("nan")}
    try:
        return front, make(own, "model", **seen)
    except ConfigError as error:
        short, told, _ = str(error).partition("; set data.window")
        if not told:
            raise
        raise ConfigError(
            f"{short}, which is what {type(front).__name__} gives of {known['window']}; set model.front.length where "
            "it has one, or a longer data.window"
        ) from error


def estimator(config: Config) -> Any:
    """The estimator that stands in the place of a network."""
    return make(config["estimator"], "estimator")


def rehearse(config: Config) -> None:
    """Make optimizer and schedule for one weight, before data are read for those of the network.

    Raises:
        ConfigError: torch refuses what they are given.
    """
    from torch import nn

    from phmbench.tasks.base import Task

    nodes = {name: config["task"].get(name) for name in ("optimizer", "scheduler")}
    if nodes["optimizer"] is not None:  # else a task of the user's own, which knows what it does
        parts: dict[str, Any] = {name: make(node, f"task.{name}") if node else None for name, node in nodes.items()}
        Task(network=nn.Linear(1, 1, bias=False), **parts).configure_optimizers()


def trainer(
    config: Config, folder: Path, *, extra: list[Callback], warn: Callable[[str], None] = log.warning
) -> Trainer:
    """Lightning's Trainer, with the callbacks and loggers of the configuration, writing under `folder`."""
    from lightning.fabric.plugins import TorchCheckpointIO

    from phmbench.training import ranks
    from phmbench.training.callbacks import KeepSignals
    from phmbench.training.cheap_hooks import Unprofiled, combined
    from phmbench.training.whole_files import WholeFiles

    _quiet()
    given = {"dirpath": folder / "checkpoints", "warn": warn, "init": config["init"]}
    node = {name: value for name, value in config["trainer"].items() if (name, value) != ("plugins", None)}
    callbacks = _callbacks(node.pop("callbacks", None) or {}, given)
    loggers = [
        make(child, f"logger.{name}", save_dir=folder) for name, child in (config["logger"] or {}).items() if child
    ]
    own = [*extra, KeepSignals()]
    own = own if config["profile"] else combined(own)  # a profile tells them apart
    built: Trainer = make(
        node,
        "trainer",
        callbacks=[*callbacks, *own, *_averaging(config)],  # last: it has the last word in a checkpoint
        profiler=Unprofiled(),
        logger=loggers,
        plugins=[ranks.environment()],
        default_root_dir=folder,
        overfit_batches=0.0,  # would put a sampler of Lightning's in the place of ours
        use_distributed_sampler=False,  # our sampler knows the ranks, and neither drops nor repeats a window
        enable_progress_bar=False,  # ours is among `extra`: refreshed by time, not by step
        enable_model_summary=False,  # the record holds the number of parameters
    )
    if type(built.strategy.checkpoint_io) is TorchCheckpointIO:  # the default, not one that the user has chosen
        built.strategy.checkpoint_io = WholeFiles()
    return built


def _callbacks(nodes: Mapping[str, Any], given: Mapping[str, Any]) -> list[Callback]:
    """Those of the configuration, and what keeps the last weights beside the one that keeps the best."""
    from phmbench.training import last

    made = [make(child, f"trainer.callbacks.{name}", **given) for name, child in nodes.items() if child]
    kept = last.keeping(made)
    return made if kept is None else [*made, last.KeepLast(beside=kept, folder=given["dirpath"])]


def _averaging(config: Config) -> list[Callback]:
    """What keeps another state of the network to be validated and tested, where anything does."""
    node = config["task"].get("averaging")
    return [make(node, "task.averaging")] if node else []


def _quiet() -> None:
    """Silence what Lightning says on every run and no user needs; it sets its own level when it is imported."""
    import lightning.pytorch  # noqa: F401

    for name in ("lightning", "lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", module=r"lightning\.")
    warnings.filterwarnings("ignore", module=r"torch\.")
