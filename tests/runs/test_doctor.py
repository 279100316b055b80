"""`phmbench doctor` as it is run: where all is well, and where torch, data and cache are broken."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT, TINY, Command

pytestmark = pytest.mark.slow


def test_choices_that_would_start_here(command: Command):
    done = command(*TINY, program="doctor")
    assert done.code == 0, done.out
    assert "nothing is wrong" in done.out or "warning" in done.out
    assert "the configuration is valid" in done.out
    assert "starts 1 process on cpu" in done.out


def test_everything_is_broken_at_once(command: Command, tmp_path: Path):
    """A torch that ends its interpreter, no root of data, a cache that is a file, and a wrong choice."""
    (tmp_path / "fake" / "torch").mkdir(parents=True)
    (tmp_path / "fake" / "torch" / "__init__.py").write_text("import os\nos.kill(os.getpid(), 11)\n")
    (tmp_path / "file").touch()
    broken = {
        "PYTHONPATH": os.pathsep.join([str(tmp_path / "fake"), str(ROOT)]),
        "PHMBENCH_DATA": str(tmp_path / "nowhere"),
        "PHMBENCH_CACHE": str(tmp_path / "file" / "cache"),
    }
    done = command("--json", "model=wdncc", program="doctor", env=broken)
    assert done.code == 1, done.err
    said = json.loads(done.out)
    assert said["status"] == "error"
    wrong = [one for one in said["findings"] if one["level"] != "ok"]
    assert {one["area"] for one in wrong} >= {"packages", "gpu", "cache", "data", "choices"}
    assert any(re.match(r"torch \S+ cannot be imported: it ended the interpreter", one["text"]) for one in wrong)
    assert any("wdncc" in one["text"] for one in wrong)
    assert all(one["mend"] for one in wrong)
    assert not (tmp_path / "outputs").exists()


def test_without_the_packages_that_its_own_commands_need(tmp_path: Path):
    """Hydra and OmegaConf are broken: phmbench doctor says so, and so does `python -m phmbench.doctor`."""
    for name in ("hydra", "omegaconf"):
        (tmp_path / f"{name}.py").write_text("raise ImportError('broken')\n")
    env = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), str(ROOT)]), "PHMBENCH_CACHE": str(tmp_path)}
    for program in (["-m", "phmbench.doctor"], ["-m", "phmbench", "doctor"]):
        done = subprocess.run([sys.executable, *program], capture_output=True, text=True, env=env, cwd=tmp_path,
                              timeout=200, check=False)  # fmt: skip
        assert done.returncode == 1, done.stderr
        assert "cannot be imported: ImportError: broken" in done.stdout
        assert "can be written" in done.stdout


def test_on_a_terminal_there_is_colour(tmp_path: Path):
    """In a pseudo-terminal: what is right in green, what is wrong in red, and no line wider than it."""
    import pty

    leader, follower = pty.openpty()
    env = {**os.environ, "PYTHONPATH": str(ROOT), "PHMBENCH_CACHE": str(tmp_path), "COLUMNS": "80", "TERM": "xterm"}
    env.pop("NO_COLOR", None)
    process = subprocess.Popen([sys.executable, "-m", "phmbench.doctor", "data=cwru"], stdout=follower, env=env,
                               cwd=tmp_path)  # fmt: skip
    os.close(follower)
    said = b""
    while True:
        try:
            part = os.read(leader, 4096)
        except OSError:  # the other end is closed
            break
        if not part:
            break
        said += part
    os.close(leader)
    assert process.wait() == 1
    assert b"\033[32mok" in said
    assert b"\033[1;31m1 error" in said
    lines = re.sub(r"\033\[[0-9;]*m", "", said.decode()).splitlines()
    assert max(map(len, lines)) <= 80
