"""Signals in HDF5 files, MATLAB's of version 7.3 among them; a file may be damaged, or lead to others."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from phmbench.data.sources.damage import damaged, refuse_more_than_fits

NUMBERS = "iufb"
"""Kinds of type that hold real numbers; complex ones, text and references to objects are none."""


def signals(path: Path) -> dict[str, tuple[int, ...]]:
    """Name → shape of the datasets with more than one number; links to other files are not followed."""
    found: dict[str, tuple[int, ...]] = {}

    def collect(name: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset) and item.dtype.kind in NUMBERS and item.shape and item.size > 1:
            if _matlab(item) in (b"char", b"cell") or name.startswith("#"):  # cells are in the group #refs#
                return
            found[name] = item.shape

    with h5py.File(path, "r") as file:
        file.visititems(collect)
    return found


def _matlab(item: h5py.Dataset) -> bytes:
    """The class that MATLAB keeps beside an array: its text is numbers. Only text of a fixed length is read: that
    of any length lies in a heap, on which HDF5 (2.0) can turn for ever where it is damaged."""
    fixed = "MATLAB_class" in item.attrs and item.attrs.get_id("MATLAB_class").dtype.kind == "S"
    return bytes(item.attrs["MATLAB_class"]) if fixed else b""


def in_root(path: Path) -> dict[str, tuple[int, ...]]:
    """Name → shape of the datasets of numbers in the root, however small; links are left out: one may lead to a pipe,
    which is waited for without end."""
    with h5py.File(path, "r") as file:
        own = [file[name] for name in file if isinstance(file.get(name, getlink=True), h5py.HardLink)]
        sets = [item for item in own if isinstance(item, h5py.Dataset) and item.dtype.kind in NUMBERS]
        return {item.name.removeprefix("/"): item.shape for item in sets}


def samples(path: Path, name: str) -> NDArray[Any]:
    """What lies in a dataset.

    Raises:
        DataError: it lies in other files, or is less than the dataset's shape says.
    """
    with h5py.File(path, "r") as file:
        item = file[name]
        if item.external or item.is_virtual:
            raise damaged(path, f"{name}, whose samples lie in other files")
        refuse_more_than_fits(path, item.size)
        return np.asarray(item[()])
