"""README, CONTRIBUTING and the pages of docs/: every command runs, every template passes its check, every link leads
somewhere, and what is made from the code is up to date."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shlex
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import pytest
import yaml

from phmbench import cli
from tests.conftest import ROOT, Command, Done

README = ROOT / "README.md"
CONTRIBUTING = ROOT / "CONTRIBUTING.md"
DOCS = ROOT / "docs"
PAGES = [README, CONTRIBUTING, ROOT / "CHANGELOG.md", *sorted(DOCS.rglob("*.md"))]
WITH_COMMANDS = [
    README,
    CONTRIBUTING,
    DOCS / "index.md",
    DOCS / "start.md",
    DOCS / "slow.md",
    DOCS / "several-gpus.md",
    DOCS / "limits.md",
]
SET_UP = {"python3 -m venv .venv", "source .venv/bin/activate", "pip install -c constraints.txt -e ."}
"""What the Makefile does as well, with the same words; .ci/run does it on a clean clone."""
SHORT = [f"trainer.{key}" for key in ("max_epochs=1", "limit_train_batches=2", "limit_val_batches=2",
                                      "limit_test_batches=2", "num_sanity_val_steps=0")]  # fmt: skip
REAL = ("cwru", "mfpt", "hit_sm", "bearings")
FENCE = re.compile(r'^```(\w+)(?: title="([^"]+)")?\n(.*?)^```$', re.MULTILINE | re.DOTALL)


class Block(NamedTuple):
    """A fenced block of a page."""

    language: str
    title: str  # the file it stands for; "" where it is none
    text: str


def blocks(page: Path) -> list[Block]:
    return [Block(*found) for found in FENCE.findall(page.read_text(encoding="utf-8"))]


def commands(page: Path) -> list[str]:
    """Every line of a page's `bash` blocks; a backslash joins two."""
    joined = [one.text.replace("\\\n", " ") for one in blocks(page) if one.language == "bash"]
    return [line.strip() for text in joined for line in text.splitlines() if line.strip()]


def runs() -> Iterator[Any]:
    """The commands of all pages that run something, once each."""
    found = dict.fromkeys(line for page in WITH_COMMANDS for line in commands(page))
    for line in found:
        words = shlex.split(line)
        if line in SET_UP or words[0] == "make":
            continue
        quick = (words[0] == "phmbench" and words[1] in ("list", "show", "check")) or "--help" in words
        real = any(word in line for word in REAL)
        marks = [*([] if quick else [pytest.mark.slow]), *([pytest.mark.realdata] if real and not quick else [])]
        yield pytest.param(words, marks=marks, id=line.replace("/", ":"))


@pytest.fixture
def workshop(tmp_path: Path) -> Path:
    """A folder with the files that README shows, and the recordings that docs/data.md makes."""
    for block in blocks(README):
        if block.title:
            file = tmp_path / block.title
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(block.text, encoding="utf-8")
    (tmp_path / "mymodels" / "__init__.py").touch()
    return tmp_path


def example_recordings(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run the script of docs/data.md that writes `machines/`."""
    monkeypatch.chdir(folder)
    script = next(one.text for one in blocks(DOCS / "data.md") if one.language == "python")
    exec(compile(script, "docs/data.md", "exec"), {})


EARLIER: list[Done] = []


def a_run(command: Command) -> Done:
    """A run directory, for the commands that take one; made once."""
    if not EARLIER:
        EARLIER.append(command("trainer=cpu", *SHORT, name="before"))
        assert EARLIER[0].code == 0, EARLIER[0].err
    return EARLIER[0]


@pytest.mark.parametrize("words", runs())
def test_every_command_of_the_pages_runs(
    words: list[str], command: Command, workshop: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
):
    """As it stands, from a folder in which the files that README shows exist; a fit is cut to two batches."""
    if request.node.get_closest_marker("realdata"):
        request.getfixturevalue("real_data")
    if "data=folder" in words:
        example_recordings(workshop, monkeypatch)
    if any("RUN" in word for word in words):
        earlier = a_run(command)
        words = [word.replace("RUN", str(earlier.folder)) for word in words]
    env = {"PYTHONPATH": os.pathsep.join([str(ROOT), str(workshop)])}
    if words[:2] == ["python", "train.py"]:
        short = (
            []
            if {"--help", "pipeline=baseline"} & set(words)
            else [*SHORT, *(["model=spectral_linear"] if _takes_long(words) else [])]
        )
        done = command(*words[2:], *short, env=env)
        if needs_gpu(words):
            assert (done.code, "needs a GPU" in done.err) == (2, True), done.err
            return
        assert "--help" in words or list(done.folder.rglob("metrics.json")), done.err
    else:
        assert words[0] == "phmbench", f"{words[0]}: a command that no test knows how to run"
        done = command(*words[2:], program=words[1], env=env)
    assert done.code == 0, done.err
    assert done.out.strip()


def needs_gpu(words: list[str]) -> bool:
    """Whether a command cannot run here: the presets for GPUs say so, with exit code 2."""
    import torch

    return bool({"trainer=gpu", "trainer=fsdp"} & set(words)) and not torch.cuda.is_available()


def _takes_long(words: list[str]) -> bool:
    """Twelve fits or more, where the model is not the point."""
    return "folds=all" in words and not any(word.startswith("model") for word in words)


@pytest.mark.slow
def test_the_output_shown_is_that_of_the_command(command: Command):
    """The first block of README: up to the results every line as it stands; from there all but the digits."""
    shown = next(one.text for one in blocks(README) if one.language == "text").replace("[…]\n", "")
    before, _, after = shown.partition("Results\n")
    done = a_run(command)
    assert [line for line in before.splitlines() if line not in done.out.splitlines()] == []
    printed = {_shape(line) for line in done.out.splitlines()}
    missing = [line for line in after.splitlines() if _shape(line) not in printed]
    assert [line for line in missing if not line.startswith("record ")] == []


def _shape(line: str) -> str:
    """A line without its numbers, and without the spaces that line them up."""
    return re.sub(r"[\d.\s]+", " ", line)


def test_every_other_command_is_a_target_or_what_make_does():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))
    named = {words[1] for page in WITH_COMMANDS for line in commands(page) if (words := shlex.split(line))[0] == "make"}
    assert named <= targets
    assert {"demo", "test"} <= named | set(re.findall(r"`make (\w+)`", README.read_text(encoding="utf-8")))
    assert "demo" in named
    assert set(commands(README)) >= SET_UP
    assert "-c constraints.txt -e " in makefile
    assert "-m venv $(VENV)" in makefile
    assert (ROOT / "constraints.txt").is_file()


def test_make_demo_runs_what_the_readme_says(capsys: pytest.CaptureFixture[str]):
    """The same command as the target, so that README's output is that of `make demo`."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    demo = re.search(r"^demo:.*\n\t\$\(BIN\)/python train.py (.*)$", makefile, re.MULTILINE)
    assert demo is not None
    with pytest.raises(SystemExit) as ended:
        cli.main(["check", *shlex.split(demo[1])])
    assert ended.value.code == 0, capsys.readouterr().err


def test_every_sentence_of_the_pages_is_valid(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch):
    """`phmbench check` accepts every train command, also those that docs/results.md says its tables come from."""
    monkeypatch.setenv("PHMBENCH_DATA", "data")
    lines = [line for page in WITH_COMMANDS for line in commands(page)]
    lines += re.findall(r"^python train\.py .*$", (DOCS / "results.md").read_text(encoding="utf-8"), re.MULTILINE)
    for line in dict.fromkeys(lines):
        words = shlex.split(line)
        if words[:2] != ["python", "train.py"] or {"--help", "--config-dir", "-m"} & set(words) or "RUN" in line:
            continue
        with pytest.raises(SystemExit) as ended:
            cli.main(["check", *words[2:]])
        assert ended.value.code == 0, (line, capsys.readouterr().err)


# -- what is shown ---------------------------------------------------------------------------------------------------


def module_of(block: Block, folder: Path) -> ModuleType:
    """A block as the module that it stands for."""
    file = folder / Path(block.title).name
    file.write_text(block.text, encoding="utf-8")
    spec = importlib.util.spec_from_file_location(f"shown_{file.stem}", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def template(name: str, folder: Path) -> ModuleType:
    """The template of CONTRIBUTING.md for this part of phmbench/."""
    (block,) = (one for one in blocks(CONTRIBUTING) if one.title.startswith(f"phmbench/{name}/"))
    return module_of(block, folder)


def test_the_template_of_a_model_keeps_the_contract(tmp_path: Path):
    from phmbench.testing import check_model

    check_model(template("models", tmp_path).SmallCNN, paper=True)


def test_the_template_of_an_algorithm_keeps_the_contract(tmp_path: Path):
    """Two domains with mean losses ln 2 and 2 ln 2 (see ERM's test): the larger one is what is minimised."""
    import torch

    from phmbench.testing import check_algorithm
    from phmbench.types import Batch

    worst = template("algorithms", tmp_path).WorstDomain
    check_algorithm(worst, paper=True)
    logits = torch.tensor([[0.0, 0.0], [0.0, torch.log(torch.tensor(3.0))]])
    batch = Batch(logits, torch.zeros(2, dtype=torch.long), torch.tensor([0, 1]), torch.arange(2), None)
    loss = worst(domains=2)(lambda signal, context: signal, batch)["loss"]
    assert loss.item() == pytest.approx(2 * 0.6931472)


def test_the_template_of_a_split_keeps_the_contract(tmp_path: Path):
    import numpy as np

    from phmbench.errors import DataError
    from phmbench.testing import check_split, example_table
    from phmbench.types import Windows

    split = template("data/splits", tmp_path).LastUnit
    check_split(split())
    few = Windows(np.arange(2), np.zeros(2, dtype=np.int64))
    with pytest.raises(DataError, match=r"class 'inner' has too few units; got 1; expected 3; choose"):
        split()(example_table().iloc[:2], few, 1024)


def test_the_template_of_a_source_keeps_the_contract(tmp_path: Path):
    from phmbench.testing import check_source

    check_source(template("data/sources", tmp_path).Tones())


def test_the_template_of_a_task_keeps_the_contract(tmp_path: Path):
    from functools import partial

    import torch

    from phmbench.algorithms.erm import ERM
    from phmbench.heads import Linear
    from phmbench.models.wdcnn import WDCNN
    from phmbench.network import Network
    from phmbench.testing import check_task

    model = WDCNN(channels=1, window=2048)
    task = template("tasks", tmp_path).EitherPolarity(
        network=Network(model, Linear(features=model.n_features, classes=3)), algorithm=ERM(),
        optimizer=partial(torch.optim.AdamW, lr=1e-3), scheduler=None, class_names=("a", "b", "c"),
    )  # fmt: skip
    check_task(task)


@pytest.mark.slow
def test_the_template_of_a_pipeline_runs(command: Command, tmp_path: Path):
    """The same metrics as `fit_test`, of which it is the part for one process."""
    (block,) = (one for one in blocks(CONTRIBUTING) if one.title.startswith("phmbench/pipelines/"))
    package = tmp_path / "mypipelines"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / Path(block.title).name).write_text(block.text, encoding="utf-8")
    option = tmp_path / "options" / "pipeline" / "fit_alone.yaml"
    option.parent.mkdir(parents=True)
    option.write_text("# One process\n_target_: mypipelines.fit_alone.run\n", encoding="utf-8")
    words = ["model=spectral_linear", "trainer=cpu", *SHORT]
    own = ["--config-dir", str(tmp_path / "options"), "--trust", "mypipelines", "pipeline=fit_alone"]
    path = os.pathsep.join([str(ROOT), str(tmp_path)])
    one = command(*own, *words, name="one", env={"PYTHONPATH": path})
    assert one.code == 0, one.err
    assert one.result["metrics"] == command(*words, name="two").result["metrics"]


def test_every_python_block_compiles_and_every_option_has_a_title():
    for page in WITH_COMMANDS:
        for block in blocks(page):
            if block.language == "python":
                compile(block.text, f"{page.name}: {block.title}", "exec")
            if block.language == "yaml" and block.title:
                assert block.text.startswith("# "), block.title
                assert isinstance(yaml.safe_load(block.text), dict)


def test_the_model_of_the_readme_keeps_the_contract(workshop: Path, monkeypatch: pytest.MonkeyPatch):
    """The lines that README gives for a user's own tests."""
    monkeypatch.syspath_prepend(str(workshop))
    lines = (workshop / "test_band_power.py").read_text(encoding="utf-8")
    shown: dict[str, Any] = {}
    exec(compile(lines, "README.md", "exec"), shown)
    with pytest.raises(ValueError, match=r"window: 64 bands need 128 samples; got 100; take fewer bands"):
        shown["BandPower"](channels=1, window=100)


# -- pages -----------------------------------------------------------------------------------------------------------


def test_the_reference_is_up_to_date(monkeypatch: pytest.MonkeyPatch):
    """Run docs/make_pages.py where this fails."""
    monkeypatch.syspath_prepend(str(DOCS))
    spec = importlib.util.spec_from_file_location("make_pages", DOCS / "make_pages.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    made = module.pages()
    committed = {file.name: file.read_text(encoding="utf-8") for file in (DOCS / "reference").glob("*.md")}
    stale = sorted(name for name in made.keys() | committed.keys() if made.get(name) != committed.get(name))
    assert not stale, f"run docs/make_pages.py: {stale}"
    assert "`model.width`" in made["model.md"]
    assert "| `data.window` | `2048` |" in made["data.md"]


def slugs(page: Path) -> set[str]:
    """Anchors of a page's headings, as GitHub and mkdocs make them."""
    heads = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).strip().replace(" ", "-") for head in heads}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path):
    text = re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"https?://", link):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), link
        if anchor:
            assert anchor in slugs(target), link


def test_the_site_names_every_page():
    """Pages that are not in mkdocs.yml cannot be found by a reader."""
    site = yaml.safe_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))
    named = set(_leaves(site["nav"]))
    pages = {str(page.relative_to(DOCS)) for page in DOCS.rglob("*.md")}
    assert named == pages
    assert site["theme"]["font"] is False  # nothing is fetched from elsewhere when a page is read


def _leaves(node: Any) -> Iterator[str]:
    if isinstance(node, str):
        yield node
    elif isinstance(node, dict):
        for child in node.values():
            yield from _leaves(child)
    else:
        for child in node:
            yield from _leaves(child)


@pytest.mark.parametrize("page", [*PAGES, ROOT / "CITATION.cff", ROOT / "mkdocs.yml"], ids=lambda page: page.name)
def test_no_page_names_a_path_of_one_machine_or_a_registry(page: Path):
    text = page.read_text(encoding="utf-8")
    assert not re.search(r"(?<![\w.])/(work|root|tmp|home|Users|usr|opt)/", text)
    assert not re.search(r"pypi|python.?hosted|download\.pytorch|simple/|index-url", text)


def test_the_readme_has_its_parts_in_order():
    heads = re.findall(r"^## (.+)$", README.read_text(encoding="utf-8"), re.MULTILINE)
    wanted = ["What leakage is worth", "Use your own data", "Add a model in two files", "Add a task", "Several GPUs",
              "What a run directory holds", "How splits work", "Limits"]  # fmt: skip
    assert [head for head in heads if head in wanted] == wanted
    for page in (README, DOCS / "results.md"):
        marks = re.findall(r"<!-- results: (\w+) -->\n.*?<!-- end -->", page.read_text(encoding="utf-8"), re.DOTALL)
        assert {"cwru", "hit_sm", "cddg"} <= set(marks)


def test_the_first_screen_shows_what_was_measured():
    """The two scores before the tables are those of the records that the tables are made from."""
    screen = README.read_text(encoding="utf-8").partition("\n## ")[0]
    for name in ("cwru-window-wdcnn", "cwru-unit-wdcnn"):
        kept = json.loads((DOCS / "results" / f"{name}.json").read_text(encoding="utf-8"))
        assert f"{kept['metrics']['test/macro_f1']:.2f}" in screen, f"{name}: README's first screen says otherwise"


def test_the_number_of_options_that_were_not_run_is_true():
    files = [file for file in (ROOT / "conf" / "data").glob("*.yaml") if not file.name.startswith("_")]
    extra = [file for file in files if "not run here" in file.read_text(encoding="utf-8").lower()]
    assert f"{len(extra)} of the {len(files)} data options" in README.read_text(encoding="utf-8")


def test_licence_version_and_citation_agree():
    from phmbench import __version__

    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["version"] == __version__
    assert citation["license"] == project["license"] == "MIT"
    assert (ROOT / "LICENSE").read_text(encoding="utf-8").startswith("MIT License")
    assert "## [Unreleased]" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
