"""Faults of tables, files and stores that few meet; each is made for real."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd
import pytest

from phmbench.data import store_file
from phmbench.data.sources.folder import Folder
from phmbench.data.sources.readers import contents
from phmbench.data.sources.vibench import Vibench
from phmbench.data.splits.draw import draw
from phmbench.data.splits.units import Units
from phmbench.data.store import prepare
from phmbench.errors import DataError, PhmbenchError
from phmbench.types import Windows


class Noise:
    """Recordings of noise: as many channels as it is told."""

    def __init__(self, name: str, *, channels: int = 1) -> None:
        self.name, self.default_channels = name, tuple("abc"[:channels])

    def fingerprint(self) -> dict[str, object]:
        return {"name": self.name}

    def table(self) -> pd.DataFrame:
        same = {"dataset": self.name, "rig": self.name, "condition": "c", "fs": 1000.0, "n_samples": 300}
        names = {"recording": [f"{self.name}/1", f"{self.name}/2"], "unit": ["u", "v"], "fault_type": ["a", "b"]}
        return pd.DataFrame({**names, "channels": [self.default_channels] * 2}).assign(**same)

    def signal(self, row: pd.Series, channels: Any) -> np.ndarray:
        rng = np.random.default_rng(list(str(row["recording"]).encode()))
        return rng.standard_normal((len(channels), 300))


def store_of(cache: Path, *sources: Noise) -> Any:
    given = {source.name: source for source in sources}
    return prepare(given, where=None, ids=None, channels=None, sample_rate=None, cache=cache)


# -- stores ----------------------------------------------------------------------------------------------------------


def test_sources_of_different_numbers_of_channels(tmp_path: Path):
    message = "data.channels: the number of channels differs; got .*; expected the same number of every source"
    with pytest.raises(DataError, match=message):
        store_of(tmp_path, Noise("one"), Noise("two", channels=2))


def test_a_description_that_somebody_has_changed(tmp_path: Path):
    path = store_of(tmp_path, Noise("one")).path
    whole = path.read_bytes()
    path.write_bytes(whole.replace(b'["a"]', b'["z"]'))
    with pytest.raises(store_file.DamagedError, match="its description fails the checksum"):
        store_file.read(path)
    path.write_bytes(whole)
    with h5py.File(path, "r+") as file:
        file.attrs["channels"] = '["z"]'
    with pytest.raises(store_file.DamagedError, match="it is cut short, of another format, or has been changed"):
        store_file.read(path)
    assert store_of(tmp_path, Noise("one")).channels == ("a",)  # built again


def test_a_seal_on_what_is_no_store(tmp_path: Path):
    path = tmp_path / "x.h5"
    path.write_bytes(b"garbage" * 100)
    with path.open("r+b") as file:
        digest = store_file._around(file, 0, 0, 700)
        file.write(store_file.SEAL.pack(store_file.MARK, 0, 0, digest))
    with pytest.raises(store_file.DamagedError, match="it cannot be read: "):
        store_file.read(path)


@pytest.mark.parametrize("keep", [0, 100, -1, -5000])
def test_a_store_that_is_cut_off(keep: int, tmp_path: Path):
    path = store_of(tmp_path, Noise("one")).path
    os.truncate(path, keep if keep >= 0 else path.stat().st_size + keep)
    with pytest.raises(store_file.DamagedError, match="it is cut short"):
        store_file.read(path)
    assert len(store_of(tmp_path, Noise("one")).table) == 2  # built again


def test_samples_that_have_changed_on_the_disk(tmp_path: Path):
    """One bit of the second recording."""
    path = store_of(tmp_path, Noise("one")).path
    at = store_file.read(path).position + 4 * 300 + 2
    with path.open("r+b") as file:
        file.seek(at)
        byte = file.read(1)[0]
        file.seek(at)
        file.write(bytes([byte ^ 1]))
    with pytest.raises(store_file.DamagedError, match="samples of 1 recordings fail their checksum: one/2"):
        store_file.check_samples(path, store_file.read(path))
    assert len(store_of(tmp_path, Noise("one")).table) == 2  # built again


# -- a user's files --------------------------------------------------------------------------------------------------


def test_a_recording_that_is_not_there(tmp_path: Path):
    with pytest.raises(DataError) as caught:
        contents(tmp_path / "x.csv", key=None)
    assert "x.csv: no such file; got nothing; expected a recording; correct the table or the folder" in str(
        caught.value
    )


@pytest.mark.parametrize(
    ("text", "message"), [("a,b\nx,y\n", "no column of numbers"), ("\n1,2\n", "an empty first line")]
)
def test_tables_that_hold_no_signal(text: str, message: str, tmp_path: Path):
    (tmp_path / "x.csv").write_text(text)
    with pytest.raises(DataError, match=f"x.csv: cannot be read as csv; got {message}; expected a whole file"):
        contents(tmp_path / "x.csv", key=None)


def test_a_table_that_is_not_there(tmp_path: Path):
    with pytest.raises(DataError) as caught:
        Folder(root=tmp_path, table="list.csv").table()
    message = str(caught.value)
    assert "list.csv: no such file; got nothing; expected a CSV table of recordings in the folder `root` " in message
    assert "where each class has a folder of its own, set it to null" in message


def test_columns_that_are_ours_to_make(tmp_path: Path):
    np.save(tmp_path / "a.npy", np.arange(9.0))
    (tmp_path / "list.csv").write_text("file,fs,label,dataset\na.npy,10,x,mine\n")
    with pytest.raises(
        DataError, match="columns that phmbench makes itself; got dataset; expected other names; rename"
    ):
        Folder(root=tmp_path, table="list.csv").table()


# -- PHM-Vibench -----------------------------------------------------------------------------------------------------


def vibench(root: Path, signal: np.ndarray) -> Vibench:
    columns = {"Id": [1], "Name": ["R"], "Label": [0], "Sample_rate": [1000], "Sample_lenth": [len(signal)]}
    pd.DataFrame({**columns, "Channel": 1, "TYPE": "b", "Dataset_id": 1, "File": "f"}).to_csv(
        root / "m.csv", index=False
    )
    with h5py.File(root / "R.h5", "w") as file:
        file["1"] = signal
    return Vibench(root=root, metadata="m.csv")


@pytest.mark.parametrize(
    ("metadata", "message"),
    [
        ("n.csv", "n.csv: no such file; got nothing; expected PHM-Vibench's metadata table; correct root or metadata"),
        ("R.h5", "R.h5: format not known; got '.h5'; expected .xlsx or .csv; save it as one of these"),
    ],
)
def test_a_metadata_table_that_is_none(metadata: str, message: str, tmp_path: Path):
    vibench(tmp_path, np.arange(3.0))
    with pytest.raises(DataError) as caught:
        Vibench(root=tmp_path, metadata=metadata).table()
    assert message in str(caught.value)


# -- splits ----------------------------------------------------------------------------------------------------------


def test_units_that_classes_share_so_that_none_can_be_taken():
    """u1 has a and b, u2 a and c, u3 b and c: with u1 in the test, c cannot lose a unit without a or b losing its
    last."""
    group = np.array(["u1", "u1", "u2", "u2", "u3", "u3"], dtype=object)
    label = np.array(list("abacbc"), dtype=object)
    message = "class 'c': no unit of it can be taken without another losing its last"
    with pytest.raises(PhmbenchError, match=message):
        draw(group, label, np.zeros(6, dtype=object), share=0.1, rng=np.random.default_rng(0), noun="unit")


def test_a_class_of_one_unit():
    rows = [(f"r{i}", unit, label) for i, (unit, label) in enumerate([("u", "a"), ("v", "a"), ("w", "a"), ("x", "b")])]
    table = pd.DataFrame(rows, columns=["recording", "unit", "label"]).assign(rig="rig", condition="c")
    windows = Windows(np.repeat(np.arange(4), 5), np.tile(np.arange(5) * 10, 4))
    with pytest.raises(DataError) as caught:
        Units(target=None, val=0.2, test=0.2, seed=0)(table, windows, 10)
    message = "units: class 'b' has one unit; a split by units needs three (training, validation, test), or two with "
    assert message in str(caught.value)
