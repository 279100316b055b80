"""Where options come from, without a run: folders of a user's own, search paths, titles, and whom a process trusts."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from phmbench import config, options, trust
from phmbench.check import check, require
from phmbench.errors import ConfigError
from tests.conftest import Command
from tests.foreign.environment import PROJECT

CONF = PROJECT / "mypackage" / "conf"
FOREIGN = {
    "seed": 0,
    "model": {"_target_": "mypackage.band_energy.BandEnergy"},
}


@pytest.fixture
def on_path(monkeypatch: pytest.MonkeyPatch) -> None:
    """The foreign package can be imported, as if it were installed, and nobody has said that it is trusted."""
    monkeypatch.syspath_prepend(str(PROJECT))
    monkeypatch.delenv(trust.VARIABLE, raising=False)


def test_a_folder_named_twice_counts_once_and_the_first_name_stays():
    """Three ways to one folder: --config-dir, file:// and a detour; ours comes first."""
    found = config.places([str(CONF)], [f"file://{CONF}", str(CONF / "model" / "..")])
    assert [place.path for place in found] == [config.conf_dir(), CONF]
    assert [place.provider for place in found] == ["phmbench", "--config-dir"]
    assert config.clashes(config.options(found)) == []


@pytest.mark.usefixtures("on_path")
@pytest.mark.parametrize("word", ["pkg://mypackage.conf", "pkg://mypackage/conf"])
def test_the_folder_of_a_package_is_found_without_importing_it(word: str):
    import sys

    assert config.places(searchpath=[word])[1].path == CONF
    assert "mypackage" not in sys.modules


def test_a_package_that_is_not_installed():
    message = (
        "hydra.searchpath: no package 'nopackage'; got pkg://nopackage.conf; expected one that is installed; install it"
    )
    with pytest.raises(ConfigError, match=re.escape(message)):
        config.places(searchpath=["pkg://nopackage.conf"])


def test_a_folder_that_is_not_there(tmp_path: Path):
    with pytest.raises(ConfigError, match=r"--config-dir: no folder .*nowhere; expected one with data/, model/"):
        config.places([str(tmp_path / "nowhere")])


def test_a_name_from_two_places_names_both(tmp_path: Path):
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "wdcnn.yaml").write_text("# Mine\n")
    (message,) = config.clashes(config.options(config.places([str(tmp_path)])))
    expected = f"model=wdcnn: provided twice, by phmbench ({config.conf_dir()}) and by --config-dir ({tmp_path})"
    assert message == f"{expected}; rename one of them"


@pytest.mark.parametrize(
    ("text", "title"),
    [
        ("# A title\n_target_: x.Y\n", "A title"),
        ("# @package _global_\n# A title\nseed: 1\n", "A title"),
        ("\n#@package model\n\n# A title\n", "A title"),
        ("seed: 1 # no title\n", ""),
        ("# @package _global_\nseed: 1\n# too late\n", ""),
        ("", ""),
    ],
)
def test_the_title_is_the_first_comment_that_is_not_for_hydra(tmp_path: Path, text: str, title: str):
    (tmp_path / "option.yaml").write_text(text)
    assert options.title(tmp_path / "option.yaml") == title


@pytest.mark.usefixtures("on_path")
def test_a_list_shows_foreign_parameters_and_where_they_come_from():
    known = config.options(config.places([str(CONF)]))
    listed = options.list_options("model", known["model"])
    (line,) = [line for line in listed.splitlines() if line.startswith("band_energy")]
    assert "width=32" in line
    assert "--config-dir" in line
    trainers = options.list_options("trainer", known["trainer"])
    assert "max_epochs=" not in trainers  # Lightning's own parameters are not listed


def test_files_that_are_no_yaml_are_named_and_listed_all_the_same(tmp_path: Path):
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "latin.yaml").write_bytes(b"# Modell f\xfcr alle\nwidth: 3\n")
    (tmp_path / "model" / "open.yaml").write_text("# Open\n_target_: [a\nx: }\n")
    where = config.places([str(tmp_path)])[1:]
    latin, left_open = options.damaged(where)
    assert latin.startswith(f"{tmp_path / 'model' / 'latin.yaml'}: not YAML; got 'utf-8' codec can't decode byte 0xfc")
    assert left_open.startswith(f"{tmp_path / 'model' / 'open.yaml'}: not YAML; got while parsing a flow sequence")
    assert all(message.endswith("expected YAML in UTF-8; correct the file") for message in (latin, left_open))
    assert "Open" in options.list_options("model", config.options(where)["model"])


def test_ours_are_yaml():
    assert options.damaged(config.places()) == []


def test_the_command_names_the_damaged_file(command: Command, tmp_path: Path):
    (tmp_path / "mine" / "model").mkdir(parents=True)
    file = tmp_path / "mine" / "model" / "open.yaml"
    file.write_text("# Open\n_target_: [a\nx: }\n")
    done = command("--config-dir", "mine", "model=open", program="check")
    assert done.code == 2
    assert f"{file}: not YAML" in done.err


def test_the_help_of_a_search_shows_what_a_search_has(command: Command):
    done = command("--help", program="sweep")
    assert done.code == 0, done.err
    for word in ("python sweep.py", "n_trials", "sweep_name", "storage", "submitit_slurm", "nsgaii", "optim", "median"):
        assert word in done.out, word
    run = command("--help")
    assert "n_trials" not in run.out
    assert "median" not in run.out


@pytest.mark.parametrize("words", [("n_trials=5",), ("-m", "seed=0,1", "sweep_name=g"), ("search=optim",)])
def test_keys_of_a_search_are_refused_by_a_run_and_a_grid(words: tuple[str, ...], command: Command):
    done = command(*words)
    assert done.code == 2
    assert ": no such key of a run or a grid; got a key of a search; expected sweep.py in the place of" in done.err
    assert ("the folder of a grid is named by hydra.sweep.dir" in done.err) is ("sweep_name=g" in words)


def test_help_shows_the_options_of_a_users_own_folder(command: Command):
    done = command("--help", "--config-dir", str(CONF))
    assert done.code == 0, done.err
    assert "Band energies: log energies" in done.out


@pytest.mark.parametrize(
    ("package", "message"),
    [
        ("gone", r"entry point phmbench/mine: package 'gone' cannot be found; reinstall it"),
        ("bare", r"mine: no folder .*conf; expected one with data/, model/"),
    ],
)
def test_an_entry_point_that_leads_nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, package: str, message: str):
    """One whose package is gone, and one whose package has no folder conf/."""
    (tmp_path / "bare").mkdir()
    (tmp_path / "bare" / "__init__.py").touch()
    information = tmp_path / f"{package}-1.0.dist-info"
    information.mkdir()
    (information / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
    (information / "entry_points.txt").write_text(f"[phmbench]\nmine = {package}:conf\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(ConfigError, match=message):
        config.places()


@pytest.mark.usefixtures("on_path")
def test_a_check_inside_a_run_trusts_whom_its_command_line_trusts(monkeypatch: pytest.MonkeyPatch):
    refused = "model._target_: mypackage.band_energy.BandEnergy is not trusted"
    with pytest.raises(ConfigError, match=re.escape(refused)):
        require(FOREIGN)
    monkeypatch.setenv(trust.VARIABLE, "other,mypackage")
    assert trust.of_environment() == ["other", "mypackage"]
    with pytest.raises(ConfigError) as error:  # of the root: data, task, … are missing
        require(FOREIGN)
    assert "is not trusted" not in str(error.value)
    with pytest.raises(ConfigError, match=re.escape(refused)):
        require(FOREIGN, trusted=())
    assert any(refused in str(finding) for finding in check(FOREIGN))


@pytest.mark.parametrize("value", ["", ","])
def test_an_empty_variable_trusts_nobody(monkeypatch: pytest.MonkeyPatch, value: str):
    monkeypatch.setenv(trust.VARIABLE, value)
    assert trust.of_environment() == []
