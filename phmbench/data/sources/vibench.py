"""Data in the layout that PHM-Vibench publishes: a metadata table, and one HDF5 file per rig."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from phmbench.data.sources import delimited
from phmbench.data.sources.damage import damaged, no_table
from phmbench.data.sources.folder import described
from phmbench.data.sources.selection import select
from phmbench.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

REQUIRED = ("Id", "Name", "Label", "Sample_rate")
SPELLINGS = {
    "Type": "TYPE", "Sample_Rate": "Sample_rate", "Length": "Sample_lenth", "Sample_length": "Sample_lenth",
    "Channels": "Channel",
}  # fmt: skip
"""Other spelling → the one of the published table ("Sample_lenth" is spelt so there)."""

LEFT_OUT = -1
"""The label of recordings that have no place in fault diagnosis."""

FAULT_WORDS = {
    "normal": r"\bnormal|\bhealth|baseline|no fault|undamaged|\bok\b",
    "inner": r"inner|\bir\d*\b",
    "outer": r"outer|\bor\d+\b",
    "rolling_element": r"\bballs?\b|roller|rolling element",
    "cage": r"cage",
    "gear": r"gear|tooth|teeth",
    "unbalance": r"unbalance|imbalance",
    "misalignment": r"misalign",
    "looseness": r"loose",
}
"""Class of bearing-datasets → what names it in Label_Description, in small letters; several make "inner+outer"."""


class Vibench:
    """Recordings of PHM-Vibench: a row of the metadata table, and the dataset of its Id in `NAME.h5`.

    Layout: columns Id, Dataset_id, Name, Description, TYPE, File, Label, Label_Description, Fault_level, RUL_label,
    Domain_id, Domain_description, Sample_rate, Sample_lenth, Channel, Fault_Diagnosis, …; a dataset is (length,
    channel) or (length, channel, 1). Every column is kept. `native_label` is Label_Description (else Label),
    `fault_type` what FAULT_WORDS find in it, `condition` Domain_description (else Domain_id). Remaining life
    (RUL_label) has no stated unit, and gives no `rul_s`.

    Source: https://github.com/PHMbench/PHM-Vibench.

    Args:
        root: folder with the `NAME.h5` files.
        metadata: the table, xlsx (extra `excel`) or csv, from `root`.
        where: pandas query over the table as it is, e.g. "Dataset_id == 1". None: all.
        unit: columns that together tell the physical bearings apart, e.g. [File]. None: not known, as the layout does
            not say.

    Raises:
        DataError: the table or HDF5 files are missing (all are listed) or damaged, or an Id has no signal.
    """

    default_channels: tuple[str, ...] | None = None

    def __init__(
        self, *, root: str | Path, metadata: str, where: str | None = None, unit: Sequence[str] | None = None
    ) -> None:
        self.root = Path(root).expanduser()
        self.metadata, self.where = metadata, where
        self.unit = () if unit is None else tuple(unit)

    def fingerprint(self) -> dict[str, object]:
        """Sizes and times of change of the table and the HDF5 files, and the arguments; no signal is read."""
        files = [self.root / self.metadata, *(self._file(n) for n in sorted(set(self._listed["Name"])))]
        states = [[f.name, f.stat().st_size, f.stat().st_mtime_ns] for f in files]
        return {"source": "vibench", "version": 1, "files": states, "where": self.where, "unit": list(self.unit)}

    def table(self) -> pd.DataFrame:
        """One row per recording, file by file; columns of the published table come last."""
        listed = self._listed.sort_values("Name", kind="stable").reset_index(drop=True)
        shapes = {name: self._shapes(name) for name in listed["Name"].unique()}
        if absent := [f"{n}/{i}" for n, i in zip(listed["Name"], listed["Id"], strict=True) if i not in shapes[n]]:
            raise DataError(
                f"vibench: {len(absent)} recordings of the table have no signal; got none for "
                f"{', '.join(absent[:20])}; expected a "
                "dataset (length, channel) of each Id in NAME.h5; complete the files, or choose with `where`"
            )
        pairs = [shapes[n][i] for n, i in zip(listed["Name"], listed["Id"], strict=True)]
        label = _labels(listed)
        ours: dict[str, Any] = dict(  # noqa: C408 - columns, as assign takes them
            recording=listed["Name"] + "/" + listed["Id"],
            rig=listed["Name"],
            unit=self._units(listed),
            condition=_conditions(listed),
            channels=[tuple(map(str, range(channels))) for _, channels in pairs],
            n_samples=[length for length, _ in pairs],
            fs=listed["Sample_rate"].astype(float),
            native_label=label,
            fault_type=[fault_type(text) for text in label],
            fault_severity_level=_severities(listed),
        )
        return described(listed.assign(**ours), name="vibench")

    def signal(self, row: pd.Series, channels: Sequence[str]) -> NDArray[np.floating[Any]]:
        """The recording of `row`: (channel, time).

        Raises:
            DataError: the recording has no such channel, or its file is damaged.
        """
        if absent := [c for c in channels if c not in row["channels"]]:
            raise DataError(
                f"{row['recording']}: has no channel {', '.join(absent)}; got {list(channels)}; expected of "
                f"{', '.join(row['channels'])}; correct data.channels"
            )
        from phmbench.data.sources import hdf5

        path = self._file(row["Name"])
        try:
            x = hdf5.samples(path, row["Id"])
        except DataError:
            raise
        except Exception as error:  # h5py raises OSError, KeyError, RuntimeError, … on damaged files
            raise damaged(path, error) from error
        x = x.reshape(len(x), -1).T[[int(c) for c in channels]]
        return x if x.dtype in (np.float32, np.float64) else x.astype(np.float64)

    def _file(self, name: str) -> Path:
        return self.root / f"{name}.h5"

    @cached_property
    def _listed(self) -> pd.DataFrame:
        """The chosen rows of the published table, with its own spellings, Id and Name as text."""
        path = self.root / self.metadata
        table = _read_metadata(path)
        table.columns = [SPELLINGS.get(str(c).strip(), str(c).strip()) for c in table.columns]
        if absent := [c for c in REQUIRED if c not in table]:
            raise DataError(
                f"{path}: lacks the column {', '.join(absent)}; got {', '.join(table.columns)}; expected "
                "PHM-Vibench's columns; "
                "add it"
            )
        table = select(table.dropna(subset=["Id", "Name"]), where=self.where, name="vibench")
        table = table[_numbers(table["Label"]) != LEFT_OUT].reset_index(drop=True)
        table["Id"] = [_text(i) for i in table["Id"]]
        table["Name"] = [_text(n) for n in table["Name"]]
        self._refuse_gaps(path, table)
        return table

    def _refuse_gaps(self, path: Path, table: pd.DataFrame) -> None:
        if table.empty:
            raise DataError(
                f"{path}: no recording is left; got rows with label −1 alone; expected others; look at the table"
            )
        names = sorted(table["Name"].unique())
        if missing := [f"{n}.h5" for n in names if not self._file(n).is_file()]:
            raise DataError(
                f"vibench: {len(missing)} of {len(names)} files are missing in {self.root}; got no "
                f"{', '.join(missing)}; expected "
                "NAME.h5 of each Name in the table; add them, or choose rigs with `where`"
            )
        pairs = table["Name"] + "/" + table["Id"]
        if twice := list(pairs[pairs.duplicated()].unique()):
            raise DataError(
                f"{path}: Ids listed twice; got {', '.join(twice)}; expected each Id of a Name once; remove the copies"
            )
        rates = _numbers(table["Sample_rate"])
        if unknown := list(pairs[~(rates > 0)]):
            raise DataError(
                f"{path}: Sample_rate is missing; got none for {', '.join(unknown[:20])}; expected Hz; complete the "
                "table"
            )
        if absent := [c for c in self.unit if c not in table]:
            raise DataError(
                f"vibench.unit: no such column: {', '.join(absent)}; got {list(self.unit)}; expected of "
                f"{', '.join(table.columns)}; name these"
            )

    def _shapes(self, name: str) -> dict[str, tuple[int, int]]:
        """Id → (length, channels), of the datasets of a file that are signals."""
        from phmbench.data.sources import hdf5

        path = self._file(name)
        try:
            found = hdf5.in_root(path)
        except Exception as error:  # as above
            raise damaged(path, error) from error
        return {
            key: (shape[0], shape[1] if len(shape) > 1 else 1)
            for key, shape in found.items()
            if len(shape) in (1, 2) or (len(shape) == 3 and shape[2] == 1)
        }

    def _units(self, listed: pd.DataFrame) -> list[str | None]:
        if not self.unit:
            return [None] * len(listed)
        return ["/".join(map(str, row)) for row in listed[["Name", *self.unit]].itertuples(index=False, name=None)]


def fault_type(description: str) -> str | None:
    """The class in the vocabulary of bearing-datasets; None where no word of FAULT_WORDS is in the description."""
    text = re.sub(r"\b(ball|roller|rolling)[ _-]bearings?\b", "", description.lower().replace("_", " "))
    found = [name for name, words in FAULT_WORDS.items() if re.search(words, text)]
    if len(found) > 1 and "normal" in found:  # "inner race, normal load": not for words to decide
        return None
    return "+".join(found) or None


def _read_metadata(path: Path) -> pd.DataFrame:
    import pandas as pd

    if not path.is_file():
        raise DataError(
            f"{path}: no such file; got nothing; expected PHM-Vibench's metadata table; correct root or metadata"
        )
    if path.suffix.lower() not in (".xlsx", ".csv"):
        raise DataError(
            f"{path}: format not known; got {path.suffix!r}; expected .xlsx or .csv; save it as one of these"
        )
    try:
        return delimited.parse(path) if path.suffix.lower() == ".csv" else pd.read_excel(path)
    except DataError:
        raise
    except ImportError as error:
        raise DataError(
            f"{path}: reading xlsx needs openpyxl; got no such package; expected the extra `excel`; run "
            "`pip install 'phmbench[excel]'`, or save the table as csv"
        ) from error
    except Exception as error:  # zipfile, xml, csv: each its own on damaged files
        raise no_table(path, error) from error


def _text(value: object) -> str:
    """Ids are whole numbers that a gap in the column has made floats."""
    return f"{value:.0f}" if isinstance(value, float) and value.is_integer() else str(value).strip()


def _numbers(column: pd.Series) -> pd.Series:
    import pandas as pd

    return pd.to_numeric(column, errors="coerce")


def _labels(listed: pd.DataFrame) -> list[str]:
    import pandas as pd

    words = listed["Label_Description"] if "Label_Description" in listed else [None] * len(listed)
    return [_text(lab) if pd.isna(w) else str(w).strip() for w, lab in zip(words, listed["Label"], strict=True)]


def _conditions(listed: pd.DataFrame) -> list[str | None]:
    import pandas as pd

    for column in ("Domain_description", "Domain_id"):
        if column in listed and listed[column].notna().any():
            return [
                None if pd.isna(d) else f"{n} {_text(d)}" for n, d in zip(listed["Name"], listed[column], strict=True)
            ]
    return [None] * len(listed)


def _severities(listed: pd.DataFrame) -> pd.Series | float:
    return _numbers(listed["Fault_level"]).astype(float) if "Fault_level" in listed else np.nan
