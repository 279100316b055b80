"""What is said of files that cannot be used, and of sizes that they cannot have."""

from __future__ import annotations

from pathlib import Path

from phmbench.errors import DataError

DENSEST, SMALL = 2000, 2**24
"""Samples a byte of a file, from SMALL samples on: packed zeros have 1000, recordings below 10. A header that says more
is damaged, or made to take all memory."""


def damaged(path: Path, reason: object) -> DataError:
    """The error of a recording that cannot be used."""
    return DataError(
        f"{path}: cannot be read as {path.suffix.lstrip('.')}; got {_said(reason)}; expected a whole file with a "
        "signal; copy it again, or leave it out"
    )


def no_table(path: Path, reason: object) -> DataError:
    """The error of a table of recordings that cannot be used."""
    return DataError(
        f"{path}: cannot be read as {path.suffix.lstrip('.')}; got {_said(reason)}; expected a table, one row per "
        "recording; correct it, or save it anew as csv (UTF-8)"
    )


def refuse_more_than_fits(path: Path, samples: int) -> None:
    """Refuse a header that says more samples than the file can hold, before memory is taken for them.

    Raises:
        DataError: see above.
    """
    size = path.stat().st_size
    if samples > max(SMALL, DENSEST * size):
        raise damaged(path, f"{samples:,} samples by its header, in {size:,} bytes")


def _said(reason: object) -> str:
    """What a library says of the damage, in one line."""
    text = " ".join(str(reason).split()) or type(reason).__name__
    return text if len(text) <= 300 else f"{text[:300]}…"
