"""On a terminal: a bar while it trains, colours, and no line wider than the terminal or 100 columns."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys

from tests.conftest import ROOT, TINY


def test_a_run_on_a_terminal(tmp_path, cache):
    ours, theirs = pty.openpty()
    variables = {**os.environ, "PHMBENCH_CACHE": str(cache), "TERM": "xterm-256color", "COLUMNS": "90",
                 "OMP_NUM_THREADS": "1"}  # fmt: skip
    variables.pop("NO_COLOR", None)
    words = [*TINY, "task/split=recordings", "trainer.max_epochs=4", f"hydra.run.dir={tmp_path / 'run'}"]
    child = subprocess.Popen(
        [sys.executable, str(ROOT / "train.py"), *words], stdout=theirs, stderr=theirs, env=variables, cwd=tmp_path
    )
    os.close(theirs)
    seen = b""
    while True:
        try:
            part = os.read(ours, 65536)
        except OSError:  # the other end has closed
            break
        if not part:
            break
        seen += part
    assert child.wait(timeout=60) == 0, seen[-2000:]
    text = seen.decode("utf-8", errors="replace")
    assert "\x1b[" in text  # colours
    assert "preparing the store" in text or "task" in text
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text)
    assert "macro F1" in plain
    assert max(len(part) for line in plain.splitlines() for part in line.split("\r")) <= 100
