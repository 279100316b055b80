"""Readers of users' files: each format as programs write it, and what damage ends in."""

import re
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy.io import savemat, wavfile

from phmbench.data.sources.readers import READERS, contents, read
from phmbench.errors import DataError

X = np.arange(24.0).reshape(12, 2) - 5.5  # (time, channel)


def write(path, x=X):
    """The array in the format of the suffix, (time, channel)."""
    frame = pd.DataFrame(x, columns=["a", "b"])
    match path.suffix:
        case ".csv":
            frame.to_csv(path, index=False)
        case ".tsv" | ".txt":
            frame.to_csv(path, index=False, sep="\t")
        case ".npy":
            np.save(path, x)
        case ".mat":
            savemat(path, {"x": x, "fs": 1000.0})
        case ".wav":
            wavfile.write(path, 1000, x.astype(np.float32))
        case ".h5" | ".hdf5":
            with h5py.File(path, "w") as file:
                file["group/x"] = x
        case ".parquet":
            frame.to_parquet(path)
    return path


@pytest.mark.parametrize("suffix", sorted(READERS))
def test_every_format_gives_channels_by_time(tmp_path, suffix):
    path = write(tmp_path / f"x{suffix}")
    found = contents(path, key=None)
    names = ("a", "b") if suffix in (".csv", ".tsv", ".txt", ".parquet") else ("0", "1")
    assert found[:2] == (names, 12)
    assert found.fs == (1000.0 if suffix == ".wav" else None)
    np.testing.assert_allclose(read(path, key=None, channels=names[::-1]), X.T[::-1])


@pytest.mark.parametrize("suffix", sorted(READERS))
@pytest.mark.parametrize("damage", ["empty", "garbage", "truncated"])
def test_damage_ends_in_an_error_that_names_the_file(tmp_path, suffix, damage):
    rng = np.random.default_rng(0)
    path = write(tmp_path / f"x{suffix}", rng.standard_normal((2000, 2)))
    whole = path.read_bytes()
    if suffix in (".csv", ".tsv", ".txt") and damage == "truncated":
        whole = whole.rstrip().rsplit(b"\n", 1)[0] + b"\n0.5"  # in the middle of a line, by the separator
        path.write_bytes(whole)
    else:
        path.write_bytes({"empty": b"", "garbage": rng.bytes(5000), "truncated": whole[: len(whole) // 2]}[damage])
    with pytest.raises(DataError, match=rf"x\{suffix}: (cannot be read as|which variable|no text|not UTF-8)"):
        read(path, key=None, channels=contents(path, key=None).channels)


def test_arrays_may_lie_either_way(tmp_path):
    np.save(tmp_path / "x.npy", X.T)
    np.testing.assert_array_equal(read(tmp_path / "x.npy", key=None, channels=["0", "1"]), X.T)


@pytest.mark.parametrize("shape", [(12,), (12, 1), (1, 12), (12, 1, 1)])
def test_a_vector_is_one_channel(tmp_path, shape):
    np.save(tmp_path / "x.npy", np.arange(12.0).reshape(shape))
    assert contents(tmp_path / "x.npy", key=None)[:2] == (("0",), 12)
    np.testing.assert_array_equal(read(tmp_path / "x.npy", key=None, channels=["0"]), [np.arange(12.0)])


def test_types_are_kept_or_made_float64(tmp_path):
    for kind, expected in (("float32", "float32"), ("float64", "float64"), ("int16", "float64")):
        np.save(tmp_path / "x.npy", np.arange(5).astype(kind))
        assert read(tmp_path / "x.npy", key=None, channels=["0"]).dtype == expected


@pytest.mark.parametrize("suffix", [".mat", ".h5"])
def test_several_variables_need_a_key(tmp_path, suffix):
    path = tmp_path / f"x{suffix}"
    if suffix == ".mat":
        savemat(path, {"de": X[:, :1], "fe": X[:, 1:], "rpm": 1800.0})
    else:
        with h5py.File(path, "w") as file:
            file["de"], file["fe"], file["rpm"] = X[:, 0], X[:, 1], 1800.0
    np.testing.assert_array_equal(read(path, key="fe", channels=["0"]), [X[:, 1]])
    for key in (None, "DE"):
        with pytest.raises(
            DataError, match=rf"which variable is the signal is not clear; got key {key!r}; expected of de, fe"
        ):
            contents(path, key=key)


def test_mat_of_version_7_3_is_hdf5(tmp_path):
    with h5py.File(tmp_path / "x.mat", "w") as file:
        file["de"] = X.T
    np.testing.assert_array_equal(read(tmp_path / "x.mat", key=None, channels=["0", "1"]), X.T)


@pytest.mark.parametrize("suffix", [".npy", ".wav"])
def test_formats_without_variables_refuse_a_key(tmp_path, suffix):
    path = write(tmp_path / f"x{suffix}")
    with pytest.raises(DataError, match=r"has no variables; got key 'a'; expected no key"):
        contents(path, key="a")


def test_sound_of_whole_numbers_is_scaled_to_one(tmp_path):
    """16 bits: 32767 is 1. 8 bits are unsigned: 128 is 0, and 0 is −1."""
    wavfile.write(tmp_path / "x.wav", 100, np.array([0, 32767, -32767], np.int16))
    np.testing.assert_allclose(read(tmp_path / "x.wav", key=None, channels=["0"]), [[0, 1, -1]])
    wavfile.write(tmp_path / "x.wav", 100, np.array([128, 0], np.uint8))
    np.testing.assert_allclose(read(tmp_path / "x.wav", key=None, channels=["0"]), [[0, -1]])


@pytest.mark.parametrize(
    ("text", "names", "first"),
    [
        ("1,2\n3,4\n", ("0", "1"), (1, 2)),
        ("time,x\n0,5\n1,6\n", ("x",), (5,)),
        ("time\n0\n1\n", ("time",), (0,)),
        ("x;y\n1,5;2\n3,5;4\n", ("x", "y"), (1.5, 2)),
        ("1,5;2,5\n3,5;4,5\n", ("0", "1"), (1.5, 2.5)),
        ("x;y\n1.5;2\n3;4\n", ("x", "y"), (1.5, 2)),
        ("\ufeffx , note\n1,ok\n2,ok\n", ("x",), (1,)),
        ("-1e-3\n+2.5E2\n", ("0",), (-1e-3,)),
    ],
    ids=["bare", "time left out", "time alone", "semicolon", "no header", "points", "byte order mark", "one column"],
)
def test_tables_as_people_write_them(tmp_path, text, names, first):
    path = tmp_path / "x.csv"
    path.write_text(text, encoding="utf-8")
    found = contents(path, key=None)
    assert found[:2] == (names, 2)
    np.testing.assert_allclose(read(path, key=None, channels=names)[:, 0], first)


def test_a_key_is_one_column_of_a_table(tmp_path):
    path = write(tmp_path / "x.csv")
    assert contents(path, key="b").channels == ("b",)
    with pytest.raises(DataError, match=r"got key 'c'; expected of a, b; give `key`"):
        contents(path, key="c")


def test_text_within_numbers_is_found_with_its_line(tmp_path):
    (tmp_path / "x.csv").write_text("a,b\n1,2\n3,oops\n")
    with pytest.raises(
        DataError, match=r"x\.csv: cannot be read as csv; got 'oops' in column b, line 3; expected a whole"
    ):
        contents(tmp_path / "x.csv", key=None)


def test_columns_of_one_name(tmp_path):
    (tmp_path / "x.csv").write_text("a,b, b\n1,2,3\n")
    with pytest.raises(DataError, match="got columns of one name: b"):
        contents(tmp_path / "x.csv", key=None)


def test_a_pickle_is_not_opened(tmp_path):
    np.save(tmp_path / "x.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(DataError, match="cannot be read as npy"):
        contents(tmp_path / "x.npy", key=None)


@pytest.mark.parametrize(
    ("x", "reason"),
    [
        (np.array([1j, 2j]), "values of type complex128, not real numbers"),
        (np.array(["a", "b"]), "values of type <U1, not real numbers"),
        (np.zeros((2, 3, 4)), r"an array of shape \(2, 3, 4\), not one or two axes"),
        (np.zeros(0), "no samples"),
        (np.zeros((0, 3)), "no samples"),
    ],
)
def test_arrays_that_are_no_signal(tmp_path, x, reason):
    np.save(tmp_path / "x.npy", x)
    with pytest.raises(DataError, match=f"cannot be read as npy; got {reason}"):
        read(tmp_path / "x.npy", key=None, channels=contents(tmp_path / "x.npy", key=None).channels)


def test_unknown_formats_channels_and_files(tmp_path):
    with pytest.raises(DataError, match=r"x\.doc: format not known; got '\.doc'; expected of \.csv, \.h5"):
        contents(tmp_path / "x.doc", key=None)
    with pytest.raises(DataError, match=r"x\.npy: no such file; got nothing; expected a recording"):
        contents(tmp_path / "x.npy", key=None)
    with pytest.raises(DataError, match=r"x\.csv: has no channel z; got \['a', 'z'\]; expected of a, b; correct"):
        read(write(tmp_path / "x.csv"), key=None, channels=["a", "z"])


@given(share=st.floats(0, 0.999))
@example(share=0.96875)  # of the mat file: the signal is whole, what follows it is not
@settings(max_examples=25, deadline=None)
@pytest.mark.parametrize("suffix", [".npy", ".mat", ".wav", ".h5", ".parquet"])
def test_wherever_a_binary_file_is_cut_off_no_sample_is_lost_silently(tmp_path_factory, suffix, share):
    """It is noticed, or the cut lies behind the signal and the samples are those of the whole file."""
    path = write(tmp_path_factory.mktemp("cut") / f"x{suffix}")
    channels = contents(path, key=None).channels
    samples, whole = read(path, key=None, channels=channels), path.read_bytes()
    path.write_bytes(whole[: int(share * len(whole))])
    try:
        found = read(path, key=None, channels=contents(path, key=None).channels)
    except DataError as error:
        assert re.search(rf"x\{suffix}: (cannot be read as|which variable)", str(error))  # noqa: PT017  # or no error
    else:
        assert np.array_equal(found, samples)


@pytest.mark.parametrize("content", [b"<html>not found</html>", bytes(100), b""], ids=["page", "zeros", "empty"])
def test_what_is_no_numpy_file_is_not_taken_for_a_pickle(content: bytes, tmp_path: Path):
    (tmp_path / "a.npy").write_bytes(content)
    with pytest.raises(DataError, match="no NumPy file: it begins with other bytes") as caught:
        contents(tmp_path / "a.npy", key=None)
    assert "pickle" not in str(caught.value)
