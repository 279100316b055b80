"""Folders of a run: can they be written, and is there room; what lies in the cache."""

from __future__ import annotations

import contextlib
import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from phmbench.doctor.findings import Finding
from phmbench.doctor.machine import size

LITTLE, NOTHING = 5 * 2**30, 100 * 2**20  # bytes: a store of a middle-sized rig; checkpoints of a small network
TRIED = 2**20  # bytes really written
CACHE, OUTPUT = "export PHMBENCH_CACHE=DIR, or paths.cache=DIR", "paths.output=DIR"
"""How another folder is chosen."""


def writable(name: str, path: Path, *, change: str) -> list[Finding]:
    """Write, sync, lock, rename and remove a file, and see how much more would fit.

    Args:
        name: cache or output.
        path: of the folder; made for a moment where it is not there.
        change: how another one is chosen.
    """
    try:
        with _made(path):
            _try(path / f".doctor-{uuid.uuid4().hex}")
            room = shutil.disk_usage(path).free
    except OSError as error:
        why = error.strerror or str(error)
        return [Finding("error", name, f"{path} cannot be written; got {why}", change)]
    text = f"{path} can be written, {size(room)} free"
    level = "error" if room < NOTHING else "warning" if room < LITTLE else "ok"
    if level == "ok":
        return [Finding("ok", name, text)]
    return [Finding("error" if level == "error" else "warning", name, f"{text}, which is little", change)]


@contextmanager
def _made(path: Path) -> Iterator[None]:
    """The folder is there; what of it was not before is removed again."""
    absent = [one for one in (path, *path.parents) if not one.exists()]
    path.mkdir(parents=True, exist_ok=True)
    try:
        yield
    finally:
        for one in absent:
            with contextlib.suppress(OSError):
                one.rmdir()


def _try(file: Path) -> None:
    """All that a store and a record ask of a file system."""
    import fcntl

    renamed = file.with_suffix(".renamed")
    try:
        with file.open("wb") as opened:
            opened.write(bytes(TRIED))
            opened.flush()
            os.fsync(opened.fileno())
            with contextlib.suppress(OSError):  # without locks the record looks at process ids instead
                fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.replace(file, renamed)
    finally:
        for one in (file, renamed):
            with contextlib.suppress(OSError):
                one.unlink()


def stores(cache: Path) -> list[Finding]:
    """Stores in the cache: whole, damaged, or left over from a process that was killed."""
    folder = cache / "stores"
    if not folder.is_dir():
        return [Finding("ok", "stores", "none prepared yet")]
    found = [finding for file in sorted(folder.glob("*.tmp")) for finding in _left_over(file)]
    files = sorted(folder.glob("*.h5"))
    damaged = [finding for file in files for finding in _damaged(file)]
    total = sum(file.stat().st_size for file in files)
    return [*found, *damaged, Finding("ok", "stores", f"{len(files) - len(damaged)} prepared, {size(total)} in all")]


def _left_over(file: Path) -> list[Finding]:
    import fcntl

    lock = file.parent / f"{file.name.split('.')[0]}.lock"
    try:
        with lock.open("a") as opened:
            fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return [Finding("ok", "stores", f"{file.name[:12]}… is being built by another process")]
    except OSError:
        pass  # a cache that cannot be written is told of as such
    text = f"{file.name} is left over from a process that was killed, {size(file.stat().st_size)}"
    return [Finding("warning", "stores", text, f"rm {file}")]


def _damaged(file: Path) -> list[Finding]:
    """Its description and its length; samples are compared with their checksums when a run opens it."""
    from phmbench.data import store_file

    try:
        store_file.read(file)
    except store_file.DamagedError as error:
        what = f"{file.name} is damaged ({str(error).splitlines()[0]:.120}); a run that needs it builds it again"
        return [Finding("warning", "stores", what, f"rm {file}")]
    return []


def rigs(root: Path | None) -> list[Finding]:
    """Which data sets of bearing-datasets are built under the root."""
    build = "bearing-datasets --root DIR build cwru; export PHMBENCH_DATA=DIR"
    if root is None or not root.is_dir():
        what = f"{root or 'no root'}: no such folder; data=simulated and data=folder need none"
        return [Finding("warning", "data", what, build)]
    built = sorted(file.parent.name for file in root.glob("*/manifest.json"))
    wrong = {name: _outdated(root, name) for name in built}
    whole = [name for name in built if not wrong[name]]
    if not built:
        return [Finding("warning", "data", f"{root}: no rig is built there", build.replace("DIR", str(root)))]
    told = [finding for findings in wrong.values() for finding in findings]
    return [*told, Finding("ok", "data", f"{root}: {len(whole)} rigs are built: {', '.join(whole) or 'none'}")]


def _outdated(root: Path, name: str) -> list[Finding]:
    import json

    folder = root / name
    mend = f"bearing-datasets --root {root} build --force {name}"
    try:
        manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
        if manifest.get("schema_version", 1) < 2:
            return [Finding("warning", "data", f"{name} was built by bearing-datasets before 0.2", mend)]
        manifest["content_hash"]
        if not (folder / "metadata.parquet").stat().st_size:
            raise ValueError("metadata.parquet is empty")
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        return [Finding("warning", "data", f"{name} is damaged; got {type(error).__name__}: {error}", mend)]
    return []
