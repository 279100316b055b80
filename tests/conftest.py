"""What tests share: where real recordings are, and runs of the real command."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import HealthCheck, settings

ROOT = Path(__file__).parent.parent
os.environ.pop("COLUMNS", None)  # what the screen shows must not depend on who runs the tests
UNTIMED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])  # a loaded machine is no fault
settings.register_profile("same", UNTIMED, derandomize=True)  # the same examples: a red run can be repeated
settings.register_profile("search", UNTIMED)  # new examples: HYPOTHESIS_PROFILE=search make test
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "same"))

TINY = (
    "data=simulated",
    "data.sources.simulated.rigs=[motor,pump]",
    "data.sources.simulated.bearings=1",
    "data.sources.simulated.conditions=2",
    "data.sources.simulated.seconds=0.75",
    "data.window=1024",
    "data.hop=1024",
    "trainer=cpu",
    "trainer.max_epochs=2",
)
"""Recordings and a trainer with which a run takes seconds."""


for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
    if signal.getsignal(number) is signal.SIG_IGN:  # nohup, a job in the background: the runs that tests start would
        signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)  # inherit it


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item):
    """A test of real data that is skipped although PHMBENCH_DATA is set fails the run."""
    report = yield
    if report.skipped and item.get_closest_marker("realdata") and os.environ.get("PHMBENCH_DATA"):
        report.outcome = "failed"
        report.longrepr = f"skipped although PHMBENCH_DATA is set: {report.longrepr}"
    return report


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The root of built rigs; without PHMBENCH_DATA the test is skipped."""
    root = os.environ.get("PHMBENCH_DATA")
    if not root:
        pytest.skip("PHMBENCH_DATA is not set")
    return Path(root)


class Done(NamedTuple):
    """A command that has ended."""

    code: int
    out: str
    err: str
    folder: Path  # the run directory it was told to use

    @property
    def result(self) -> dict[str, Any]:
        return json.loads((self.folder / "metrics.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One cache of stores for all tests of a process."""
    return tmp_path_factory.mktemp("cache")


Command = Callable[..., Done]


@pytest.fixture
def command(tmp_path: Path, cache: Path) -> Command:
    """Run `python train.py …` or `phmbench …` as a user does; the run directory is `tmp_path/NAME`."""

    def run(*words: str, name: str = "run", program: str = "train.py", env: dict[str, str] | None = None) -> Done:
        start = [str(ROOT / "train.py")] if program == "train.py" else ["-m", "phmbench", *program.split()]
        grid = "-m" in words
        folder = tmp_path / name
        where = [f"hydra.sweep.dir={folder}" if grid else f"hydra.run.dir={folder}"] if program == "train.py" else []
        if "--help" in words or "--cfg" in words:
            where = []
        variables = {
            **os.environ,
            "PHMBENCH_CACHE": str(cache),
            "OMP_NUM_THREADS": "1",
            "PYTHONPATH": str(ROOT),
            "NO_COLOR": "1",
            **(env or {}),
        }
        done = subprocess.run(
            [sys.executable, *start, *words, *where], cwd=tmp_path, env=variables, capture_output=True, text=True,
            timeout=280, check=False,
        )  # fmt: skip
        return Done(done.returncode, done.stdout, done.stderr, folder)

    return run
