"""Where a run took place: software, hardware, commit and command."""

from __future__ import annotations

import functools
import os
import platform
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path

SHOWN = (
    "phmbench",
    "torch",
    "lightning",
    "torchmetrics",
    "hydra-core",
    "omegaconf",
    "numpy",
    "pandas",
    "scipy",
    "h5py",
    "bearing-datasets",
)
"""Packages whose versions stand in metrics.json; environment.txt lists all."""


def versions(names: tuple[str, ...] = SHOWN) -> dict[str, str | None]:
    """Versions of Python and of the packages; None for one that is not installed."""
    return {"python": platform.python_version(), **{name: _version(name) for name in names}}


@functools.cache
def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def commit(folder: Path | None = None) -> str | None:
    """The git commit of the folder (default: the current one), "-dirty" appended where tracked files differ from it.

    None outside of a repository and where git is not installed.
    """
    said = _run("git", "status", "--porcelain=v2", "--branch", "--untracked-files=no", folder=folder) or ""
    facts = [line for line in said.splitlines() if line.startswith("#")]
    sha = next((line.split()[-1] for line in facts if line.startswith("# branch.oid")), "(initial)")
    if sha == "(initial)":  # a repository without a commit
        return None
    return f"{sha}-dirty" if len(facts) < len(said.splitlines()) else sha


@functools.cache
def commit_here() -> str | None:
    """The commit of the current folder, asked once a process: what is imported stays what it is."""
    return commit()


def describe(argv: list[str] | None = None) -> str:
    """The text of environment.txt: one fact a line, then every installed package with its version."""
    facts: Mapping[str, object] = {
        "command": shlex.join(sys.argv if argv is None else argv),
        "python": f"{platform.python_version()} ({sys.executable})",
        "platform": platform.platform(),
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "memory": _memory(),
        "gpu": ", ".join(gpus()) or "none",
        "commit": commit_here() or "none",
    }
    return "\n".join([*(f"{name}: {value}" for name, value in facts.items()), "", *_installed(), ""])


@functools.cache  # what is imported stays what it is
def _installed() -> list[str]:
    """Every installed package with its version, from the names of the folders .dist-info and .egg-info: reading the
    metadata in them takes a tenth of a second."""
    found: dict[str, str] = {}
    for info in (info for folder in sys.path for info in sorted(Path(folder or ".").glob("*-*.*-info"))):
        name, version = info.stem.split("-")[:2]
        found.setdefault(re.sub(r"[-_.]+", "-", name).lower(), version)  # the first on the path is what is imported
    return [f"{name}=={version}" for name, version in sorted(found.items())]


def gpus() -> list[str]:
    """Names of the NVIDIA GPUs; from the driver's files, which takes no time, else from nvidia-smi."""
    names = []
    for file in sorted(Path("/proc/driver/nvidia/gpus").glob("*/information")):
        lines = file.read_text(errors="replace").splitlines()
        names += [line.removeprefix("Model:").strip() for line in lines if line.startswith("Model:")]
    if names or not shutil.which("nvidia-smi"):
        return names
    return (_run("nvidia-smi", "--query-gpu=name", "--format=csv,noheader") or "").splitlines()


def _run(*command: str, folder: Path | None = None) -> str | None:
    """What the command prints; None where it is missing, fails or takes longer than five seconds."""
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=5, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass  # no Linux: the platform module knows less, but something
    return platform.processor() or platform.machine()


def _memory() -> str:
    try:
        size = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):
        return "unknown"
    return f"{size / 2**30:.1f} GiB"
