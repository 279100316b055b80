"""Whether what was chosen would start here: sources are read, and the trainer is built."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

from phmbench.config import Config
from phmbench.doctor.findings import Finding, guarded
from phmbench.doctor.machine import size


def examine(job: Config) -> list[Finding]:
    """Data and trainer of a checked configuration."""
    return [
        Finding("ok", "choices", "the configuration is valid"),
        *guarded("data", lambda: data(job)),
        *guarded("trainer", lambda: trainer(job)),
        *(guarded("init", lambda: start(Path(job["init"]))) if job["init"] is not None else []),
    ]


def start(path: Path) -> list[Finding]:
    """The checkpoint that the run starts from.

    Raises:
        ConfigError: it is not there, damaged, or none.
    """
    from phmbench.training.checkpoints import read_checkpoint

    read_checkpoint(path)
    return [Finding("ok", "init", f"{path} can be read")]


def data(job: Config) -> list[Finding]:
    """Recordings that the sources list, the store of them, and its room; no signal is read.

    Raises:
        DataError: a source has none, or they do not go together; as a run would say.
    """
    from phmbench import build
    from phmbench.data import selection, store, views
    from phmbench.revolutions import of_envelope, of_view

    node = job["data"]
    sources = {name: build.make(one, f"data.sources.{name}") for name, one in node["sources"].items()}
    chosen = {key: node[key] for key in ("where", "ids", "channels", "sample_rate")}
    per_revolution = of_view(node["view"], node["per_revolution"], node["sample_rate"])
    view = views.View(node["view"], per_revolution, *of_envelope(node["view"], node["band"], node["whiten"]))
    planned = selection.plan(sources, **chosen, view=view)
    rigs = ", ".join(sorted({str(rig) for rig in planned.table["rig"]}))
    found = [Finding("ok", "data", f"{len(planned.rows)} recordings of {rigs}")]
    cache = Path(job["paths"]["cache"]).absolute()
    if (cache / "stores" / f"{store.store_key(sources, **chosen, nan=node['nan'], view=view)}.h5").exists():
        found.append(Finding("ok", "data", "its store is prepared"))
    else:
        found.append(_room(cache, 4 * len(planned.channels) * int(planned.length.sum())))
    cores, workers = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1, node["num_workers"]
    if workers > cores:
        what = f"{workers} loader processes on {cores} cores"
        found.append(Finding("warning", "data", what, f"data.num_workers={max(1, cores - 1)}"))
    return found


def _room(cache: Path, needed: int) -> Finding:
    there = next(one for one in (cache, *cache.parents) if one.exists())
    free = shutil.disk_usage(there).free
    text = f"its store is not prepared yet: {size(needed)}, with {size(free)} free"
    if needed > free:
        return Finding("error", "data", text, "export PHMBENCH_CACHE=DIR, on a larger disk")
    return Finding("ok", "data", text)


def trainer(job: Config) -> list[Finding]:
    """Whether it starts here: it is built, without loggers, which may ask the network.

    Raises:
        ConfigError: as a run would say.
    """
    import torch

    from phmbench import build
    from phmbench.training import ranks

    node = job["trainer"]
    count = ranks.wanted(node)
    with tempfile.TemporaryDirectory() as folder:
        built: Any = build.trainer({**job, "logger": None}, Path(folder), extra=[])
    device, precision = built.strategy.root_device.type, str(node.get("precision"))
    text = f"starts {count} process{'' if count == 1 else 'es'} on {device}, precision {precision}"
    there = torch.cuda.device_count()
    if device == "cuda" and count > there:
        return [Finding("error", "trainer", f"{text}; there are {there} GPUs", f"trainer.devices={there}")]
    if (
        device == "cuda"
        and precision.startswith("bf16")
        and not torch.cuda.is_bf16_supported(including_emulation=False)
    ):
        return [Finding("error", "trainer", f"{text}, which this GPU has not", "trainer.precision=16-mixed")]
    return [Finding("ok", "trainer", text)]
