"""How much memory is left, and whether an error means that it was not enough."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

KEPT_FREE = 0.1
"""Share of the available memory that a trial may not touch: a checkpoint is put together in memory, and heaps are never
packed."""
SAID = re.compile(
    r"out of memory|can.?t allocate memory|cannot allocate memory|unable to allocate|not enough memory|bad_alloc"
    r"|MemoryError|_ALLOC_FAILED|could not create a primitive|insufficient shared memory"
    r"|DataLoader worker \(pid.*(killed by signal|exited unexpectedly)",
    re.IGNORECASE,
)
"""How torch, CUDA, cuDNN, oneDNN ("primitive"), NumPy, the loader and the system say it."""


def exhausted(error: BaseException) -> bool:
    """Whether an error, or one that it was raised from, says that memory was not enough."""
    return any(isinstance(one, MemoryError) or (SAID.search(_text(one)) is not None) for one in causes(error))


def causes(error: BaseException) -> Iterator[BaseException]:
    """The error, what it was raised from, and so on; each once, also where one is its own cause."""
    seen: BaseException | None = error
    known: set[int] = set()
    while seen is not None and id(seen) not in known:
        known.add(id(seen))
        yield seen
        seen = seen.__cause__ or (None if seen.__suppress_context__ else seen.__context__)


def _text(error: BaseException) -> str:
    """Of errors that have a cause of this kind; a message of ours or a user's that speaks of memory is none."""
    return str(error) if isinstance(error, RuntimeError | OSError) or type(error).__name__ == "PhmbenchError" else ""


def available(*, proc: Path = Path("/proc"), groups: Path = Path("/sys/fs/cgroup")) -> int | None:
    """Bytes that this process can still take without swapping or being killed: what the system has left, or the
    control groups (containers, Slurm, systemd) that it is in. None where the system does not say (not Linux).

    Args:
        proc: where the kernel tells of processes.
        groups: where it tells of control groups, version 1 or 2.
    """
    try:
        text = (proc / "meminfo").read_text()
        members = (proc / "self" / "cgroup").read_text().splitlines()
    except OSError:
        return None
    left = [int(number) * 1024 for number in re.findall(r"^MemAvailable:\s+(\d+) kB", text, re.MULTILINE)]
    for member in members:
        _, kinds, path = member.split(":", 2)
        if kinds == "":
            left += _left_in(groups, path, "memory.max", "memory.current", "inactive_file")
        elif "memory" in kinds.split(","):
            where = groups / "memory"
            left += _left_in(where, path, "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
    return max(0, min(left)) if left else None


def _left_in(root: Path, path: str, limit: str, used: str, given_back: str) -> Iterator[int]:
    """What each group on the way up leaves; pages of files that nobody reads now are given back when they are asked
    for."""
    inside = root / path.lstrip("/")
    for folder in (inside, *inside.parents):
        if folder.is_relative_to(root) and (folder / limit).is_file() and (folder / used).is_file():
            most = (folder / limit).read_text().strip()
            stat = (folder / "memory.stat").read_text() if (folder / "memory.stat").is_file() else ""
            spare = sum(int(number) for number in re.findall(rf"^{given_back} (\d+)$", stat, re.MULTILINE))
            if most != "max":
                yield int(most) - int((folder / used).read_text()) + spare


def room() -> int | None:
    """`available`, and no more than this process may still take by its own limits (ulimit -v, ulimit -d)."""
    left = available()
    if left is None:
        return None
    import resource

    used = {resource.RLIMIT_DATA: private(), resource.RLIMIT_AS: _of_status("VmSize")}
    return max(0, min([left, *(most - used[kind] for kind in used if (most := resource.getrlimit(kind)[0]) >= 0)]))


def private() -> int:
    """Bytes of private data that this process has asked for (Linux)."""
    return _of_status("VmData")


def _of_status(name: str) -> int:
    text = Path("/proc/self/status").read_text()
    return int(re.findall(rf"^{name}:\s+(\d+) kB", text, re.MULTILINE)[0]) * 1024


def limit(most: int) -> None:
    """Let allocations of this process fail, from now on, beyond so many bytes of private data.

    A CPU has no limit of its own: what is too much is swapped out, or the system kills the process. On Linux the limit
    of private data makes it fail where it is asked for, as on a GPU.
    """
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
    if soft == resource.RLIM_INFINITY or most < soft:
        resource.setrlimit(resource.RLIMIT_DATA, (most, hard))


def limit_gpu() -> None:
    """Let allocations on the current GPU fail beyond what is free there now; part of it is kept free."""
    import torch

    free, total = torch.cuda.mem_get_info()
    most = (1 - KEPT_FREE) * (free + torch.cuda.memory_reserved())
    torch.cuda.set_per_process_memory_fraction(min(1.0, most / total))
