"""From sources to batches: store, windows, split, audit, normalisation, loader. The one place where data meet torch."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Protocol

import numpy as np
import torch
from annotated_types import Ge
from lightning.pytorch import LightningDataModule
from numpy.typing import NDArray
from torch.utils.data import DataLoader, Dataset, Sampler

from phmbench.data import normalise as norm
from phmbench.data.audit import Audit, audit, audit_statistics
from phmbench.data.selection import Source
from phmbench.data.store import Store, prepare
from phmbench.data.windows import gather, index
from phmbench.errors import DataError
from phmbench.types import Assignment, Batch, Context, Facts, Windows

if TYPE_CHECKING:
    import pandas as pd

log = logging.getLogger("phmbench")

FIT_BATCH = 1024  # windows read at once when statistics are fitted: bounded memory
SetName = Literal["train", "val", "test"]


class Split(Protocol):
    """Which windows train, validate and test; see docs/architecture.md."""

    level: str

    def __call__(self, table: pd.DataFrame, windows: Windows, window: int) -> Assignment: ...

    def targets(self, table: pd.DataFrame) -> dict[str, list[Any]]: ...


class VibrationData(LightningDataModule):
    """All that a run reads: recordings in a store, an index of windows over them, a split that was audited.

    The order is split, then statistics for normalisation (training windows only), then batches. Nothing is copied: a
    window is a slice of a memory map until its batch is gathered.

    Args:
        sources: where recordings come from, by name.
        split: decides which windows train, validate and test.
        cache: folder under which prepared stores lie.
        seed: of the order of training batches, and of noise.
        where: query over the recording table; None: all recordings.
        ids: names of recordings; None: all.
        channels: names of channels; None: the source's default.
        sample_rate: Hz, to which everything is resampled; None: as recorded.
        label: column of the recording table that is to be predicted.
        window: samples of a window, L.
        hop: samples from one window to the next.
        normalise: "window": each window and channel to zero mean and unit variance; "train": with mean and standard
        deviation
            of the training windows; "none": as stored.
        noise_db: signal-to-noise ratio in dB of white noise added to test windows; None: none.
        batch_size: windows a batch in each process, B.
        num_workers: loader processes.

    Raises:
        DataError: no recording is left, none is as long as a window, the label is not a column or has one class.
        LeakageError: the audit found samples of the test set on the training side.
    """

    def __init__(
        self,
        *,
        sources: Mapping[str, Source],
        split: Split,
        cache: str,
        seed: int,
        where: str | None,
        ids: Sequence[str] | None,
        channels: Sequence[str] | None,
        sample_rate: Annotated[float, Ge(1)] | None,
        label: str,
        window: Annotated[int, Ge(8)],
        hop: Annotated[int, Ge(1)],
        normalise: Literal["window", "train", "none"],
        noise_db: float | None,
        batch_size: Annotated[int, Ge(1)],
        num_workers: Annotated[int, Ge(0)],
    ) -> None:
        super().__init__()
        self.sources, self.split, self.cache, self.seed = sources, split, cache, seed
        self.where, self.ids, self.channels, self.sample_rate = where, ids, channels, sample_rate
        self.label, self.window, self.hop = label, window, hop
        self.normalise, self.noise_db = normalise, noise_db
        self.batch_size, self.num_workers = batch_size, num_workers
        self.classes: tuple[str, ...] = ()
        self.statistics: norm.TrainStatistics | None = None
        self.notes: list[str] = []
        self.store: Store | None = None
        self._state: dict[str, Any] | None = None
        self.seconds = 0.0  # that store, split and audit took

    # -- preparing ---------------------------------------------------------------------------------------------------

    def open(self, progress: Callable[[int, int], None] | None = None) -> pd.DataFrame:
        """Build the store or open it, index the windows; the recording table with `label`."""
        if self.store is None:
            self.store = prepare(
                self.sources,
                where=self.where,
                ids=self.ids,
                channels=self.channels,
                sample_rate=self.sample_rate,
                cache=Path(self.cache),
                progress=progress,
            )
            self.table = self._labelled(self.store.table)
            lengths = self.table["length"].to_numpy(np.int64)
            self.windows = index(lengths, self.window, self.hop)
            short = int((lengths < self.window).sum())
            if not len(self.windows.start):
                raise DataError(
                    f"data.window: {self.window} samples; the longest of {len(lengths)} recordings has "
                    f"{lengths.max()}; expected at most that; choose a shorter data.window"
                )
            if short:
                self.notes.append(f"{short} recordings are shorter than a window of {self.window} samples and left out")
        return self.table

    def _labelled(self, table: pd.DataFrame) -> pd.DataFrame:
        if self.label not in table.columns:
            known = ", ".join(sorted(str(c) for c in table.columns))
            raise DataError(f"data.label: no column {self.label!r} in the recording table; expected one of {known}")
        values = table[self.label]
        labels = [None if missing else _text(value) for value, missing in zip(values, values.isna(), strict=True)]
        unlabelled = sum(label is None for label in labels)
        if unlabelled == len(labels):
            raise DataError(
                f"data.label: no recording has a {self.label!r}; expected at least two classes; choose another column "
                "with data.label=…, or a rig that has fault classes"
            )
        if len({label for label in labels if label is not None}) < 2:
            raise DataError(
                f"data.label: one class only ({next(x for x in labels if x is not None)!r}); expected at least two; "
                "widen data.where, add rigs, or choose another data.label"
            )
        if unlabelled:
            self.notes.append(f"{unlabelled} recordings have no {self.label} and are left out")
        table = table.copy()
        table["label"] = labels
        return table

    def assign(self) -> None:
        """Split and audit. Idempotent."""
        if hasattr(self, "assignment"):
            return
        table = self.open()
        assert self.store is not None
        self._take(self.split(table, self.windows, self.window))
        if not len(self.assignment.train) or not len(self.assignment.val):
            raise DataError("task.split: no window is left for training or validation; choose another task/split")
        if self.normalise == "train":
            self.statistics = norm.TrainStatistics.fit(self._raw(rows) for rows in _chunks(self.assignment.train))
            audit_statistics(self.assignment.train, self.assignment)

    def test_all(self) -> None:
        """Every labelled window is tested and none trains: for a checkpoint on recordings of its own."""
        table = self.open()
        labelled = table["label"].notna().to_numpy()
        none = np.zeros(0, np.int64)
        self._take(
            Assignment(
                train=none,
                val=none,
                test=np.flatnonzero(labelled[self.windows.recording]),
                classes=tuple(sorted({str(label) for label in table["label"][labelled]})),
                domain=np.full(len(self.windows.start), -1, np.int64),
                domains=(),
                name="all",
                level="rig",
                validation_level="rig",
                notes=("every window is tested, none trains",),
            )
        )

    def _take(self, assignment: Assignment) -> None:
        assert self.store is not None
        self.assignment, self.classes = assignment, assignment.classes
        self.audit: Audit = audit(
            assignment,
            table=self.table,
            windows=self.windows,
            window=self.window,
            fingerprints=self.store.fingerprints,
        )
        self._index_facts(self.table)

    def _index_facts(self, table: pd.DataFrame) -> None:
        """Per recording: what the context tells of its windows."""
        code = {name: i for i, name in enumerate(self.classes)}
        self.label_of = np.array([code.get(label, -1) for label in table["label"]], np.int64)  # (R,)
        seen = np.unique(self.windows.recording[self.assignment.train])
        self.rigs = tuple(sorted({str(rig) for rig in table["rig"].iloc[seen]}))
        code = {name: i for i, name in enumerate(self.rigs)}
        self.rig_of = np.array([code.get(str(rig), -1) for rig in table["rig"]], np.int64)  # (R,)
        self.rate_of = table["rate_hz"].to_numpy(np.float32)
        self.speed_of = _numbers(table, "speed_rpm") / 60
        self.orders_of = np.stack([_numbers(table, name) for name in ("bpfo", "bpfi", "bsf", "ftf")], 1)  # (R, 4)
        self.offset_of = table["offset"].to_numpy(np.int64)
        self.length_of = table["length"].to_numpy(np.int64)

    def setup(self, stage: str | None = None) -> None:
        self.assign()

    @property
    def facts(self) -> Facts:
        """What the data say, for model, head and algorithm."""
        assert self.store is not None
        rates = np.unique(self.rate_of)
        return Facts(
            channels=len(self.store.channels),
            window=self.window,
            classes=self.classes,
            domains=self.assignment.domains,
            rigs=self.rigs,
            rate_hz=float(rates[0]) if len(rates) == 1 else math.nan,
        )

    # -- what a checkpoint carries -----------------------------------------------------------------------------------

    def state_dict(self) -> dict[str, Any]:
        """Plain values, so that a checkpoint loads with weights only. Nothing to load back: `adopt` is asked for by
        name.
        """
        if self._state is None:
            assert self.store is not None
            stats = self.statistics
            self._state = {
                "classes": list(self.classes),
                "channels": list(self.store.channels),
                "rigs": list(self.rigs),
                "domains": list(self.assignment.domains),
                "window": self.window,
                "rate_hz": self.facts.rate_hz,
                "normalise": self.normalise,
                "mean": None if stats is None else stats.mean.ravel().tolist(),
                "std": None if stats is None else stats.std.ravel().tolist(),
                "trained_on": self._seen(),
            }
        return self._state

    def _seen(self) -> list[dict[str, Any]]:
        """Of each recording that training or validation has seen: names, content, and the runs of samples."""
        side = np.sort(np.concatenate([self.assignment.train, self.assignment.val]))
        recording, start = self.windows.recording[side], self.windows.start[side]
        seen = []
        for r, starts in zip(*_grouped(recording, start), strict=True):
            row = self.table.iloc[r]
            seen.append(
                {
                    "recording": str(row["recording"]),
                    "unit": None if _missing(row["unit"]) else str(row["unit"]),
                    "content": str(row["content"]),
                    "rate_hz": float(self.rate_of[r]),
                    "runs": runs(starts, self.window),
                }
            )
        return seen

    def adopt(self, state: Mapping[str, Any]) -> None:
        """Take classes, rigs and statistics from a checkpoint, so that its labels and scales are kept.

        Raises:
            DataError: the windows do not fit the checkpoint's network, or none of its classes is in the test set.
        """
        self.assign()
        assert self.store is not None
        for name, ours, theirs in (
            ("data.window", self.window, state["window"]),
            ("data.normalise", self.normalise, state["normalise"]),
            ("data.sample_rate", self._rate(), state["rate_hz"]),
            ("data.channels", len(self.store.channels), len(state["channels"])),
        ):
            if ours != theirs:
                raise DataError(f"{name}: the checkpoint was trained with {theirs}; got {ours}; set {name}={theirs}")
        self.classes, domains = tuple(state["classes"]), tuple(state["domains"])
        foreign = sorted(set(self.assignment.classes) - set(self.classes))
        self.assignment = self.assignment._replace(classes=self.classes, domains=domains)
        self._index_facts(self.table)
        self.rigs = tuple(state["rigs"])
        code = {name: i for i, name in enumerate(self.rigs)}
        self.rig_of = np.array([code.get(str(rig), -1) for rig in self.table["rig"]], np.int64)
        known = self.label_of[self.windows.recording[self.assignment.test]] >= 0
        if not known.any():
            raise DataError(
                f"init: the checkpoint tells {', '.join(self.classes)}; the test set has none of them "
                f"({', '.join(foreign)}); choose data with at least one of its classes"
            )
        if foreign:
            self.notes.append(f"classes that the checkpoint does not know are left out: {', '.join(foreign)}")
        self.assignment = self.assignment._replace(test=self.assignment.test[known])
        if state["mean"] is not None:
            self.statistics = norm.TrainStatistics(
                mean=np.array(state["mean"], np.float32)[:, None], std=np.array(state["std"], np.float32)[:, None]
            )

    def _rate(self) -> float:
        return float(self.table["rate_hz"].iloc[0])

    # -- batches -----------------------------------------------------------------------------------------------------

    def _raw(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        assert self.store is not None
        return gather(
            self.store.signals,
            self.offset_of,
            self.length_of,
            len(self.store.channels),
            self.windows,
            rows,
            self.window,
        )  # (B, C, L)

    def batch(self, rows: NDArray[np.int64], *, noisy: bool = False) -> Batch:
        """The windows of these rows of the index, in their order."""
        signal = self._raw(rows)
        if noisy and self.noise_db is not None:
            norm.add_noise(signal, self.noise_db, self.seed, rows)
        if self.normalise == "window":
            norm.per_window(signal)
        elif self.statistics is not None:
            self.statistics.apply(signal)
        recording = self.windows.recording[rows]
        return Batch(
            signal=torch.from_numpy(signal),
            label=torch.from_numpy(self.label_of[recording]),
            domain=torch.from_numpy(self.assignment.domain[rows]),
            window=torch.from_numpy(rows),
            context=Context(
                rate_hz=torch.from_numpy(self.rate_of[recording]),
                speed_hz=torch.from_numpy(self.speed_of[recording]),
                orders=torch.from_numpy(self.orders_of[recording]),
                rig=torch.from_numpy(self.rig_of[recording]),
            ),
        )

    def train_dataloader(self) -> DataLoader[Batch]:
        return self._loader("train")

    def val_dataloader(self) -> DataLoader[Batch]:
        return self._loader("val")

    def test_dataloader(self) -> DataLoader[Batch]:
        return self._loader("test")

    def _loader(self, name: SetName) -> DataLoader[Batch]:
        self.assign()
        rows: NDArray[np.int64] = getattr(self.assignment, name)
        trainer = self.trainer
        rank, ranks = (trainer.global_rank, trainer.world_size) if trainer is not None else (0, 1)
        batches = Batches(
            len(rows), self.batch_size, rank=rank, ranks=ranks, seed=self.seed if name == "train" else None
        )
        return DataLoader(
            WindowSet(self, rows, noisy=name == "test"),
            sampler=batches,
            batch_size=None,  # a sampler of whole batches: one vectorised read each
            collate_fn=_as_it_is,
            num_workers=self.num_workers,
            persistent_workers=self.num_workers > 0,
            pin_memory=torch.cuda.is_available(),
        )

    def __getstate__(self) -> dict[str, Any]:
        """Loader processes get all but the trainer."""
        return {**self.__dict__, "trainer": None}


class WindowSet(Dataset[Batch]):
    """A set of windows; an item is a whole batch, given the positions of its windows."""

    def __init__(self, data: VibrationData, rows: NDArray[np.int64], *, noisy: bool) -> None:
        self.data, self.rows, self.noisy = data, rows, noisy

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, positions: NDArray[np.int64]) -> Batch:
        return self.data.batch(self.rows[positions], noisy=self.noisy)


class Batches(Sampler[NDArray[np.int64]]):
    """Positions of whole batches, for one of several ranks.

    With a seed (training): a new order each epoch, which depends on seed and epoch alone, so that a resumed run goes
    on with the same batches; every rank gets the same number of full batches, and the few windows left over wait for
    another epoch's order. Without (validation, test): in order, every window exactly once over all ranks; all ranks
    get the same number of batches, whose sizes differ by at most one, so that no rank waits for another in a
    collective.

    Args:
        windows: number of windows, N.
        size: windows a batch, B.
        rank: this process.
        ranks: processes.
        seed: of the order; None: in order.

    Raises:
        DataError: there are fewer windows than ranks.
    """

    def __init__(self, windows: int, size: int, *, rank: int, ranks: int, seed: int | None) -> None:
        if windows < ranks:
            raise DataError(f"trainer: {ranks} processes for a set of {windows} windows; choose fewer devices")
        self.windows, self.size, self.rank, self.ranks, self.seed, self.epoch = windows, size, rank, ranks, seed, 0

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch

    def __len__(self) -> int:
        each = self.windows / (self.size * self.ranks)
        if self.seed is not None:
            return max(1, math.floor(each))
        return min(math.ceil(each), self.windows // self.ranks)  # no batch is empty; with a size of 1 some hold 2

    def __iter__(self) -> Iterator[NDArray[np.int64]]:
        if self.seed is None:
            parts = np.array_split(np.arange(self.windows), len(self) * self.ranks)
        else:
            order = np.random.default_rng((self.seed, self.epoch)).permutation(self.windows)
            size = min(self.size, self.windows // self.ranks)
            parts = [order[i * size : (i + 1) * size] for i in range(len(self) * self.ranks)]
        yield from parts[self.rank :: self.ranks]


def runs(starts: NDArray[np.int64], window: int) -> list[list[int]]:
    """The samples that windows cover, as runs of [first, last], ascending and apart."""
    starts = np.unique(starts)
    begins = np.flatnonzero(np.diff(starts, prepend=starts[0] - window - 1) > window)
    ends = np.append(begins[1:], len(starts)) - 1
    return [[int(a), int(b) + window - 1] for a, b in zip(starts[begins], starts[ends], strict=True)]


def _grouped(keys: NDArray[np.int64], values: NDArray[np.int64]) -> tuple[list[int], list[NDArray[np.int64]]]:
    order = np.argsort(keys, kind="stable")
    distinct, first = np.unique(keys[order], return_index=True)
    return [int(key) for key in distinct], np.split(values[order], first[1:])


def _as_it_is(batch: Any) -> Any:
    return batch


def _chunks(rows: NDArray[np.int64]) -> Iterator[NDArray[np.int64]]:
    for start in range(0, len(rows), FIT_BATCH):
        yield rows[start : start + FIT_BATCH]


def _numbers(table: pd.DataFrame, column: str) -> NDArray[np.float32]:
    if column not in table.columns:
        return np.full(len(table), np.nan, np.float32)
    return table[column].to_numpy(dtype=np.float32, na_value=np.nan)


def _missing(value: object) -> bool:
    return value is None or value != value


def _text(value: object) -> str:
    """A class name: 3 and 3.0 are one class."""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)
