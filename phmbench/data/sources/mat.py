"""Arrays of real numbers in MATLAB's files of versions 4 to 7; those of 7.3 are HDF5.

A reader of our own, since scipy's (1.17) ends the interpreter on a damaged file: it takes the type of an array from the
file for the index of a table, unchecked. Cells, structures, text, sparse, complex and logical arrays are passed over.

Source: MathWorks, MAT-File Format (R2024a).
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np
from numpy.typing import NDArray

from phmbench.data.sources.damage import refuse_more_than_fits

STORED = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8"}
"""Number of a type → NumPy's; whole doubles are stored in the shortest of them (Table 1-1)."""
CLASSES = {6: "f8", 7: "f4", 8: "i1", 9: "u1", 10: "i2", 11: "u2", 12: "i4", 13: "u4", 14: "i8", 15: "u8"}
"""Number of a class of arrays → the type of its values (Table 1-3)."""
STORED_4 = ("f8", "f4", "i4", "i2", "u2", "u1")
"""The same of version 4, by the digit P of its type MOPT (Table 1-4)."""
MATRIX, COMPRESSED = 14, 15
LOGICAL, COMPLEX = 2, 8  # bits of the flags of an array
OPAQUE = 17  # tables, dates, strings: these have no dimensions
HEADER = 1024  # bytes in which all fits that stands before the values: up to 32 axes, a name of up to 63 letters
ROOM = 16  # bytes behind the values of a compressed array: they are filled up to a multiple of 8


class Array(NamedTuple):
    """An array of real numbers, and where it is."""

    shape: tuple[int, ...]
    stored: str  # type of the values in the file
    kind: str  # type that they have in MATLAB
    at: int  # position in the file: the first value, or the beginning of what is compressed
    skip: int | None  # bytes of what is compressed before the first value; None: not compressed


def arrays(path: Path) -> dict[str, Array]:
    """Name → array, in the order of the file; no values are read.

    Raises:
        ValueError: the file is damaged.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        order = {b"\x00\x01IM": "<", b"\x01\x00MI": ">"}.get(file.read(128)[124:])
        return dict(_version_4(file, size) if order is None else _version_5(file, size, order))


def read(path: Path, array: Array) -> NDArray[np.generic]:
    """The values of an array, in its shape.

    Raises:
        DataError: it has more values than the file can hold.
        ValueError: the file is damaged.
    """
    refuse_more_than_fits(path, math.prod(array.shape))
    size = math.prod(array.shape) * np.dtype(array.stored).itemsize
    with path.open("rb") as file:
        file.seek(array.at)
        content = file.read(size) if array.skip is None else _unpacked(file, array.skip + size)[array.skip :]
    return np.frombuffer(content, array.stored).astype(array.kind).reshape(array.shape, order="F")


def _version_5(file: BinaryIO, size: int, order: str) -> Iterator[tuple[str, Array]]:
    at = 128
    while at < size:
        file.seek(at)
        head = file.read(HEADER)
        kind, length, _, _ = _element(head, 0, order)
        if at + 8 + length > size:
            raise ValueError(f"{size - at - 8:,} bytes of a variable, where its header says {length:,}")
        if kind == MATRIX and (found := _matrix(head, order)):
            yield found[0], found[1]._replace(at=at + found[1].at)
        elif kind == COMPRESSED:
            file.seek(at + 8)
            head = _unpacked(file, HEADER, whole=False)
            if _element(head, 0, order)[0] == MATRIX and (found := _matrix(head, order)):
                yield found[0], found[1]._replace(at=at + 8, skip=found[1].at)
        at += 8 + length


def _matrix(head: bytes, order: str) -> tuple[str, Array] | None:
    """Name and array of the matrix that begins here, positions counted from here; None for what is no real array."""
    _, length, _, at = _element(head, 0, order)
    kind, size, start, at = _element(head, 8, order)
    if (kind, size) != (6, 8):
        raise ValueError("a variable without flags")
    flags = int.from_bytes(head[start : start + 4], "little" if order == "<" else "big")
    if flags & 0xFF == OPAQUE:
        return None
    kind, size, start, at = _element(head, at, order)
    if kind not in (5, 6) or size % 4 or not 8 <= size <= 128:
        raise ValueError("a variable without dimensions")
    shape = tuple(int(n) for n in np.frombuffer(head[start : start + size], order + "i4"))
    kind, size, start, at = _element(head, at, order)
    if kind not in (1, 16):
        raise ValueError("a variable without a name")
    name = head[start : start + size].decode("utf-8", "replace")
    values = CLASSES.get(flags & 0xFF)
    if values is None or (flags >> 8) & (LOGICAL | COMPLEX) or not name:  # the one without a name belongs to objects
        return None
    kind, size, start, _ = _element(head, at, order)
    stored = STORED.get(kind)
    number = size // int(stored[1]) if stored else -1
    if stored is None or min(shape) < 0 or number != math.prod(shape) or start + size > 8 + length:
        raise ValueError(f"{name}: {size:,} bytes of type {kind}, in a variable of {length:,} and of shape {shape}")
    return name, Array(shape, order + stored, values, start, None)


def _element(content: bytes, at: int, order: str) -> tuple[int, int, int, int]:
    """Type and length of an element, where its content begins, and where the next element does; up to four bytes stand
    in the tag itself."""
    if len(content) < at + 8:
        raise ValueError("the end of the file within a variable")
    kind, size = (int(n) for n in np.frombuffer(content[at : at + 8], order + "u4"))
    if kind >> 16:
        return kind & 0xFFFF, min(kind >> 16, 4), at + 4, at + 8
    return kind, size, at + 8, at + 8 + -(-size // 8) * 8


def _unpacked(file: BinaryIO, size: int, *, whole: bool = True) -> bytes:
    """The first bytes of what is compressed here: `size` of them, with the checksum behind, or up to that many.

    Raises:
        ValueError: damaged, or not that many.
    """
    unpack, found = zlib.decompressobj(), bytearray()
    try:
        while not unpack.eof and len(found) < (size + ROOM if whole else size):
            packed = unpack.unconsumed_tail or file.read(2**16)
            if not packed:
                break
            found += unpack.decompress(packed, size + ROOM - len(found))
    except zlib.error as error:
        raise ValueError(f"a compressed variable that is damaged ({error})") from error
    if whole and not (unpack.eof and len(found) >= size):
        raise ValueError(f"{len(found):,} bytes of a compressed variable, where {size:,} and their checksum are to be")
    return bytes(found[:size])


def _version_4(file: BinaryIO, size: int) -> Iterator[tuple[str, Array]]:
    at = 0
    while at < size:
        file.seek(at)
        head = file.read(20)
        order = "<" if head[2:4] == b"\0\0" else ">"
        fields = [int(n) for n in np.frombuffer(head.ljust(20, b"\xff"), order + "i4")]
        mopt, rows, columns, imaginary, letters = fields
        machine, zero, stored, text = (mopt // 10**k % 10 for k in (3, 2, 1, 0))
        known = 0 <= mopt < 5000 and machine == (order == ">") and zero == 0 and stored < len(STORED_4) and text < 3
        if not known or min(rows, columns) < 0 or imaginary not in (0, 1) or not 1 <= letters <= HEADER:
            raise ValueError("no variable of MATLAB")
        name = file.read(letters).rstrip(b"\0").decode("utf-8", "replace")
        kind = STORED_4[stored]
        start, length = at + 20 + letters, rows * columns * int(kind[1]) * (1 + imaginary)
        if start + length > size:
            raise ValueError(f"{size - start:,} bytes of {name}, where its header says {length:,}")
        if text == 0 and not imaginary:
            yield name, Array((rows, columns), order + kind, kind, start, None)
        at = start + length
