"""A study on a PostgreSQL server, which tests/clusters/postgresql.sh starts: `make test-postgresql`."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.conftest import ROOT, TINY, Command
from tests.runs.test_sweep_parallel import RATES, started

URL = os.environ.get("PHMBENCH_TEST_POSTGRESQL", "")
pytestmark = [pytest.mark.cluster, pytest.mark.skipif(not URL, reason="make test-postgresql starts a server")]
QUICK = (*TINY[:-1], "task/split=recordings", "trainer.max_epochs=1", "model=spectral_linear")


def test_two_machines_work_on_one_study(tmp_path: Path, cache: Path):
    """Two commands with folders of their own: as many trials as asked for in all, each value tried once."""
    import optuna

    words = (str(ROOT / "sweep.py"), *QUICK, RATES, "n_trials=6", "refit=0", f"storage={URL}", "sweep_name=shared")
    with (
        started(*words, f"hydra.sweep.dir={tmp_path / 'one'}", folder=tmp_path, cache=cache) as one,
        started(*words, f"hydra.sweep.dir={tmp_path / 'two'}", folder=tmp_path, cache=cache) as two,
    ):
        said = [process.communicate(timeout=200) for process in (one, two)]
    assert (one.returncode, two.returncode) == (0, 0), said
    storage = optuna.storages.RDBStorage(URL.replace("postgresql://", "postgresql+psycopg://"))
    trials = optuna.load_study(study_name="shared", storage=storage).get_trials()
    assert sum(trial.state.name == "COMPLETE" for trial in trials) >= 6
    assert len({trial.params["task.optimizer.lr"] for trial in trials}) == len(trials)


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
