"""Several processes: started by torch's elastic launcher on the one resolved configuration, or joined where they exist.

Lightning's own launcher re-runs `sys.argv` for each rank, which under a multirun starts the whole grid again. Here
the process that the user started composes, checks and prepares the store; its ranks are given the record and replay
the one job in it.
"""

from __future__ import annotations

import os
import signal
import uuid
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from phmbench import interrupt
from phmbench.errors import ConfigError, PhmbenchError

if TYPE_CHECKING:
    from phmbench.record import Record
    from phmbench.training.fit import Fitted


def joined() -> bool:
    """Whether torchrun or srun has started this process as one of several."""
    slurm = int(os.environ.get("SLURM_NTASKS", "1")) > 1 and "SLURM_PROCID" in os.environ
    interactive = os.environ.get("SLURM_JOB_NAME") in ("bash", "interactive")
    return "TORCHELASTIC_RUN_ID" in os.environ or (slurm and not interactive)


def rank() -> int:
    """This process among those of the run; 0 where there is one."""
    if not joined():
        return 0
    return int(os.environ.get("RANK", os.environ.get("SLURM_PROCID", "0")))


def wanted(trainer: Mapping[str, Any]) -> int:
    """How many processes the trainer's settings ask for on this machine.

    Raises:
        ConfigError: they ask for a GPU, or for several machines, and there is none or only one.
    """
    import torch

    accelerator, devices = trainer.get("accelerator", "auto"), trainer.get("devices", "auto")
    strategy, gpus = str(trainer.get("strategy") or "auto"), torch.cuda.device_count()
    on_gpu = accelerator in ("gpu", "cuda") or (accelerator == "auto" and gpus > 0)
    if (accelerator in ("gpu", "cuda") or strategy.startswith("fsdp")) and not gpus:
        what = "fsdp" if strategy.startswith("fsdp") else f"accelerator {accelerator}"
        raise ConfigError(f"trainer: {what} needs a GPU, and there is none; choose trainer=cpu or trainer=ddp_cpu")
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


def require_joined(trainer: Mapping[str, Any], count: int) -> None:
    """Processes that torchrun or srun has started must be as many as the trainer knows of.

    Raises:
        ConfigError: they are not; each would run everything, into one folder.
    """
    world = int(os.environ.get("WORLD_SIZE", os.environ.get("SLURM_NTASKS", "1")))
    expected = count * int(trainer.get("num_nodes") or 1)
    if world != expected:
        raise ConfigError(
            f"trainer: {world} processes were started, and the trainer's settings are for {expected}; choose a trainer "
            "for several (ddp, ddp_cpu, multinode), and set trainer.devices (processes a machine) and trainer.num_nodes"
        )


def launch(call: Callable[..., Fitted], record: Record, count: int, *arguments: str) -> Fitted:
    """Run `call(path of the record, *arguments)` in `count` processes of this machine; what the first of them returns.

    Raises:
        PhmbenchError: a process failed; the message has its rank and the last line of its traceback.
        Stopped: Ctrl-C, or another signal that asks to end.
    """
    from torch.distributed.elastic.multiprocessing.api import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.launcher.api import LaunchConfig, elastic_launch

    threads = os.environ.get("OMP_NUM_THREADS")
    os.environ["OMP_NUM_THREADS"] = str(max(1, (os.cpu_count() or 1) // count))  # ranks share the cores
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    launcher = LaunchConfig(
        min_nodes=1,
        max_nodes=1,
        nproc_per_node=count,
        run_id=uuid.uuid4().hex,
        rdzv_backend="c10d",
        rdzv_endpoint="localhost:0",
        rdzv_configs={"timeout": 60},
        local_addr="localhost",
        max_restarts=0,
        monitor_interval=0.2,
        start_method="spawn",
    )
    try:
        returned: dict[int, Fitted] = elastic_launch(launcher, call)(str(record.path), *arguments)
    except SignalException as error:
        raise interrupt.Stopped(error.sigval) from None
    except ChildFailedError as error:
        number, failure = error.get_first_failure()
        message = failure.message["message"] if isinstance(failure.message, dict) else str(failure.message)
        raise PhmbenchError(f"rank {number} failed: {message.strip().splitlines()[-1]}") from error
    finally:
        for which, handler in handlers.items():  # the launcher leaves its own behind
            signal.signal(which, handler)
        if threads is None:
            del os.environ["OMP_NUM_THREADS"]
        else:
            os.environ["OMP_NUM_THREADS"] = threads
    return returned[0]


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
        port += 0 if agent else 1  # the agent's store is there already; else rank 0 opens one beside Lightning's
        store = TCPStore(host, port, is_master=not agent and rank() == 0, timeout=timedelta(minutes=30))
        self.store = PrefixStore("phmbench", store)

        self.said = 0

    def share(self, text: str | None = None) -> str:
        """What the first process says, to all: it calls with a text, the others without, as often and in one order."""
        self.said += 1
        if text is None:
            return str(self.store.get(str(self.said)).decode())
        self.store.set(str(self.said), text)
        return text


_board: list[Board] = []


def board() -> Board:
    """The one board of this process."""
    if not _board:
        _board.append(Board())
    return _board[0]
