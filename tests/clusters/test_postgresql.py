"""A study on a PostgreSQL server, which tests/clusters/postgresql.sh starts: `make test-postgresql`."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ROOT, TINY, Command
from tests.runs.test_sweep_parallel import RATES, running, started, until

URL = os.environ.get("PHMBENCH_TEST_POSTGRESQL", "")
pytestmark = [
    pytest.mark.cluster,
    pytest.mark.timeout(900),
    pytest.mark.skipif(not URL, reason="make test-postgresql starts a server"),
]
QUICK = (*TINY[:-1], "task/split=recordings", "trainer.max_epochs=1", "model=spectral_linear")


def test_two_machines_work_on_one_study(tmp_path: Path, cache: Path):
    """Two commands with folders of their own: as many trials as asked for in all, each value tried once."""
    words = (str(ROOT / "sweep.py"), *QUICK, RATES, "n_trials=6", "refit=0", f"storage={URL}", "sweep_name=shared")
    with (
        started(*words, f"hydra.sweep.dir={tmp_path / 'one'}", folder=tmp_path, cache=cache) as one,
        started(*words, f"hydra.sweep.dir={tmp_path / 'two'}", folder=tmp_path, cache=cache) as two,
    ):
        said = [process.communicate(timeout=200) for process in (one, two)]
    assert (one.returncode, two.returncode) == (0, 0), said
    found = trials("shared")
    assert len(complete(found)) >= 6
    assert len({trial.params["task.optimizer.lr"] for trial in found}) == len(found)


def test_a_machine_that_is_killed_leaves_its_trial_to_the_other(command: Command, tmp_path: Path, cache: Path):
    """Folders of their own stand for machines. A trial that gives no sign of life for two minutes has failed, and its
    values are run again by whoever types the command then; of finished trials there are as many as were asked for."""
    words = (str(ROOT / "sweep.py"), *QUICK, "trainer.max_epochs=20", "trainer.callbacks.early_stopping=null", RATES,
             "n_trials=4", "refit=0", f"storage={URL}", "sweep_name=killed")  # fmt: skip
    places = {name: f"hydra.sweep.dir={tmp_path / name}" for name in ("one", "two")}
    with (
        started(*words, places["one"], folder=tmp_path, cache=cache) as one,
        started(*words, places["two"], folder=tmp_path, cache=cache) as two,
    ):
        until(lambda: len(running(tmp_path / "one")) == 1, seconds=120)
        os.killpg(one.pid, signal.SIGKILL)
        one.wait()
        workers = {path.name for path in (tmp_path / "one" / "workers").iterdir()}
        found = trials("killed")
        (dead,) = (t for t in found if t.state.name == "RUNNING" and t.user_attrs["worker"] in workers)
        said = two.communicate(timeout=280)
    assert two.returncode == 0, said

    def again() -> bool:
        with started(*words, places["two"], folder=tmp_path, cache=cache) as process:
            said = process.communicate(timeout=280)
        assert process.returncode == 0, said
        return trials("killed")[dead.number].state.name == "FAIL"

    until(again, seconds=400)
    found = trials("killed")
    assert len(complete(found)) == 4
    assert [trial.params for trial in complete(found)].count(dead.params) == 1
    status = command(str(tmp_path / "two"), "--json", "--storage", URL, program="sweep-status")
    counts = json.loads(status.out)["counts"]
    assert counts == {"complete": 4, "running": 0, "failed": 1, "pruned": 0, "interrupted": 0}


def trials(name: str) -> list[Any]:
    """Of a study on the server."""
    import optuna

    storage = optuna.storages.RDBStorage(URL.replace("postgresql://", "postgresql+psycopg://"))
    return optuna.load_study(study_name=name, storage=storage).get_trials()


def complete(found: list[Any]) -> list[Any]:
    return [trial for trial in found if trial.state.name == "COMPLETE"]


def test_a_wrong_password_is_never_shown(command: Command):
    password = URL.split(":")[2].split("@")[0]
    wrong = URL.replace(password, "not-the-password")
    done = command(*QUICK, RATES, "n_trials=1", f"storage={wrong}", program="sweep")
    assert done.code == 2
    assert "storage: postgresql" in done.err
    assert "cannot be opened" in done.err
    assert "not-the-password" not in done.err + done.out


def test_a_server_that_is_not_there(command: Command):
    done = command(
        *QUICK, RATES, "n_trials=1", "storage=postgresql://me:secret-word@127.0.0.1:9/study", program="sweep"
    )
    assert done.code == 2
    assert "cannot be opened" in done.err
    assert "secret-word" not in done.err + done.out
