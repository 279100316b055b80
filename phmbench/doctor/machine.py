"""Processors, memory, limits of the container and the shell, and GPUs."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

from phmbench.doctor.findings import Finding
from phmbench.doctor.packages import Probe

LITTLE_MEMORY, LITTLE_SHARED = 2 * 2**30, 256 * 2**20  # bytes: a run with a small network; batches of a few workers
CGROUP = Path("/sys/fs/cgroup")
FEW_FILES = 256
GPU_BUILD = "pip install torch, in the build for your GPU: pytorch.org/get-started"


def size(number: float) -> str:
    """`3.2 GiB`."""
    for unit in ("B", "KiB", "MiB"):
        if number < 1024:
            return f"{number:.0f} {unit}"
        number /= 1024
    return f"{number:.1f} GiB"


def processors() -> list[Finding]:
    """Cores that this process may use, and threads that it was told to."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota = _quota()
    usable = min(cores, quota) if quota else cores
    text = f"{cores} cores" + (f", limited to {quota:g} by the container" if quota and quota < cores else "")
    threads = os.environ.get("OMP_NUM_THREADS", "")
    if threads.isdigit() and int(threads) > max(1, usable):
        what = f"{text}; OMP_NUM_THREADS={threads} is more than that, and slower"
        return [Finding("warning", "cpu", what, f"export OMP_NUM_THREADS={max(1, int(usable))}")]
    if quota and quota < cores and not threads:
        what = f"{text}, of which torch does not know"
        return [Finding("warning", "cpu", what, f"export OMP_NUM_THREADS={max(1, int(quota))}")]
    return [Finding("ok", "cpu", text)]


def _quota() -> float | None:
    """Cores that a container may use at once; None where nothing is said."""
    words = _text(CGROUP / "cpu.max").split()
    if len(words) == 2 and words[0].isdigit():
        return int(words[0]) / int(words[1])
    quota, period = _number(CGROUP / "cpu/cpu.cfs_quota_us"), _number(CGROUP / "cpu/cpu.cfs_period_us")
    return quota / period if quota and period and quota > 0 else None


def memory() -> list[Finding]:
    """What is free, of the machine and of what the container and the shell allow."""
    lines = dict(line.split(":", 1) for line in _text(Path("/proc/meminfo")).splitlines() if ":" in line)
    total, free = (int(lines.get(key, "0 kB").split()[0]) * 1024 for key in ("MemTotal", "MemAvailable"))
    text = f"{size(free)} free of {size(total)}" if total else "how much there is cannot be told here"
    limits = {"the container": _container(), "ulimit -v": _limit("RLIMIT_AS")}
    left = [free] if total else []
    for name, limit in limits.items():
        if limit is not None and (not total or limit[1] < total):
            text += f"; {name} allows {size(limit[1])}, {size(limit[0])} of it free"
            left.append(limit[0])
    if left and min(left) < LITTLE_MEMORY:
        return [Finding("warning", "memory", text, "end other programs, raise the limit, or data.batch_size=16")]
    return [Finding("ok", "memory", text)]


def _container() -> tuple[int, int] | None:
    """Bytes free and allowed."""
    for limit, used in (("memory.max", "memory.current"),
                        ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes")):  # fmt: skip
        most = _number(CGROUP / limit)
        if most:
            stat = dict(line.split() for line in _text((CGROUP / limit).with_name("memory.stat")).splitlines())
            files = int(stat.get("inactive_file", 0))  # pages of files: counted as used, and given back at once
            return max(0, most - max(0, (_number(CGROUP / used) or 0) - files)), most
    return None


def _limit(name: str) -> tuple[int, int] | None:
    """A limit of the shell's: what is left of it is not known, so all of it."""
    try:
        import resource

        soft = resource.getrlimit(getattr(resource, name))[0]
    except (ImportError, AttributeError, OSError):  # not of this platform
        return None
    return None if soft < 0 else (soft, soft)


def limits() -> list[Finding]:
    """Shared memory, through which loader processes hand over batches; sizes and numbers of files."""
    found = []
    shared = Path("/dev/shm")
    if shared.is_dir() and (room := shutil.disk_usage(shared).total) < LITTLE_SHARED:
        what = f"/dev/shm has {size(room)}; data.num_workers above 0 may end in a bus error"
        found.append(Finding("warning", "limits", what, "data.num_workers=0, or docker run --shm-size=2g …"))
    largest = _limit("RLIMIT_FSIZE")
    if largest is not None:
        what = f"no file may be larger than {size(largest[0])}; a store of recordings may be"
        found.append(Finding("warning", "limits", what, "ulimit -f unlimited"))
    files = _limit("RLIMIT_NOFILE")
    if files is not None and files[0] < FEW_FILES:
        found.append(Finding("warning", "limits", f"{files[0]} files may be open at once", "ulimit -n 4096"))
    return found or [Finding("ok", "limits", "none on file sizes, and enough shared memory and open files")]


def gpus(found: Probe) -> list[Finding]:
    """GPUs as torch sees them, beside what the driver sees."""
    for step in ("torch.cuda", "torch"):
        if step in found.broken:
            what = f"cannot be asked for; {step} is broken: {found.broken[step]}"
            return [Finding("error" if step == "torch.cuda" else "warning", "gpu", what, "trainer=cpu, or mend torch")]
    devices = found.devices
    if devices is None:
        return [Finding("warning", "gpu", "not known, as torch cannot be asked", "mend torch first")]
    if devices["gpus"]:
        return [*(_gpu(number, one) for number, one in enumerate(devices["gpus"])), *_between(devices)]
    seen = _of_driver()
    if seen and not devices["cuda"]:
        what = f"the driver has {', '.join(seen)}; torch {devices['version']} is a build for the CPU"
        return [Finding("warning", "gpu", what, GPU_BUILD)]
    if seen:
        what = f"the driver has {', '.join(seen)}; torch (CUDA {devices['cuda']}) finds none"
        return [
            Finding("warning", "gpu", what, "nvidia-smi, and look at CUDA_VISIBLE_DEVICES and the driver's version")
        ]
    return [Finding("ok", "gpu", "none; trainer=auto, cpu and ddp_cpu run here")]


def _gpu(number: int, one: dict[str, Any]) -> Finding:
    text = f"{number}: {one['name']}, {size(one['free'])} free of {size(one['total'])}, capability {one['capability']}"
    if not one["bf16"]:
        return Finding("warning", "gpu", f"{text}, no bfloat16", "trainer=gpu trainer.precision=16-mixed")
    if one["free"] < LITTLE_MEMORY:
        return Finding("warning", "gpu", f"{text}, bfloat16; others use it", "nvidia-smi says who")
    return Finding("ok", "gpu", f"{text}, bfloat16")


def _between(devices: dict[str, Any]) -> list[Finding]:
    """What several GPUs need."""
    count = len(devices["gpus"])
    if count < 2:
        return []
    if not devices["nccl"]:
        return [Finding("error", "gpu", f"{count} GPUs, and torch has no NCCL; trainer=ddp cannot start", GPU_BUILD)]
    pairs, all_pairs = len(devices["peers"]), count * (count - 1)
    text = f"NCCL; {pairs} of {all_pairs} pairs reach each other's memory"
    if pairs < all_pairs:
        return [
            Finding(
                "warning", "gpu", f"{text}; the others go through the host", "export NCCL_P2P_DISABLE=1 if ddp hangs"
            )
        ]
    return [Finding("ok", "gpu", text)]


def _of_driver() -> list[str]:
    from phmbench.record import environment

    return environment.gpus()


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError:
        return ""


def _number(path: Path) -> int | None:
    """The number in a file; None where there is none, or `max`, or one so large that it says the same."""
    text = _text(path).strip()
    return int(text) if text.lstrip("-").isdigit() and int(text) < 2**60 else None
