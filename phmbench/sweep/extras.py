"""What a search needs besides phmbench itself."""

from __future__ import annotations

from phmbench.errors import ConfigError
from phmbench.sweep.plugins import is_installed


def require() -> None:
    """Optuna, and the plugin whose syntax and samplers a search takes.

    Raises:
        ConfigError: one of them is not installed.
    """
    missing = [name for name in ("optuna", "hydra_plugins.hydra_optuna_sweeper") if not is_installed(name)]
    if missing:
        raise ConfigError(
            f"sweep: got no {' and no '.join(missing)}; expected the extra for searches; install it: "
            "pip install 'phmbench[sweep]'"
        )
