"""What an estimator, which stands in the place of a network, does away with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from phmbench.errors import ConfigError

OF_NETWORKS = (
    "model", "trainer", "logger", "fit_memory", "profile", "init", "data.augment", "data.balance", "data.batch_size",
    "data.num_workers", "task.optimizer", "task.scheduler", "task.algorithm", "task.head",
)  # fmt: skip
"""What only a network has, by the beginning of its key."""


def require_no_network(words: Sequence[str]) -> None:
    """None of the words of a command is for a network.

    Raises:
        ConfigError: names those that are.
    """
    idle = [word.lstrip("+") for word in words if _is_of_network(word)]
    if idle:
        them = "it" if len(idle) == 1 else "them"
        raise ConfigError(
            f"estimator: has no network beside it; got {', '.join(idle)}; expected an estimator or a network; leave "
            f"{them} out, or estimator and pipeline=baseline"
        )


def _is_of_network(word: str) -> bool:
    key = word.lstrip("+~").partition("=")[0].partition("@")[0].replace("/", ".")
    return any(key == one or key.startswith(f"{one}.") for one in OF_NETWORKS)


def choices(chosen: Mapping[str, str]) -> dict[str, str]:
    """The sentence of a run without what an estimator does away with."""
    if "estimator" not in chosen:
        return dict(chosen)
    return {group: option for group, option in chosen.items() if not _is_of_network(group)}
