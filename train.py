"""Run a sentence of choices: `python train.py --help` shows them."""

from phmbench.entry import train

if __name__ == "__main__":
    train()
