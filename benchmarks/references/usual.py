"""The usual way to the first step: everything imported at the top, as the popular template does."""

import sys
from pathlib import Path

import hydra
import lightning as L  # noqa: F401
import rich  # noqa: F401
import torch  # noqa: F401
import torchmetrics  # noqa: F401
from lightning import Callback, LightningModule, Trainer  # noqa: F401
from lightning.pytorch.loggers import Logger  # noqa: F401
from omegaconf import DictConfig

sys.path.insert(0, str(Path(__file__).parent))


@hydra.main(config_path="conf", config_name="config")
def main(cfg: DictConfig) -> None:
    from one_step import fit

    fit(cfg)


if __name__ == "__main__":
    main()
