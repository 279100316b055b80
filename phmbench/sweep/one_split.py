"""One split for a whole search: what its trials are chosen by must not be trained on by one, and tested by another."""

from __future__ import annotations

from phmbench.config import Config
from phmbench.signatures import signature_of

KEY = "task.split.seed"


def is_drawn(config: Config) -> bool:
    """Whether the split is drawn by the seed of the run: each seed would have its own."""
    split = config["task"]["split"]
    return "seed" not in split and any(one.name == "seed" for one in signature_of(split["_target_"]).parameters)


def on_one_split(config: Config, *, seed: int) -> Config:
    """The configuration of a trial, or of the best one that is trained again, on the split that its search has.

    All trials and all their seeds have the same one, also where the seed is searched or repeated: else windows that
    some of them have trained on, and been chosen by, would be in the test set of the others.

    Args:
        config: checked.
        seed: of the search.
    """
    if not is_drawn(config):
        return config
    return {**config, "task": {**config["task"], "split": {**config["task"]["split"], "seed": seed}}}
