"""What a run that ran out of memory says: what would fit."""

from __future__ import annotations

import gc
import json
import logging
import os
import subprocess
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from phmbench.check.slots import EVALUATE
from phmbench.config import Config
from phmbench.errors import PhmbenchError
from phmbench.training import batch_size, memory, ranks

if TYPE_CHECKING:
    from phmbench.record import Record

log = logging.getLogger("phmbench")


@contextmanager
def explained(config: Config, record: Record) -> Iterator[None]:
    """Turn an error that means too little memory into one that says what fits; the record keeps both.

    Raises:
        PhmbenchError: the memory of the machine, the GPU, or of a limit was not enough.
    """
    try:
        yield
    except Exception as error:
        if not memory.exhausted(error):
            raise
        raise PhmbenchError(_advice(config, record, error)) from error


def _advice(config: Config, record: Record, error: Exception) -> str:
    cause = next(one for one in memory.causes(error) if memory.exhausted(one))
    lines = str(cause).strip().splitlines() or [type(cause).__name__]
    reason = next((line for line in reversed(lines) if memory.SAID.search(line)), lines[-1])[:200].rstrip(". ")
    if "DataLoader worker" in reason:
        return (
            f"data.num_workers: a loader process has died; got {reason}; most often the system ends it for want of "
            "memory; set data.num_workers=0, which is the fastest for most data, or a smaller data.batch_size"
        )
    if not (_in_training(error) or str(error).startswith("rank ")):
        return (
            f"data: out of memory outside of training and test; got {reason}; expected room for one recording and the "
            "index of all windows; free memory, take fewer recordings with data.where or data.ids, or a longer data.hop"
        )
    traceback.clear_frames(error.__traceback__)  # what they hold would be in the way of a trial
    _give_back()
    size = int(config["data"]["batch_size"])
    return f"data.batch_size: out of memory with {size} windows a batch; got {reason}; " + _what_fits(
        config, record, size
    )


def _what_fits(config: Config, record: Record, size: int) -> str:
    found = _tried(config, record)
    parts = next((n for n in range(2, size) if size % n == 0), None)
    if found is not None:
        whole, fitting = found
        settings = (
            f"expected at most {fitting}, with which a trial had enough; set data.batch_size={fitting} trainer."
            f"accumulate_grad_batches={whole // fitting * _accumulated(config)} (the same steps), or fit_memory=true"
        )
    elif parts is not None:
        settings = (
            f"expected a smaller batch; set data.batch_size={size // parts} trainer.accumulate_grad_batches="
            f"{parts * _accumulated(config)} (the same steps), or fit_memory=true, which finds what fits"
        )
    elif size > 1:
        settings = f"expected a smaller batch; set data.batch_size={size // 2}, or choose a smaller model"
    else:
        settings = "expected room for one; choose a smaller model, or a shorter data.window"
    return "; ".join([settings, *_besides(config)])


def _tried(config: Config, record: Record) -> tuple[int, int] | None:
    """Windows of a batch as it was, and the largest part of it that a trial found to fit; None where none was made.

    It is looked for by a fresh process: this one may have no room left to start a thread.
    """
    if ranks.joined() or config["pipeline"]["_target_"] == EVALUATE:
        return None
    log.info("out of memory: looking for a batch that fits")
    variables = {**os.environ, "PYTHONPATH": os.pathsep.join(path or os.getcwd() for path in sys.path)}
    command = [sys.executable, "-P", "-m", "phmbench.training.shortage", str(record.path)]
    try:
        done = subprocess.run(command, env=variables, capture_output=True, text=True, check=True)
        whole, fitting = json.loads(done.stdout.splitlines()[-1])
    except (subprocess.CalledProcessError, OSError, ValueError, IndexError) as error:
        log.info("none was found: %s", (getattr(error, "stderr", "") or str(error)).strip().splitlines()[-1:])
        return None
    return int(whole), int(fitting)


def _look(path: str) -> None:
    """What that process does: print windows of a batch and of the largest part that fits."""
    from phmbench.record import Record

    record = Record.attach(Path(path))
    one = batch_size.fullest(record.config)
    whole = batch_size.whole(one)
    print(json.dumps([whole, batch_size.largest(one, record, below=whole)]))


def _besides(config: Config) -> list[str]:
    """Settings other than the batch that need less."""
    import torch

    from phmbench.signatures import signature_of

    found = []
    precise = str(config["trainer"].get("precision") or "32-true") in ("32-true", "32", "64-true", "64")
    if precise and torch.cuda.is_available() and torch.cuda.is_bf16_supported():
        found.append("trainer.precision=bf16-mixed takes about half of it")
    takes = signature_of(str(config["model"]["_target_"])).by_name
    if "gradient_checkpointing" in takes and not config["model"].get("gradient_checkpointing"):
        found.append("model.gradient_checkpointing=true computes activations again instead of keeping them")
    return found


def _accumulated(config: Config) -> int:
    return int(config["trainer"].get("accumulate_grad_batches") or 1)


def _in_training(error: BaseException) -> bool:
    """Whether it came out of a fit or a test."""
    frames = [frame for one in memory.causes(error) for frame, _ in traceback.walk_tb(one.__traceback__)]
    return any(frame.f_globals.get("__name__") == "phmbench.training.fit" for frame in frames)


def _give_back() -> None:
    gc.collect()
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        torch.cuda.empty_cache()


if __name__ == "__main__":
    _look(sys.argv[1])
