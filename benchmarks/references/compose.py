"""A Hydra application that does nothing: what composing and showing a configuration costs."""

import hydra
from omegaconf import DictConfig


@hydra.main(config_path="conf", config_name="config")
def main(cfg: DictConfig) -> None:
    print(cfg.name)


if __name__ == "__main__":
    main()
