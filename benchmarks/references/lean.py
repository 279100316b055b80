"""As lean as Lightning gets: the collector off, and neither the compiler nor scipy.signal imported (stubs: a probe of
what they cost, not a way to go)."""

import gc
import sys
import types
from pathlib import Path
from typing import Any

import hydra
from omegaconf import DictConfig

sys.path.insert(0, str(Path(__file__).parent))
gc.disable()


def leave_out() -> None:
    """Stubs for the two modules."""
    import torch

    dynamo: Any = types.ModuleType("torch._dynamo")
    dynamo.__path__ = []
    dynamo.graph_break = lambda *args, **kwargs: None
    dynamo.disable = lambda function=None, *args, **kwargs: function
    dynamo.OptimizedModule = type("OptimizedModule", (torch.nn.Module,), {})
    signal: Any = types.ModuleType("scipy.signal")
    signal.hamming = None
    sys.modules.update({"torch._dynamo": dynamo, "scipy.signal": signal})
    torch._dynamo = dynamo


@hydra.main(config_path="conf", config_name="config")
def main(cfg: DictConfig) -> None:
    leave_out()
    from one_step import fit

    fit(cfg)


if __name__ == "__main__":
    main()
