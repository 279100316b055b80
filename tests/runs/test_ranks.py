"""Runs of several processes whose ranks die, or are told to end: never a hang, and nothing is left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from phmbench import trust
from phmbench.errors import PhmbenchError
from phmbench.pipelines import fit_test
from phmbench.record import Record
from tests.conftest import ROOT, TINY
from tests.contract.composing import composed

pytestmark = pytest.mark.slow
WORDS = (*TINY, "trainer=ddp_cpu", "model=spectral_linear", "task/split=recordings", "--trust", "tests")


def dying(where: str, how: str) -> tuple[str, ...]:
    callback = "trainer.callbacks.dies"
    return f"{callback}._target_=tests.runs.dying.Dies", f"{callback}.where={where}", f"{callback}.how={how}"


def processes(mark: str) -> list[int]:
    """Those whose command or environment has this text; a rank's has the temporary folder it was given."""
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit() and int(folder.name) != os.getpid():
            try:
                text = (folder / "cmdline").read_bytes() + (folder / "environ").read_bytes()
                state = (folder / "stat").read_text().rpartition(")")[2].split()[0]
            except OSError:
                continue  # it has ended
            if mark.encode() in text and state != "Z":
                found.append(int(folder.name))
    return found


def none_left(mark: str, *, seconds: float = 30) -> bool:
    """Whether all of them end; loader processes look for their parent every five seconds."""
    end = time.monotonic() + seconds
    while processes(mark) and time.monotonic() < end:
        time.sleep(0.1)
    return not processes(mark)


@pytest.mark.parametrize(
    ("where", "how", "said"),
    [
        (
            "setup",
            "raise",
            "rank 1 failed: ZeroDivisionError: what a user's own class could raise; its traceback is in",
        ),
        ("on_train_batch_start", "kill", "rank 1 failed: its process was ended by SIGKILL; got no traceback"),
        ("on_validation_batch_end", "raise", "rank 1 failed: ZeroDivisionError: what"),
        ("on_test_batch_start", "exit", "rank 1 failed: its process exited with 3; got no traceback"),
        ("on_after_backward", "spoil", "rank 1 failed: trainer: the gradient is not finite; got "),
    ],
    ids=["set-up", "fit", "validation", "test", "gradient"],
)
def test_a_rank_that_dies_ends_the_run(
    where: str, how: str, said: str, tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv(trust.VARIABLE, "tests")
    monkeypatch.setenv("TMPDIR", str(tmp_path))  # where the launcher and its ranks keep what they tell each other
    monkeypatch.setattr("tempfile.tempdir", None)
    config = composed(*WORDS, f"paths.cache={cache}", *dying(where, how))
    with pytest.raises(PhmbenchError) as caught, Record.open(tmp_path / "run", config) as record:
        fit_test.run(cfg=config, record=record)
    assert said in str(caught.value)
    assert record.state == "failed"
    log = (tmp_path / "run" / "log.txt").read_text()
    assert ("and in no module when the batch was run again" in str(caught.value)) is (how == "spoil")
    assert ("in _die" in log) is (how == "raise")  # the whole traceback of the rank
    assert none_left(str(tmp_path))
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(("phmbench", "torchelastic"))]


def test_a_run_that_lost_a_rank_goes_on_to_the_same_end(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch):
    """Killed in the second epoch, after a checkpoint; with dropout: each epoch draws what it would have drawn."""
    monkeypatch.setenv(trust.VARIABLE, "tests")
    callback, found = "trainer.callbacks.dies", {}
    for name in ("whole", "cut"):
        once = tmp_path / f"{name}.once"
        dies = (*dying("on_train_batch_start", "kill"), f"{callback}.epoch=1", f"{callback}.once={once}")
        words = (*WORDS, "model=patch_transformer", "trainer.max_epochs=3", f"paths.cache={cache}", *dies)
        config = composed(*words)
        if name == "whole":
            once.touch()  # as if it had happened
        else:
            with pytest.raises(PhmbenchError, match="SIGKILL"), Record.open(tmp_path / name, config) as record:
                fit_test.run(cfg=config, record=record)
            assert Record.attach(tmp_path / name).state == "failed"
        begin = Record.open if name == "whole" else Record.resume
        with begin(tmp_path / name, config) as record:
            found[name] = fit_test.run(cfg=config, record=record)
    assert found["cut"]["metrics"] == found["whole"]["metrics"]
    assert found["cut"]["metrics"]["epochs"] == 3


@pytest.mark.parametrize(
    ("number", "to_all"),
    [(signal.SIGINT, True), (signal.SIGINT, False), (signal.SIGKILL, False)],
    ids=["ctrl-c", "sigint", "sigkill"],
)
def test_a_signal_ends_all_ranks(number: signal.Signals, to_all: bool, tmp_path: Path, cache: Path):
    """While both sleep in a training step and each has a loader process; Ctrl-C goes to the whole group."""
    run = tmp_path / "run"
    words = (*WORDS, "data.num_workers=1", f"hydra.run.dir={run}", *dying("on_train_batch_start", "sleep"))
    variables = {**os.environ, "PHMBENCH_CACHE": str(cache), "PYTHONPATH": str(ROOT), "TMPDIR": str(tmp_path)}
    process = subprocess.Popen(
        [sys.executable, str(ROOT / "train.py"), *words], cwd=tmp_path, env=variables, start_new_session=True,
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # ignored by what a shell starts with &
    )  # fmt: skip
    mark = str(tmp_path)
    while len(processes(mark)) < 5 and process.poll() is None:
        time.sleep(0.1)
    assert len(processes(mark)) >= 5, process.communicate()[1]
    (os.killpg if to_all else os.kill)(process.pid, number)
    said = process.communicate(timeout=60)[1]
    assert process.returncode == (130 if number == signal.SIGINT else -number)
    assert "Traceback" not in said
    assert none_left(mark)
    assert Record.attach(run).state == "interrupted"
