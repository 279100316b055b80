"""Checkpoints as files that are whole or not there."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import torch
from lightning.fabric.plugins import TorchCheckpointIO

from phmbench.record import atomic


class WholeFiles(TorchCheckpointIO):
    """Checkpoints that are whole or not there, also after a kill, a full disk or a power failure.

    Lightning's own go to the system's folder for temporary files, and from there, where that is on another disk, byte
    by byte to their place.
    """

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        """Write to a temporary name beside `path`, sync, rename.

        Raises:
            RecordError: the disk is full, or the folder is not writable.
        """
        buffer = io.BytesIO()  # a stream of torch's that cannot write ends in an error that does not say why
        torch.save(checkpoint, buffer)
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        atomic.write_bytes(Path(path), buffer.getbuffer())
