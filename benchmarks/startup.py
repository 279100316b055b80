"""From the start of a process to its first training step, or to its end; every one a fresh process."""

from __future__ import annotations

import json
import re
import statistics
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.marker import TEXT
from benchmarks.timing import ROOT, Row, figure, interval, ratio, rounds, spawn

REFERENCES = ROOT / "benchmarks" / "references"
TRAIN = [sys.executable, "train.py"]
FIRST_STEP = ["--config-dir", "benchmarks/first_step", "--trust", "benchmarks", "trainer=first_step"]
JOBS = 6  # of the longer grid; the shorter one has 2

COMMANDS: Mapping[str, list[str]] = {
    "`train.py --help`": [*TRAIN, "--help"],
    "`train.py --cfg job`": [*TRAIN, "--cfg", "job"],
    "`phmbench list model`": [sys.executable, "-m", "phmbench", "list", "model"],
    "tab completion": [sys.executable, "-m", "phmbench", "train", "-sc", "query=bash"],
    "a bad key": [*TRAIN, "model.widht=1"],
}
HEAVY = ("torch", "numpy", "pandas")
TYPED = "train.py model=wd"


def measure(folder: Path, number: int, *, tiny: bool) -> list[Row]:
    """All rows; `folder` is for caches and runs."""
    env = {"PHMBENCH_CACHE": str(folder / "cache"), "COMP_LINE": TYPED, "COMP_POINT": str(len(TYPED))}
    hydra = [sys.executable, str(REFERENCES / "compose.py"), "--cfg", "job"]
    short = {"hydra": hydra, **(dict([next(iter(COMMANDS.items()))]) if tiny else COMMANDS)}
    times = rounds({name: _command(argv, folder, env) for name, argv in short.items()}, number, warmup=int(not tiny))
    rows = [
        ratio(f"{name}, over a Hydra application's `--cfg job`", times[name], times["hydra"], at_most=1.2)
        for name in list(short)[1:]
    ]
    rows.append(_heavy([argv for name, argv in short.items() if name != "hydra"], env))
    return [*_first_step(folder, env, number, tiny), *rows, _job(folder, env, number, tiny)]


def _command(argv: list[str], folder: Path, env: Mapping[str, str]) -> Callable[[], dict[str, Any]]:
    cwd = folder if argv[1].startswith(str(REFERENCES)) else ROOT
    return lambda: spawn(argv, env=env, cwd=cwd, codes=(0, 2))


def _heavy(commands: Sequence[list[str]], env: Mapping[str, str]) -> Row:
    """How many of the large packages one of the commands imports at most."""
    counts = []
    for python, *words in commands:
        said = spawn([python, "-X", "importtime", *words], env=env, codes=(0, 2))["output"]
        counts.append(len(set(re.findall(rf"\| +({'|'.join(HEAVY)})$", said, re.MULTILINE))))
    return figure(f"packages of {', '.join(HEAVY)} that these commands import", [max(counts)], "", at_most=0)


def _first_step(folder: Path, env: Mapping[str, str], number: int, tiny: bool) -> list[Row]:
    """Ours is the whole default sentence, its store prepared by the warm-up."""
    ours = [*TRAIN, *FIRST_STEP, *_small(tiny), f"paths.output={folder / 'runs'}"]
    contenders = {
        "ours": lambda: spawn(ours, env=env, marker=TEXT),
        "usual": lambda: spawn([sys.executable, str(REFERENCES / "usual.py")], cwd=folder, marker=TEXT),
        "lean": lambda: spawn([sys.executable, str(REFERENCES / "lean.py")], cwd=folder, marker=TEXT),
    }
    # the CPU time is that of the whole process, most of it after the marker: no figure of this
    times = {
        name: [{"wall": one["wall"]} for one in all_rounds]
        for name, all_rounds in rounds(contenders, number, warmup=int(not tiny)).items()
    }
    return [
        ratio("first training step, over the usual Lightning and Hydra", times["ours"], times["usual"], at_most=0.5),
        ratio("first training step, over the leanest Lightning and Hydra", times["ours"], times["lean"]),
    ]


def _small(tiny: bool) -> list[str]:
    data = "data.sources.simulated"
    return [f"{data}.rigs=[motor]", f"{data}.conditions=2", f"{data}.seconds=0.5"] if tiny else []


def _job(folder: Path, env: Mapping[str, str], number: int, tiny: bool) -> Row:
    """What a job of a grid takes besides its own fit and test: from two grids of different length."""
    few, many = 1, 2 if tiny else JOBS

    def grid(jobs: int, name: str) -> tuple[float, list[float]]:
        seeds = ",".join(map(str, range(jobs)))
        words = [*TRAIN, "-m", *FIRST_STEP, *_small(tiny), f"seed={seeds}"]
        out = folder / "grids" / name
        wall = spawn([*words, f"hydra.sweep.dir={out}"], env=env)["wall"]
        said = [json.loads(file.read_text("utf-8"))["seconds"] for file in sorted(out.glob("*/metrics.json"))]
        assert len(said) == jobs, out
        return wall, [one["fit"] + one["test"] for one in said]

    above = []
    for at in range(number):
        short, long = grid(few, f"{at}-few"), grid(many, f"{at}-many")
        own = sum(long[1]) - sum(short[1])
        above.append((long[0] - short[0] - own) / (many - few))
    value, low, high = interval(above)
    ours = f"{statistics.median(above):.2f} s"
    return Row("a job of a grid, above its own fit and test", value, low, high, unit="s", ours=ours, at_most=0.1)
