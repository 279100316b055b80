"""What a search needs besides phmbench itself."""

from __future__ import annotations

from importlib.util import find_spec

from phmbench.errors import ConfigError


def require() -> None:
    """Optuna, and the plugin whose syntax and samplers a search takes.

    Raises:
        ConfigError: one of them is not installed.
    """
    missing = [name for name in ("optuna", "hydra_plugins.hydra_optuna_sweeper") if not _there(name)]
    if missing:
        raise ConfigError(
            f"sweep: got no {' and no '.join(missing)}; expected the extra for searches; install it: "
            "pip install 'phmbench[sweep]'"
        )


def _there(name: str) -> bool:
    try:
        return find_spec(name) is not None
    except ModuleNotFoundError:  # of the package around it
        return False
