"""What the doctor finds, on machines, folders and packages that are broken for real."""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from phmbench import build, doctor
from phmbench.data.store import prepare
from phmbench.doctor import choices, findings, machine, packages, places, show
from phmbench.doctor.findings import Finding
from phmbench.errors import ConfigError, DataError
from tests.contract.composing import QUICK, composed

ROOT = Path(__file__).parents[2]


def only(found: list[Finding]) -> Finding:
    (one,) = found
    return one


# -- findings --------------------------------------------------------------------------------------------------------


def test_an_error_is_split_into_what_and_what_mends_it():
    error = DataError("cwru: not built; got no manifest; run `bearing-datasets build cwru`")
    assert findings.of_error("data", error) == [
        Finding("error", "data", "cwru: not built; got no manifest", "run `bearing-datasets build cwru`")
    ]


def test_several_errors_are_as_many_findings():
    found = findings.of_error("choices", ConfigError("2 errors\n  a: wrong; did you mean 'b'?\n  c: bad; expected d"))
    assert [(one.text, one.mend) for one in found] == [
        ("a: wrong", "did you mean 'b'?"),
        ("c: bad; expected d", "phmbench --help"),
    ]


def test_an_examination_that_breaks_down_is_a_finding():
    found = only(findings.guarded("cpu", lambda: [1 // 0]))  # type: ignore[list-item]
    assert found.level == "error"
    assert found.text == "could not be examined; got ZeroDivisionError: integer division or modulo by zero"


@pytest.mark.parametrize(
    ("levels", "level"), [(["ok"], "ok"), (["ok", "warning"], "warning"), (["error", "warning"], "error"), ([], "ok")]
)
def test_the_worst_decides(levels: list[Any], level: str):
    assert findings.worst([Finding(one, "a", "b") for one in levels]) == level


# -- packages --------------------------------------------------------------------------------------------------------


def declared(*needed: str, **pins: str) -> packages.Declared:
    return packages.Declared(">=3.11", list(needed), {"wandb": ["nosuchpackage"], "rich": ["rich"]}, pins)


WELL = packages.Probe({}, None)


def test_what_a_checkout_says_it_needs():
    said = packages.declared()
    assert "torch" in [packages.name_of(one) for one in said.needed]
    assert said.pins["torch"]
    assert said.extras["wandb"]
    assert said.python == ">=3.11"


def test_an_installed_package_says_the_same(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """Without pyproject.toml beside it: from what the installer kept; nothing is pinned there."""
    checkout = packages.declared()
    monkeypatch.setattr(packages, "CHECKOUT", tmp_path)
    installed = packages.declared()
    assert installed.pins == {}
    assert installed.python == checkout.python
    assert {packages.name_of(one) for one in installed.needed} >= {"torch", "hydra-core"}
    assert packages.name_of(installed.extras["wandb"][0]) == "wandb"


@pytest.mark.parametrize(
    ("requirement", "broken", "text", "mend"),
    [
        ("nosuchpackage>=1", {}, "nosuchpackage is not installed; expected nosuchpackage>=1",
         "pip install 'nosuchpackage>=1'"),
        ("numpy>=99", {}, r"numpy \S+; expected numpy>=99", "pip install 'numpy>=99'"),
        ("numpy>=1", {"numpy": "ImportError: x"}, r"numpy \S+ cannot be imported: ImportError: x",
         r"pip install --force-reinstall 'numpy==\S+'"),
        ("numpy>=1", {"python": "it ended"}, "none could be imported: it ended", "pip install"),
    ],
)  # fmt: skip
def test_a_package_that_is_wrong(requirement: str, broken: dict[str, str], text: str, mend: str):
    _, found, *_ = packages.examine(declared(requirement), packages.Probe(broken, None))
    assert (found.level, found.area) == ("error", "packages")
    assert re.fullmatch(text, found.text)
    assert re.match(mend, found.mend)


def test_packages_that_are_right():
    levels = [one.level for one in packages.examine(declared("numpy>=1", "rich"), WELL)]
    assert levels == ["ok", "ok", "ok"]


def test_a_package_that_is_broken_by_another_is_not_told_of_itself():
    broken = {"numpy": "ImportError: x", "pandas": "ImportError: x", "scipy": "ImportError: y"}
    found = packages.examine(declared("numpy", "pandas", "scipy"), packages.Probe(broken, None))
    assert [one.text.split()[0] for one in found if one.level == "error"] == ["numpy", "scipy"]


def test_versions_that_are_not_those_tested():
    found = packages.examine(declared("numpy>=1", "rich", numpy="0.1", rich=str(packages.version("rich"))), WELL)
    pins = next(one for one in found if one.area == "constraints")
    assert pins.level == "warning"
    assert re.fullmatch(r"1 of 2 are not as tested: numpy \S+ \(0\.1\)", pins.text)


def test_a_python_that_is_too_old():
    assert packages.examine(declared()._replace(python=">=3.99"), WELL)[0].level == "error"


def test_extras_are_named():
    assert packages.examine(declared(), WELL)[-1].text == "installed: rich; not installed: wandb"


@pytest.mark.parametrize(
    ("program", "said"),
    [
        ("raise ImportError('libcudart.so.12: no such file')", "ImportError: libcudart.so.12: no such file"),
        ("import sys; sys.exit(3)", "SystemExit: 3"),
        ("import os; os.kill(os.getpid(), 11)", "it ended the interpreter (exit code -11)"),
    ],
)
def test_a_package_that_breaks_its_interpreter(
    program: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    (tmp_path / "brokenpackage.py").write_text(program)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    found = packages.probe(["json", "brokenpackage"])
    assert found.broken == {"brokenpackage": said}
    assert found.devices is None


# -- the machine -----------------------------------------------------------------------------------------------------


def test_sizes():
    assert [machine.size(n) for n in (5, 2048, 3 * 2**20, 2**40)] == ["5 B", "2 KiB", "3 MiB", "1024.0 GiB"]


@pytest.fixture
def cgroup(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The files by which a container is told its limits."""
    monkeypatch.setattr(machine, "CGROUP", tmp_path)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    return tmp_path


def test_a_container_that_may_use_half_a_core(cgroup: Path):
    (cgroup / "cpu.max").write_text("50000 100000\n")
    found = only(machine.processors())
    assert (found.level, found.mend) == ("warning", "export OMP_NUM_THREADS=1")
    assert "limited to 0.5 by the container" in found.text


def test_more_threads_than_cores(cgroup: Path, monkeypatch: pytest.MonkeyPatch):
    (cgroup / "cpu.max").write_text("max 100000\n")
    assert only(machine.processors()).level == "ok"
    monkeypatch.setenv("OMP_NUM_THREADS", "4096")
    assert only(machine.processors()).mend == f"export OMP_NUM_THREADS={len(os.sched_getaffinity(0))}"


@pytest.mark.parametrize(
    "names",
    [("memory.max", "memory.current"), ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes")],
)
def test_a_container_that_allows_little_memory(names: tuple[str, str], cgroup: Path):
    (cgroup / "memory").mkdir()
    for name, value in zip(names, (2**30, 2**29), strict=True):
        (cgroup / name).write_text(f"{value}\n")
    found = only(machine.memory())
    assert found.level == "warning"
    assert "the container allows 1.0 GiB, 512 MiB of it free" in found.text
    (cgroup / names[0]).with_name("memory.stat").write_text(f"anon 7\ninactive_file {2**28}\n")
    assert "768 MiB of it free" in only(machine.memory()).text  # cached files are given back


def test_a_container_without_a_limit(cgroup: Path):
    (cgroup / "memory.max").write_text("max\n")
    assert "container" not in only(machine.memory()).text


def limited(limit: str, value: int, call: str) -> str:
    """What a fresh interpreter under a limit of the shell's finds: the levels and texts."""
    program = (
        f"import resource\nresource.setrlimit(resource.{limit}, ({value}, {value}))\n"
        "from pathlib import Path\nfrom phmbench.doctor import machine, places\n"
        f"print([(f.level, f.text, f.mend) for f in {call}])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_limits_of_the_shell():
    assert "ulimit -v allows 1.0 GiB" in limited("RLIMIT_AS", 2**30, "machine.memory()")
    assert "'no file may be larger than 1 MiB" in limited("RLIMIT_FSIZE", 2**20, "machine.limits()")
    assert "ulimit -n 4096" in limited("RLIMIT_NOFILE", 64, "machine.limits()")


GPU = {"name": "H200", "capability": "9.0", "free": 140 * 2**30, "total": 141 * 2**30, "bf16": True}


def devices(*gpus: dict[str, Any], **more: Any) -> packages.Probe:
    one = {"version": "2.13.0", "cuda": "12.8", "gpus": list(gpus), "peers": [], "nccl": True, "gloo": True}
    return packages.Probe({}, {**one, **more})


@pytest.mark.parametrize(
    ("probe", "level", "text"),
    [
        (devices(GPU), "ok", "0: H200, 140.0 GiB free of 141.0 GiB, capability 9.0, bfloat16"),
        (devices({**GPU, "bf16": False}), "warning", "no bfloat16"),
        (devices({**GPU, "free": 0}), "warning", "others use it"),
        (devices(GPU, GPU, peers=[[0, 1], [1, 0]]), "ok", "NCCL; 2 of 2 pairs reach each other's memory"),
        (devices(GPU, GPU), "warning", "NCCL; 0 of 2 pairs reach each other's memory; the others go through the host"),
        (devices(GPU, GPU, nccl=False), "error", "2 GPUs, and torch has no NCCL; trainer=ddp cannot start"),
        (packages.Probe({"torch": "gone"}, None), "warning", "cannot be asked for; torch is broken: gone"),
        (packages.Probe({"torch.cuda": "no kernel"}, None), "error", "torch.cuda is broken: no kernel"),
        (WELL, "warning", "not known, as torch cannot be asked"),
    ],
)
def test_gpus(probe: packages.Probe, level: str, text: str):
    found = machine.gpus(probe)
    assert findings.worst(found) == level
    assert text in " ".join(one.text for one in found)
    assert all(one.mend for one in found if one.level != "ok")


# -- places ----------------------------------------------------------------------------------------------------------


def test_a_folder_is_really_written_to_and_left_as_it_was(tmp_path: Path):
    found = only(places.writable("cache", tmp_path / "a" / "b", change=""))
    assert "can be written" in found.text
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "kept").write_text("mine")
    places.writable("output", tmp_path, change="")
    assert [path.name for path in tmp_path.iterdir()] == ["kept"]


def test_a_folder_that_cannot_be_made(tmp_path: Path):
    (tmp_path / "file").touch()
    found = only(places.writable("cache", tmp_path / "file" / "cache", change=places.CACHE))
    assert (found.level, found.text.rpartition("; ")[2]) == ("error", "got Not a directory")
    assert "PHMBENCH_CACHE=DIR" in found.mend
    assert only(places.writable("output", Path("/proc/outputs"), change="")).level == "error"


@pytest.mark.parametrize(
    ("word", "looked_at"),
    [
        ("hydra.run.dir=/proc/outputs", "/proc/outputs cannot be written"),
        ("hydra.run.dir='/proc/outputs/${now:%H}'", "/proc/outputs cannot be written"),
        ("++hydra.sweep.dir=/proc/many", "/proc/many cannot be written"),
        ("paths.output=/proc/mine", "/proc/mine cannot be written"),
    ],
)
def test_it_looks_where_the_run_will_be(word: str, looked_at: str):
    found = [one for one in doctor.examine([word], compose=lambda words: composed(*words)) if one.area == "output"]
    assert [(one.level, one.text.partition(";")[0]) for one in found] == [("error", looked_at)]
    assert found[0].mend == f"{word.lstrip('+').partition('=')[0]}=DIR"


def test_a_disk_without_room(tmp_path: Path):
    """A limit on the size of files: what a full disk is to the one who writes."""
    found = limited("RLIMIT_FSIZE", 2**16, f"places.writable('output', Path({str(tmp_path)!r}), change=places.OUTPUT)")
    assert "cannot be written; got File too large" in found
    assert list(tmp_path.iterdir()) == []


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache with one whole store."""
    folder = tmp_path_factory.mktemp("prepared")
    source = build.make(composed(*QUICK)["data"]["sources"]["simulated"], "data.sources.simulated")
    prepare({"simulated": source}, where="fs == 12000", ids=None, channels=None, sample_rate=None, cache=folder)
    return folder


@pytest.fixture
def cache(prepared: Path, tmp_path: Path) -> Path:
    """The same, to be damaged."""
    return Path(shutil.copytree(prepared, tmp_path / "cache"))


def test_a_store_that_is_whole(cache: Path):
    assert only(places.stores(cache)).text.startswith("1 prepared, ")
    assert only(places.stores(cache / "nowhere")).text == "none prepared yet"


@pytest.mark.parametrize("damage", ["cut", "garbage", "empty"])
def test_a_store_that_is_damaged(damage: str, cache: Path):
    (file,) = (cache / "stores").glob("*.h5")
    whole = file.read_bytes()
    file.write_bytes({"cut": whole[: len(whole) // 2], "garbage": b"x" * 4096, "empty": b""}[damage])
    found, rest = places.stores(cache)
    assert (found.level, found.mend) == ("warning", f"rm {file}")
    assert " is damaged (" in found.text
    assert rest.text.startswith("0 prepared")


def test_a_store_that_was_left_over_and_one_that_is_being_built(cache: Path):
    left_over = cache / "stores" / "0123456789abcdef.77.tmp"
    left_over.write_bytes(b"half")
    found, _ = places.stores(cache)
    assert (found.level, found.mend) == ("warning", f"rm {left_over}")
    with (cache / "stores" / "0123456789abcdef.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        found, _ = places.stores(cache)
    assert (found.level, found.text) == ("ok", "0123456789ab… is being built by another process")


def built(root: Path, name: str, manifest: str = '{"schema_version": 2, "content_hash": "1"}') -> None:
    (root / name).mkdir(parents=True)
    (root / name / "manifest.json").write_text(manifest)
    (root / name / "metadata.parquet").write_bytes(b"PAR1")


def test_rigs(tmp_path: Path):
    assert only(places.rigs(None)).level == "warning"
    assert only(places.rigs(tmp_path / "nowhere")).text.endswith("data=simulated and data=folder need none")
    found = only(places.rigs(tmp_path))
    assert (found.level, found.mend.split(";")[0]) == ("warning", f"bearing-datasets --root {tmp_path} build cwru")
    built(tmp_path, "cwru")
    built(tmp_path, "old", '{"schema_version": 1, "content_hash": "1"}')
    built(tmp_path, "cut", '{"schema')
    built(tmp_path, "list", "[]")
    *wrong, last = places.rigs(tmp_path)
    assert last.text == f"{tmp_path}: 1 rigs are built: cwru"
    assert [one.mend.rpartition(" ")[2] for one in wrong] == ["cut", "list", "old"]
    assert all(one.mend.startswith(f"bearing-datasets --root {tmp_path} build --force ") for one in wrong)


# -- choices ---------------------------------------------------------------------------------------------------------


def test_choices_that_would_start(tmp_path: Path):
    job = composed(*QUICK, "trainer=cpu", f"paths.cache={tmp_path}")
    texts = [one.text for one in choices.examine(job)]
    assert texts[0] == "the configuration is valid"
    assert re.fullmatch(r"\d+ recordings of simulated/motor, simulated/pump", texts[1])
    assert texts[2].startswith("its store is not prepared yet: ")
    assert texts[3] == "starts 1 process on cpu, precision 32-true"


def test_data_that_are_not_there(tmp_path: Path):
    found = choices.examine(composed("data=cwru", "trainer=cpu", f"paths.data={tmp_path}"))
    data = only([one for one in found if one.area == "data"])
    assert data.level == "error"
    assert f"bearing-datasets --root {tmp_path} build cwru" in data.mend


def test_a_store_for_which_there_is_no_room(tmp_path: Path):
    found = choices._room(tmp_path / "not" / "yet", 2**60)
    assert (found.level, found.mend) == ("error", "export PHMBENCH_CACHE=DIR, on a larger disk")


def test_a_trainer_that_does_not_start_here(tmp_path: Path):
    import torch

    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    found = choices.examine(composed(*QUICK, "trainer=gpu", f"paths.cache={tmp_path}"))
    trainer = only([one for one in found if one.area == "trainer"])
    assert (trainer.level, trainer.mend) == ("error", "choose trainer=cpu or trainer=ddp_cpu")


def test_a_checkpoint_that_is_not_there(tmp_path: Path):
    found = choices.examine(composed(*QUICK, "trainer=cpu", f"paths.cache={tmp_path}", "init=nothing.ckpt"))
    assert only([one for one in found if one.area == "init"]).level == "error"


def test_more_loader_processes_than_cores(tmp_path: Path):
    found = choices.data(composed(*QUICK, f"paths.cache={tmp_path}", "data.num_workers=4096"))
    assert found[-1].text.startswith("4096 loader processes on ")


# -- the whole -------------------------------------------------------------------------------------------------------


def test_lines_are_narrow_and_commands_in_one_piece(capsys: pytest.CaptureFixture[str]):
    command = "pip install " + "x" * 120
    show.show([Finding("error", "packages", "word " * 60, command), Finding("ok", "cpu", "2 cores")])
    said = capsys.readouterr().out.splitlines()
    assert all(len(line) <= 100 for line in said if "->" not in line)
    assert any(line.endswith(command) for line in said)
    assert said[-1] == "1 error"
