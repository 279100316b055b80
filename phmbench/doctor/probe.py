"""Imports packages, and asks torch for its devices, in a process of its own: a broken one may end its interpreter.

Run as a file, by `packages.probe`; says what it finds as a line of JSON each, before and after each step.
"""

from __future__ import annotations

import importlib
import json
import sys
from typing import Any

MARK = "phmbench-doctor "  # packages may print, too


def say(**what: Any) -> None:
    """One line; out at once, since the next step may be the last."""
    print(MARK + json.dumps(what), flush=True)


def devices(torch: Any) -> dict[str, Any]:
    """What torch knows of GPUs and of several processes."""
    cuda, spread = torch.cuda, torch.distributed
    found: dict[str, Any] = {"version": torch.__version__, "cuda": torch.version.cuda, "gpus": [], "peers": []}
    found["nccl"] = spread.is_available() and spread.is_nccl_available()
    found["gloo"] = spread.is_available() and spread.is_gloo_available()
    count = cuda.device_count() if cuda.is_available() else 0
    for i in range(count):
        with cuda.device(i):
            free, total = cuda.mem_get_info()
            bf16 = bool(cuda.is_bf16_supported(including_emulation=False))
            float((torch.ones(8, 8, device="cuda") @ torch.ones(8, 8, device="cuda")).sum())  # does it compute at all
        name, capability = cuda.get_device_name(i), ".".join(map(str, cuda.get_device_capability(i)))
        found["gpus"].append({"name": name, "capability": capability, "free": free, "total": total, "bf16": bf16})
    found["peers"] = [
        [i, j] for i in range(count) for j in range(count) if i != j and cuda.can_device_access_peer(i, j)
    ]
    return found


def main(modules: list[str]) -> None:
    """Import each module."""
    for name in modules:
        say(step=name)
        try:
            module = importlib.import_module(name)
        except BaseException as error:  # whatever a broken package raises, SystemExit among it
            say(broken=name, error=f"{type(error).__name__}: {error}")
            continue
        say(fine=name)
        if name == "torch":
            say(step="torch.cuda")
            try:
                say(devices=devices(module))
            except BaseException as error:
                say(broken="torch.cuda", error=f"{type(error).__name__}: {error}")
    say(end=True)


if __name__ == "__main__":
    main(sys.argv[1:])
