"""Full disks, folders that cannot be written, damaged records, and runs that want the same folder."""

from __future__ import annotations

import contextlib
import os
import re
import resource
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from phmbench.record import state
from tests.torture.counting import FULL, size
from tests.torture.running import LIMIT_S, WORDS, Place, Tally, end, go_on, into, require_same_end, run, start

pytestmark = [pytest.mark.slow, pytest.mark.torture, pytest.mark.timeout(1500)]
FAST = (*WORDS, "model=spectral_linear")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = Place.below(tmp_path_factory.mktemp("whole"))
    assert run(*into(place, FAST), place=place).code == 0
    return place.run


@contextlib.contextmanager
def disk(folder: Path, options: str) -> Iterator[None]:
    """A file system of its own in memory; skips where that is not allowed."""
    folder.mkdir(parents=True)
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)], capture_output=True)
    if mounted.returncode:
        pytest.skip(f"no file system can be mounted here: {mounted.stderr.decode().strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def remount(folder: Path, options: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{options}", str(folder)], check=True)


def require_clear(code: int, err: str, *words: str) -> None:
    """An error for the user: no traceback, what to do, and what it was."""
    assert code in (1, 2, 3, 4, 5), err
    assert "Traceback" not in err
    for word in words:
        assert re.search(word, err), err


SIZES_KIB = {"record": 16, "split": 44, "checkpoint": 84, "second checkpoint": 124, "test": 180, "figures": 300}


@pytest.mark.parametrize("what", SIZES_KIB if FULL else ["second checkpoint"])
def test_a_full_disk_under_the_run(what: str, whole: Path, tmp_path: Path):
    """It says so; with room again, the run goes on and ends as if there had always been some."""
    folder = tmp_path / "disk"
    with disk(folder, f"size={SIZES_KIB[what]}k"), Tally("faults", "full disk under a run") as tally, tally.case(what):
        place = Place(folder / "run", tmp_path / "cache")
        full = run(*into(place, FAST), place=place._replace(run=tmp_path / "x"))
        if full.code or what != "figures":  # without pictures a run is done all the same, if its result has room
            require_clear(full.code, full.err, "No space left on device", "free space")
        remount(folder, "size=64m")
        go_on(FAST, place)
        require_same_end(whole, place.run)


def test_a_full_disk_under_the_cache(whole: Path, tmp_path: Path):
    folder = tmp_path / "disk"
    with disk(folder, "size=200k"), Tally("faults", "full disk under the cache") as tally, tally.case("store"):
        place = Place(tmp_path / "run", folder / "cache")
        full = run(*into(place, FAST), place=place)
        require_clear(full.code, full.err, "store: no room on the disk", "PHMBENCH_CACHE")
        assert state(place.run) == "failed"
        remount(folder, "size=64m")
        go_on(FAST, place)
        require_same_end(whole, place.run)


def test_files_that_may_not_grow(whole: Path, tmp_path: Path):
    """A limit of the system on the size of a file, as for a checkpoint on a disk that is nearly full."""
    place = Place.below(tmp_path)
    with Tally("faults", "limit on the size of files") as tally, tally.case("40 KB"):
        prepared = run(*into(place._replace(run=tmp_path / "first"), FAST), place=place)  # the store
        assert prepared.code == 0
        limit, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (40_000, hard))  # best.ckpt has 48 KB
        try:
            process = start(*into(place, FAST), place=place)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
        full = end(process, time.monotonic())
        require_clear(full.code, full.err, r"best\.ckpt: cannot be written; got File too large")
        assert state(place.run) == "failed"
        go_on(FAST, place)
        require_same_end(whole, place.run)


@pytest.mark.parametrize("what", ["output", "cache"])
def test_a_folder_that_cannot_be_written(what: str, tmp_path: Path):
    folder = tmp_path / "disk"
    with disk(folder, "ro,size=64m"), Tally("faults", "read-only folder") as tally, tally.case(what):
        place = Place(*((folder / "run", tmp_path / "cache") if what == "output" else (tmp_path / "run", folder)))
        done = run(*into(place, FAST), place=place._replace(run=tmp_path / "x"))
        require_clear(done.code, done.err, "Read-only file system", rf"paths\.{what}")


@pytest.mark.parametrize("name", ["mit Leerzeichen und 'Zeichen'", "振動/データ", "каталог=1,2", "é{}$"])
def test_names_of_folders(name: str, whole: Path, tmp_path: Path):
    place = Place(tmp_path / name / "run", tmp_path / name / "cache")
    place.run.parent.mkdir(parents=True)
    quoted = str(place.run).replace("\\", "\\\\").replace("'", "\\'")
    with Tally("faults", "names of folders") as tally, tally.case(name):
        done = run(*FAST, f"hydra.run.dir='{quoted}'", place=place)
        assert done.code == 0, done.err
        require_same_end(whole, place.run)
        again = run("resume", str(place.run), place=place)
        require_clear(again.code, again.err, "the run is done; got resume")


def test_runs_that_want_the_same_folder(whole: Path, tmp_path: Path):
    """Eight at the same moment: one has it and is not disturbed, the others are told."""
    place, number = Place.below(tmp_path), size(full=8, sample=3)
    with Tally("faults", "runs into one folder at the same moment") as tally:
        processes = [start(*into(place, FAST), place=place) for _ in range(number)]
        done = [end(process, time.monotonic(), limit_s=2 * LIMIT_S) for process in processes]
        for one in done:
            with tally.case("one of them"):
                assert one.code in (0, 5), one.err
                assert one.code == 0 or "the run directory is taken; got " in one.err
        with tally.case("the one that had it"):
            assert [one.code for one in done].count(0) == 1
            require_same_end(whole, place.run)


def test_runs_of_the_same_second(tmp_path: Path):
    """No folder is named: each gets one."""
    place = Place.below(tmp_path)
    with Tally("faults", "runs that start at the same moment") as tally, tally.case("three"):
        processes = [start(*FAST, "trainer.max_epochs=1", place=place) for _ in range(3)]
        assert [end(process, time.monotonic()).code for process in processes] == [0, 0, 0]
        assert len(list((tmp_path / "outputs").rglob("metrics.json"))) == 3


def half(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def zeros(path: Path) -> None:
    path.write_bytes(bytes(path.stat().st_size))


def empty(path: Path) -> None:
    os.truncate(path, 0)


DAMAGED = ("checkpoints/last.ckpt", "checkpoints/best.ckpt", "metrics.json", "status.json", "split.csv", "store",
           "csv/metrics.csv", "predictions.h5", "log.txt")  # fmt: skip


@pytest.mark.parametrize("damage", [half, zeros, empty] if FULL else [half])
def test_files_that_a_power_failure_has_damaged(damage, whole: Path, tmp_path: Path):
    """One by one, in a run that was cut off in its test: it goes on from what is whole, and says what was not."""
    base = Place.below(tmp_path / "base")
    assert run(*into(base, FAST), place=base).code == 0
    (base.run / "metrics.json").unlink()
    status = base.run / "status.json"
    status.write_text(status.read_text().replace('"done"', '"running"'))
    with Tally("faults", f"damaged files of a record: {damage.__name__}") as tally:
        for name in DAMAGED if FULL else DAMAGED[:3:2]:
            place = Place.below(tmp_path / name.replace("/", "-"))
            shutil.copytree(base.run, place.run)
            shutil.copytree(base.cache, place.cache)
            with tally.case(name):
                file = next(place.cache.glob("stores/*.h5")) if name == "store" else place.run / name
                if name == "metrics.json":
                    shutil.copy(whole / name, file)
                damage(file)
                done = run("resume", str(place.run), place=place)
                assert done.code == 0, done.err
                if name.endswith((".ckpt", ".json")) or name == "store":
                    assert "damaged" in done.out + done.err, done.out
                for aside in place.run.rglob("*.damaged"):
                    aside.unlink()
                require_same_end(whole, place.run)


def test_a_configuration_that_is_damaged(tmp_path: Path):
    place = Place.below(tmp_path)
    with Tally("faults", "damaged files of a record: config.yaml") as tally, tally.case("half"):
        assert run(*into(place, FAST), "trainer.max_epochs=1", place=place).code == 0
        (place.run / "metrics.json").unlink()
        half(place.run / "config.yaml")
        done = run("resume", str(place.run), place=place)
        require_clear(done.code, done.err, r"config\.yaml: (damaged, or of another version: |cannot be read as)")
