"""Files that are made to mislead: sizes that they do not have, data elsewhere, things that are no files."""

import os

import h5py
import numpy as np
import pandas as pd
import pytest
from scipy.io import wavfile

from phmbench.data.sources import hdf5
from phmbench.data.sources.delimited import parse
from phmbench.data.sources.folder import Folder
from phmbench.data.sources.readers import contents, read
from phmbench.data.sources.vibench import Vibench
from phmbench.errors import DataError

X = np.arange(24.0).reshape(12, 2) - 5.5


def refused(path, message, key=None):
    with pytest.raises(DataError, match=message) as caught:
        read(path, key=key, channels=contents(path, key=key).channels)
    assert path.name in str(caught.value)
    assert str(caught.value).count("; ") >= 3


# -- sizes -----------------------------------------------------------------------------------------------------------


def test_hdf5_that_says_a_trillion_samples(tmp_path):
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file.create_dataset("x", (10**12,), "f4", chunks=(1000,))  # none is stored
    refused(tmp_path / "x.h5", r"got 1,000,000,000,000 samples by its header, in [\d,]+ bytes; expected a whole file")
    with pytest.raises(DataError, match="samples by its header"):
        hdf5.samples(tmp_path / "x.h5", "x")


def test_npy_of_another_size_than_its_header_says(tmp_path):
    path = tmp_path / "x.npy"
    np.save(path, X)
    whole = path.read_bytes()
    path.write_bytes(whole + b"12345678")
    refused(path, "got 200 bytes of samples, where its header says 192; expected a whole file")
    path.write_bytes(whole.replace(b"(12, 2)", b"(10000000000000, 2)"[:7]))
    refused(path, "cannot be read as npy; got")


def test_wav_whose_samples_are_fewer_than_its_header_says(tmp_path):
    path = tmp_path / "x.wav"
    wavfile.write(path, 1000, X[:, 0].astype(np.float32))
    whole = path.read_bytes()
    path.write_bytes(whole[:-4])
    refused(path, "got 44 bytes of samples, where its header says 48")
    at = whole.index(b"data") + 4
    path.write_bytes(whole[:at] + (2**32 - 1).to_bytes(4, "little") + whole[at + 4 :])
    refused(path, "got 48 bytes of samples, where its header says 4,294,967,295")


def test_wav_of_zeros(tmp_path):
    """What a power cut leaves of a file that was being written."""
    path = tmp_path / "x.wav"
    path.write_bytes(bytes(100_000))
    refused(path, "got no wav file; it begins with")


def test_wav_without_a_rate_or_channels(tmp_path):
    path = tmp_path / "x.wav"
    wavfile.write(path, 1000, X[:, 0].astype(np.float32))
    whole = path.read_bytes()
    path.write_bytes(whole[:24] + bytes(4) + whole[28:])
    refused(path, "got a sampling rate of 0 Hz")
    path.write_bytes(whole[:22] + bytes(2) + whole[24:])
    refused(path, "cannot be read as wav; got")


def test_rows_and_columns_mixed_up(tmp_path):
    (tmp_path / "x.csv").write_text(",".join(["1.5"] * 2000) + "\n")
    refused(tmp_path / "x.csv", "got 2000 channels of 1 samples: rows and columns mixed up")


def test_what_is_read_must_have_the_shape_of_the_header(tmp_path, monkeypatch):
    """A file that is written to between the two readings: its header says 12 samples, then it has 5."""
    np.save(tmp_path / "x.npy", X[:, 0])
    found = contents(tmp_path / "x.npy", key=None)._replace(n_samples=5)
    monkeypatch.setattr("phmbench.data.sources.readers.contents", lambda *_, **__: found)
    with pytest.raises(DataError, match=r"got an array of shape \(1, 12\), where its header says \(1, 5\)"):
        read(tmp_path / "x.npy", key=None, channels=["0"])


# -- data that lie elsewhere -----------------------------------------------------------------------------------------


def test_hdf5_whose_samples_lie_in_other_files(tmp_path):
    (tmp_path / "raw").write_bytes(X.tobytes())
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file.create_dataset("x", X.shape, "f8", external=[(str(tmp_path / "raw"), 0, X.nbytes)])
    refused(tmp_path / "x.h5", "got x, whose samples lie in other files")
    os.mkfifo(tmp_path / "pipe.h5")
    layout = h5py.VirtualLayout((12,), "f8")
    layout[:] = h5py.VirtualSource(str(tmp_path / "pipe.h5"), "x", (12,))
    with h5py.File(tmp_path / "y.h5", "w", libver="latest") as file:
        file.create_virtual_dataset("x", layout)
    refused(tmp_path / "y.h5", "got x, whose samples lie in other files")


def test_links_to_other_files_are_not_followed(tmp_path):
    os.mkfifo(tmp_path / "pipe.h5")
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["link"] = h5py.ExternalLink("pipe.h5", "x")
        file["broken"] = h5py.SoftLink("/nowhere")
        file["reference"] = np.array([file.ref, file.ref], h5py.ref_dtype)
        file["name"], file["z"] = "motor", X * 1j
    refused(tmp_path / "x.h5", r"which variable is the signal is not clear; .*\(the file has none with numbers\)")
    refused(tmp_path / "x.h5", "which variable is the signal is not clear; got key 'link'", key="link")
    assert hdf5.in_root(tmp_path / "x.h5") == {}


def test_vibench_with_links(tmp_path):
    os.mkfifo(tmp_path / "pipe.h5")
    row = {"Id": [1], "Name": ["R"], "Label": [0], "Sample_rate": [1000], "Label_Description": ["normal"]}
    pd.DataFrame(row).to_csv(tmp_path / "m.csv", index=False)
    with h5py.File(tmp_path / "R.h5", "w") as file:
        file["1"] = h5py.ExternalLink("pipe.h5", "x")
    with pytest.raises(DataError, match="1 recordings of the table have no signal; got none for R/1"):
        Vibench(root=tmp_path, metadata="m.csv").table()


# -- things that are no files ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["pipe", "folder", "loop", "broken link"])
def test_what_is_no_file_is_refused_and_not_waited_for(tmp_path, kind):
    (tmp_path / "a").mkdir()
    np.save(tmp_path / "a" / "good.npy", X[:, 0])
    path = tmp_path / "a" / "x.csv"
    match kind:
        case "pipe":
            os.mkfifo(path)
        case "folder":
            path.mkdir()
        case "loop":
            path.symlink_to(path)
        case _:
            path.symlink_to("nowhere.csv")
    (tmp_path / "list.csv").write_text("file,fs,label\na/x.csv,10,x\na/good.npy,10,y\n")
    with pytest.raises(DataError, match=r"folder: 1 of 2 files are missing in .*; got a/x.csv; expected every file"):
        Folder(root=tmp_path, table="list.csv").table()
    with pytest.raises(DataError, match=r"x\.csv: no such file; got nothing; expected a recording"):
        contents(path, key=None)
    if kind == "folder":
        assert list(Folder(root=tmp_path, fs=10).table()["recording"]) == ["folder/a/good.npy"]
    else:
        with pytest.raises(DataError, match=r"1 names are no files; got a/x.csv; expected files or folders"):
            Folder(root=tmp_path, fs=10).table()


# -- text ------------------------------------------------------------------------------------------------------------

TEXT = "Schwingung größe,y\n1.5,2\n2.5,3\n"


@pytest.mark.parametrize("name", ["utf-16", "utf-16-le", "latin-1"])
def test_text_in_other_encodings(tmp_path, name):
    (tmp_path / "x.csv").write_bytes(TEXT.encode(name))
    how = "latin1" if name == "latin-1" else "utf-16"
    message = rf"not UTF-8 text; got .* has; expected UTF-8; save it as 'CSV UTF-8', or convert it: iconv -f {how}"
    refused(tmp_path / "x.csv", message)
    (tmp_path / "list.csv").write_bytes("file,fs,label\nä.npy,10,x\n".encode(name))
    with pytest.raises(DataError, match=f"list.csv: {message}"):
        Folder(root=tmp_path, table="list.csv").table()


def test_text_in_another_encoding_further_down(tmp_path):
    (tmp_path / "x.csv").write_bytes(b"a\n1\n2\n\xe4\n")
    refused(tmp_path / "x.csv", "not UTF-8 text; got byte 0xe4, as Latin-1 has")


def test_bytes_that_are_no_text_are_not_taken_for_an_encoding(tmp_path):
    (tmp_path / "x.csv").write_bytes(bytes(range(256)) * 4)
    refused(
        tmp_path / "x.csv", r"no text; got control characters and byte 0x80; expected a table in UTF-8; see what it"
    )


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("a,b\n1,2,9\n3,4,9\n", "rows with more cells than the header has names"),
        ("a,b\n1,2\n3,4,9\n", "Expected 2 fields in line 3, saw 3"),
        ("a,b\n1,2\n3\n", "a last line of 1 cells, where the first has 2"),
        ("a\n1\n1_000\n", "'1_000' in column a, line 3"),
        ("a\n1\n99999999999999999999999\n", "in column a, line 2"),
        ("a,b\n1,2\n3,\0004\n", r"'\\x004' in column b, line 3"),
        ('a,b\n1,"2\n3,4\n', "EOF inside string"),
    ],
)
def test_text_that_is_no_table_of_numbers(tmp_path, text, reason):
    (tmp_path / "x.csv").write_text(text)
    refused(tmp_path / "x.csv", f"cannot be read as csv; got .*{reason}")


def test_a_separator_at_the_end_of_each_line_is_none_too_many(tmp_path):
    (tmp_path / "x.csv").write_text("a,b\n1,2,\n3,4,\n")
    np.testing.assert_array_equal(read(tmp_path / "x.csv", key=None, channels=["a", "b"]), [[1, 3], [2, 4]])
    assert list(parse(tmp_path / "x.csv").columns) == ["a", "b"]


def test_paths_with_spaces_and_letters_of_other_scripts(tmp_path):
    folder = tmp_path / "мои данные 測試" / "inner ‘race’"
    folder.mkdir(parents=True)
    np.save(folder / "a b ñ.npy", X[:, 0])
    (folder.parent / "список.csv").write_text("file,fs,label\ninner ‘race’/a b ñ.npy,10,x\n", encoding="utf-8")
    source = Folder(root=folder.parent, table="список.csv")
    row = source.table().iloc[0]
    assert row["recording"] == "folder/inner ‘race’/a b ñ.npy"
    np.testing.assert_array_equal(source.signal(row, ["0"]), [X[:, 0]])


# -- tables of recordings --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("file,fs,label\na.npy,0,x\n", "1 sampling rates are no rates; got 0 for a.npy; expected Hz, above 0; correct"),
        ("file,fs,label\na.npy,-5,x\n", "1 sampling rates are no rates; got -5 for a.npy"),
        ("file,fs,label\n,5,x\n", "1 of 1 rows name no file; got an empty cell in row 1; expected the path"),
        (
            "file;fs;label\na.npy;5,5;x\n",
            "text in column fs; got '5,5' in row 1; expected numbers with a decimal point",
        ),
        ("file,fs,label\na.npy,5,x\nb.npy,5,in\0ner\n", "got a byte of value 0 in column label, row 2; expected a"),
        ("file,fs,label\na.npy,5,x,9\n", "got rows with more cells than the header has names; expected a table, one"),
        ("file,fs,label\n", "lists no recording; got no rows; expected one row per recording; add them"),
        (
            ",".join(f"c{i}" for i in range(2000)) + ",file\n",
            "no table of recordings; got 2001 columns; expected a r",
        ),
    ],
)
def test_tables_of_recordings_that_are_wrong(tmp_path, table, message):
    np.save(tmp_path / "a.npy", X[:, 0])
    (tmp_path / "list.csv").write_text(table)
    with pytest.raises(DataError, match=message) as caught:
        Folder(root=tmp_path, table="list.csv").table()
    assert str(caught.value).count("; ") >= 3


def test_columns_of_mixed_types_are_text(tmp_path):
    np.save(tmp_path / "a.npy", X[:, 0])
    (tmp_path / "list.csv").write_text(
        "file,fs,label,lot\na.npy,5,1,7\na.npy,5,x,b\n".replace("a.npy,5,x", "./a.npy,5,x")
    )
    table = Folder(root=tmp_path, table="list.csv").table()
    assert list(table["fault_type"]) == ["1", "x"]
    assert list(table["lot"]) == ["7", "b"]
