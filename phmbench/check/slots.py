"""What stands where in a configuration besides what signatures say: the tables that `build` and the check share."""

from __future__ import annotations

NODES = frozenset({"data", "task", "model", "trainer", "pipeline"})
"""Root keys that must be nodes."""
MAPPINGS_OF_NODES = frozenset({"logger", "trainer.callbacks", "data.sources", "other_splits"})
"""Mappings whose values are nodes, or null for one that is switched off."""
SLOTS = {
    "task": frozenset({"split", "head", "averaging"}),
    "data": frozenset({"rigs"}),
    "trainer": frozenset({"callbacks"}),
    "model": frozenset({"front"}),
}
"""Keys of a node that others than its target take."""
NEEDED_SLOTS = {"task": frozenset({"split", "head"})}
"""Those of them without which nothing can be built; not null either."""
MAY_BE_NULL = frozenset({"model.front", "task.averaging"})
"""Slots that hold a node, or null where there is none."""

PASSED = {
    "data": frozenset({"split", "cache", "seed", "episodes", "target"}),
    "task.episodes": frozenset({"seed", "learn_from"}),
    "task.target": frozenset({"seed"}),
    "task": frozenset({"network", "metrics", "class_names"}),
    "pipeline": frozenset({"cfg", "record"}),
    "trainer": frozenset(
        {"logger", "default_root_dir", "use_distributed_sampler", "enable_model_summary", "overfit_batches"}
    ),
    "optimizer": frozenset({"params"}),
    "scheduler": frozenset({"optimizer"}),
}
"""Parameters that the code passes, by path or, where the path is not listed, by the last key of it; no configuration
may set them."""
OFFERED = {
    "task.split": frozenset({"seed"}),
    "other_splits.*": frozenset({"seed"}),
    "trainer": frozenset({"callbacks", "enable_progress_bar", "plugins", "profiler"}),
    "trainer.callbacks.*": frozenset({"dirpath", "warn", "init"}),
    "logger.*": frozenset({"save_dir", "dir", "logdir"}),
}
"""Parameters that the code passes where a target takes them; a configuration may set them too."""

FACTS = frozenset({"channels", "window", "rate_hz", "classes", "domains", "rigs"})
HEAD_FACTS = FACTS | {"features"}
"""Facts by the name of the parameter; `features` is the model's and no fact for the model itself."""


OF_EPISODES = ("task.episodes", "task.method", "task.adapter")
WHOLE = (
    *NODES,
    "model.front",
    "data.augment",
    "task.split",
    "task.head",
    "task.averaging",
    *OF_EPISODES,
    "task.adaptation",
    "task.target",
    *MAPPINGS_OF_NODES,
)
"""Nodes, and parents of nodes, that are built at once: none of them waits for arguments."""


EVALUATE, FIT_TEST = "phmbench.pipelines.evaluate.run", "phmbench.pipelines.fit_test.run"
"""The pipeline that trains nothing, and the one that tests what validation chose."""
BASELINE = "phmbench.pipelines.baseline.run"
"""The pipeline in which an estimator stands in the place of a network."""
HOMES = {
    "data": ("phmbench.data.datamodule",),
    "data.augment": ("phmbench.data.augment",),
    "data.sources.*": ("phmbench.data.sources",),
    "task": ("phmbench.tasks",),
    "task.split": ("phmbench.data.splits",),
    "other_splits.*": ("phmbench.data.splits",),
    "task.head": ("phmbench.heads",),
    "task.algorithm": ("phmbench.algorithms",),
    "task.averaging": ("phmbench.training.averaging", "phmbench.training.swad"),
    "task.adaptation": ("phmbench.adaptation",),
    "task.target": ("phmbench.data.target",),
    "task.method": ("phmbench.methods",),
    "task.adapter": ("phmbench.adapters",),
    "task.episodes": ("phmbench.data.episodes",),
    "task.optimizer": ("torch.optim",),
    "task.scheduler": ("torch.optim.lr_scheduler",),
    "model": ("phmbench.models",),
    "model.front": ("phmbench.models.fronts",),
    "estimator": ("phmbench.estimators",),
    "estimator.features": (
        "phmbench.features.tables",
        "phmbench.features.transformed",
        "phmbench.features.standardised",
    ),
    "estimator.features.features": ("phmbench.features.tables", "phmbench.features.transformed"),
    "estimator.features.transforms.*": ("aeon",),
    "estimator.classifier": ("sklearn",),
    "trainer": ("lightning.pytorch.Trainer", "lightning.pytorch.trainer"),
    "trainer.callbacks.*": ("lightning.pytorch.callbacks", "phmbench.training"),
    "logger.*": ("lightning.pytorch.loggers", "swanlab"),
    "pipeline": ("phmbench.pipelines",),
}
"""Where classes of ours and of libraries that fit a place are defined; those of a trusted package may lie anywhere."""


def home(path: str) -> tuple[str, ...]:
    """Where a class must come from to fit that place, unless it is of a trusted package; empty where nothing is
    said."""
    return HOMES.get(path) or HOMES.get(f"{path.rpartition('.')[0]}.*", ())


def is_whole(path: str) -> bool:
    """Whether the node at that place is built at once, so that `_partial_` has no meaning there."""
    return path in WHOLE or path.rpartition(".")[0] in MAPPINGS_OF_NODES


def is_fact(path: str, parameter: str) -> bool:
    """Whether a parameter of that name is, at that place, filled from the data."""
    keys = path.replace("[", ".").split(".")
    if keys[0] == "model":
        return parameter in FACTS
    return keys[0] == "task" and keys[1:2] != ["split"] and parameter in HEAD_FACTS


def passed(path: str) -> frozenset[str]:
    """Names that the code passes to the target at that place."""
    return PASSED.get(path) or (PASSED.get(path.rpartition(".")[2], frozenset()) if "." in path else frozenset())


def may_be_absent(path: str) -> frozenset[str]:
    """Names that the target at that place may lack in the configuration, facts aside."""
    offered = OFFERED.get(path) or OFFERED.get(f"{path.rpartition('.')[0]}.*", frozenset())
    return passed(path) | offered
