"""Whole files of every format that is read, small, so that damage falls on their structure."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
from scipy.io import savemat, wavfile

X = np.random.default_rng(0).standard_normal((120, 2)).round(4)  # (time, channel)
FRAME = pd.DataFrame({"time": np.arange(120) / 1000, "DE": X[:, 0], "FE": X[:, 1]})


def npy(_: Path) -> list[bytes]:
    kinds = (X, X.astype(np.float32).T, (X * 99).astype(np.int16)[:, 0])
    return [_written(lambda file, x=x: np.save(file, x)) for x in kinds]


def wav(_: Path) -> list[bytes]:
    kinds = (X.astype(np.float32), (X * 9000).astype(np.int16), ((X[:, 0] + 9) * 9).astype(np.uint8), X)
    return [_written(lambda file, x=x: wavfile.write(file, 12000, x)) for x in kinds]


def mat(_: Path) -> list[bytes]:
    """One signal, alone or beside a scalar, text and a structure; version 5 with and without compression, version 4."""
    several = {"DE": X.astype(np.float32), "RPM": 1797.0, "note": "text", "inner": {"a": X}}
    ways = [
        ({"x": X}, "5", False),
        ({"x": X}, "5", True),
        (several, "5", False),
        (several, "5", True),
        ({"x": X}, "4", 0),
    ]
    return [
        _written(lambda file, way=way: savemat(file, way[0], format=way[1], do_compression=bool(way[2])))
        for way in ways
    ]


def hdf5(folder: Path) -> list[bytes]:
    """In the oldest and the newest layout, contiguous and in chunks that are compressed and checked."""
    found = []
    for version in ("earliest", "latest"):
        for options in ({}, {"chunks": (40, 2), "compression": "gzip", "shuffle": True, "fletcher32": True}):
            with h5py.File(folder / "whole.h5", "w", libver=version) as file:
                file.create_dataset("group/x", data=X, **options)
                file["group"].attrs["fs"] = 12000.0
                file["name"] = "motor"
                file["link"] = h5py.SoftLink("/group")
            found.append((folder / "whole.h5").read_bytes())
    return found


def parquet(_: Path) -> list[bytes]:
    ways = [
        {"compression": None}, {"compression": "snappy"}, {"compression": "gzip", "data_page_version": "2.0"},
        {"compression": "zstd", "write_page_checksum": True},
    ]  # fmt: skip
    return [_written(lambda file, way=way: FRAME.to_parquet(file, index=False, **way)) for way in ways]


def csv(_: Path) -> list[bytes]:
    comma, bare = FRAME.to_csv(index=False), FRAME.to_csv(index=False, header=False)
    german = FRAME.to_csv(index=False, sep=";", decimal=",")
    return [text.encode() for text in (comma, bare, german, FRAME.to_csv(index=False, sep="\t"), "\ufeff" + comma)]


def _written(write: Callable[[io.BytesIO], object]) -> bytes:
    file = io.BytesIO()
    write(file)
    return file.getvalue()
