"""Ranks on this machine: started through torch's elastic launcher, watched, and ended together.

Lightning's own launcher re-runs `sys.argv` for each rank, which under a multirun starts the whole grid again. Here
the process that the user started composes, checks and prepares the store; its ranks are given the record and replay
the one job in it. Each rank leads a session of its own: a signal of the terminal reaches the process that the user
started, and it ends them.
"""

from __future__ import annotations

import logging
import os
import pickle
import signal
import sys
import tempfile
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from phmbench import errors, interrupt
from phmbench.errors import PhmbenchError

if TYPE_CHECKING:
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError, ProcessFailure

T = TypeVar("T")


def launch(call: Callable[..., T], count: int, *arguments: str) -> T:
    """Run `call(*arguments)` in `count` processes of this machine; what the first of them returns.

    Args:
        call: a function of a module, which the ranks import by its name.
        count: processes.
        arguments: of `call`.

    Raises:
        PhmbenchError: a process failed; the message has its rank and the last line of its traceback.
        Stopped: a signal that asks to end.
    """
    from torch.distributed.elastic.multiprocessing import DefaultLogsSpecs, SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.launcher.api import LaunchConfig, elastic_launch

    logging.getLogger("torch.distributed.elastic").setLevel(logging.CRITICAL)  # what it says, `_failure` says
    with tempfile.TemporaryDirectory(prefix="phmbench-ranks-") as name, inherited(count):
        folder = Path(name)
        (folder / "call").write_bytes(pickle.dumps((call, arguments)))
        config = LaunchConfig(
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
            logs_specs=DefaultLogsSpecs(log_dir=str(folder)),
            signals_to_handle="SIGQUIT",  # the command answers the others
        )
        program = elastic_launch(config, sys.executable)
        try:
            program("-P", "-m", "phmbench.training.rank", str(os.getpid()), str(folder))
        except SignalException as error:
            raise interrupt.Stopped(error.sigval) from None
        except ChildFailedError as error:
            _end_groups(error.failures.values())
            raise _failure(error) from error
        returned: T = pickle.loads((folder / "returned").read_bytes())
        return returned


@contextmanager
def inherited(count: int) -> Iterator[None]:
    """What ranks inherit: the path of imports, and each its share of the cores where the user has not set another."""
    given = {
        "PYTHONPATH": os.pathsep.join(path or os.getcwd() for path in sys.path),
        "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS") or str(max(1, _cores() // count)),
    }
    before = {name: os.environ.get(name) for name in given}
    quitting = signal.getsignal(signal.SIGQUIT)
    os.environ.update(given)
    try:
        yield
    finally:
        signal.signal(signal.SIGQUIT, quitting)  # the launcher leaves its own behind
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _end_groups(failures: Iterable[ProcessFailure]) -> None:
    """End what a rank that was killed has left behind: its loader processes."""
    for failure in failures:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(failure.pid, signal.SIGKILL)


def _failure(error: ChildFailedError) -> PhmbenchError:
    """Which rank failed first, and why; the others failed since it was gone, or were ended by the launcher."""

    def order(number: int) -> tuple[bool, bool, float]:
        failure = error.failures[number]
        told = failure.error_file_data
        return failure.exitcode == -signal.SIGTERM, told.get("lost", False), told.get("time_s", 0.0)

    number = min(error.failures, key=order)
    failure = error.failures[number]
    told = failure.error_file_data["message"]
    if not isinstance(told, dict):
        how = f"was ended by {failure.signal_name()}" if failure.exitcode < 0 else f"exited with {failure.exitcode}"
        return PhmbenchError(
            f"rank {number} failed: its process {how}; got no traceback; expected it to run to its end; see whether "
            "the memory was used up, then go on with phmbench resume"
        )
    kind, _, text = told["message"].partition(": ")
    known = getattr(errors, kind, None)
    if isinstance(known, type) and issubclass(known, PhmbenchError):
        return known(f"rank {number} failed: {text}")
    return PhmbenchError(
        f"rank {number} failed: {told['message'].strip()}; its traceback is in log.txt of the run directory"
    )
