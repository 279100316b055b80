"""The command `phmbench leaderboard`."""

from __future__ import annotations

import argparse
import json
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from phmbench.record import atomic
from phmbench.record.screen import shown_path


def main(argv: Sequence[str]) -> int:
    """Read records, write the board."""
    args = _parsed(argv)
    from phmbench.leaderboard import board, page, ranking, text

    found = board.read(args.dir, metric=args.metric, say=_say)
    ranks = ranking.ranking(found)
    if args.json:
        print(json.dumps(text.plain(found, ranks), indent=1, ensure_ascii=False))
        return 0
    folder = args.into.absolute()
    with atomic.faults_named(folder):
        folder.mkdir(parents=True, exist_ok=True)
    if isinstance(ranks, ranking.Ranking):
        ranking.draw(ranks, folder, metric=found.metric, baselines=found.baselines)
    command = f"phmbench leaderboard {shlex.join(argv)}"
    contents = {
        "md": text.markdown(found, ranks, command=command),
        "csv": text.table(found, ranks),
        "html": page.page(found, ranks, folder, command=command),
    }
    for suffix, content in contents.items():
        atomic.write_text(folder / f"leaderboard.{suffix}", content)
        print(shown_path(folder / f"leaderboard.{suffix}"))
    return 0


def _parsed(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        "phmbench leaderboard", description="methods × protocols, from the records of runs; nothing is trained"
    )
    parser.add_argument("dir", type=Path, nargs="+", help="a run directory, or a folder that holds some")
    parser.add_argument(
        "--metric",
        default="macro_f1",
        choices=["macro_f1", "balanced_accuracy", "accuracy", "macro_auroc"],
        help="of the test set",
    )
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--into", type=Path, default=Path("leaderboard"), help="folder of leaderboard.md, .csv and .html")
    how.add_argument("--json", action="store_true", help="for programs, on the screen; nothing is written")
    return parser.parse_args(argv)


def _say(text: str) -> None:
    if sys.stderr.isatty():
        print(text, file=sys.stderr)
