"""Our reader of MATLAB's files, held against scipy's; and the damage on which scipy's ends the interpreter."""

import struct
import warnings
from pathlib import Path

import h5py
import numpy as np
import pytest
import scipy.io
from scipy.io import loadmat, savemat, whosmat

from phmbench.data.sources import mat
from phmbench.data.sources.readers import contents, read
from phmbench.errors import DataError

X = np.arange(24.0).reshape(12, 2) - 5.5
REAL = {"double", "single", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"}
MATLABS = sorted((Path(scipy.io.__file__).parent / "matlab" / "tests" / "data").glob("test*.mat"))
"""Files that MATLAB 4 to 7.4 wrote on three systems, of both orders of bytes; scipy brings them."""


def compare(path: Path) -> int:
    """Both readers find the same real arrays; their number."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = loadmat(path)
        names = [name for name, _, kind in whosmat(path) if kind in REAL and not np.iscomplexobj(theirs[name])]
    ours = mat.arrays(path)
    names = [name for name in names if not name.startswith("__")]
    assert list(ours) == names
    for name, array in ours.items():
        np.testing.assert_array_equal(mat.read(path, array), theirs[name])
    return len(ours)


@pytest.mark.parametrize("kind", ["float64", "float32", "int8", "uint8", "int16", "uint16", "int32", "int64"])
@pytest.mark.parametrize("how", [{}, {"do_compression": True}, {"format": "4"}], ids=["5", "packed", "4"])
def test_arrays_are_those_that_scipy_reads(tmp_path, kind, how):
    if how and kind in ("int8", "int64"):
        kind = "float64"  # version 4 has no such type
    x = (X * 3).astype(kind)
    content = {"x": x, "row": x[:, 0], "one": 3, "text": "words", "z": X * 1j}
    savemat(tmp_path / "x.mat", content if "format" in how else {**content, "c": {"x": X}, "b": X > 0}, **how)
    assert compare(tmp_path / "x.mat") == 3


@pytest.mark.skipif(not MATLABS, reason="scipy came without its tests")
def test_files_of_matlab_are_read_as_scipy_reads_them():
    found = [compare(path) for path in MATLABS if "hdf5" not in path.name]
    assert len(found) > 80
    assert sum(found) > 20


@pytest.mark.parametrize("kind", [0, 8, 16, 137, 255])
def test_a_type_that_there_is_not(tmp_path, kind):
    """scipy 1.17 ends the interpreter on 137 and 255."""
    savemat(tmp_path / "x.mat", {"x": X})
    whole = bytearray((tmp_path / "x.mat").read_bytes())
    whole[176] = kind  # of the values: header 128, tag 8, flags 16, dimensions 16, name 8
    (tmp_path / "x.mat").write_bytes(whole)
    with pytest.raises(DataError, match=rf"x\.mat: cannot be read as mat; got x: 192 bytes of type {kind}, in a var"):
        contents(tmp_path / "x.mat", key=None)


def test_tables_and_dates_of_matlab_are_passed_over(tmp_path):
    """Class 17 has flags and then a name, no dimensions."""
    savemat(tmp_path / "x.mat", {"x": X[:10]})
    flags = struct.pack("<IIII", 6, 8, 17, 0)
    name = struct.pack("<II4s4x", 1, 4, b"when")
    opaque = flags + name
    content = (tmp_path / "x.mat").read_bytes() + struct.pack("<II", 14, len(opaque)) + opaque
    (tmp_path / "x.mat").write_bytes(content)
    assert contents(tmp_path / "x.mat", key=None)[1] == 10


@pytest.mark.parametrize(
    ("at", "value", "reason"),
    [
        (132, 9999, "208 bytes of a variable, where its header says 9,999"),
        (136, 5, "a variable without flags"),
        (152, 9, "a variable without dimensions"),
        (168, 9, "a variable without a name"),
        (160, -1, "in a variable of"),
        (160, 2**31 - 1, "in a variable of"),
        (180, 2**31 - 1, "in a variable of"),
    ],
)
def test_headers_that_say_what_is_not_so(tmp_path, at, value, reason):
    savemat(tmp_path / "x.mat", {"x": X[:10]})
    whole = bytearray((tmp_path / "x.mat").read_bytes())
    whole[at : at + 4] = struct.pack("<i", value)
    (tmp_path / "x.mat").write_bytes(whole)
    with pytest.raises(DataError, match=rf"x\.mat: cannot be read as mat; got .*{reason}"):
        contents(tmp_path / "x.mat", key=None)


def test_compressed_variables_that_are_damaged(tmp_path):
    path = tmp_path / "x.mat"
    savemat(path, {"x": np.random.default_rng(0).standard_normal(4000)}, do_compression=True)
    whole, array = path.read_bytes(), mat.arrays(path)["x"]
    path.write_bytes(whole[:-4] + b"0000")  # its checksum
    with pytest.raises(ValueError, match="a compressed variable that is damaged"):
        mat.read(path, array)
    path.write_bytes(whole[:-4])
    with pytest.raises(ValueError, match=r"bytes of a compressed variable, where .* and their checksum are to be"):
        mat.read(path, array)
    path.write_bytes(whole[:131])
    with pytest.raises(ValueError, match="the end of the file within a variable"):
        mat.arrays(path)


def test_version_4_that_is_damaged(tmp_path):
    path = tmp_path / "x.mat"
    savemat(path, {"x": X}, format="4")
    path.write_bytes(path.read_bytes()[:-8])
    with pytest.raises(DataError, match="got 184 bytes of x, where its header says 192; expected a whole file"):
        contents(path, key=None)
    path.write_bytes(b"hello, I am no file of MATLAB")
    with pytest.raises(DataError, match="got no variable of MATLAB; expected a whole file"):
        contents(path, key=None)


def test_text_in_version_7_3_is_no_signal(tmp_path):
    with h5py.File(tmp_path / "x.mat", "w") as file:
        file["x"] = X.T
        file["note"] = np.frombuffer("motor".encode("utf-16-le"), np.uint16)
        file["note"].attrs["MATLAB_class"] = np.bytes_("char")
        file["#refs#/a"] = np.arange(5.0)
    assert contents(tmp_path / "x.mat", key=None).n_samples == 12
    np.testing.assert_array_equal(read(tmp_path / "x.mat", key=None, channels=["0", "1"]), X.T)
