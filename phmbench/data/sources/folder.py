"""A user's own files: listed in a CSV table, or lying in a folder per class."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
from annotated_types import Gt
from numpy.typing import NDArray

from phmbench.data.sources import facts, readers
from phmbench.data.sources.tables import NUMBERS, column_of, read_table
from phmbench.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

MADE = ("dataset", "channels", "n_samples")
"""Columns that are made here and must not stand in the table."""

MOST_NAMED = 50


class Folder:
    """Recordings in files of the user's own, in any mixture of formats, rates and lengths.

    With a table: a CSV file with one row per recording. `file` is the path from `root`; `fs` the sampling rate in Hz;
    `label` or `fault_type` the class. What else it may have: `unit` (the physical bearing or machine: recordings of
    one unit must not be on both sides of a split), `condition`, `speed_rpm`, `load`, `fault_severity_level`, `rig`,
    `run_id`, `time_s`, `rul_s`, the fault orders `bpfo bpfi bsf ftf`, `key` (variable or column in the file),
    `recording` (a name), and any other column. Without a table: each folder in `root` is a class, every file in it
    (at any depth) a recording.

    Args:
        root: folder of the files.
        table: the CSV file, from `root`; None: a folder per class.
        fs: sampling rate in Hz where neither the table nor the file (wav) tells.
        key: variable of mat and hdf5 files, or column of csv, tsv and parquet files; a column `key` goes before it.
        channels: default channels; None: all that every recording has.
        name: of the data set, in names of recordings, units and rigs.

    Raises:
        DataError: the folder or files are missing (all are listed), damaged, or listed twice; a rate is not known.
    """

    def __init__(
        self,
        *,
        root: str | Path,
        table: str | None = None,
        fs: Annotated[float, Gt(0)] | None = None,
        key: str | None = None,
        channels: Sequence[str] | None = None,
        name: str = "folder",
    ) -> None:
        self.root = Path(root).expanduser()
        self.file, self.fs, self.key, self.name = table, fs, key, name
        self.default_channels = None if channels is None else tuple(channels)

    def fingerprint(self) -> dict[str, object]:
        """Hash of the list of files, their sizes and times of change, and the arguments; no file is read."""
        digest = hashlib.sha256(self._listed.to_csv().encode())
        for file in self._listed["file"]:
            state = (self.root / file).stat()
            digest.update(f"{file}\0{state.st_size}\0{state.st_mtime_ns}\n".encode())
        return {
            "source": "folder", "version": 1, "name": self.name, "files": digest.hexdigest(), "fs": self.fs,
            "key": self.key, "channels": None if self.default_channels is None else list(self.default_channels),
        }  # fmt: skip

    def table(self) -> pd.DataFrame:
        """One row per recording, in the order of the table, or of the names; the table's own columns come last."""
        listed = self._listed.copy()
        files = zip(listed["file"], self._keys(listed), strict=True)
        found = self._contents(files)
        listed["channels"] = [c.channels for c in found]
        listed["n_samples"] = [c.n_samples for c in found]
        listed["fs"] = self._rates(listed, [c.fs for c in found])
        return described(listed, name=self.name)

    def _contents(self, files: Iterable[tuple[str, str | None]]) -> list[readers.Contents]:
        """What lies in each file; of damaged ones all are named, so that they can be copied again together."""
        found, damaged = [], []
        for file, key in files:
            try:
                found.append(readers.contents(self.root / file, key=key))
            except DataError as error:
                damaged.append((file, error))
        if len(damaged) > 1:
            others = ", ".join(str(file) for file, _ in damaged[1 : MOST_NAMED + 1])
            more = f" and {len(damaged) - 1 - MOST_NAMED} more" if len(damaged) - 1 > MOST_NAMED else ""
            raise DataError(f"{damaged[0][1]}; {len(damaged) - 1} others cannot be used either: {others}{more}")
        if damaged:
            raise damaged[0][1]
        return found

    def signal(self, row: pd.Series, channels: Sequence[str]) -> NDArray[np.floating[Any]]:
        """The recording of `row`: (channel, time).

        Raises:
            DataError: the file is damaged, or a channel is not in it.
        """
        key = row.get("key")
        return readers.read(self.root / row["file"], key=key if isinstance(key, str) else self.key, channels=channels)

    @cached_property
    def _listed(self) -> pd.DataFrame:
        if not self.root.is_dir():
            raise DataError(
                f"{self.name}.root: no such folder; got {self.root}; expected the folder of the recordings; set "
                f"data.sources.{self.name}.root=DIR"
            )
        listed = self._from_folders() if self.file is None else read_table(self.root / self.file, required=("file",))
        if made := [c for c in MADE if c in listed]:
            raise DataError(
                f"{self.root / self.file if self.file else self.root}: columns that phmbench makes itself; got "
                f"{', '.join(made)}; "
                "expected other names; rename them"
            )
        if "recording" not in listed:
            listed["recording"] = _names(listed)
        self._refuse_missing_and_twice(listed)
        return listed

    def _from_folders(self) -> pd.DataFrame:
        import pandas as pd

        named = sorted(p for p in self.root.glob("*/**/*") if p.suffix.lower() in readers.READERS and not p.is_dir())
        files = [p for p in named if p.is_file()]
        if len(files) < len(named):
            strange = [p.relative_to(self.root).as_posix() for p in named if not p.is_file()]
            raise DataError(
                f"{self.name}.root: {len(strange)} names are no files; got {', '.join(strange[:20])}; expected files "
                "or folders, no pipes and no links that lead nowhere; remove them"
            )
        if not files:
            raise DataError(
                f"{self.name}.root: no recording found; got {self.root}; expected a folder per class with files "
                f"{', '.join(sorted(readers.READERS))}, or `table`, a CSV file that lists them; correct it"
            )
        names = [p.relative_to(self.root) for p in files]
        return pd.DataFrame({"file": [n.as_posix() for n in names], "label": [n.parts[0] for n in names]})

    def _refuse_missing_and_twice(self, listed: pd.DataFrame) -> None:
        if len(unnamed := listed.index[listed["file"].isna()]):
            raise DataError(
                f"{self.name}: {len(unnamed)} of {len(listed)} rows name no file; got an empty cell in row "
                f"{unnamed[0] + 1}; expected the path of a recording in each; add it, or remove the row"
            )
        if missing := [f for f in listed["file"] if not _is_file(self.root / str(f))]:
            raise DataError(
                f"{self.name}: {len(missing)} of {len(listed)} files are missing in {self.root}; got "
                f"{', '.join(map(str, missing))}; "
                "expected every file of the table; add them, or remove their rows"
            )
        if twice := list(listed["recording"][listed["recording"].duplicated()].unique()):
            raise DataError(
                f"{self.name}: recordings listed twice; got {', '.join(map(str, twice))}; expected one row per "
                "recording; remove "
                "the copies, or give them names of their own in a column `recording`"
            )

    def _keys(self, listed: pd.DataFrame) -> list[str | None]:
        if "key" not in listed:
            return [self.key] * len(listed)
        return [self.key if key is None else key for key in column_of(listed, "key")]

    def _rates(self, listed: pd.DataFrame, in_files: Sequence[float | None]) -> list[float]:
        given = listed["fs"] if "fs" in listed else [np.nan] * len(listed)
        if wrong := [(f, rate) for f, rate in zip(listed["file"], given, strict=True) if rate <= 0]:
            raise DataError(
                f"{self.name}: {len(wrong)} sampling rates are no rates; got {wrong[0][1]:g} for {wrong[0][0]}; "
                "expected Hz, above 0; correct the column `fs`, or leave the cell empty"
            )
        told = zip(given, in_files, strict=True)
        rates = [next((r for r in (*both, self.fs) if r is not None and r > 0), None) for both in told]
        if unknown := [f for f, rate in zip(listed["file"], rates, strict=True) if rate is None]:
            raise DataError(
                f"{self.name}: sampling rate not known; got none for {', '.join(unknown)}; expected Hz; add a column "
                "`fs` to the "
                "table, or give `fs`"
            )
        return [float(rate) for rate in rates if rate is not None]


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # a name that no file system takes
        return False


def _names(listed: pd.DataFrame) -> list[str]:
    if "key" not in listed:
        return list(listed["file"])
    return [f if k is None else f"{f}:{k}" for f, k in zip(listed["file"], column_of(listed, "key"), strict=True)]


def described(listed: pd.DataFrame, *, name: str) -> pd.DataFrame:
    """The columns of docs/architecture.md from a user's table; what it does not tell is missing."""
    table = listed.copy()
    table["dataset"] = name
    table["recording"] = [f"{name}/{r}" for r in table["recording"]]
    table["rig"] = [name if r is None else f"{name}/{r}" for r in column_of(table, "rig")]
    table["unit"] = [None if u is None else f"{name}/{u}" for u in column_of(table, "unit")]
    labels = column_of(table, "label")
    for column in ("fault_type", "native_label"):
        if column not in table:
            table[column] = labels
    for column in NUMBERS:
        if column not in table:
            table[column] = np.nan
    if table["speed_nominal_rpm"].isna().all() and table["speed_rpm"].nunique() <= facts.NOMINAL_SPEEDS:
        table["speed_nominal_rpm"] = table["speed_rpm"]
    if "condition" not in table:
        table["condition"] = [_condition(s, q) for s, q in zip(table["speed_nominal_rpm"], table["load"], strict=True)]
    for column in ("fault_location", "run_id", "signal_unit"):
        if column not in table:
            table[column] = None
    return table.drop(columns="label", errors="ignore") if "fault_type" in listed else table


def _condition(speed: float, load: float) -> str | None:
    parts = [f"{value:g} {unit}" for value, unit in ((speed, "rpm"), (load, "load")) if not np.isnan(value)]
    return ", ".join(parts) or None
