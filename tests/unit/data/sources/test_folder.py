"""A user's own files, by table and by folder per class."""

import json
import os

import numpy as np
import pandas as pd
import pytest
from scipy.io import savemat, wavfile

from phmbench.data.sources.folder import Folder
from phmbench.errors import DataError


@pytest.fixture
def files(tmp_path):
    """Four recordings in four formats, at two rates, and a table of them."""
    (tmp_path / "day 1").mkdir()
    np.save(tmp_path / "day 1" / "a.npy", np.arange(10.0))
    pd.DataFrame({"time": range(8), "x": range(8)}).to_csv(tmp_path / "b.csv", index=False)
    savemat(tmp_path / "c.mat", {"de": np.ones((1, 6)), "fe": np.zeros((1, 6))})
    wavfile.write(tmp_path / "d.wav", 8000, np.zeros(5, np.float32))
    table(
        tmp_path,
        {
            "file": ["day 1/a.npy", "b.csv", "c.mat", "d.wav"],
            "fs": [1000, 2000, 1000, None],
            "label": ["normal", "inner", "inner", None],
            "unit": [1, 2, 2, 3],
            "load": [0.5, 0.5, 1, None],
            "speed_rpm": [600, 600, 900, None],
            "key": [None, None, "fe", None],
            "site": ["north", "south", None, "south"],
        },
    )
    return tmp_path


def table(root, columns):
    pd.DataFrame(columns).to_csv(root / "recordings.csv", index=False)


def test_a_table_of_files_of_any_format(files):
    found = Folder(root=files, table="recordings.csv").table()
    assert list(found["recording"]) == ["folder/day 1/a.npy", "folder/b.csv", "folder/c.mat:fe", "folder/d.wav"]
    assert list(found["fs"]) == [1000, 2000, 1000, 8000]  # of the wav from the file
    assert list(found["n_samples"]) == [10, 8, 6, 5]
    assert list(found["channels"]) == [("0",), ("x",), ("0",), ("0",)]
    assert list(found["unit"]) == ["folder/1", "folder/2", "folder/2", "folder/3"]
    assert list(found["fault_type"])[:3] == ["normal", "inner", "inner"]
    assert list(found["native_label"])[:3] == ["normal", "inner", "inner"]
    assert list(found["condition"])[:3] == ["600 rpm, 0.5 load", "600 rpm, 0.5 load", "900 rpm, 1 load"]
    assert found.loc[3, ["fault_type", "condition", "speed_nominal_rpm"]].isna().all()
    assert list(found["site"])[:2] == ["north", "south"]
    assert set(found["rig"]) == {"folder"}
    assert found[["bpfo", "rul_s", "fault_severity_level"]].isna().all(axis=None)


def test_signals_are_those_of_the_files(files):
    source = Folder(root=files, table="recordings.csv")
    rows = source.table()
    np.testing.assert_array_equal(source.signal(rows.iloc[0], ["0"]), [np.arange(10.0)])
    np.testing.assert_array_equal(source.signal(rows.iloc[1], ["x"]), [np.arange(8.0)])
    np.testing.assert_array_equal(source.signal(rows.iloc[2], ["0"]), np.zeros((1, 6)))


def test_a_folder_per_class(tmp_path):
    for name in ("normal/1.npy", "inner/1.npy", "inner/deep/2.npy"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        np.save(tmp_path / name, np.arange(4.0))
    (tmp_path / "inner" / "notes.docx").write_text("no recording")
    found = Folder(root=tmp_path, fs=500.0, name="mine").table()
    assert list(found["recording"]) == ["mine/inner/1.npy", "mine/inner/deep/2.npy", "mine/normal/1.npy"]
    assert list(found["fault_type"]) == ["inner", "inner", "normal"]
    assert set(found["fs"]) == {500.0}
    assert found["unit"].isna().all()  # nothing says which recordings come from one bearing
    assert set(found["dataset"]) == {"mine"}


def test_rigs_and_names_of_the_users_own(files):
    columns = {
        "file": ["b.csv"],
        "fs": 1000,
        "rig": "mill",
        "recording": "first",
        "fault_type": "outer",
        "condition": "hot",
    }
    table(files, columns)
    row = Folder(root=files, table="recordings.csv").table().iloc[0]
    assert row[["rig", "recording", "fault_type", "native_label", "condition"]].fillna("?").tolist() == [
        "folder/mill", "folder/first", "outer", "?", "hot",
    ]  # fmt: skip


def test_the_fingerprint_follows_files_table_and_arguments(files):
    def print_of(**given):
        return Folder(root=files, table="recordings.csv", **given).fingerprint()

    first = print_of()
    assert print_of() == first == json.loads(json.dumps(first))
    assert print_of(channels=["0"]) != first
    os.utime(files / "b.csv", (1, 1))
    touched = print_of()
    assert touched != first
    table(files, {"file": ["b.csv"], "fs": 1000})
    assert print_of() != touched


def test_all_missing_files_are_named_at_once(files):
    table(files, {"file": ["x.npy", "b.csv", "y/z.mat"], "fs": 1000})
    with pytest.raises(
        DataError, match=r"folder: 2 of 3 files are missing in .*; got x\.npy, y/z\.mat; expected every file"
    ):
        Folder(root=files, table="recordings.csv").table()


def test_recordings_listed_twice(files):
    table(files, {"file": ["b.csv", "b.csv"], "fs": 1000})
    with pytest.raises(
        DataError, match=r"folder: recordings listed twice; got b\.csv; expected one row.*column `recording`"
    ):
        Folder(root=files, table="recordings.csv").table()


def test_one_file_with_two_signals_is_listed_by_key(files):
    table(files, {"file": ["c.mat", "c.mat"], "fs": 1000, "key": ["de", "fe"]})
    assert list(Folder(root=files, table="recordings.csv").table()["recording"]) == [
        "folder/c.mat:de",
        "folder/c.mat:fe",
    ]


def test_a_rate_that_nobody_tells(files):
    table(files, {"file": ["b.csv", "d.wav", "day 1/a.npy"]})
    with pytest.raises(
        DataError, match=r"folder: sampling rate not known; got none for b\.csv, day 1/a\.npy; expected Hz"
    ):
        Folder(root=files, table="recordings.csv").table()
    assert list(Folder(root=files, table="recordings.csv", fs=10.0).table()["fs"]) == [10, 8000, 10]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("path,fs\nb.csv,1\n", r"recordings\.csv: lacks the column file; got path, fs; expected one row per recording"),
        ("file,fs\n", r"recordings\.csv: lists no recording; got no rows"),
        (
            "file,fs\nb.csv,fast\n",
            r"recordings\.csv: text in column fs; got 'fast' in row 1; expected numbers with",
        ),
        ("file,fs,dataset\nb.csv,1,x\n", r"columns that phmbench makes itself; got dataset; expected other names"),
        ("", r"recordings\.csv: cannot be read as csv"),
    ],
    ids=["no file", "no rows", "text", "made", "empty"],
)
def test_tables_that_are_none(files, text, message):
    (files / "recordings.csv").write_text(text)
    with pytest.raises(DataError, match=message):
        Folder(root=files, table="recordings.csv").table()


def test_a_table_of_garbage(files):
    (files / "recordings.csv").write_bytes(np.random.default_rng(0).bytes(3000))
    with pytest.raises(DataError, match=r"recordings\.csv: "):
        Folder(root=files, table="recordings.csv").table()


def test_folders_and_tables_that_are_not_there(tmp_path):
    with pytest.raises(
        DataError, match=r"folder\.root: no such folder; got .*nowhere; expected the folder of the recordings"
    ):
        Folder(root=tmp_path / "nowhere").table()
    with pytest.raises(DataError, match=r"folder\.root: no recording found; got .*; expected a folder per class"):
        Folder(root=tmp_path).table()
    with pytest.raises(DataError, match=r"list\.csv: no such file; got nothing; expected a CSV table of recordings"):
        Folder(root=tmp_path, table="list.csv").table()


def test_a_damaged_file_is_named(files):
    (files / "c.mat").write_bytes(b"garbage")
    with pytest.raises(DataError, match=r"c\.mat: cannot be read as mat"):
        Folder(root=files, table="recordings.csv").table()


def test_all_damaged_files_are_named_at_once(files):
    for name in ("b.csv", "c.mat"):
        (files / name).write_bytes(b"")
    with pytest.raises(DataError, match=r"b\.csv: .*; 1 others cannot be used either: c\.mat$"):
        Folder(root=files, table="recordings.csv").table()


def test_a_column_twice_and_one_unit_in_two_spellings(files):
    path = files / "recordings.csv"
    text = path.read_text()
    path.write_text(text.replace("site", "label", 1))
    with pytest.raises(DataError, match="a column stands there twice; got label; expected each name once"):
        Folder(root=files, table="recordings.csv").table()
    path.write_text("file,unit\nday 1/a.npy,20230101123045001\nb.csv,20230101123045002\nc.mat,1_10\nd.wav,11_0\n")
    Folder(root=files, table="recordings.csv", fs=1000, key="fe")._listed  # noqa: B018  # names, and no two of one number
    path.write_text("file,unit\na.npy,6\nb.csv,6.0\n")
    with pytest.raises(DataError, match=r"one number in two spellings in column unit; got 6 and 6\.0; expected a name"):
        Folder(root=files, table="recordings.csv").table()
