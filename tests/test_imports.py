"""What start-up imports, shown by fresh interpreters."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
HEAVY = (
    "torch", "numpy", "pandas", "scipy", "lightning", "torchmetrics", "matplotlib", "h5py", "pyarrow", "sklearn",
    "bearing_datasets",
)  # fmt: skip


def loaded(program: str, *, env: dict[str, str] | None = None) -> tuple[int, list[str], str]:
    """Run a program in a fresh interpreter: exit code, heavy packages that it has imported, what it printed."""
    ending = (
        "\nimport json, sys\n"
        f"print('\\nLOADED', code, json.dumps([m for m in {HEAVY!r} if m in sys.modules]))"
    )  # fmt: skip
    variables = {**os.environ, "PYTHONPATH": str(ROOT), **(env or {})}
    done = subprocess.run(
        [sys.executable, "-c", program + ending], capture_output=True, text=True, cwd=ROOT, check=False, env=variables
    )
    last = next((line for line in reversed(done.stdout.splitlines()) if line.startswith("LOADED")), "")
    assert last, done.stderr[-2000:]
    _, code, modules = last.split(" ", 2)
    return int(code), json.loads(modules), done.stdout + done.stderr


def command(*words: str, env: dict[str, str] | None = None) -> tuple[int, list[str], str]:
    """`phmbench WORDS`."""
    program = (
        "from phmbench.cli import main\n"
        "code = 0\n"
        f"try: main({list(words)!r})\n"
        "except SystemExit as end: code = end.code or 0\n"
    )  # fmt: skip
    return loaded(program, env=env)


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["--help"], 0, "phmbench train"),
        (["--version"], 0, "phmbench "),
        (["train", "--help"], 0, "task/split"),
        (["train", "--cfg", "job"], 0, "_target_"),
        (["train", "--hydra-help"], 0, "hydra"),
        (["list"], 0, "task/scheduler"),
        (["list", "model"], 0, "resnet1d"),
        (["list", "data"], 0, "cwru"),
        (["show", "task=cddg"], 0, "hold_out_rigs"),
        (["check"], 0, "valid"),
        (["check", "experiment=four_rigs"], 0, "valid"),
        (["train", "model.widht=1"], 2, "did you mean 'width'?"),
        (["train", "-m", "model.widht=1,2"], 2, "did you mean 'width'?"),
        (["train", "model._target_=os.system"], 2, "not trusted"),
        (["rerun", "no/such/folder"], 2, "no/such/folder"),
        (["trian"], 2, "did you mean 'train'?"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_nothing_heavy_before_the_check_has_ended(words: list[str], code: int, said: str):
    ended, heavy, printed = command(*words)
    assert (ended, heavy) == (code, []), printed[-800:]
    assert said in printed


def test_tab_completion_imports_nothing_heavy():
    """As the shell asks for it: the groups, and the options of one."""
    for typed, expected in (("train.py pip", "pipeline="), ("train.py model=wd", "model=wdcnn")):
        env = {"COMP_LINE": typed, "COMP_POINT": str(len(typed))}
        code, heavy, printed = command("train", "-sc", "query=bash", env=env)
        assert (code, heavy) == (0, [])
        assert expected in printed.split()


PLAIN = """
import gc, os, sys, warnings, logging, signal, random
def state():
    return (gc.isenabled(), gc.get_threshold(), dict(os.environ), list(warnings.filters), list(sys.path),
            len(logging.root.handlers), logging.root.level, signal.getsignal(signal.SIGINT), sys.excepthook,
            random.getstate(), os.getcwd(), sys.getrecursionlimit())
before = state()
import phmbench
{more}
assert state() == before
code = 0
"""


def test_the_package_imports_nothing_and_changes_nothing():
    """Collector, environment, warnings, search path, logging, signals, random numbers: as they were."""
    code, heavy, _ = loaded(PLAIN.format(more="assert not [m for m in sys.modules if m.startswith('phmbench.')]"))
    assert (code, heavy) == (0, [])


def test_the_modules_of_start_up_change_nothing_either():
    names = ("entry", "cli", "config", "check", "trust", "signatures", "options", "types", "errors", "record")
    more = "\n".join(f"import phmbench.{name}" for name in names)
    code, heavy, _ = loaded(PLAIN.format(more=more))
    assert (code, heavy) == (0, [])


def test_torch_stays_away_from_recordings_and_records():
    """Store, windows, splits and audit, and the figures of a record, work where torch is not installed."""
    program = """
import pkgutil, importlib, phmbench.data, phmbench.record
with_torch = ("datamodule", "batches", "episode_batches", "pair_batches", "normalise_torch", "augment")
for package in (phmbench.data, phmbench.record):
    for found in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
        if found.name.rpartition(".")[2] not in with_torch:
            importlib.import_module(found.name)
code = 0
"""
    code, heavy, printed = loaded(program)
    assert code == 0, printed
    assert not {"torch", "lightning", "torchmetrics"} & set(heavy)


def test_matplotlib_waits_for_a_figure():
    program = "import phmbench.build, phmbench.run, phmbench.pipelines.fit_test, phmbench.training.fit\ncode = 0\n"
    code, heavy, _ = loaded(program)
    assert code == 0
    assert "matplotlib" not in heavy
