"""predictions.h5: what the model said about every test window, and one window of each class to look at."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from phmbench.errors import RecordError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

ORDERS = ("BPFO", "BPFI", "BSF", "FTF")


class Example(NamedTuple):
    """One test window with what is known of it; NaN where something is not known."""

    label: str  # class name
    recording: str
    start: int  # first sample within the recording
    signal: NDArray[np.float32]  # (C, L)
    rate_hz: float
    speed_hz: float  # revolutions of the shaft per second
    orders: Sequence[float]  # BPFO, BPFI, BSF, FTF in orders of the shaft
    channels: Sequence[str]  # C names
    unit: str = ""  # of the samples: "g", "m/s²"; empty where unknown
    envelope: bool = False  # whether the signal is a squared envelope already


MARK = b"phmpred1"
"""Behind the HDF5, which takes no notice of it, stands a seal: this and the SHA-256 of all before. It is looked at
first, since HDF5 can turn for ever on a damaged file."""


class Predictions(NamedTuple):
    """What predictions.h5 holds."""

    recording: NDArray[np.int64]  # (N,) index into names
    names: tuple[str, ...]  # (R,) recordings
    start: NDArray[np.int64]  # (N,) first sample within the recording
    target: NDArray[np.int64]  # (N,) class index
    scores: NDArray[np.float32]  # (N, K) logits or probabilities
    classes: tuple[str, ...]  # K names
    window: int  # samples
    examples: tuple[Example, ...]


def encode(
    *,
    recording: Any,
    names: Sequence[str],
    start: Any,
    target: Any,
    scores: Any,
    classes: Sequence[str],
    window: int,
    examples: Sequence[Example] = (),
) -> bytes:
    """The file's content; arguments as in `Predictions`.

    Raises:
        RecordError: lengths do not agree, an index lies outside of its names, or an example is no window.
    """
    import h5py
    import numpy as np

    columns = {"recording": recording, "start": start, "target": target}
    arrays = {name: np.asarray(values, dtype=np.int64) for name, values in columns.items()}
    arrays["scores"] = np.asarray(scores, dtype=np.float32)
    _require_fit(arrays, n_names=len(names), n_classes=len(classes))
    buffer = io.BytesIO()  # written at once and atomically; HDF5 itself leaves a broken file on a full disk
    with h5py.File(buffer, "w") as file:
        for name, values in arrays.items():
            file.create_dataset(name, data=values, compression="gzip" if len(values) else None)
        file.create_dataset("names", data=list(names), dtype=h5py.string_dtype())
        file.attrs.update(classes=list(classes), window=int(window), format=1)
        group = file.create_group("examples", track_order=True)
        for i, example in enumerate(examples):
            _write_example(group, str(i), example)
    content = buffer.getvalue()
    return content + MARK + hashlib.sha256(content).digest()


def read(path: str | Path) -> Predictions:
    """Read predictions.h5 of a run directory.

    Raises:
        RecordError: it is missing or damaged.
    """
    import h5py

    file = Path(path) / "predictions.h5"
    try:
        with h5py.File(io.BytesIO(_sealed(file)), "r") as h5:
            return Predictions(
                recording=h5["recording"][:],
                names=tuple(h5["names"].asstr()[:]),
                start=h5["start"][:],
                target=h5["target"][:],
                scores=h5["scores"][:],
                classes=tuple(h5.attrs["classes"]),
                window=int(h5.attrs["window"]),
                examples=tuple(_read_example(h5["examples"][name]) for name in sorted(h5["examples"], key=int)),
            )
    except (OSError, KeyError, ValueError, RuntimeError, TypeError, AttributeError) as error:  # all of them h5py's
        raise RecordError(
            f"{file}: cannot be read; got {error}; expected the predictions of a run; test the checkpoint again with: "
            "pipeline=evaluate init=CHECKPOINT"
        ) from error


def _sealed(file: Path) -> bytes:
    """The file's content without its seal."""
    content = file.read_bytes()
    whole = content[: -len(MARK) - 32]
    if content[len(whole) :] != MARK + hashlib.sha256(whole).digest():
        raise ValueError("bytes that are not those which were written, by the seal at the end")
    return whole


def _require_fit(arrays: dict[str, Any], *, n_names: int, n_classes: int) -> None:
    lengths = {name: len(values) for name, values in arrays.items()}
    if len(set(lengths.values())) > 1 or arrays["scores"].ndim != 2 or arrays["scores"].shape[1] != n_classes:
        raise RecordError(
            f"predictions: columns do not fit; got {lengths}, scores {arrays['scores'].shape} and {n_classes} classes; "
            "expected one row a window and one score a class; gather the windows of all ranks first"
        )
    for name, limit in (("recording", n_names), ("target", n_classes)):
        values = arrays[name]
        if len(values) and not (values.min() >= 0 and values.max() < limit):
            raise RecordError(
                f"predictions: {name} lies outside of its names; got {values.min()} to {values.max()}; expected 0 to "
                f"{limit - 1}; give the index and the names of the same table"
            )


def _write_example(group: Any, name: str, example: Example) -> None:
    import numpy as np

    if not example.rate_hz > 0 or np.ndim(example.signal) != 2:
        raise RecordError(
            f"example {example.label}: no window; got shape {np.shape(example.signal)} at {example.rate_hz} Hz; "
            "expected (channel, time) at a known rate; take it from the store"
        )
    one = group.create_dataset(name, data=np.asarray(example.signal, dtype=np.float32), compression="gzip")
    one.attrs.update(
        label=example.label, recording=example.recording, start=int(example.start), rate_hz=float(example.rate_hz),
        speed_hz=float(example.speed_hz), orders=np.asarray(example.orders, dtype=np.float64),
        channels=list(example.channels), unit=example.unit, envelope=example.envelope,
    )  # fmt: skip


def _read_example(one: Any) -> Example:
    a = one.attrs
    return Example(
        label=str(a["label"]), recording=str(a["recording"]), start=int(a["start"]), signal=one[:],
        rate_hz=float(a["rate_hz"]), speed_hz=float(a["speed_hz"]), orders=tuple(float(o) for o in a["orders"]),
        channels=tuple(str(c) for c in a["channels"]), unit=str(a["unit"]),
        envelope=bool(a.get("envelope", False)),
    )  # fmt: skip
