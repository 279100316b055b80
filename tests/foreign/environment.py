"""Fresh environments for installed packages: made in a second, offline, from the libraries of the running one.

A new environment reads the running one's libraries through a `.pth` file. Such a folder's own `.pth` files are not
read, so that a checkout which is installed there in place stays out of sight.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

from tests.conftest import ROOT, Done

PROJECT = Path(__file__).parent / "project"
ENTRY_POINT = '[project.entry-points.phmbench]\nmypackage = "mypackage:conf"\n'
PIP = (sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet")


def sources(folder: Path) -> Path:
    """What a wheel of phmbench is made of, copied, so that building leaves nothing in the checkout."""
    for name in ("pyproject.toml", "setup.py", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, folder / name)
    for name in ("phmbench", "conf"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    return folder


def project(folder: Path, *, entry_point: bool) -> Path:
    """A copy of the foreign project, with its entry point or without."""
    shutil.copytree(PROJECT, folder, ignore=shutil.ignore_patterns("__pycache__"))
    text = (folder / "pyproject.toml").read_text(encoding="utf-8")
    assert ENTRY_POINT in text
    if not entry_point:
        (folder / "pyproject.toml").write_text(text.replace(ENTRY_POINT, ""), encoding="utf-8")
    return folder


def wheel(source: Path, into: Path) -> Path:
    """Build a wheel with the running environment's setuptools, offline."""
    words = ("wheel", "--no-deps", "--no-build-isolation", "--no-index", "--wheel-dir", str(into), str(source))
    subprocess.run([*PIP, *words], check=True, timeout=120)
    (built,) = into.glob("*.whl")
    return built


class Environment:
    """A virtual environment of its own.

    Args:
        path: its folder.
        cache: prepared stores of the runs in it.
    """

    def __init__(self, path: Path, *, cache: Path) -> None:
        self.path, self.cache = path, cache
        venv.create(path, with_pip=False, symlinks=os.name != "nt")
        self.scripts = path / ("Scripts" if os.name == "nt" else "bin")
        libraries = dict.fromkeys(sysconfig.get_path(name) for name in ("purelib", "platlib"))
        base = {"base": str(path), "platbase": str(path)}
        self.site = Path(sysconfig.get_path("purelib", "venv", vars=base))
        (self.site / "libraries.pth").write_text("\n".join(libraries), encoding="utf-8")

    def install(self, *what: str | Path) -> None:
        """Wheels or, after "-e", a folder, without their dependencies, which are there already."""
        words = ("--python", str(self.scripts / "python"), "install", "--no-deps", "--no-build-isolation", "--no-index")
        subprocess.run([*PIP, *words, *map(str, what)], check=True, timeout=120)

    def run(self, *words: str, cwd: Path, **variables: str) -> Done:
        """Run a command of the environment (`phmbench …`, `python …`) as a user does, from any folder."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "PHMBENCH_"))}
        own = {
            "PHMBENCH_CACHE": str(self.cache),
            "OMP_NUM_THREADS": "1",
            "NO_COLOR": "1",
            "VIRTUAL_ENV": str(self.path),
        }
        done = subprocess.run(
            [str(self.scripts / words[0]), *words[1:]], cwd=cwd, env={**kept, **own, **variables}, capture_output=True,
            text=True, timeout=200, check=False,
        )  # fmt: skip
        return Done(done.returncode, done.stdout, done.stderr, cwd)
