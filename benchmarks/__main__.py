"""`python -m benchmarks`: measure, write RESULTS.md and results.json, say what became slower.

Parts are startup, loader, step, store and sweep; a part that is not measured keeps its earlier results.
"""

from __future__ import annotations

import argparse
import importlib
import sys
import tempfile
from pathlib import Path

from benchmarks import results

PARTS = {"startup": 9, "loader": 9, "step": 5, "store": 5, "sweep": 3}  # rounds


def main() -> None:
    """Measure the parts that are asked for."""
    parser = argparse.ArgumentParser("python -m benchmarks", description=__doc__)
    parser.add_argument("--only", choices=PARTS, action="append", help="this part (can be given several times)")
    parser.add_argument("--rounds", type=int, help="rounds of each part; default: by part")
    parser.add_argument("--tiny", action="store_true", help="sizes that show that it runs, and nothing else")
    parser.add_argument("--strict", action="store_true", help="exit with 1 where something became slower")
    parser.add_argument("--out", type=Path, default=results.FOLDER, help="folder of results.json and RESULTS.md")
    args = parser.parse_args()
    found, before = results.read(args.out), results.committed()
    for part in args.only or PARTS:
        number = args.rounds or PARTS[part]
        print(f"{part}: {number} rounds", file=sys.stderr)
        with tempfile.TemporaryDirectory(prefix="phmbench-bench-") as folder:
            rows = importlib.import_module(f"benchmarks.{part}").measure(Path(folder), number, tiny=args.tiny)
        found[part] = results.measured(rows, f"make bench ONLY={part}", number)
        results.write({name: found[name] for name in PARTS if name in found}, args.out)
    print(results.page({part: found[part] for part in args.only or PARTS}))
    worse = results.slower(found, before)
    for line in worse:
        print(f"slower than the last committed result: {line}")
    sys.exit(1 if worse and args.strict else 0)


if __name__ == "__main__":
    main()
