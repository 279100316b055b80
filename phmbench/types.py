"""What travels between the parts of a run: batches, facts, the window index and the split.

Shape letters, used in every comment on a shape: B batch, C channels, L samples of a window, F features, K classes,
D source domains, N windows of the index (of an episode: its ways), R recordings, S support and Q query windows of an
episode.

Nothing here imports torch, so that the data side (store, windows, splits, audit) works without it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

LEVELS = ("sample", "recording", "unit", "condition", "rig")
"""What a split can separate, from the weakest to the strongest. Below "unit" a split is marked as weak."""


class Windows(NamedTuple):
    """Index of all windows: never copies of samples."""

    recording: NDArray[np.int64]  # (N,) row of the recording table
    start: NDArray[np.int64]  # (N,) first sample within that recording


class Assignment(NamedTuple):
    """What a split decided: rows of the window index for each set, and what follows from it."""

    train: NDArray[np.int64]  # rows of Windows, sorted
    val: NDArray[np.int64]
    test: NDArray[np.int64]
    classes: tuple[str, ...]  # the label space, sorted; only windows of these classes are in the sets
    domain: NDArray[np.int64]  # (N,) index into `domains`; −1 in test, and in val where training lacks the domain
    domains: tuple[str, ...]  # source domains, by name
    name: str  # of the split: "units", "hold_out", …
    level: str  # of LEVELS: what separates the test set
    validation_level: str  # of LEVELS: what separates the validation set from the training set
    target: tuple[str, ...] = ()  # values held out, as text; () where nothing is held out by value
    class_sources: Mapping[str, tuple[str, ...]] = {}  # class → the training domains (or rigs) that have it
    notes: tuple[str, ...] = ()  # what a reader must know: classes dropped, a class from one rig alone, weak level
    leaky: bool = False  # known to leak; for reproducing literature only
    foreign: NDArray[np.int64] | None = None  # rows of the target whose class no source has: called, never scored
    adapt: NDArray[np.int64] | None = None  # rows of the target that are seen in training, without their labels


class Context(NamedTuple):
    """What is known of each window besides its signal; NaN or −1 where it is not known."""

    rate_hz: Tensor  # (B,) samples per second
    speed_hz: Tensor  # (B,) revolutions of the shaft per second
    orders: Tensor  # (B, 4) BPFO, BPFI, BSF, FTF in orders of the shaft
    rig: Tensor  # (B,) index into Facts.rigs; −1 for a rig that training has not seen


class Batch(NamedTuple):
    """Windows and their labels."""

    signal: Tensor  # (B, C, L)
    label: Tensor  # (B,) class index
    domain: Tensor  # (B,) index of the source domain, 0 to D − 1; −1 for test windows of no source domain
    window: Tensor  # (B,) row of the window index, by which a prediction is found again
    context: Context


class Pair(NamedTuple):
    """Labelled windows of the sources, and windows of the target, whose labels and domains are −1."""

    source: Batch  # B windows
    target: Batch  # B windows


class Episode(NamedTuple):
    """A few labelled windows and others that are asked; labels are ways, 0 to N − 1, and not classes."""

    support: Batch  # S windows
    query: Batch  # Q windows
    ways: Tensor  # (N,) class index of each way
    novel: Tensor  # (N,) bool: classes that training has not seen; in few-shot all
    number: Tensor  # () by which an answer is found again


def parts(batch: Any) -> tuple[Any, ...]:
    """The batches of windows that a training batch is made of: support and query, source and target, or itself."""
    if isinstance(batch, Episode):
        return batch.support, batch.query
    return tuple(batch) if isinstance(batch, Pair) else (batch,)


class Facts(NamedTuple):
    """What the data say, and no configuration may."""

    channels: int  # C
    window: int  # L, in samples
    classes: tuple[str, ...]  # K names, in label order
    domains: tuple[str, ...]  # D names of the source domains
    rigs: tuple[str, ...]  # rigs seen in training, in the order of Context.rig
    rate_hz: float  # common sampling rate, or NaN where rates differ
