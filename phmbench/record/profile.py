"""profile.json: where the time of a fit went, and the setting that addresses what took most of it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from phmbench.errors import RecordError
from phmbench.record import atomic
from phmbench.record.contents import children

FILE, TRACE = "profile.json", "trace.json"
FORMAT = 1
PARTS = {
    "set_up": "set-up, before the first batch",
    "data": "waiting for data",
    "transfer": "host to device",
    "forward": "forward",
    "backward": "backward",
    "optimizer": "optimizer",
    "validation": "validation",
    "metrics": "metrics",
    "logging": "logging",
    "checkpoints": "checkpoints",
    "profiling": "making the trace",
    "rest": "the rest: Lightning's loop, other callbacks",
}
"""Part → how it is called in tables. Every moment of a fit is in one of them."""
TOGETHER = {
    "set_up": ("set_up",),
    "data": ("data",),
    "transfer": ("transfer",),
    "compute": ("forward", "backward"),
    "optimizer": ("optimizer",),
    "validation": ("validation", "metrics"),
    "logging": ("logging",),
    "checkpoints": ("checkpoints",),
    "rest": ("rest",),
}
"""What one setting addresses; the making of the trace is there only while it is looked for."""
NOTHING: Mapping[str, Any] = {"action": "", "seconds": 0.0}
CHANGES = "; results change with it"
STANDS_OUT = 0.25  # of the time: what takes less is not worth a setting


class Profile(NamedTuple):
    """The profile of a fit, or of several together."""

    parts: dict[str, float]  # seconds, in the order of PARTS
    settings: Mapping[str, Any]  # of the first fit
    actions: Sequence[Mapping[str, Any]]  # of the first fit, the slowest first
    trace: Path | None
    fits: int

    @property
    def seconds(self) -> float:
        """Of all parts."""
        return sum(self.parts.values())

    def rows(self) -> list[tuple[str, float, float]]:
        """Title, seconds and share of the parts that took any time worth a line, the largest first."""
        total = self.seconds or 1.0
        found = [(PARTS[part], value, value / total) for part, value in self.parts.items()]
        return sorted((row for row in found if row[2] >= 0.0005), key=lambda row: -row[1])

    def sentence(self) -> str:
        """What took most of the time, and the setting that addresses it."""
        total, trace = self.seconds or 1.0, self.parts["profiling"]
        mostly = trace > total / 2
        of = (total - trace or 1.0) if mostly else total
        share = {name: sum(self.parts[part] for part in parts) / of for name, parts in TOGETHER.items()}
        name = max(share, key=lambda key: share[key])
        begin = "most of the time went into the trace, and a longer run says more; of the rest, " if mostly else ""
        if share[name] < STANDS_OUT:
            return f"{begin}no part stands out; the largest, {100 * share[name]:.0f} %, is {self._advice(name)}"
        return f"{begin}{100 * share[name]:.0f} % {'' if mostly else 'of the time '}is {self._advice(name)}"

    def _advice(self, name: str) -> str:
        has = self.settings
        workers, double = has.get("num_workers", 0), f"data.batch_size={2 * has.get('batch_size', 1)}"
        said = {
            "set_up": "set-up before the first batch, paid once a fit: "
            + (
                f"data.num_workers=0 starts no processes, now {workers}" if workers else "trainer.max_epochs spreads it"
            ),
            "data": self._data(workers, has.get("cores") or 1),
            "transfer": f"copying batches to the device: {double}, fewer and larger copies{CHANGES}",
            "compute": self._compute(double),
            "optimizer": f"the optimizer's steps: {double}, fewer steps{CHANGES}",
            "validation": f"validation: trainer.check_val_every_n_epoch={5 * has.get('check_val_every_n_epoch', 1)}"
            + CHANGES,
            "logging": self._logging(has.get("loggers", ()), has.get("log_every_n_steps", 50)),
            "checkpoints": "writing checkpoints: paths.output=… on a faster, local disk",
            "rest": self._rest(double),
        }
        return said[name]

    def _rest(self, double: str) -> str:
        slowest = next((one for one in self.actions if one["part"] == "rest"), NOTHING)
        name = str(slowest["action"])
        if name.startswith("[Callback]") and slowest["seconds"] > self.parts["rest"] / 2:
            return f"the callback {name.removeprefix('[Callback]')}: trainer.callbacks says which there are"
        return f"Lightning's loop around the steps: {double}, fewer and larger steps{CHANGES}"

    def _data(self, workers: int, cores: int) -> str:
        if not workers:
            return f"waiting for data: data.num_workers={min(4, cores)}"
        if workers < cores:
            return f"waiting for data, with {workers} workers: data.num_workers={min(2 * workers, cores)}"
        return f"waiting for data, with {workers} workers on {cores} cores: paths.cache=… on a faster, local disk"

    def _compute(self, double: str) -> str:
        has = self.settings
        if has.get("device", "cpu") == "cpu":
            then = (
                "trainer=gpu" if has.get("gpu_is_there") else "a smaller model=…, or trainer=gpu on a machine with one"
            )
        else:
            then = "trainer.precision=bf16-mixed" if has.get("precision") == "32-true" else double
        return f"forward and backward: {then}{CHANGES}"

    def _logging(self, loggers: Sequence[str], every: int) -> str:
        if any(name != "CSVLogger" for name in loggers):
            return f"logging ({', '.join(loggers)}): logger=csv"
        return f"logging: trainer.log_every_n_steps={4 * every}"


def build(
    *,
    parts: Mapping[str, float],
    batches: int,
    actions: Sequence[Mapping[str, Any]],
    settings: Mapping[str, Any],
    trace: str | None,
) -> dict[str, Any]:
    """What profile.json holds.

    Args:
        parts: seconds of each of PARTS.
        batches: training batches.
        actions: the slowest actions of Lightning's: `action`, `part`, `seconds` without those inside it, `calls`.
        settings: of the run, which the sentence needs.
        trace: name of the trace's file beside it.
    """
    one = Profile(dict(parts), settings, actions, None, 1)
    total = one.seconds or 1.0
    return {
        "format": FORMAT,
        "seconds": one.seconds,
        "parts": dict(parts),
        "shares": {part: value / total for part, value in parts.items()},
        "batches": batches,
        "bottleneck": one.sentence(),
        "trace": trace,
        "settings": dict(settings),
        "actions": [dict(action) for action in actions],
    }


def write(folder: Path, content: Mapping[str, Any]) -> None:
    """Write profile.json.

    Raises:
        RecordError: the disk is full, or the folder is not writable.
    """
    atomic.write_text(folder / FILE, json.dumps(content, indent=1, ensure_ascii=False) + "\n")


def read(path: str | Path) -> Profile | None:
    """The profile of a record; of one with folds or seeds the sum over its fits; None where nothing was profiled.

    Raises:
        RecordError: a profile.json is damaged.
    """
    path = Path(path)
    if (path / FILE).exists():
        return _read_one(path / FILE)
    found = [one for child in children(path) if (one := read(child)) is not None]
    if not found:
        return None
    parts = {part: sum(one.parts[part] for one in found) for part in PARTS}
    first = found[0]
    return Profile(parts, first.settings, first.actions, first.trace, sum(one.fits for one in found))


def _read_one(file: Path) -> Profile:
    try:
        content = json.loads(file.read_bytes())
        parts = {part: float(content["parts"][part]) for part in PARTS}
        trace = file.parent / content["trace"] if content["trace"] else None
        return Profile(parts, content["settings"], content["actions"], trace, 1)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RecordError(
            f"{file}: cannot be read as a profile; got {type(error).__name__}: {error}; expected what profile=true "
            "writes; remove it, or run again"
        ) from error
