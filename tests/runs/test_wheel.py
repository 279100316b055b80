"""The wheel: all that a run needs is inside, and the commands work from any folder without the checkout."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import pytest

from phmbench import __version__
from tests.conftest import ROOT, TINY
from tests.foreign.environment import Environment, sources, wheel

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return wheel(sources(tmp_path_factory.mktemp("sources")), tmp_path_factory.mktemp("wheels"))


@pytest.fixture(scope="module")
def installed(built: Path, cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Environment:
    environment = Environment(tmp_path_factory.mktemp("environment") / "venv", cache=cache)
    environment.install(built)
    return environment


def test_every_option_and_every_file_that_is_read_is_inside(built: Path):
    inside = set(zipfile.ZipFile(built).namelist())
    options = {f"phmbench/{path.relative_to(ROOT).as_posix()}" for path in (ROOT / "conf").rglob("*.yaml")}
    read = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "phmbench").rglob("*")
        if path.is_file() and path.suffix != ".pyc"
    }
    assert not (options | read) - inside
    assert "phmbench/record/metrics.schema.json" in inside
    assert "phmbench/record/page.css" in inside
    assert not [name for name in inside if name.split("/")[0] not in ("phmbench", f"phmbench-{__version__}.dist-info")]


def test_the_package_that_runs_is_the_installed_one(installed: Environment, tmp_path: Path):
    program = "import phmbench, phmbench.config as c; print(phmbench.__file__); print(c.conf_dir())"
    done = installed.run("python", "-c", program, cwd=tmp_path)
    assert done.code == 0, done.err
    assert all(Path(line).is_relative_to(installed.path) for line in done.out.split("\n") if line)


def test_commands_without_a_run(installed: Environment, tmp_path: Path):
    version = installed.run("phmbench", "--version", cwd=tmp_path)
    assert version.out == f"phmbench {__version__}\n"
    models = installed.run("python", "-m", "phmbench", "list", "model", cwd=tmp_path)
    for path in (ROOT / "conf" / "model").glob("[!_]*.yaml"):
        assert path.stem in models.out
    shown = installed.run("phmbench", "show", "task=cddg", "model=resnet1d", cwd=tmp_path)
    assert shown.code == 0, shown.err
    assert "_target_: phmbench.models.resnet1d.ResNet1d" in shown.out
    wrong = installed.run("phmbench", "check", "model.widht=3", cwd=tmp_path)
    assert wrong.code == 2
    assert "did you mean 'width'?" in wrong.err
    asked = installed.run("phmbench", "train", "--help", cwd=tmp_path)
    assert "wdcnn" in asked.out


def test_a_run_from_another_folder(installed: Environment, tmp_path: Path):
    words = [word for word in TINY if not word.startswith("trainer")]
    done = installed.run("phmbench", "train", *words, "trainer=debug", "hydra.run.dir=run", cwd=tmp_path)
    assert done.code == 0, done.err
    result = json.loads((tmp_path / "run" / "metrics.json").read_text(encoding="utf-8"))
    assert result["status"] == "done"
    assert (tmp_path / "run" / "report.html").stat().st_size > 10_000


def test_an_installation_in_place_finds_its_options(cache: Path, tmp_path: Path):
    """`pip install -e .`: conf/ is read where it lies, so that an edited YAML counts at once."""
    (tmp_path / "checkout").mkdir()
    checkout = sources(tmp_path / "checkout")
    environment = Environment(tmp_path / "venv", cache=cache)
    environment.install("-e", checkout)
    (checkout / "conf" / "model" / "another.yaml").write_text("# Another\n_target_: phmbench.models.wdcnn.WDCNN\n")
    listed = environment.run("phmbench", "list", "model", cwd=tmp_path)
    assert listed.code == 0, listed.err
    assert "another" in listed.out
    checked = environment.run("phmbench", "check", "model=another", "model.width=8", cwd=tmp_path)
    assert checked.code == 0, checked.err
