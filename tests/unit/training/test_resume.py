"""What a run goes on from: the last checkpoint if it is whole, else the latest that is, else the start."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
import torch
from torch import nn

from phmbench.errors import RecordError
from phmbench.record import atomic
from phmbench.training.resume import Curves, checkpoint_of
from phmbench.training.whole_files import WholeFiles


def write(folder: Path, name: str, *, epoch: int, width: int = 2, best: str = "best.ckpt") -> None:
    state = {"dirpath": str(folder), "best_model_path": str(folder / best), "best_k_models": {}}
    checkpoint = {"epoch": epoch, "global_step": epoch, "loops": {}, "optimizer_states": [], "lr_schedulers": [],
                  "state_dict": nn.Linear(width, 1).state_dict(), "callbacks": {"ModelCheckpoint": state}}  # fmt: skip
    WholeFiles().save_checkpoint(checkpoint, folder / name)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write(tmp_path, "best.ckpt", epoch=1)
    write(tmp_path, "last.ckpt", epoch=3)
    return tmp_path


def cut(path: Path) -> None:
    """Half of the file, as after a power failure."""
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_the_last_one_if_it_and_the_best_one_are_whole(folder: Path):
    assert checkpoint_of(folder, nn.Linear(2, 1)) == folder / "last.ckpt"
    assert names(folder) == ["best.ckpt", "last.ckpt"]


def test_nothing_to_go_on_from(tmp_path: Path):
    assert checkpoint_of(tmp_path, nn.Linear(2, 1)) is None
    assert checkpoint_of(tmp_path / "none", nn.Linear(2, 1)) is None


@pytest.mark.parametrize("damage", [cut, lambda path: path.write_bytes(b""), lambda path: path.write_bytes(bytes(999))])
def test_the_best_one_where_the_last_one_is_damaged(damage, folder: Path, caplog: pytest.LogCaptureFixture):
    damage(folder / "last.ckpt")
    with caplog.at_level(logging.WARNING, "phmbench"):
        assert checkpoint_of(folder, nn.Linear(2, 1)) == folder / "best.ckpt"
    assert names(folder) == ["best.ckpt", "last.ckpt.damaged"]
    assert "last.ckpt is damaged or not of a fit" in caplog.text
    assert "goes on from best.ckpt, made after epoch 2" in caplog.text


def test_the_best_one_where_the_last_one_was_not_reached(folder: Path):
    """Killed between the two: the fit goes on from best.ckpt, and Lightning does not count on from its name."""
    (folder / "last.ckpt").unlink()
    assert checkpoint_of(folder, nn.Linear(2, 1)) == folder / "best.ckpt"


def test_the_start_where_the_weights_that_are_to_be_tested_are_lost(folder: Path, caplog: pytest.LogCaptureFixture):
    cut(folder / "best.ckpt")
    with caplog.at_level(logging.WARNING, "phmbench"):
        assert checkpoint_of(folder, nn.Linear(2, 1)) is None
    assert names(folder) == ["best.ckpt.damaged", "last.ckpt.damaged"]
    assert "no whole checkpoint is left" in caplog.text


def test_weights_alone_are_nothing_to_go_on_from(tmp_path: Path):
    torch.save({"state_dict": nn.Linear(2, 1).state_dict()}, tmp_path / "last.ckpt")
    assert checkpoint_of(tmp_path, nn.Linear(2, 1)) is None
    assert names(tmp_path) == ["last.ckpt.damaged"]


class Evil:
    def __reduce__(self):
        return Path.touch, (Path("evil"),)


def test_a_hostile_one_is_not_executed(folder: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(folder)
    torch.save({"state_dict": Evil(), "epoch": 3}, folder / "last.ckpt")
    assert checkpoint_of(folder, nn.Linear(2, 1)) == folder / "best.ckpt"
    assert not (folder / "evil").exists()


def test_one_of_another_model_is_refused(folder: Path):
    write(folder, "last.ckpt", epoch=3, width=5)
    with pytest.raises(RecordError) as caught:
        checkpoint_of(folder, nn.Linear(2, 1))
    assert "last.ckpt: a checkpoint of another model; got weight (1, 5) and 0 more that differ; expected " in str(
        caught.value
    )
    assert str(caught.value).endswith(
        "expected (1, 2), as in config.yaml; put the run's own back, or remove it: the fit then begins again"
    )


def test_a_full_disk_leaves_the_checkpoint_before(folder: Path, monkeypatch: pytest.MonkeyPatch):
    before = (folder / "last.ckpt").read_bytes()
    monkeypatch.setattr(atomic.os, "fsync", lambda _: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    with pytest.raises(RecordError, match=r"last\.ckpt: cannot be written; got No space left on device"):
        write(folder, "last.ckpt", epoch=4)
    assert (folder / "last.ckpt").read_bytes() == before
    assert names(folder) == ["best.ckpt", "last.ckpt"]


def test_curves_that_were_cut_off_lose_the_last_row_alone(tmp_path: Path):
    file = tmp_path / "metrics.csv"
    file.write_bytes(b"epoch,step,val/loss\n0,9,3.0\n1,19,2.0\n2,29\n\x00\x00")
    curves = Curves(tmp_path)
    curves.put_aside()
    file.write_text("epoch,step,val/loss\n2,29,1.0\n")
    curves.join()
    assert file.read_text().split() == ["epoch,step,val/loss", "0,9,3.0", "1,19,2.0", "2,29,1.0"]
