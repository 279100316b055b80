"""Packages that a class of a library needs, and that only an extra installs."""

from __future__ import annotations

from phmbench import syntax
from phmbench.signatures import Signature

_LOGGERS = "lightning.pytorch.loggers"
NEEDS = {
    f"{_LOGGERS}.mlflow.MLFlowLogger": ("mlflow", ("mlflow",)),
    f"{_LOGGERS}.tensorboard.TensorBoardLogger": ("tensorboard", ("tensorboard", "tensorboardX")),
    f"{_LOGGERS}.wandb.WandbLogger": ("wandb", ("wandb",)),
}
"""Class → extra, and the packages any of which is enough."""


def absent_extra(signature: Signature) -> str | None:
    """What is missing for a target, as a message; None where nothing is. Nothing is imported to find out."""
    extra, packages = NEEDS.get(signature.definition.dotted, ("", ()))
    if not packages or any(syntax.exists(package) for package in packages):
        return None
    return (
        f"{signature.name} needs the package {packages[0]}, which is not installed; "
        f"install the extra: pip install 'phmbench[{extra}]'"
    )
