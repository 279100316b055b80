"""Runs what docs/leaderboard.yaml lists, unattended, then makes docs/leaderboard.md and .csv from the records.

    python docs/make_leaderboard.py            run what is not done, then the board
    python docs/make_leaderboard.py --board    only the board, of what has been run so far
    python docs/make_leaderboard.py --dry-run  only show how many runs are left

The same command goes on where it stopped. A run that fails is shown as failed, and tried again the next time; a grid
that cannot begin (an extra is missing) does not keep the others from it. Needs PHMBENCH_DATA.
"""

from __future__ import annotations

import argparse
import os
import shlex
import subprocess
import sys
from pathlib import Path

import yaml

HERE = Path(__file__).parent
ROOT = HERE.parent
RUNS = Path("outputs") / "leaderboard"


def grids(plan: dict[str, object]) -> dict[str, list[str]]:
    """The words of each grid, by name."""
    assert isinstance(plan["grids"], dict)
    assert isinstance(plan["protocols"], list)
    protocols = "experiment=" + ",".join(plan["protocols"])
    return {
        name: ["-m", protocols, *shlex.split(words), f"repeats={plan['repeats']}", f"hydra.sweep.dir={RUNS / name}"]
        for name, words in plan["grids"].items()
    }


def environment(grid: str) -> dict[str, str]:
    """With what `make test-aeon` has installed beside the environment, for the grid that needs it."""
    aside = ROOT / ".venv" / "aeon"
    if grid != "aeon" or not aside.is_dir():
        return dict(os.environ)
    return {**os.environ, "PYTHONPATH": os.pathsep.join([str(aside), os.environ.get("PYTHONPATH", "")])}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--board", action="store_true", help="run nothing")
    how.add_argument("--dry-run", action="store_true", help="run nothing, and say how many runs there are")
    args = parser.parse_args()
    worst = 0
    plan = yaml.safe_load((HERE / "leaderboard.yaml").read_text(encoding="utf-8"))
    for name, words in {} if args.board else grids(plan).items():
        words += ["--dry-run"] if args.dry_run else []
        print(shlex.join(["python", "train.py", *words]), flush=True)
        done = subprocess.run([sys.executable, "train.py", *words], cwd=ROOT, check=False, env=environment(name))
        worst = max(worst, done.returncode)
    if not args.dry_run:
        board = ["-m", "phmbench", "leaderboard", str(RUNS), "--into", str(HERE.relative_to(ROOT))]
        subprocess.run([sys.executable, *board], cwd=ROOT, check=True)
    sys.exit(worst)


if __name__ == "__main__":
    main()
