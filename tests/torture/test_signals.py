"""Ctrl-C, a queue that takes the machine back, a closed terminal: the record says interrupted, and the run goes on."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from phmbench.record import lock, state
from tests.torture.counting import FULL
from tests.torture.running import WORDS, Ended, Place, Tally, end, go_on, into, require_same_end, run, start, watching

pytestmark = [pytest.mark.slow, pytest.mark.torture, pytest.mark.timeout(1500)]
Held = tuple[str, int]  # a folder, and the number of the change below it at which the process waits for the signal
PHASES: dict[str, Held] = {"store": ("cache/stores", 4), "fit": ("run/checkpoints", 4), "figures": ("run/figures", 0)}
SIGNALS = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP] if FULL else [signal.SIGTERM]
CODES = {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGHUP: 129}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = Place.below(tmp_path_factory.mktemp("whole"))
    assert run(*into(place, WORDS), place=place).code == 0
    return place.run


def held(words: tuple[str, ...], place: Place, phase: str) -> subprocess.Popen[str]:
    """A run that has come to a moment, and stays there until it has been told."""
    below, number = PHASES[phase]
    marker, under = place.run.with_name("held"), str(place.run.parent / below)
    more = {"TORTURE_UNDER": under, "TORTURE_KILL_AT": number, "TORTURE_HOLD": marker}
    if "trainer=ddp_cpu" in words:
        more["TORTURE_RANK"] = 1
    process = start(*into(place, words), place=place, **watching(place, **more))
    limit = time.monotonic() + 200
    while not marker.exists():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < limit, "the moment did not come"
        time.sleep(0.01)
    return process


def told(process: subprocess.Popen[str], place: Place, *numbers: signal.Signals, between_s: float = 0.0) -> Ended:
    """Send signals as a terminal or a queue does: to all processes of the run."""
    begun = time.monotonic()
    for number in numbers:
        os.killpg(process.pid, number)
        time.sleep(between_s)
    place.run.with_name("held").unlink(missing_ok=True)
    return end(process, begun)


@pytest.mark.parametrize("phase", PHASES)
@pytest.mark.parametrize("number", SIGNALS, ids=lambda number: number.name)
def test_a_signal_ends_a_run_in_order(number: signal.Signals, phase: str, whole: Path, tmp_path: Path):
    place = Place.below(tmp_path)
    with Tally("signals", f"{number.name} during {phase}") as tally, tally.case(phase):
        process = held(WORDS, place, phase)
        done = told(process, place, number)
        assert done.code == CODES[number], done.err
        assert f"interrupted; go on with it: phmbench resume {place.run}\n" in done.err
        assert "Traceback" not in done.out + done.err
        assert state(place.run) == "interrupted"
        assert '"state": "interrupted"' in (place.run / "status.json").read_text()
        assert not list(place.cache.glob("stores/*.tmp"))
        go_on(WORDS, place)
        require_same_end(whole, place.run)


@pytest.mark.parametrize("phase", PHASES if FULL else ["fit"])
@pytest.mark.parametrize("between_s", [0.0, 0.2])
def test_twice_ends_it_at_once(between_s: float, phase: str, whole: Path, tmp_path: Path):
    """Within a second, without a word too much, the lock free, and the folder one that can be gone on with."""
    place = Place.below(tmp_path)
    with Tally("signals", f"Ctrl-C twice during {phase}") as tally, tally.case(str(between_s)):
        process = held(WORDS, place, phase)
        done = told(process, place, signal.SIGINT, signal.SIGINT, between_s=between_s)
        assert done.code in (130, -2)  # −2, which a shell calls 130 as well: the interpreter had handed back the signal
        assert "Traceback" not in done.out + done.err
        assert lock.is_held(place.run) is False
        assert state(place.run) == "interrupted"
        go_on(WORDS, place)
        require_same_end(whole, place.run)


@pytest.mark.parametrize("kind", ["trainer=ddp_cpu", "data.num_workers=2"] if FULL else ["data.num_workers=2"])
def test_ctrl_c_ends_all_processes_of_a_run(kind: str, tmp_path: Path):
    place, words = Place.below(tmp_path), (*WORDS, kind, "trainer.max_epochs=200")
    with Tally("signals", f"Ctrl-C with {kind}") as tally, tally.case(kind):
        process = held(words, place, "fit")
        done = told(process, place, signal.SIGINT)
        assert done.code == 130, done.err
        assert "Traceback" not in done.out + done.err
        assert state(place.run) == "interrupted"
        assert '"state": "interrupted"' in (place.run / "status.json").read_text()
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline and alive(process.pid):
            time.sleep(0.1)
        assert alive(process.pid) == []


def alive(group: int) -> list[int]:
    """Processes of a group that are left."""
    found = subprocess.run(["ps", "-eo", "pid=,pgid=,stat="], capture_output=True, text=True, check=True).stdout
    rows = [line.split() for line in found.splitlines()]
    return [int(pid) for pid, of, status in rows if int(of) == group and not status.startswith("Z")]
