"""Kill this process with SIGKILL at its n-th change of a file below given folders, or let it wait there.

Python imports this module when it starts, since a test puts its folder on PYTHONPATH. The program is not touched: the
interpreter's audit events tell of each file that is opened for writing, renamed, removed or made, just before it is.

TORTURE_UNDER     folders, separated by ":"
TORTURE_EVENTS    a file: every change is written to it, a line each
TORTURE_KILL_AT   number of the change, from 0, at which the process is killed
TORTURE_RANK      if set, changes by the ranks of a distributed run are counted; else those of the process in front
TORTURE_SIGNAL    instead of SIGKILL
TORTURE_HOLD      a file: instead of killing, it is made, and the process waits until it is gone
"""

import os
import signal
import sys
import time

UNDER = tuple(os.environ.get("TORTURE_UNDER", "").split(":"))
EVENTS = os.environ.get("TORTURE_EVENTS")
KILL_AT = int(os.environ.get("TORTURE_KILL_AT", "-1"))
OF_RANKS = "TORTURE_RANK" in os.environ
SIGNAL = int(os.environ.get("TORTURE_SIGNAL", signal.SIGKILL))
HOLD = os.environ.get("TORTURE_HOLD")
CHANGES = ("open", "os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.truncate")
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT
main = os.getpid()
seen = 0


def watch(event: str, args: tuple) -> None:
    """Count, and kill when it is time."""
    global seen
    if event not in CHANGES or (event == "open" and not int(args[2]) & WRITING):
        return
    path = os.fsdecode(args[0]) if isinstance(args[0], str | bytes | os.PathLike) else ""
    if not path.startswith(UNDER) or os.getpid() != main or (os.environ.get("LOCAL_RANK") == "0") != OF_RANKS:
        return
    number, seen = seen, seen + 1
    if EVENTS:
        descriptor = os.open(EVENTS, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        os.write(descriptor, f"{event} {path}\n".encode())
        os.close(descriptor)
    if number == KILL_AT and HOLD:
        os.close(os.open(HOLD, os.O_WRONLY | os.O_CREAT, 0o644))
        while os.path.exists(HOLD):
            time.sleep(0.01)  # in which a signal arrives
    elif number == KILL_AT:
        if OF_RANKS:
            os.kill(os.getppid(), SIGNAL)  # the process in front; the other ranks go with it
        os.kill(main, SIGNAL)


if UNDER != ("",):
    sys.addaudithook(watch)
