"""`phmbench sweep-status`: of a search and of a grid, of folders that are read-only, damaged or something else."""

import json
import subprocess
import sys

import pytest

from phmbench.errors import ConfigError, RecordError
from phmbench.sweep import status, storage, workers
from phmbench.sweep import study as studies

optuna = pytest.importorskip("optuna")


@pytest.fixture
def folder(tmp_path):
    """A study with two complete trials, one failed, and one that nobody runs any more."""
    kept = storage.opened(None, tmp_path)
    study = optuna.create_study(study_name="s", storage=kept, direction="maximize")
    study.set_user_attr(studies.IDENTITY, {"objectives": ["val/macro_f1"], "space": {"lr": {"low": 0, "high": 1}}})
    for value in (0.5, 0.7, None):
        trial = study.ask()
        trial.suggest_float("lr", 0, 1)
        study.tell(trial, value, state=None if value else optuna.trial.TrialState.FAIL)
    dead = study.ask()
    (tmp_path / workers.FOLDER / "0").mkdir(parents=True)
    dead.set_user_attr("worker", "0")
    dead.set_user_attr("folder", "gone")
    status.write(tmp_path, name="s", storage=None, n_trials=10, at_once=2)
    return tmp_path


def test_a_search_is_counted(folder, capsys):
    assert status.main([str(folder), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["counts"] == {"complete": 2, "running": 0, "failed": 1, "pruned": 0, "interrupted": 1}
    assert (found["best"]["trial"], found["best"]["values"]) == (1, {"val/macro_f1": 0.7})
    status.main([str(folder)])
    printed = capsys.readouterr().out
    assert "2 of 10 finished: 2 complete" in printed
    assert "best so far: val/macro_f1 0.700 (trial 1" in printed


def test_a_folder_has_one_study_by_whatever_name_it_is_gone_on_with(folder, caplog):
    kept = storage.opened(None, folder)
    assert status.name_of_study(folder, kept, "s", url=None) == "s"
    with caplog.at_level("INFO", logger="phmbench"):
        assert status.name_of_study(folder, kept, "renamed", url=None) == "s"
    assert "which was begun as s" in caplog.text
    optuna.create_study(study_name="t", storage=kept)
    with pytest.raises(ConfigError, match=r"has several studies; got 'renamed'; expected one of s, t; type"):
        status.name_of_study(folder, kept, "renamed", url=None)


def test_a_folder_of_another_study_of_a_database_is_refused(folder):
    kept = storage.opened("sqlite://", folder)
    assert status.name_of_study(folder, kept, "s", url="sqlite://") == "s"
    with pytest.raises(
        ConfigError, match=r"the trials of another study; got 'renamed'; expected 's'; type sweep_name=s"
    ):
        status.name_of_study(folder, kept, "renamed", url="sqlite://")


def test_nothing_is_written_and_half_a_line_is_passed_over(folder):
    with (folder / "study.journal").open("a") as file:
        file.write('{"op_code": 4, "wor')
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    assert status.read(folder)["counts"]["complete"] == 2
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before


def test_other_folders_are_refused_by_name(folder, tmp_path_factory):
    with pytest.raises(RecordError, match="not the folder of a sweep"):
        status.read(tmp_path_factory.mktemp("other"))
    (folder / "study.journal").write_text("no JSON\nat all\n")
    with pytest.raises(RecordError, match="the study cannot be read"):
        status.read(folder)
    (folder / "study.journal").unlink()
    with pytest.raises(RecordError, match="expected the study of this sweep"):
        status.read(folder)
    (folder / "sweep.json").write_text("{")
    with pytest.raises(RecordError, match="type the sweep's command again, which writes it"):
        status.read(folder)


@pytest.mark.parametrize("url", ["postgresql://me:word@host/db", "postgresql://host/db?user=me&password=word"])
def test_a_password_is_not_kept(url, tmp_path):
    status.write(tmp_path, name="s", storage=url, n_trials=1, at_once=1)
    assert "word" not in (tmp_path / "sweep.json").read_text()
    with pytest.raises(RecordError, match="whose URL is not kept here"):
        status.read(tmp_path)


def test_a_grid_is_counted_from_its_records(tmp_path):
    (tmp_path / "manifest.json").write_text(json.dumps({"jobs": [{"folder": "a", "words": ["seed=0"]}]}))
    found = status.read(tmp_path)
    assert (found["wanted"], found["counts"]["complete"], found["best"], found["seconds_left"]) == (1, 0, None, None)


def test_no_torch_is_imported(folder):
    program = (
        f"import sys\nfrom phmbench.cli import main\ntry: main(['sweep-status', {str(folder)!r}])\n"
        "except SystemExit as end: sys.exit(end.code or 'torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
