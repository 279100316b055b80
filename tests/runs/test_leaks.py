"""Many short epochs and many jobs: the resident size of a process stays as it is."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import ROOT, TINY, Command

pytestmark = pytest.mark.slow

SIZES = '''
"""Resident size of this process and of its loaders, at the end of each epoch."""

import os
from pathlib import Path

from lightning.pytorch import Callback


def resident(process):
    pages = int(Path(f"/proc/{process}/statm").read_text().split()[1])
    inner = Path(f"/proc/{process}/task/{process}/children").read_text().split()
    return pages * os.sysconf("SC_PAGE_SIZE") + sum(map(resident, inner))


class Sizes(Callback):
    def on_train_epoch_end(self, trainer, pl_module):
        with open(os.environ["SIZES"], "a") as file:
            file.write(f"{resident(os.getpid())}\\n")
'''
MIB = 2**20
STEP = 6 * MIB
WORDS = (*TINY[:-2], "task/split=recordings", "model=spectral_linear", "trainer=cpu",
         "trainer.callbacks.early_stopping=null", "+trainer.callbacks.sizes._target_=sizes.Sizes", "--trust",
         "sizes")  # fmt: skip


@pytest.mark.skipif(not Path("/proc/self/statm").is_file(), reason="resident sizes are read from /proc")
@pytest.mark.parametrize(
    ("words", "count"),
    [
        (("trainer.max_epochs=150",), 150),
        (("trainer.max_epochs=120", "data.num_workers=1"), 120),
        (("trainer.max_epochs=3", "-m", "seed=range(12)"), 36),
    ],
    ids=["one process", "with workers", "a grid"],
)
def test_the_resident_size_is_flat(words: tuple[str, ...], count: int, tmp_path: Path, command: Command):
    """From the second to the last third of the epochs no more is added than a heap grows by at once; a batch that each
    epoch kept would be 0.25 MiB an epoch."""
    (tmp_path / "sizes.py").write_text(SIZES)
    sizes = tmp_path / "sizes.txt"
    done = command(*WORDS, *words, env={"PYTHONPATH": f"{ROOT}:{tmp_path}", "SIZES": str(sizes)})
    assert done.code == 0, done.err
    found = [int(line) for line in sizes.read_text().split()]
    assert len(found) == count
    early, late = max(found[count // 3 : 2 * count // 3]), max(found[2 * count // 3 :])
    assert late - early < STEP, [size // MIB for size in found]
