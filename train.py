"""Run a sentence of choices: `python train.py --help` shows them."""

from phmbench.cli import train

if __name__ == "__main__":
    train()
