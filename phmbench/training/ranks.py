"""Which process of how many this is, and what the processes of a run tell each other."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from phmbench.errors import ConfigError, PhmbenchError
from phmbench.overrides import near

if TYPE_CHECKING:
    from lightning.fabric.plugins.environments.cluster_environment import ClusterEnvironment


def joined() -> bool:
    """Whether torchrun or srun has started this process as one of several."""
    return _elastic() or _slurm()


def _elastic() -> bool:
    """By torch's elastic launcher; it may itself have been started by srun."""
    return "TORCHELASTIC_RUN_ID" in os.environ


def _slurm() -> bool:
    """By srun: a script of sbatch has the other variables too, and is one process."""
    several = int(os.environ.get("SLURM_NTASKS", "1")) > 1 and "SLURM_PROCID" in os.environ
    interactive = os.environ.get("SLURM_JOB_NAME") in ("bash", "interactive")
    return several and "SLURM_STEP_ID" in os.environ and not interactive


def rank() -> int:
    """This process among those of the run; 0 where there is one."""
    if _elastic():
        return int(os.environ.get("RANK", "0"))
    return int(os.environ["SLURM_PROCID"]) if _slurm() else 0


def environment() -> ClusterEnvironment:
    """How Lightning is to find the other processes: as we do, whatever else a cluster's variables may say.

    Raises:
        ConfigError: Lightning does not accept what srun was told.
    """
    from lightning.fabric.plugins.environments.lightning import LightningEnvironment
    from lightning.fabric.plugins.environments.slurm import SLURMEnvironment
    from lightning.fabric.plugins.environments.torchelastic import TorchElasticEnvironment

    if _elastic():
        return TorchElasticEnvironment()
    if not _slurm():
        return LightningEnvironment()
    try:
        return SLURMEnvironment(auto_requeue=False)  # it would ignore SIGTERM, and repeat the command, not the run
    except RuntimeError as error:
        raise ConfigError(f"trainer (srun): {error}") from error


def wanted(trainer: Mapping[str, Any]) -> int:
    """How many processes the trainer's settings ask for on this machine.

    Raises:
        ConfigError: they ask for a GPU, for several machines, or for a strategy or accelerator, and there is none.
    """
    import torch

    _require_known(trainer)
    accelerator, devices = trainer.get("accelerator", "auto"), trainer.get("devices", "auto")
    strategy, gpus = str(trainer.get("strategy") or "auto"), torch.cuda.device_count()
    on_gpu = accelerator in ("gpu", "cuda") or (accelerator == "auto" and gpus > 0)
    if (accelerator in ("gpu", "cuda") or strategy.startswith("fsdp")) and not gpus:
        what = "fsdp" if strategy.startswith("fsdp") else f"accelerator {accelerator}"
        raise ConfigError(f"trainer: {what} needs a GPU, and there is none; choose trainer=cpu or trainer=ddp_cpu")
    if trainer.get("sync_batchnorm") and not on_gpu:
        raise ConfigError(
            "trainer.sync_batchnorm: torch synchronises batch statistics on GPUs alone; got a CPU; expected GPUs; "
            "leave it out, and choose larger batches or a model without batch normalisation"
        )
    if int(trainer.get("num_nodes") or 1) > 1 and not joined():
        raise ConfigError(
            f"trainer.num_nodes: {trainer['num_nodes']} machines, and this process was started alone; start it on each "
            "with `torchrun --nnodes=… --nproc-per-node=… train.py …` or `srun python train.py …`"
        )
    if devices in ("auto", -1, "-1"):
        return gpus if on_gpu and strategy != "auto" else 1
    if isinstance(devices, str) and "," in devices:
        devices = [part for part in devices.split(",") if part.strip()]
    return len(devices) if isinstance(devices, list) else int(devices)


def _require_known(trainer: Mapping[str, Any]) -> None:
    """Lightning looks at these names when the data have been read."""
    from lightning.pytorch.accelerators import AcceleratorRegistry
    from lightning.pytorch.strategies import StrategyRegistry

    for key, known in (
        ("strategy", StrategyRegistry.available_strategies()),
        ("accelerator", sorted({*AcceleratorRegistry.available_accelerators(), "gpu"})),
    ):
        name = trainer.get(key) or "auto"
        if isinstance(name, str) and name.lower() not in ("auto", *known):
            there = near(name, known) or f"there are auto, {', '.join(known)}"
            raise ConfigError(f"trainer.{key}: none of that name; got {name}; expected one of Lightning's; {there}")


def processes(trainer: Mapping[str, Any]) -> int:
    """Of the whole run, on all machines.

    Raises:
        ConfigError: the trainer's settings ask for what there is not; or torchrun or srun has started another number
            of processes, each of which would run everything, into one folder.
    """
    expected = wanted(trainer) * int(trainer.get("num_nodes") or 1)
    if joined():
        world = int(os.environ["WORLD_SIZE" if _elastic() else "SLURM_NTASKS"])
        if world != expected:
            raise ConfigError(
                f"trainer: {world} processes were started, and the trainer's settings are for {expected}; choose a "
                "trainer for several (ddp, ddp_cpu, multinode), and set trainer.devices (processes a machine) and "
                "trainer.num_nodes"
            )
    return expected


LOST = ("gloo/", "Connection closed by peer", "Connection reset by peer")
"""What gloo says when a process at the other end is gone; NCCL and the stores have classes for it."""


def lost(error: BaseException | None) -> bool:
    """Whether an error says no more than that another process is gone."""
    from torch.distributed import DistBackendError, DistNetworkError

    while error is not None:
        if isinstance(error, DistBackendError | DistNetworkError) or any(words in str(error) for words in LOST):
            return True
        error = error.__cause__ or error.__context__
    return False


class Board:
    """Where ranks that torchrun or srun has started tell each other plain text, before Lightning connects them."""

    def __init__(self) -> None:
        from datetime import timedelta

        from torch._C._distributed_c10d import PrefixStore, TCPStore

        agent = os.environ.get("TORCHELASTIC_USE_AGENT_STORE") == "True"
        if agent or "MASTER_ADDR" in os.environ:
            host, port = os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"])
        else:
            from lightning.fabric.plugins.environments.slurm import SLURMEnvironment

            environment = SLURMEnvironment()
            host, port = environment.main_address, environment.main_port
        beside = 1 if "MASTER_ADDR" in os.environ else 10_000  # Slurm's next job has Lightning's port and one more
        port += 0 if agent else beside  # the agent's store is there already; else rank 0 opens one beside Lightning's
        store = TCPStore(host, port, is_master=not agent and rank() == 0, timeout=timedelta(minutes=30))
        self.store = PrefixStore("phmbench", store)

        self.said = 0

    def failed(self, text: str) -> None:
        """Tell all that this process has failed, and of what; the first to fail is heard."""
        self.store.compare_set("failed", "", text)

    def failure(self, *, seconds: float) -> str | None:
        """What another process has failed of, as far as it comes to tell within that time; None: nothing is known."""
        from torch.distributed import DistError

        end = time.monotonic() + seconds
        try:
            while not self.store.check(["failed"]):
                if time.monotonic() >= end:
                    return None
                time.sleep(0.1)
            return str(self.store.get("failed").decode())
        except (DistError, RuntimeError):  # the store has gone with the process that kept it
            return None

    def share(self, text: str | None = None) -> str:
        """What the first process says, to all: it calls with a text, the others without, as often and in one order."""
        self.said += 1
        key = str(self.said)
        if text is not None:
            self.store.set(key, text)
            return text
        return self._said(key)

    def smallest(self, number: int) -> int:
        """The smallest of what all processes say, to all; called as often and in one order by each."""
        self.said += 1
        self.store.set(f"{self.said}/{rank()}", str(number))
        world = int(os.environ.get("WORLD_SIZE", os.environ.get("SLURM_NTASKS", "1")))
        return min(int(self._said(f"{self.said}/{other}")) for other in range(world))

    def _said(self, key: str) -> str:
        """What another process says under a key, as soon as it does.

        Raises:
            PhmbenchError: a process has failed, and may never say it.
        """
        while not self.store.check([key]):
            if self.store.check(["failed"]):
                raise PhmbenchError(json.loads(self.store.get("failed").decode())[0])
            time.sleep(0.02)
        return str(self.store.get(key).decode())


_board: list[Board] = []


def board() -> Board:
    """The one board of this process."""
    if not _board:
        _board.append(Board())
    return _board[0]
