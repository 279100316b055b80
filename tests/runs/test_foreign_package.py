"""A user's own package, installed in a fresh environment and used in all three ways; docs/extend.md is what it says."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import tomllib
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.conftest import ROOT
from tests.foreign.environment import ENTRY_POINT, PROJECT, Environment, project, sources, wheel

CONF = PROJECT / "mypackage" / "conf"
PAGE = ROOT / "docs" / "extend.md"
OWN = ("model=band_energy", "data=tones", "task/algorithm=worst_domain")
DOMAINS = ("task=dg", "task.split.column=load", "task.split.target=[2]")  # two source domains, loads 0 and 1
TRUST = ("--trust", "mypackage")


@pytest.fixture(scope="module")
def ours(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of phmbench."""
    return wheel(sources(tmp_path_factory.mktemp("sources")), tmp_path_factory.mktemp("wheels"))


@pytest.fixture(scope="module")
def plain(ours: Path, cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """phmbench, and the foreign package without an entry point."""
    folder = tmp_path_factory.mktemp("plain")
    environment = Environment(folder / "venv", cache=cache)
    theirs = wheel(project(folder / "project", entry_point=False), folder / "wheels")
    environment.install(ours, theirs)
    return environment


@pytest.fixture(scope="module")
def trusting(ours: Path, cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """phmbench, and the foreign package with its entry point."""
    folder = tmp_path_factory.mktemp("trusting")
    environment = Environment(folder / "venv", cache=cache)
    theirs = wheel(project(folder / "project", entry_point=True), folder / "wheels")
    environment.install(ours, theirs)
    return environment


def metrics(folder: Path) -> dict[str, float]:
    return json.loads((folder / "metrics.json").read_text(encoding="utf-8"))["metrics"]


# -- the three ways --------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def recorded(plain: Environment, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The record of a run with the foreign model, source and algorithm: a folder of options, and trust."""
    folder = tmp_path_factory.mktemp("recorded")
    words = ("--config-dir", str(CONF), *TRUST, *OWN, *DOMAINS, "trainer=debug")
    done = plain.run("phmbench", "train", *words, "hydra.run.dir=run", cwd=folder)
    assert done.code == 0, done.err
    return folder / "run"


@pytest.mark.slow
def test_a_folder_of_options_and_trust(recorded: Path):
    result = json.loads((recorded / "metrics.json").read_text(encoding="utf-8"))
    assert result["model"]["name"] == "BandEnergy"
    assert result["data"]["rigs"] == ["tones"]
    assert result["split"]["domains"] == ["0", "1"]
    with (recorded / "csv" / "metrics.csv").open() as lines:
        assert "train/risk" in lines.readline()  # a part of the loss that this algorithm alone reports


@pytest.mark.slow
@pytest.mark.parametrize("path", ["pkg://mypackage.conf", "pkg://mypackage/conf", "file://CONF", "CONF"])
def test_a_search_path(plain: Environment, tmp_path: Path, path: str):
    word = f"hydra.searchpath=[{path.replace('CONF', str(CONF))}]"
    done = plain.run("phmbench", "check", word, *TRUST, *OWN, cwd=tmp_path)
    assert done.code == 0, done.err
    assert "mypackage" not in done.err
    assert plain.run("phmbench", "check", word, *OWN, cwd=tmp_path).code == 2


@pytest.mark.slow
def test_own_loop_and_own_trainer_over_a_search_path(plain: Environment, tmp_path: Path):
    """Two epochs of manual optimisation in a Trainer subclass; cosine over two epochs halves the rate in the second."""
    words = ("hydra.searchpath=[pkg://mypackage.conf]", *TRUST, "experiment=flat", "trainer=budget")
    more = ("trainer.max_epochs=2", "task/scheduler=cosine", "task/optimizer=sgd", "task.optimizer.lr=0.01")
    done = plain.run("phmbench", "train", *words, *more, "hydra.run.dir=run", cwd=tmp_path)
    assert done.code == 0, done.err
    lines = [line.split(",") for line in (tmp_path / "run" / "csv" / "metrics.csv").read_text().splitlines()]
    rates = [float(line[lines[0].index("lr")]) for line in lines[1:] if line[lines[0].index("lr")]]
    assert rates == pytest.approx([0.01, 0.005])
    assert metrics(tmp_path / "run")["epochs"] == 2


@pytest.mark.slow
def test_an_entry_point_and_a_grid(trusting: Environment, tmp_path: Path):
    """Installed is trusted; a grid over a model of ours and one of theirs."""
    words = ("data=tones", "task/algorithm=erm", "trainer=debug", "hydra.sweep.dir=grid", "-m")
    done = trusting.run("phmbench", "train", *words, "model=band_energy,wdcnn", cwd=tmp_path)
    assert done.code == 0, done.err
    names = [
        json.loads(path.read_text(encoding="utf-8"))["model"]["name"]
        for path in sorted((tmp_path / "grid").glob("*/metrics.json"))
    ]
    assert names == ["BandEnergy", "WDCNN"]


@pytest.mark.slow
def test_its_own_folder_named_again_is_no_clash(trusting: Environment, tmp_path: Path):
    (installed,) = trusting.site.glob("mypackage/conf")
    done = trusting.run("phmbench", "check", "--config-dir", str(installed), *OWN, cwd=tmp_path)
    assert done.code == 0, done.err


# -- trust -----------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_without_trust_it_is_refused_and_not_imported(plain: Environment, tmp_path: Path):
    """A package of the same name that leaves a trace when it is imported; all of its classes are named at once."""
    shutil.copytree(PROJECT / "mypackage", tmp_path / "path" / "mypackage")
    canary = tmp_path / "imported"
    with (tmp_path / "path" / "mypackage" / "__init__.py").open("a", encoding="utf-8") as file:
        file.write(f"\nopen({str(canary)!r}, 'w').close()\n")
    for way in (("--config-dir", str(CONF)), ("hydra.searchpath=[pkg://mypackage.conf]",)):
        for command in ("check", "train"):
            done = plain.run("phmbench", command, *way, *OWN, cwd=tmp_path, PYTHONPATH=str(tmp_path / "path"))
            assert done.code == 2
            for name in ("band_energy.BandEnergy", "tones.Tones", "worst_domain.WorstDomain"):
                assert f"mypackage.{name} is not trusted" in done.err
            assert "add --trust mypackage" in done.err
    trusted = plain.run("phmbench", "check", *way, *TRUST, *OWN, cwd=tmp_path, PYTHONPATH=str(tmp_path / "path"))
    assert trusted.code == 0, trusted.err
    assert not canary.exists()
    assert not (tmp_path / "outputs").exists()


@pytest.mark.slow
def test_trust_in_one_package_opens_no_other(plain: Environment, tmp_path: Path):
    way = ("--config-dir", str(CONF), "--trust", "mypackag", *OWN)
    assert "mypackage.tones.Tones is not trusted" in plain.run("phmbench", "check", *way, cwd=tmp_path).err
    part = ("--config-dir", str(CONF), "--trust", "mypackage.tones", *OWN)
    done = plain.run("phmbench", "check", *part, cwd=tmp_path)
    assert "mypackage.band_energy.BandEnergy is not trusted" in done.err
    assert "mypackage.tones.Tones is not trusted" not in done.err
    for target in ("os.system", "mypackage.tones.np.load", "mypackage.sharpness_aware.torch.load"):
        word = f"model._target_={target}"
        done = plain.run("phmbench", "check", "--config-dir", str(CONF), *TRUST, "--trust", "os", word, cwd=tmp_path)
        assert done.code == 2
        assert "not trusted" in done.err


@pytest.mark.slow
def test_a_record_does_not_carry_trust(plain: Environment, recorded: Path, tmp_path: Path):
    refused = plain.run("phmbench", "rerun", str(recorded), cwd=tmp_path)
    assert refused.code == 2
    assert "mypackage.band_energy.BandEnergy is not trusted" in refused.err
    assert not recorded.with_name("run-rerun").exists()
    again = plain.run("phmbench", "rerun", str(recorded), "--into", "again", *TRUST, cwd=tmp_path)
    assert again.code == 0, again.err
    assert metrics(tmp_path / "again") == metrics(recorded)


@pytest.mark.slow
def test_an_installed_package_is_trusted_with_records_as_well(trusting: Environment, recorded: Path, tmp_path: Path):
    """The check lets it pass, and what is said then is that the run is done (5), not that it is not trusted (2)."""
    done = trusting.run("phmbench", "resume", str(recorded), cwd=tmp_path)
    assert done.code == 5
    assert "the run is done" in done.err


@pytest.mark.slow
def test_ranks_find_foreign_classes(plain: Environment, tmp_path: Path):
    """Two processes; the variable, which they inherit, is as good as the word."""
    words = ("--config-dir", str(CONF), *OWN, "trainer=ddp_cpu", "trainer.max_epochs=1", "hydra.run.dir=run")
    done = plain.run("phmbench", "train", *words, cwd=tmp_path, PHMBENCH_TRUST="mypackage")
    assert done.code == 0, done.err
    result = json.loads((tmp_path / "run" / "metrics.json").read_text(encoding="utf-8"))
    assert sum(map(sum, result["confusion"]["counts"])) == result["split"]["test"]["windows"]


@pytest.mark.slow
def test_a_foreign_checkpoint_is_tested_with_trust_alone(plain: Environment, recorded: Path, tmp_path: Path):
    """What is named on the command line is ours in the first command; the checkpoint names a foreign model."""
    tested = ("pipeline=evaluate", f"init={recorded / 'checkpoints' / 'best.ckpt'}", "trainer=cpu")
    refused = plain.run("phmbench", "train", *tested, "hydra.run.dir=refused", cwd=tmp_path)
    assert refused.code == 2
    assert "mypackage.band_energy.BandEnergy is not trusted" in refused.err
    words = ("--config-dir", str(CONF), *TRUST, *OWN, *DOMAINS, *tested)
    done = plain.run("phmbench", "train", *words, "hydra.run.dir=tested", cwd=tmp_path)
    assert done.code == 0, done.err
    assert "test/macro_f1" in metrics(tmp_path / "tested")


# -- clashes, lists, wrong words -------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_name_clash_is_refused(plain: Environment, trusting: Environment, tmp_path: Path):
    """Also with the option that nobody chose, and from two packages: it is not said which one would have been taken."""
    (tmp_path / "mine" / "model").mkdir(parents=True)
    (tmp_path / "mine" / "model" / "wdcnn.yaml").write_text("# Mine\n_target_: mypackage.band_energy.BandEnergy\n")
    (tmp_path / "mine" / "model" / "band_energy.yaml").write_text("# Mine\n_target_: phmbench.models.wdcnn.WDCNN\n")
    mine = tmp_path / "mine" / "model" / "wdcnn.yaml"
    done = plain.run("phmbench", "train", "--config-dir", "mine", *TRUST, "model=spectral_linear", cwd=tmp_path)
    assert done.code == 2
    assert "model=wdcnn: provided twice, by phmbench (" in done.err
    assert f"--config-dir ({mine.parent.parent})" in done.err
    assert "rename one of them" in done.err
    both = trusting.run("phmbench", "check", "--config-dir", "mine", cwd=tmp_path)
    assert both.code == 2
    assert "model=band_energy: provided twice, by mypackage (" in both.err


@pytest.mark.slow
def test_list_shows_where_options_come_from(plain: Environment, trusting: Environment, tmp_path: Path):
    listed = plain.run("phmbench", "list", "model", "--config-dir", str(CONF), cwd=tmp_path)
    assert listed.code == 0, listed.err
    assert listed.out.count("--config-dir") == 1  # ours say nothing
    assert "width=32" in listed.out.replace("\n", " ")
    assert all(len(line) <= 100 for line in listed.out.splitlines())
    for group, name in (("experiment", "flat"), ("trainer", "budget"), ("data", "tones"), ("task", "sharpness_aware")):
        one = trusting.run("phmbench", "list", group, cwd=tmp_path)
        from_there = [line.split()[0] for line in one.out.splitlines() if re.search(r" mypackage( |$)", line)]
        assert from_there == [name], one.out
    titles = trusting.run("phmbench", "list", "experiment", cwd=tmp_path).out
    assert "Flat minima" in titles
    assert "@package" not in titles
    helped = trusting.run("phmbench", "train", "--help", cwd=tmp_path)
    assert "worst_domain" in helped.out
    absent = plain.run("phmbench", "list", "model", "--config-dir", "nowhere", cwd=tmp_path)
    assert absent.code == 2
    assert "--config-dir: no folder" in absent.err


@pytest.mark.slow
def test_wrong_words_find_the_nearest_of_theirs(trusting: Environment, tmp_path: Path):
    words = (
        "model.widht=3",
        "trainer.bugdet_s=3",
        "trainer.max_epoch=3",
        "data.sources.tones.units=1",
        "task.radius=1",
    )
    done = trusting.run("phmbench", "check", *OWN, "trainer=budget", *words, cwd=tmp_path)
    assert done.code == 2
    for message in (
        "model.widht: BandEnergy has no parameter 'widht'; did you mean 'width'?",
        "trainer.bugdet_s: BudgetTrainer has no parameter 'bugdet_s'; did you mean 'budget_s'?",
        "trainer.max_epoch: BudgetTrainer has no parameter 'max_epoch'; did you mean 'max_epochs'?",
        "data.sources.tones.units: wrong value for Tones; got 1",
        "task.radius: Classification has no parameter 'radius'",
    ):
        assert message in done.err
    near = trusting.run("phmbench", "check", "model=band_energi", cwd=tmp_path)
    assert "did you mean 'band_energy'?" in near.err


@pytest.mark.slow
def test_a_package_that_is_not_there(plain: Environment, tmp_path: Path):
    done = plain.run("phmbench", "check", "hydra.searchpath=[pkg://nopackage.conf]", cwd=tmp_path)
    assert done.code == 2
    assert "hydra.searchpath: no package 'nopackage'" in done.err
    way = ("--config-dir", str(CONF), "--trust", "nopackage", "model._target_=nopackage.models.Model")
    done = plain.run("phmbench", "check", *way, cwd=tmp_path)
    assert done.code == 2
    assert "got 'nopackage', which is not installed; install it" in done.err


@pytest.mark.slow
def test_clipping_that_a_loop_of_ones_own_would_ignore_is_refused(plain: Environment, tmp_path: Path):
    words = ("--config-dir", str(CONF), *TRUST, "data=tones", "task=sharpness_aware", "trainer=debug")
    done = plain.run("phmbench", "train", *words, "hydra.run.dir=run", cwd=tmp_path)
    assert done.code == 2
    assert "gradient_clip_val" in done.err


# -- docs/extend.md --------------------------------------------------------------------------------------------------


class Block(NamedTuple):
    """A fenced block of the page: a file, what is added to one, or commands."""

    language: str
    name: str  # of the file; "" for what is none
    text: str


def blocks() -> list[Block]:
    """All of the page, in order."""
    fence = re.compile(r'^```(\w+)(?: title="([^"]+)")?\n(.*?)^```$', re.MULTILINE | re.DOTALL)
    return [Block(*found) for found in fence.findall(PAGE.read_text(encoding="utf-8"))]


def test_the_page_shows_the_files_that_are_tested():
    shown = {block.name: block.text for block in blocks() if block.name}
    assert shown.pop("phmbench/models/band_energy.py") == (PROJECT / "mypackage" / "band_energy.py").read_text()
    assert "phmbench.models.band_energy.BandEnergy" in shown.pop("conf/model/band_energy.yaml")
    complete = f"{shown.pop('pyproject.toml').rstrip()}\n\n{ENTRY_POINT}"
    assert tomllib.loads(complete) == tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))
    for name, text in shown.items():
        assert text == (PROJECT / name).read_text(encoding="utf-8"), name
    there = {path.relative_to(PROJECT).as_posix() for path in PROJECT.rglob("*") if path.suffix in (".py", ".yaml")}
    assert there - set(shown) == {"mypackage/__init__.py", "mypackage/band_energy.py"}


@pytest.mark.slow
def test_the_page_runs(cache: Path, tmp_path: Path):
    """Its files written, its commands run, in order: first in a checkout, then in a package of its own."""
    checkout, own = tmp_path / "checkout", tmp_path / "own"
    (checkout / "docs").mkdir(parents=True)
    shutil.copy(ROOT / "train.py", sources(checkout))
    (own / "mypackage").mkdir(parents=True)
    for name in ("__init__.py", "band_energy.py"):
        shutil.copy(PROJECT / "mypackage" / name, own / "mypackage")
    environment = Environment(tmp_path / "venv", cache=cache)
    environment.install("-e", checkout)
    here = checkout
    for block in blocks():
        if block.name.startswith(("pyproject", "mypackage")) and here is checkout:
            here = own
            for name in ("phmbench/models/band_energy.py", "conf/model/band_energy.yaml"):
                (checkout / name).unlink()  # the same model: it would be a clash
        if block.name:
            (here / block.name).parent.mkdir(parents=True, exist_ok=True)
            (here / block.name).write_text(block.text, encoding="utf-8")
        elif block.language == "toml":
            with (own / "pyproject.toml").open("a", encoding="utf-8") as file:
                file.write(f"\n{block.text}")
        elif block.language == "bash":
            for command in block.text.splitlines():
                _follow(environment, command, here)
    assert len(list(own.glob("outputs/*/*/metrics.json"))) == 2


def _follow(environment: Environment, command: str, here: Path) -> None:
    words = shlex.split(command)
    if words[0] == "pip":
        environment.install(*(here if word == "." else word for word in words[2:]))
        return
    done = environment.run(*words, cwd=here)
    assert done.code == 0, f"{command}\n{done.out}\n{done.err}"
    if words[1:] == ["list", "model"]:
        assert "band_energy" in done.out
