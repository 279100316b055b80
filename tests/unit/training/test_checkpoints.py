"""Checkpoints that are gone on with: moved folders, heads of other classes, curves of several sittings."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from phmbench.training.checkpoints import read_checkpoint
from phmbench.training.resume import Curves, relocate


def test_a_moved_checkpoint_names_its_neighbours(tmp_path: Path):
    old, new = tmp_path / "old" / "checkpoints", tmp_path / "new" / "checkpoints"
    new.mkdir(parents=True)
    state = {
        "dirpath": str(old),
        "best_model_path": str(old / "best.ckpt"),
        "last_model_path": "",
        "kth_best_model_path": str(old / "best.ckpt"),
        "best_k_models": {str(old / "best.ckpt"): torch.tensor(0.5)},
        "monitor": "val/macro_f1",
    }
    torch.save({"state_dict": {}, "callbacks": {"ModelCheckpoint": state, "EarlyStopping": {"wait_count": 3}}},
               new / "last.ckpt")  # fmt: skip
    relocate(new / "last.ckpt", read_checkpoint(new / "last.ckpt"))
    callbacks = read_checkpoint(new / "last.ckpt")["callbacks"]
    moved = callbacks["ModelCheckpoint"]
    assert moved["dirpath"] == str(new)
    assert moved["best_model_path"] == moved["kth_best_model_path"] == str(new / "best.ckpt")
    assert list(moved["best_k_models"]) == [str(new / "best.ckpt")]
    assert moved["last_model_path"] == ""
    assert callbacks["EarlyStopping"] == {"wait_count": 3}


def test_a_checkpoint_that_stayed_is_not_touched(tmp_path: Path):
    torch.save({"state_dict": {}, "callbacks": {"ModelCheckpoint": {"dirpath": str(tmp_path)}}}, tmp_path / "last.ckpt")
    before = (tmp_path / "last.ckpt").read_bytes()
    relocate(tmp_path / "last.ckpt", read_checkpoint(tmp_path / "last.ckpt"))
    assert (tmp_path / "last.ckpt").read_bytes() == before


@pytest.mark.parametrize("sittings", [1, 2])
def test_curves_of_several_sittings(sittings: int, tmp_path: Path):
    """Epochs 0 to 2, cut off, gone on with from 2: 0, 1 of the first sitting, 2, 3 of the second."""
    curves, file = Curves(tmp_path), tmp_path / "metrics.csv"
    file.write_text("epoch,val/loss\n0,3.0\n1,2.0\n2,9.0\n")
    for _ in range(sittings):  # a sitting that was cut off before its first epoch loses nothing
        curves.put_aside()
        assert not file.exists()
    file.write_text("epoch,lr,val/loss\n2,0.1,1.5\n3,0.1,1.0\n")
    curves.join()
    assert file.read_text().split() == ["epoch,val/loss,lr", "0,3.0,", "1,2.0,", "2,1.5,0.1", "3,1.0,0.1"]
    assert not (tmp_path / "earlier.csv").exists()
