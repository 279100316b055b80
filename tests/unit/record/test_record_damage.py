"""Files of a record that are no longer whole: named, with what to do."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from phmbench.errors import RecordError
from phmbench.record import Record, atomic, state
from phmbench.record.configuration import CONFIG, read_config
from phmbench.record.status import METRICS, STATUS, read_metrics, read_status


@pytest.mark.parametrize("content", [b"a: [1", b"\xff\xfe\x00", b"!!python/name:os.system", b"[" * 5000])
def test_a_configuration_that_cannot_be_read(content: bytes, tmp_path: Path):
    (tmp_path / CONFIG).write_bytes(content)
    with pytest.raises(RecordError) as caught:
        read_config(tmp_path)
    assert "; expected the configuration of a run; the record is damaged: run it again in another" in str(caught.value)


@pytest.mark.parametrize("content", [b"", b'{"status": "do', b"\xff", b"[" * 10**6])
def test_a_result_that_is_cut_off(content: bytes, tmp_path: Path):
    (tmp_path / METRICS).write_bytes(content)
    with pytest.raises(RecordError, match=r"metrics\.json: cannot be read; got ") as caught:
        read_metrics(tmp_path)
    assert str(caught.value).endswith("; expected whole JSON; the record is damaged, run it again")


@pytest.mark.parametrize("content", [b"", b'{"state": "runn'])
def test_a_status_that_is_cut_off(content: bytes, tmp_path: Path):
    (tmp_path / STATUS).write_bytes(content)
    with pytest.raises(RecordError, match=r"status\.json: cannot be read; got ") as caught:
        read_status(tmp_path)
    assert str(caught.value).endswith("; expected whole JSON; the record is damaged, run it again elsewhere")


@pytest.mark.parametrize("content", [None, b"", b'{"state": "runn'])
def test_a_status_that_is_lost_is_made_again(content: bytes | None, tmp_path: Path, caplog: pytest.LogCaptureFixture):
    """The configuration is whole: the run can be gone on with."""
    Record.open(tmp_path, {"seed": 0}).interrupt()
    (tmp_path / STATUS).unlink()
    if content is not None:
        (tmp_path / STATUS).write_bytes(content)
    assert state(tmp_path) == "interrupted"
    with caplog.at_level(logging.WARNING, "phmbench"), Record.resume(tmp_path):
        assert state(tmp_path) == "running"
        assert "damaged" not in read_status(tmp_path)
    assert "status.json is damaged or missing; it is made again" in caplog.text


def test_a_result_that_is_lost_is_made_again(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    Record.open(tmp_path, {"seed": 0}).interrupt()
    (tmp_path / METRICS).write_text("{")
    with caplog.at_level(logging.WARNING, "phmbench"):
        Record.resume(tmp_path).interrupt()
    assert "metrics.json is damaged or missing" in caplog.text


def test_a_fold_whose_configuration_is_damaged_is_begun_again(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    """The run above it knows what it was."""
    parent = Record.open(tmp_path, {"seed": None})
    parent.child("seed-0", {"seed": 0}).interrupt()
    (tmp_path / "seed-0" / CONFIG).write_text("seed: [")
    (tmp_path / "seed-0" / "split.csv").write_text("")
    with caplog.at_level(logging.WARNING, "phmbench"), parent.child("seed-0", {"seed": 0}) as child:
        assert read_config(child.path) == {"seed": 0}
        assert not (child.path / "split.csv").exists()
    assert "the record is damaged: run it again in another folder; it is begun again" in caplog.text
    parent.interrupt()


def test_checkpoints_without_a_configuration_are_no_place_for_a_new_run(tmp_path: Path):
    """Else the new run would go on from them."""
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / "last.ckpt").write_bytes(b"")
    with pytest.raises(RecordError, match="got checkpoints of a run whose configuration is lost; expected a new"):
        Record.open(tmp_path, {})


def test_killed_before_the_status_was_written(tmp_path: Path):
    """config.yaml is the first file: from then on the folder holds a run that can be resumed."""
    Record.open(tmp_path, {"seed": 0}).interrupt()
    (tmp_path / STATUS).unlink()
    with pytest.raises(RecordError, match=r"got a run that is interrupted; .* phmbench resume"):
        Record.open(tmp_path, {"seed": 0})
    assert Record.begin(tmp_path, {"seed": 0}).state == "running"


def test_what_a_library_could_not_write_is_named(tmp_path: Path):
    with pytest.raises(RecordError) as caught, atomic.faults_named(tmp_path):
        raise OSError(28, "No space left on device")
    assert "the run could not write; got No space left on device; expected a disk with room" in str(caught.value)
    with pytest.raises(PermissionError), atomic.faults_named(tmp_path):
        raise PermissionError(13, "Permission denied")
