"""The quick start, each in a fresh interpreter: what is left out, and that it is there the moment it is asked for."""

from __future__ import annotations

import subprocess
import sys
import textwrap

import pytest

from tests.conftest import ROOT

START = "import sys; from phmbench.training.start import import_lightning; import_lightning(lean=True)\n"


def python(program: str) -> str:
    words = [sys.executable, "-c", START + textwrap.dedent(program)]
    done = subprocess.run(words, capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_training_step_needs_none_of_them():
    out = python("""
        import torch
        from lightning.pytorch import LightningModule, Trainer
        class Task(LightningModule):
            def __init__(self):
                super().__init__()
                self.layer = torch.nn.Linear(2, 1)
            def training_step(self, batch, index):
                return self.layer(batch[0]).sum()
            def configure_optimizers(self):
                return torch.optim.AdamW(self.parameters())
        trainer = Trainer(max_epochs=1, accelerator="cpu", logger=False, enable_checkpointing=False,
                          enable_progress_bar=False, enable_model_summary=False, deterministic=True)
        trainer.fit(Task(), torch.utils.data.DataLoader([(torch.ones(1, 2),)] * 2, batch_size=None))
        assert torch.are_deterministic_algorithms_enabled()
        large = ("sympy", "scipy.signal", "torch._dynamo.eval_frame", "torch._inductor", "matplotlib")
        print([name for name in large if name in sys.modules])
        """)
    assert out.strip().endswith("[]")


def test_modules_that_look_at_all_others_can_be_imported():
    """`inspect` asks the stand-in for its file while torch's tensors of many processes are being imported."""
    out = python("""
        import torch
        torch.testing.assert_close(torch.ones(2), torch.ones(2))
        print("torch.distributed.tensor" in sys.modules)
        """)
    assert out.strip() == "True"


@pytest.mark.slow
def test_compiler_and_filters_are_real_when_asked_for():
    out = python("""
        import torch, lightning.fabric.wrappers as wrappers
        from lightning.pytorch.utilities.compile import to_uncompiled
        import scipy.signal
        assert scipy.signal.resample_poly([1.0, 2.0, 3.0, 4.0], 1, 2).shape == (2,)
        layer = torch.nn.Linear(2, 2)
        assert not isinstance(layer, wrappers.OptimizedModule)
        import torch._dynamo.config
        assert torch._dynamo.config.__file__
        compiled = torch.compile(layer, backend="eager")
        assert torch.equal(compiled(torch.ones(1, 2)), layer(torch.ones(1, 2)))
        assert isinstance(compiled, wrappers.OptimizedModule)
        assert torch._dynamo.__file__.endswith("__init__.py")
        import torch.distributed.fsdp
        print("real")
        """)
    assert out.strip() == "real"


@pytest.mark.slow
def test_an_optimizer_step_can_be_compiled():
    out = python("""
        import torch
        parameter = torch.nn.Parameter(torch.ones(3))
        optimizer = torch.optim.SGD([parameter], lr=0.5)
        parameter.grad = torch.ones(3)
        torch.compile(optimizer.step, backend="eager")()
        print(parameter.tolist())
        """)
    assert out.strip() == "[0.5, 0.5, 0.5]"


@pytest.mark.slow
def test_a_metric_can_be_drawn():
    """By the function that torchmetrics took while matplotlib was kept away, and by the real one afterwards."""
    out = python("""
        import matplotlib
        matplotlib.use("agg")
        import torch, torchmetrics.utilities
        from torchmetrics.classification import MulticlassAccuracy, MulticlassConfusionMatrix
        for metric in (MulticlassAccuracy(2), MulticlassConfusionMatrix(2)):
            metric.update(torch.tensor([0, 1, 1]), torch.tensor([0, 1, 0]))
            figure, _ = metric.plot()
            assert isinstance(figure, matplotlib.figure.Figure)
        assert torchmetrics.utilities.plot.__file__.endswith("plot.py")
        print("drawn")
        """)
    assert out.strip() == "drawn"


@pytest.mark.slow
def test_the_compiler_learns_of_deterministic_algorithms():
    """Whether the flag is set before its back end is imported, or after."""
    out = python("""
        import torch
        def said():
            return torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()
        for mode, warn in ((True, False), (False, False), (True, True)):
            torch.use_deterministic_algorithms(mode, warn_only=warn)
            assert said() == (mode, warn), said()
        assert "torch._inductor" not in sys.modules
        import torch._inductor.config as config
        assert config.deterministic is True
        torch.use_deterministic_algorithms(False)
        assert config.deterministic is False and said() == (False, False)
        print("told")
        """)
    assert out.strip() == "told"


def test_importing_the_library_changes_nothing():
    words = [sys.executable, "-c", "import gc, sys, phmbench; print(gc.isenabled(), 'torch' in sys.modules)"]
    done = subprocess.run(words, capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stdout.strip() == "True False"
