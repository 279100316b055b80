"""From sources to batches: store, windows, split, audit, normalisation, loader. The one place where data meet torch."""

from __future__ import annotations

import functools
import logging
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Protocol

import numpy as np
import torch
from annotated_types import Ge
from lightning.pytorch import LightningDataModule
from numpy.typing import NDArray
from torch import nn
from torch.utils.data import DataLoader, Dataset

from phmbench import revolutions
from phmbench.data import normalise as norm
from phmbench.data.apart import audit_statistics
from phmbench.data.audit import Audit, audit
from phmbench.data.balance import Balance, weights
from phmbench.data.batches import Batches
from phmbench.data.episode_batches import EpisodeNumbers, EpisodeSet
from phmbench.data.episode_sets import EpisodeSets
from phmbench.data.episodes import Episodes
from phmbench.data.gaps import outside
from phmbench.data.pair_batches import PairBatches, PairSet, unlabelled
from phmbench.data.seen import Seen, overlap, seen
from phmbench.data.selection import Source
from phmbench.data.store import Store, prepare
from phmbench.data.target import Target
from phmbench.data.views import View, require_whole
from phmbench.data.windows import gather, index
from phmbench.errors import DataError
from phmbench.types import Assignment, Batch, Context, Episode, Facts, Pair, Windows

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

    The order is split, then statistics for normalisation (training windows only), then batches, and last what varies
    those of training. Nothing is copied: a window is a slice of a memory map until its batch is gathered.

    Args:
        sources: where recordings come from, by name.
        split: decides which windows train, validate and test.
        cache: folder under which prepared stores lie.
        seed: of the order of training batches, and of noise.
        where: query over the recording table; None: all recordings.
        ids: names of recordings; None: all.
        channels: names of channels; None: the source's default.
        sample_rate: Hz, to which everything is resampled; None: as recorded.
        view: "time": the signal in time; "angle": by angle of the shaft, from each recording's speed; "envelope_angle":
            its squared envelope by angle. Made once, in the store (`phmbench.data.views`).
        per_revolution: samples a revolution of an angle view; None: 512 by angle, 96 of the envelope.
        band: of the envelope, Hz, the lower edge first; None: 500 to 10,000.
        whiten: whether all lines of a recording get one height before its envelope is taken; None: yes.
        nan: samples that are NaN or infinite end the run ("refuse"); "drop": windows that hold any are left out;
            "interpolate": gaps of up to 64 samples are bridged by a straight line, windows with longer ones left out.
        label: column of the recording table that is to be predicted.
        window: samples of a window, L; in angle views also revolutions, "25rev".
        hop: samples or revolutions from one window to the next.
        normalise: "window": each window and channel to zero mean and unit variance; "train": with mean and standard
        deviation
            of the training windows; "none": as stored.
        noise_db: signal-to-noise ratio in dB of white noise added to test windows; None: none.
        augment: signal (B, C, L) to (B, C, L), of training batches alone; None: as they are.
        balance: what comes equally often in an epoch of training: each window ("none"), each class ("classes"), or each
            class and within it each rig or domain that has it.
        batch_size: windows a batch in each process, B.
        num_workers: loader processes.
        episodes: how few-shot tasks draw them; None: batches are of windows.
        target: which windows of the target are adapted to, in training batches beside those of the sources; None: none.

    Raises:
        ConfigError: settings of a view that do not go together.
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
        view: revolutions.Name,
        per_revolution: Annotated[int, Ge(8)] | None,
        band: Sequence[float] | None,
        whiten: bool | None,
        nan: Literal["refuse", "drop", "interpolate"],
        label: str,
        window: Annotated[int, Ge(8)] | str,
        hop: Annotated[int, Ge(1)] | str,
        normalise: Literal["window", "train", "none"],
        noise_db: float | None,
        augment: nn.Module | None,
        balance: Balance,
        batch_size: Annotated[int, Ge(1)],
        num_workers: Annotated[int, Ge(0)],
        episodes: Episodes | None = None,
        target: Target | None = None,
    ) -> None:
        super().__init__()
        self.target = target
        self.episodes = episodes
        self.drawn: EpisodeSets | None = None  # once the split is known
        self.sources, self.split, self.cache, self.seed = sources, split, cache, seed
        self.where, self.ids, self.channels, self.sample_rate = where, ids, channels, sample_rate
        self.nan: Literal["refuse", "drop", "interpolate"] = nan
        number = revolutions.of_view(view, per_revolution, sample_rate)
        self.label, self.view = label, View(view, number, *revolutions.of_envelope(view, band, whiten))
        self.window, self.hop = (
            revolutions.samples(length, name=name, view=view, per_revolution=self.view.per_revolution)
            for name, length in (("data.window", window), ("data.hop", hop))
        )
        self.normalise, self.noise_db, self.augment = normalise, noise_db, augment
        self.balance: Balance = balance
        self.batch_size, self.num_workers = batch_size, num_workers
        self.classes: tuple[str, ...] = ()
        self.statistics: norm.TrainStatistics | None = None
        self.notes: list[str] = []
        self.store: Store | None = None
        self._state: dict[str, Any] | None = None
        self._read: list[NDArray[np.int64]] | None = None  # rows, while what is fitted is watched
        self.inherited: list[Mapping[str, Any]] = []  # what the weights have seen before this run
        self.shared: dict[str, int | None] | None = None  # what the test set shares with that
        self.seconds = 0.0  # that store, split and audit took
        self.cpu_begun = 0.0  # seconds of the CPU that this process had spent when they were there

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
                nan=self.nan,
                view=self.view,
                progress=progress,
                examine=self._labels,
            )
            labels = self._labels(self.store.table)
            self.table = self.store.table.copy()
            self.table["label"] = labels
            if None in labels:
                self.notes.append(f"{labels.count(None)} recordings have no {self.label} and are left out")
            lengths = self.table["length"].to_numpy(np.int64)
            self.windows = index(lengths, self.window, self.hop)
            short = list(self.table["recording"][lengths < self.window])
            if short:
                self.notes.append(
                    f"{len(short)} recordings are shorter than a window of {self.window} samples and left out: "
                    f"{', '.join(map(str, short[:10]))}{', …' if len(short) > 10 else ''}"
                )
            if self.nan != "refuse":
                self._leave_out_gaps()
        return self.table

    def _leave_out_gaps(self) -> None:
        """Only windows without a gap stay in the index, and the notes say what was left out and made up."""
        every, holed = len(self.windows.start), self.table["gaps"].map(len).gt(0)
        self.windows = outside(self.windows, list(self.table["gaps"]), self.window)
        left, made_up = len(self.windows.start), self.table["interpolated"]
        if not left:
            raise DataError(
                f"data.nan: none of {every} windows is free of NaN and infinite samples; got {holed.sum()} recordings "
                f"with gaps and data.nan={self.nan}; expected a window without; mend the files, or choose a shorter "
                "data.window"
            )
        if left < every:
            self.notes.append(
                f"{every - left} of {every} windows hold NaN or infinite samples and are left out, of {holed.sum()} "
                "recordings"
            )
        if made_up.any():
            self.notes.append(
                f"{made_up.sum()} samples of {made_up.gt(0).sum()} recordings were NaN or infinite and are interpolated"
            )

    def _labels(self, table: pd.DataFrame) -> list[str | None]:
        """Of each recording, None where it has none; asked before and after the signals are read.

        Raises:
            DataError: nothing can be classified, or no recording is as long as a window.
        """
        lengths = table["length"]
        if lengths.max() < self.window:
            raise DataError(
                f"data.window: {self.window} samples; the longest of {len(lengths)} recordings has "
                f"{lengths.max()}; expected at most that; choose a shorter data.window"
            )
        if self.label not in table.columns:
            known = ", ".join(sorted(str(c) for c in table.columns))
            raise DataError(
                f"data.label: no column {self.label!r} in the recording table; expected one of {known}; set "
                "data.label to it"
            )
        values = table[self.label]
        labels = [None if missing else _text(value) for value, missing in zip(values, values.isna(), strict=True)]
        if all(label is None for label in labels):
            raise DataError(
                f"data.label: no recording has a {self.label!r}; expected at least two classes; choose another column "
                "with data.label=…, or a rig that has fault classes"
            )
        if len({label for label in labels if label is not None}) < 2:
            raise DataError(
                f"data.label: one class only ({next(x for x in labels if x is not None)!r}); expected at least two; "
                "widen data.where, add rigs, or choose another data.label"
            )
        return labels

    def assign(self) -> None:
        """Split and audit. Idempotent."""
        if hasattr(self, "assignment"):
            return
        table = self.open()
        assert self.store is not None
        assignment = self.split(table, self.windows, self.window)
        if self.target is not None:
            assignment = self.target(assignment, table, self.windows, self.window)
        if self.view.name == "envelope_angle":
            require_whole(assignment)
        self._take(assignment)
        if not len(self.assignment.train) or not len(self.assignment.val):
            raise DataError("task.split: no window is left for training or validation; choose another task/split")
        if self.normalise == "train":
            with self.reading() as read:
                self.statistics = norm.TrainStatistics.fit(self._raw(rows) for rows in _chunks(self.assignment.train))
            fitted = np.concatenate(read)
            audit_statistics(fitted, self.assignment, what="data.normalise", table=self.table, windows=self.windows)

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
        if self.episodes is not None:
            self.drawn = EpisodeSets(
                self.episodes, assignment, label=self.label_of[self.windows.recording], table=self.table,
                windows=self.windows, window=self.window, fingerprints=self.store.fingerprints,
            )  # fmt: skip

    def require_episodes(self) -> None:
        """See that episodes of every set can be drawn, before anything is fitted.

        Raises:
            DataError: too few windows.
            LeakageError: support and query of one share samples, or copies.
        """
        if self.drawn is not None:
            if self.drawn.trains and len(self.assignment.train):
                self.drawn.draw("train", 0)
            for name in ("val", "test"):
                if len(getattr(self.assignment, name)):
                    self.drawn.audit(name)

    @property
    def foreign(self) -> NDArray[np.int64]:
        """Rows of the target's windows whose class has no output: tested for what they are called, never scored."""
        rows = self.assignment.foreign
        return np.zeros(0, np.int64) if rows is None else rows

    @property
    def adapt(self) -> NDArray[np.int64]:
        """Rows of the target's windows that are adapted to."""
        rows = self.assignment.adapt
        return np.zeros(0, np.int64) if rows is None else rows

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
                "view": self.view.settings(),
                "normalise": self.normalise,
                "mean": None if stats is None else stats.mean.ravel().tolist(),
                "std": None if stats is None else stats.std.ravel().tolist(),
                "trained_on": [*self.inherited, *self._of_training()],
            }
        return self._state

    def _of_training(self) -> list[dict[str, Any]]:
        rows = np.concatenate([self.assignment.train, self.assignment.val, self.adapt])
        return seen(rows, table=self.table, windows=self.windows, window=self.window) if len(rows) else []

    def shared_with(self, known: Seen) -> dict[str, int | None]:
        """What the test set shares with what a checkpoint has seen.

        Raises:
            LeakageError: samples are shared.
        """
        rows = np.union1d(self.assignment.test, self.foreign)
        return overlap(rows, known, table=self.table, windows=self.windows, window=self.window)

    def inherit(self, known: Seen) -> None:
        """Weights that have seen these recordings are trained further: part of the audit, and of the next checkpoint.

        Raises:
            LeakageError: they have seen samples of the test set.
        """
        self.assign()
        self.inherited, self.shared = list(known), self.shared_with(known)

    def adopt(self, state: Mapping[str, Any]) -> None:
        """Take classes, rigs and statistics from a checkpoint, so that its labels and scales are kept.

        Raises:
            DataError: the windows do not fit the checkpoint's network, or none of its classes is in the test set.
            LeakageError: the checkpoint has seen samples of the test set.
        """
        self.assign()
        assert self.store is not None
        seen_by = state.get("view", {"view": "time"})  # checkpoints of before there were views have none
        for name, ours, theirs in (
            ("data.window", self.window, state["window"]),
            ("data.normalise", self.normalise, state["normalise"]),
            *((f"data.{key}", mine, seen_by.get(key)) for key, mine in self.view.settings().items()),
            *([("data.sample_rate", self._rate(), state["rate_hz"])] if self.view.name == "time" else []),
            ("data.channels", len(self.store.channels), len(state["channels"])),
        ):
            if ours != theirs:
                raise DataError(f"{name}: the checkpoint was trained with {theirs}; got {ours}; set {name}={theirs}")
        self._test_only(tuple(state["classes"]), tuple(state["domains"]))
        self.rigs = tuple(state["rigs"])
        code = {name: i for i, name in enumerate(self.rigs)}
        self.rig_of = np.array([code.get(str(rig), -1) for rig in self.table["rig"]], np.int64)
        self.shared = self.shared_with(state["trained_on"])
        if state["mean"] is not None:
            self.statistics = norm.TrainStatistics(
                mean=np.array(state["mean"], np.float32)[:, None], std=np.array(state["std"], np.float32)[:, None]
            )

    def _test_only(self, classes: tuple[str, ...], domains: tuple[str, ...]) -> None:
        """Keep the test windows of these classes, and no others; audited anew."""
        foreign = sorted(set(self.assignment.classes) - set(classes))
        every = np.union1d(self.assignment.test, self.foreign)
        known = np.array([label in classes for label in self.table["label"]])[self.windows.recording[every]]
        test = every[known]
        if not len(test):
            raise DataError(
                f"init: the checkpoint tells {', '.join(classes)}; the test set has none of them "
                f"({', '.join(foreign)}); choose data with at least one of its classes"
            )
        none = np.zeros(0, np.int64)
        notes = (
            [f"called, not scored, because the checkpoint does not know them: {', '.join(foreign)}"] if foreign else []
        )
        self._take(
            self.assignment._replace(
                train=none,
                val=none,
                test=test,
                classes=classes,
                domains=domains,
                domain=np.full_like(self.assignment.domain, -1),
                class_sources={},
                notes=("nothing is trained here: what train+val share is what the checkpoint has seen", *notes),
                leaky=False,
                foreign=every[~known],
            )
        )

    def _rate(self) -> float:
        return float(self.table["rate_hz"].iloc[0])

    # -- batches -----------------------------------------------------------------------------------------------------

    @contextmanager
    def reading(self) -> Iterator[list[NDArray[np.int64]]]:
        """Rows of the window index that are read in here: what is fitted is held against it (`phmbench.data.apart`)."""
        read: list[NDArray[np.int64]] = []
        self._read = read
        try:
            yield read
        finally:
            self._read = None

    def _raw(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        assert self.store is not None
        if self._read is not None:
            self._read.append(rows)
        return gather(
            self.store.signals,
            self.offset_of,
            self.length_of,
            len(self.store.channels),
            self.windows,
            rows,
            self.window,
        )  # (B, C, L)

    def batch(self, rows: NDArray[np.int64], *, noisy: bool = False, raw: bool = False) -> Batch:
        """The windows of these rows of the index, in their order; raw: as they are stored, in their unit."""
        signal = self._raw(rows)
        if noisy and self.noise_db is not None:
            norm.add_noise(signal, self.noise_db, self.seed, rows)
        if raw:
            pass
        elif self.normalise == "window":
            norm.per_window(signal)
        elif self.statistics is not None:
            self.statistics.apply(signal)
        recording = self.windows.recording.take(rows)  # take: half the time of an index, for so few numbers
        return Batch(
            signal=torch.from_numpy(signal),
            label=torch.from_numpy(self.label_of.take(recording)),
            domain=torch.from_numpy(self.assignment.domain.take(rows)),
            window=torch.from_numpy(rows),
            context=Context(
                rate_hz=torch.from_numpy(self.rate_of.take(recording)),
                speed_hz=torch.from_numpy(self.speed_of.take(recording)),
                orders=torch.from_numpy(self.orders_of.take(recording, 0)),
                rig=torch.from_numpy(self.rig_of.take(recording)),
            ),
        )

    def on_after_batch_transfer(self, batch: Batch | Episode | Pair, dataloader_idx: int) -> Batch | Episode | Pair:
        """Augment training batches, here and not in the loader: on the device; whatever the task's step does; and with
        the numbers that each epoch and rank are seeded for, which loader processes would not draw in the same order.
        """
        if self.augment is None or self.trainer is None or not self.trainer.training:
            return batch
        if isinstance(batch, Pair):
            return Pair(*(part._replace(signal=self.augment(part.signal)) for part in batch))
        if isinstance(batch, Episode):
            parts = (batch.support, batch.query)
            support, query = (part._replace(signal=self.augment(part.signal)) for part in parts)
            return batch._replace(support=support, query=query)
        return batch._replace(signal=self.augment(batch.signal))

    def target_batches(self) -> Iterator[Batch]:
        """All windows that are adapted to, in order and without labels."""
        for start in range(0, len(self.adapt), self.batch_size):
            yield unlabelled(self.batch(self.adapt[start : start + self.batch_size]))

    def train_dataloader(self) -> DataLoader[Batch]:
        return self._loader("train")

    def val_dataloader(self) -> DataLoader[Batch]:
        return self._loader("val")

    def test_dataloader(self) -> DataLoader[Batch]:
        return self._loader("test")

    def _loader(self, name: SetName) -> DataLoader[Batch]:
        self.assign()
        rows: NDArray[np.int64] = getattr(self.assignment, name)
        if name == "test":
            rows = np.union1d(rows, self.foreign)
        trainer = self.trainer
        rank, ranks = (trainer.global_rank, trainer.world_size) if trainer is not None else (0, 1)
        step = trainer.accumulate_grad_batches if trainer is not None else 1
        every: Dataset[Any] = WindowSet(self, rows, noisy=name == "test")
        if self.drawn is not None and (name != "train" or self.drawn.trains):
            batches: Batches = EpisodeNumbers(
                self.drawn.number(name), rank=rank, ranks=ranks, training=name == "train", step=step
            )
            every = EpisodeSet(self.drawn, name, read=functools.partial(self.batch, noisy=name == "test"))
        else:
            shares = {"rank": rank, "ranks": ranks, "step": step}
            weighs = self._weights(rows) if name == "train" and self.balance != "none" else None
            if name == "train" and len(self.adapt):
                every = PairSet(self.batch, rows, self.adapt)
                target = len(self.adapt)
                batches = PairBatches(
                    len(rows), self.batch_size, target=target, seed=self.seed, weights=weighs, **shares
                )
            else:
                seed = self.seed if name == "train" else None
                batches = Batches(len(rows), self.batch_size, seed=seed, weights=weighs, **shares)
        return Loader(
            every,
            sampler=batches,
            batch_size=None,  # a sampler of whole batches: one vectorised read each
            collate_fn=_as_it_is,
            generator=torch.Generator(),  # its own: each new iterator draws once, a resumed run has fewer
            num_workers=self.num_workers,
            persistent_workers=self.num_workers > 0,
            pin_memory=torch.cuda.is_available(),
        )

    def _weights(self, rows: NDArray[np.int64]) -> NDArray[np.float64]:
        recording = self.windows.recording[rows]
        groups = {"classes": np.zeros_like(rows), "classes_and_rigs": self.rig_of[recording]}
        group = groups.get(self.balance, self.assignment.domain[rows])
        return weights(self.label_of[recording], group)

    def __getstate__(self) -> dict[str, Any]:
        """Loader processes get all but the trainer."""
        return {**self.__dict__, "trainer": None}


class Loader(DataLoader[Batch]):
    """Without workers it asks for its batches itself: torch's way there takes a quarter of a batch's time. It counts
    those that it has given, so that a checkpoint from within an epoch goes on with the next."""

    given = 0

    def __iter__(self) -> Any:
        """Nothing is read, and no loader process asked, before the first batch is: the epoch is set by then."""
        self.given = self._batches().first()
        for batch in self._read():
            self.given += 1
            yield batch

    def _read(self) -> Iterable[Batch]:
        if self.num_workers or self.pin_memory:
            return super().__iter__()
        return (self.dataset[positions] for positions in self.sampler)

    def state_dict(self) -> dict[str, int]:
        """Batches of which epoch were given, for the checkpoint."""
        return {"given": self.given, "epoch": self._batches().epoch}

    def load_state_dict(self, state: Mapping[str, int]) -> None:
        """Go on behind those in that epoch, and in no other."""
        self._batches().done = state["epoch"], state["given"]

    def _batches(self) -> Batches:
        assert isinstance(self.sampler, Batches)
        return self.sampler


class WindowSet(Dataset[Batch]):
    """A set of windows; an item is a whole batch, given the positions of its windows."""

    def __init__(self, data: VibrationData, rows: NDArray[np.int64], *, noisy: bool) -> None:
        self.data, self.rows, self.noisy = data, rows, noisy

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, positions: NDArray[np.int64]) -> Batch:
        return self.data.batch(self.rows.take(positions), noisy=self.noisy)


def _as_it_is(batch: Any) -> Any:
    return batch


def _chunks(rows: NDArray[np.int64]) -> Iterator[NDArray[np.int64]]:
    for start in range(0, len(rows), FIT_BATCH):
        yield rows[start : start + FIT_BATCH]


def _numbers(table: pd.DataFrame, column: str) -> NDArray[np.float32]:
    if column not in table.columns:
        return np.full(len(table), np.nan, np.float32)
    return table[column].to_numpy(dtype=np.float32, na_value=np.nan)


def _text(value: object) -> str:
    """A class name: 3 and 3.0 are one class."""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)
