"""The program of one rank, which `phmbench.training.launch` starts; not for users.

python -P -m phmbench.training.rank PARENT FOLDER
"""

from __future__ import annotations

import ctypes
import faulthandler
import json
import os
import pickle
import signal
import sys
import time
import traceback
from pathlib import Path

PATIENCE = 5.0  # seconds: many times the launcher's interval


def main() -> None:
    """Run the call that lies in FOLDER; what the first rank returns goes there too."""
    parent, folder = int(sys.argv[1]), Path(sys.argv[2])
    end_with(parent)
    faulthandler.enable()
    try:
        run(folder)
    except Exception as error:
        tell(error, Path(os.environ["TORCHELASTIC_ERROR_FILE"]))
        if os.environ.get("HYDRA_FULL_ERROR") == "1":
            traceback.print_exc()
        sys.stdout.flush()
        os._exit(1)  # a communicator that waits for a rank that is gone would not let the interpreter end


def end_with(parent: int) -> None:
    """Let the system end this process when the one that started it dies, in whatever way (on Linux)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, int(signal.SIGKILL))  # PR_SET_PDEATHSIG
    if os.getppid() != parent:  # it died before that
        os._exit(1)


def run(folder: Path) -> None:
    """Call what the launcher has left there."""
    from phmbench.training import ranks

    call, arguments = pickle.loads((folder / "call").read_bytes())
    returned = call(*arguments)
    if ranks.rank() == 0:
        (folder / "returned").write_bytes(pickle.dumps(returned))


def tell(error: Exception, file: Path) -> None:
    """Leave the error for the launcher, in the form of torch's error files; whole or not at all."""
    from phmbench.training import ranks

    now, lost = time.time(), ranks.lost(error)
    if lost:
        time.sleep(PATIENCE)  # the launcher sees first which rank died first, and ends this one
    told = {
        "message": {
            "message": f"{type(error).__name__}: {error}",
            "extraInfo": {"py_callstack": "".join(traceback.format_exception(error)), "timestamp": str(int(now))},
        },
        "time_s": now,
        "lost": lost,
    }
    beside = file.with_suffix(".part")
    beside.write_text(json.dumps(told), encoding="utf-8")
    beside.replace(file)


if __name__ == "__main__":
    main()
