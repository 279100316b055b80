"""Search for the best values of a run's choices: `python sweep.py --help` shows them."""

from phmbench.entry import sweep

if __name__ == "__main__":
    sweep()
