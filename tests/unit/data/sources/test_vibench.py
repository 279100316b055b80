"""PHM-Vibench's layout, on a tiny table and HDF5 files of its format."""

import json
import subprocess
import sys
import textwrap

import h5py
import numpy as np
import pandas as pd
import pytest

from phmbench.data.sources.vibench import Vibench, fault_type
from phmbench.errors import DataError

COLUMNS = {
    "Id": [1, 2, 3, 4],
    "Dataset_id": [1, 1, 1, 2],
    "Name": ["RM_001_CWRU", "RM_001_CWRU", "RM_001_CWRU", "RM_002_XJTU"],
    "Description": "bearing",
    "TYPE": "Bearing",
    "File": ["97.mat", "105.mat", "118.mat", "1.csv"],
    "Label": [0, 1, 2, -1],
    "Label_Description": ["Healthy", "Inner race fault", "Ball fault", None],
    "Fault_level": [0, 7, 14, None],
    "RUL_label": [None, None, None, 0.5],
    "Domain_id": [0, 1, 1, 0],
    "Domain_description": ["0 hp", "1 hp", "1 hp", None],
    "Sample_rate": [12000, 12000, 48000, 25600],
    "Sample_lenth": [6, 6, 8, 4],
    "Channel": [2, 2, 1, 2],
    "Fault_Diagnosis": True,
}
X = np.arange(12.0).reshape(6, 2)


def write(root, *, suffix="csv", **changes):
    """The table and RM_001_CWRU.h5, whose datasets are (6, 2), (6, 2, 1) and (8,)."""
    frame = pd.DataFrame({**COLUMNS, **changes})
    if suffix == "csv":
        frame.to_csv(root / "metadata.csv", index=False)
    else:
        frame.to_excel(root / "metadata.xlsx", index=False)
    with h5py.File(root / "RM_001_CWRU.h5", "w") as file:
        file["1"], file["2"], file["3"] = X, X[:, :, None] + 1, np.arange(8, dtype=np.float32)
    return frame


@pytest.mark.parametrize("suffix", ["csv", "xlsx"])
def test_one_row_per_recording_without_label_minus_one(tmp_path, suffix):
    write(tmp_path, suffix=suffix)
    table = Vibench(root=tmp_path, metadata=f"metadata.{suffix}").table()
    assert list(table["recording"]) == [f"vibench/RM_001_CWRU/{i}" for i in (1, 2, 3)]
    assert set(table["rig"]) == {"vibench/RM_001_CWRU"}
    assert list(table["native_label"]) == ["Healthy", "Inner race fault", "Ball fault"]
    assert list(table["fault_type"]) == ["normal", "inner", "rolling_element"]
    assert list(table["condition"]) == ["RM_001_CWRU 0 hp", "RM_001_CWRU 1 hp", "RM_001_CWRU 1 hp"]
    assert list(table["fs"]) == [12000, 12000, 48000]
    assert list(table["n_samples"]) == [6, 6, 8]
    assert list(table["channels"]) == [("0", "1"), ("0", "1"), ("0",)]
    assert list(table["fault_severity_level"]) == [0, 7, 14]
    assert table["unit"].isna().all()  # the layout does not say
    assert list(table["File"]) == ["97.mat", "105.mat", "118.mat"]


def test_signals_of_two_and_three_axes(tmp_path):
    write(tmp_path)
    source = Vibench(root=tmp_path, metadata="metadata.csv")
    table = source.table()
    np.testing.assert_array_equal(source.signal(table.iloc[0], ["0", "1"]), X.T)
    np.testing.assert_array_equal(source.signal(table.iloc[1], ["1"]), [X[:, 1] + 1])
    np.testing.assert_array_equal(source.signal(table.iloc[2], ["0"]), [np.arange(8)])


def test_other_spellings(tmp_path):
    frame = write(tmp_path)
    spelt = {"TYPE": "Type", "Sample_rate": "Sample_Rate", "Sample_lenth": "Length", "Channel": "Channels"}
    frame.rename(columns=spelt).to_csv(tmp_path / "metadata.csv", index=False)
    table = Vibench(root=tmp_path, metadata="metadata.csv").table()
    assert list(table["fs"]) == [12000, 12000, 48000]
    assert {"TYPE", "Sample_lenth", "Channel"} <= set(table.columns)


def test_where_and_unit(tmp_path):
    write(tmp_path)
    table = Vibench(root=tmp_path, metadata="metadata.csv", where="Sample_rate == 12000", unit=["File"]).table()
    assert list(table["unit"]) == ["vibench/RM_001_CWRU/97.mat", "vibench/RM_001_CWRU/105.mat"]


def test_a_label_without_words_is_its_number(tmp_path):
    write(tmp_path, Label_Description=None)
    table = Vibench(root=tmp_path, metadata="metadata.csv").table()
    assert list(table["native_label"]) == ["0", "1", "2"]
    assert table["fault_type"].isna().all()


def test_the_fingerprint_follows_files_and_arguments(tmp_path):
    write(tmp_path)

    def print_of(**given):
        return Vibench(root=tmp_path, metadata="metadata.csv", **given).fingerprint()

    first = print_of()
    assert print_of() == first == json.loads(json.dumps(first))
    assert print_of(unit=["File"]) != first
    with h5py.File(tmp_path / "RM_001_CWRU.h5", "a") as file:
        file["9"] = X
    assert print_of() != first


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("Healthy", "normal"),
        ("normal ball bearing", "normal"),
        ("Inner_Race", "inner"),
        ("outer ring, roller bearing", "outer"),
        ("OR021@6", "outer"),
        ("IR007", "inner"),
        ("Ball", "rolling_element"),
        ("inner + outer race", "inner+outer"),
        ("broken tooth", "gear"),
        ("abnormal", None),
        ("inner race, normal load", None),
        ("7", None),
    ],
)
def test_words_for_faults(words, expected):
    assert fault_type(words) == expected


def test_missing_files_are_all_named(tmp_path):
    write(tmp_path, Label=[0, 1, 2, 3], Name=["A", "A", "B", "RM_001_CWRU"])
    with pytest.raises(DataError, match=r"vibench: 2 of 3 files are missing in .*; got no A\.h5, B\.h5; expected"):
        Vibench(root=tmp_path, metadata="metadata.csv").table()


def test_ids_without_a_signal(tmp_path):
    write(tmp_path, Id=[1, 2, 30, 4])
    with pytest.raises(
        DataError, match="1 recordings of the table have no signal; got none for RM_001_CWRU/30; expected a"
    ):
        Vibench(root=tmp_path, metadata="metadata.csv").table()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"Id": [1, 1, 3, 4]}, r"Ids listed twice; got RM_001_CWRU/1; expected each Id of a Name once"),
        ({"Sample_rate": [None, 12000, 0, 1]}, r"Sample_rate is missing; got none for RM_001_CWRU/1, RM_001_CWRU/3"),
        ({"Label": -1}, r"no recording is left; got rows with label −1 alone"),
    ],
)
def test_tables_with_gaps(tmp_path, changes, message):
    write(tmp_path, **changes)
    with pytest.raises(DataError, match=rf"metadata\.csv: {message}"):
        Vibench(root=tmp_path, metadata="metadata.csv").table()


def test_columns_that_are_not_there(tmp_path):
    frame = write(tmp_path)
    with pytest.raises(DataError, match=r"vibench\.unit: no such column: Bearing; got \['Bearing'\]; expected of Id, "):
        Vibench(root=tmp_path, metadata="metadata.csv", unit=["Bearing"]).table()
    frame.drop(columns="Label").to_csv(tmp_path / "metadata.csv", index=False)
    with pytest.raises(DataError, match=r"metadata\.csv: lacks the column Label; got Id, Dataset_id"):
        Vibench(root=tmp_path, metadata="metadata.csv").table()


def test_tables_that_are_none(tmp_path):
    with pytest.raises(
        DataError, match=r"metadata\.xlsx: no such file; got nothing; expected PHM-Vibench's metadata table"
    ):
        Vibench(root=tmp_path, metadata="metadata.xlsx").table()
    for name, reason in (
        ("x.txt", r"format not known; got '\.txt'"),
        ("x.xlsx", "cannot be read as xlsx"),
        ("x.csv", "cannot"),
    ):
        (tmp_path / name).write_bytes(b"" if name == "x.csv" else b"garbage")
        with pytest.raises(DataError, match=reason):
            Vibench(root=tmp_path, metadata=name).table()


def test_damaged_signals(tmp_path):
    write(tmp_path)
    source = Vibench(root=tmp_path, metadata="metadata.csv")
    row = source.table().iloc[0]
    with pytest.raises(
        DataError, match=r"vibench/RM_001_CWRU/1: has no channel 2; got \['2'\]; expected of 0, 1; correct"
    ):
        source.signal(row, ["2"])
    path = tmp_path / "RM_001_CWRU.h5"
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(DataError, match=r"RM_001_CWRU\.h5: cannot be read as h5"):
        source.signal(row, ["0"])
    with pytest.raises(DataError, match=r"RM_001_CWRU\.h5: cannot be read as h5"):
        source.table()


def test_xlsx_without_openpyxl_names_the_extra(tmp_path):
    """In an interpreter that has no openpyxl, as after a plain install."""
    write(tmp_path, suffix="xlsx")
    program = f"""
        import sys
        sys.modules["openpyxl"] = None  # what the import system itself does for a package that is not there
        from phmbench.data.sources.vibench import Vibench
        from phmbench.errors import DataError
        try:
            Vibench(root={str(tmp_path)!r}, metadata="metadata.xlsx").table()
        except DataError as error:
            print(error)
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(program)], capture_output=True, text=True, check=True)
    assert "reading xlsx needs openpyxl" in done.stdout
    assert "pip install 'phmbench[excel]'" in done.stdout
