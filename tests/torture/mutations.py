"""Whole files of each format, and damage done to them; a mutation is its number, and so can be repeated."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

NUMBERS = (0, 1, 2, 7, 127, 128, 255, 2**15, 2**16 - 1, 2**31 - 1, 2**31, 2**32 - 1, 2**40, 2**62, 2**63 - 1, 2**64 - 1)
"""What headers are made to say: the borders of types, and sizes that no file has."""

WORDS = (
    b"nan", b"inf", b"-inf", b"1e999", b"", b'"', b"'", b";", b"\t", b",", b"\0", b"1,5", b"1_0", b"0x10", b"1e",
    b"\xe4", b"\xff\xfe", b"\r", b"\n", b"\n\n", b"None", b"True", b"99999999999999999999999999", b"-", b"=1+1",
    b"../../x", b"#", b"/", b" ", b"1.5e-400", b"0,0,0,0,0,0,0,0", "٣".encode(), "\u2028".encode(),
)  # fmt: skip
"""What cells of tables and values of configurations are made to hold."""

Rng = np.random.Generator


def mutated(whole: Sequence[bytes], number: int, *, what: str, text: bool) -> bytes:
    """Mutation `number` of one of the whole files.

    Args:
        whole: files of one format.
        number: seeds all draws.
        what: name of the format, which seeds them too.
        text: whether words are put in as well as bytes.
    """
    rng = np.random.default_rng([number, *what.encode()])
    content = bytearray(whole[int(rng.integers(len(whole)))])
    other = whole[int(rng.integers(len(whole)))]
    choices = [*BYTES, *(TEXT * 2 if text else ())]
    for _ in range(int(rng.choice([1, 1, 1, 2, 4]))):
        content = choices[int(rng.integers(len(choices)))](content, other, rng)
    return bytes(content)


def place(content: bytearray, rng: Rng) -> int:
    """A position: half of them where formats keep their structure, in the first and last kilobyte."""
    near, size = int(rng.integers(min(1024, len(content)) + 1)), len(content)
    return (near, max(0, size - 1 - near), int(rng.integers(size + 1)), int(rng.integers(size + 1)))[rng.integers(4)]


def flip(content: bytearray, other: bytes, rng: Rng) -> bytearray:
    for _ in range(int(rng.integers(1, 9))):
        if (at := place(content, rng)) < len(content):
            content[at] ^= 1 << int(rng.integers(8))
    return content


def cut(content: bytearray, other: bytes, rng: Rng) -> bytearray:
    return content[: place(content, rng)]


def leave_out(content: bytearray, other: bytes, rng: Rng) -> bytearray:
    at = place(content, rng)
    return content[:at] + content[at + int(rng.integers(1, 600)) :]


def swap(content: bytearray, other: bytes, rng: Rng) -> bytearray:
    size = int(rng.integers(1, 1 + max(1, min(600, len(content) // 2))))
    a, b = (min(place(content, rng), max(0, len(content) - size)) for _ in range(2))
    content[a : a + size], content[b : b + size] = content[b : b + size], content[a : a + size]
    return content


def splice(content: bytearray, other: bytes, rng: Rng) -> bytearray:
    """A piece of another whole file, over this one or into it."""
    start = int(rng.integers(len(other) + 1))
    piece, at = other[start : start + int(rng.integers(1, 600))], place(content, rng)
    return content[:at] + piece + content[at + (len(piece) if rng.integers(2) else 0) :]


def number(content: bytearray, other: bytes, rng: Rng) -> bytearray:
    """A number of 1 to 8 bytes, in either order of bytes."""
    size, order = int(rng.choice([1, 2, 4, 8])), ("little", "big")[rng.integers(2)]
    value = int(NUMBERS[rng.integers(len(NUMBERS))]) % 2 ** (8 * size)
    at = place(content, rng) // size * size
    content[at : at + size] = value.to_bytes(size, order)
    return content


def fill(content: bytearray, other: bytes, rng: Rng) -> bytearray:
    at, size = place(content, rng), int(rng.integers(1, 600))
    content[at : at + size] = (bytes(size), b"\xff" * size, rng.bytes(size))[rng.integers(3)]
    return content


def garbage(content: bytearray, other: bytes, rng: Rng) -> bytearray:
    """All noise, behind a beginning of up to 128 bytes, so that some of it is taken for the format."""
    return content[: int(rng.integers(0, 129))] + rng.bytes(int(rng.integers(0, 4000)))


def word(content: bytearray, other: bytes, rng: Rng) -> bytearray:
    """A word put in, or in the place of what stands between two separators."""
    at, new = place(content, rng), WORDS[rng.integers(len(WORDS))]
    if rng.integers(2):
        return content[:at] + new + content[at:]
    ends = [i for i in (content.find(mark, at) for mark in (b",", b"\n", b";", b"\t", b'"', b" ")) if i >= 0]
    return content[:at] + new + content[min(ends, default=at) :]


def lines(content: bytearray, other: bytes, rng: Rng) -> bytearray:
    """A line twice, gone, or in another place."""
    rows = bytes(content).split(b"\n")
    at, to = int(rng.integers(len(rows))), int(rng.integers(len(rows)))
    row = rows[at] if rng.integers(2) else rows.pop(at)
    if rng.integers(3):
        rows.insert(to, row)
    return bytearray(b"\n".join(rows))


def encoding(content: bytearray, other: bytes, rng: Rng) -> bytearray:
    text = bytes(content).decode("utf-8", "replace")
    names = ("utf-16", "utf-16-le", "utf-32", "latin-1", "utf-8-sig", "cp037")
    return bytearray(text.encode(names[rng.integers(len(names))], "replace"))


BYTES: list[Callable[[bytearray, bytes, Rng], bytearray]] = [
    flip, flip, cut, leave_out, swap, splice, number, number, number, fill, garbage,
]  # fmt: skip
TEXT: list[Callable[[bytearray, bytes, Rng], bytearray]] = [word, word, lines, encoding]


def mutated_archive(whole: Sequence[bytes], number: int, *, what: str) -> bytes:
    """As `mutated`; every other one changes a member of a zip archive, which is packed again."""
    if number % 2:
        return mutated(whole, number, what=what, text=False)
    rng = np.random.default_rng([number, *what.encode()])
    packed = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(whole[number // 2 % len(whole)])) as source:
        members = {name: source.read(name) for name in source.namelist()}
    chosen = sorted(members)[int(rng.integers(len(members)))]
    members[chosen] = mutated([members[chosen]], number, what=what, text=True)
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as target:
        for name, content in members.items():
            target.writestr(name, content)
    return packed.getvalue()


def save(folder: Path, name: str, content: bytes) -> Path:
    path = folder / name
    path.write_bytes(content)
    return path
