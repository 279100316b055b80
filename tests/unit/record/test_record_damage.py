"""Files of a record that are no longer whole: named, with what to do."""

from __future__ import annotations

from pathlib import Path

import pytest

from phmbench.errors import RecordError
from phmbench.record.configuration import CONFIG, read_config
from phmbench.record.status import METRICS, STATUS, read_metrics, read_status


@pytest.mark.parametrize("content", [b"a: [1", b"\xff\xfe\x00", b"!!python/name:os.system"])
def test_a_configuration_that_cannot_be_read(content: bytes, tmp_path: Path):
    (tmp_path / CONFIG).write_bytes(content)
    with pytest.raises(RecordError) as caught:
        read_config(tmp_path)
    assert "; expected the configuration of a run; the record is damaged: run it again in another" in str(caught.value)


@pytest.mark.parametrize("content", [b"", b'{"status": "do', b"\xff"])
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
