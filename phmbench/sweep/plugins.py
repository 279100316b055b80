"""What can be chosen in Hydra's own groups, said before Hydra looks for it: its errors name files, not what to do."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib.util import find_spec
from typing import TYPE_CHECKING

from phmbench.config import CONFIG_NAME, Place
from phmbench.overrides import OVERRIDE, chosen, near

if TYPE_CHECKING:
    from omegaconf import DictConfig

LAUNCHER, SWEEPER, SAMPLER = "hydra/launcher", "hydra/sweeper", "hydra/sweeper/sampler"
OF_EXTRA = {
    "joblib": ("joblib", "hydra_plugins.hydra_joblib_launcher"),
    "submitit_local": ("submitit", "hydra_plugins.hydra_submitit_launcher"),
    "submitit_slurm": ("submitit", "hydra_plugins.hydra_submitit_launcher"),
    "ray": ("ray", "hydra_plugins.hydra_ray_launcher"),
}
"""Launcher → the extra that installs it, and what is there when it is installed."""
SAMPLERS = ("tpe", "random", "grid", "cmaes", "gp", "qmc", "nsgaii", "nsgaiii")
TITLES = {
    LAUNCHER: {
        "joblib": "Several at once on this machine: hydra.launcher.n_jobs=2",
        "submitit_local": "Each job as a process of its own on this machine, at most one a core at a time",
        "submitit_slurm": "Slurm: a grid is one array; hydra.launcher.partition=…, --dry-run shows the script",
        "ray": "A Ray cluster: hydra.launcher.ray.init.address=auto",
    },
    SAMPLER: {
        "tpe": "Tree-structured Parzen estimator (Bergstra et al. 2011), also of several objectives; the default",
        "random": "Random search (Bergstra & Bengio 2012)",
        "grid": "Every combination of choices and steps, once",
        "cmaes": "CMA-ES (Hansen & Ostermeier 2001), for ranges of numbers",
        "gp": "Gaussian process with expected improvement, for few and costly trials",
        "qmc": "Quasi-Monte Carlo: Sobol's sequence, more even than random",
        "nsgaii": "NSGA-II (Deb et al. 2002), of several objectives",
        "nsgaiii": "NSGA-III (Deb & Jain 2014), of three objectives and more",
    },
}
"""What each is, for `phmbench list`."""
REMOVED = {"motpe": "Optuna has it no more: tpe takes several objectives; choose hydra/sweeper/sampler=tpe"}


def groups(root: str, places: Sequence[Place]) -> dict[str, dict[str, list[Place]]]:
    """Launchers, sweepers and samplers by name: those that Hydra's plugins bring, and files of these places."""
    brought = {
        LAUNCHER: [*OF_EXTRA, "in_process"],
        SWEEPER: ["grid" if root == CONFIG_NAME else "search"],
        SAMPLER: [] if root == CONFIG_NAME else [*SAMPLERS, *REMOVED],
    }
    found: dict[str, dict[str, list[Place]]] = {}
    for group, names in brought.items():
        own = {} if group == SWEEPER else {f.stem: [p] for p in places for f in (p.path / group).glob("*.yaml")}
        found[group] = {**{name: [] for name in names}, **own}
    return {group: names for group, names in found.items() if names}


OURS = {
    "n_trials": "n_trials",
    "direction": "objectives",
    "study_name": "sweep_name",
    "storage": "storage",
    "max_failure_rate": "max_failures",
}
"""Settings of hydra-optuna-sweeper that are keys of the search here."""


def absent(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """The words that can be composed, and what is wrong with the others: a launcher that is not installed."""
    good, wrong = [], []
    for word in words:
        match = OVERRIDE.match(word)
        found = [] if match is None else [_absent(match["key"], name) for name in chosen((match["rest"] or "")[1:])]
        said = [message for message in found if message is not None]
        wrong += said
        if not said:
            good.append(word)
    return good, wrong


def refused(words: Sequence[str], error: Exception, compose: Callable[[list[str]], DictConfig]) -> list[str]:
    """What is wrong with settings of a launcher, sweeper or sampler; [] where it is something else that Hydra refuses.

    Hydra names the key, and advises to add it with a plus: then nothing reads it.

    Args:
        words: as Hydra has seen them.
        error: what it said.
        compose: without some of the words.
    """
    from omegaconf import OmegaConf

    own = [word for word in words if word.lstrip("+").startswith(("hydra.launcher.", "hydra.sweeper."))]
    if not own or not any(word.lstrip("+").partition("=")[0] in str(error) for word in own):
        return []
    settings = compose([word for word in words if word not in own])
    found = []
    for key, _, value in (word.lstrip("+").partition("=") for word in own):
        node, _, name = key.rpartition(".")
        there = OmegaConf.select(settings, node)
        known = [str(one) for one in there if one != "_target_"] if OmegaConf.is_dict(there) else []
        if name not in known:
            others = f"there are {', '.join(known)}" if known else "there is none; leave it out"
            if node == "hydra.launcher" and not known:
                others = "this launcher has none; choose one that has it, as hydra/launcher=joblib, or leave it out"
            ours = f"here it is {OURS[name]}=…" if node == "hydra.sweeper" and name in OURS else ""
            found.append(f"{key}: no such key; got {name!r}; {ours or near(name, known) or others}")
        elif f"{key}={value}" in str(error):
            why = str(error.__cause__ or error).strip().splitlines()[0]
            found.append(f"{key}: wrong value; got {value}; expected another kind: {why}")
    return found


def _absent(key: str, name: str) -> str | None:
    if key == SAMPLER and name in REMOVED:
        return f"{key}={name}: {REMOVED[name]}"
    if key != LAUNCHER or name not in OF_EXTRA:
        return None
    extra, module = OF_EXTRA[name]
    if is_installed(module):
        return None
    return f"{key}={name}: got no {module}; expected the extra for it; install it: pip install 'phmbench[{extra}]'"


def is_installed(module: str) -> bool:
    """Whether a module can be found; its package is imported to look, itself it is not."""
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:  # of the package around it
        return False
