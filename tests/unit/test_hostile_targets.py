"""Targets that must never run: each is refused with a message, and nothing of it is imported or executed.

The checks run in a fresh interpreter: afterwards no canary file exists, and neither the targets' modules nor torch,
NumPy or pandas were imported. That the canaries would sing is shown by really importing the module.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import pytest

from tests.torture.counting import count

CHECKOUT = Path(__file__).parents[2]

TARGETS = {
    # the standard library
    "os.system": "no configuration may run 'os'",
    "posix.system": "no configuration may run 'posix'",
    "os.execv": "no configuration may run 'os'",
    "os.path.os.system": "no configuration may run 'os'",
    "subprocess.run": "no configuration may run 'subprocess'",
    "subprocess.Popen": "no configuration may run 'subprocess'",
    "shutil.rmtree": "no configuration may run 'shutil'",
    "builtins.eval": "no configuration may run 'builtins'",
    "builtins.exec": "no configuration may run 'builtins'",
    "builtins.open": "no configuration may run 'builtins'",
    "pathlib.Path": "no configuration may run 'pathlib'",
    "pathlib.Path.unlink": "no configuration may run 'pathlib'",
    "importlib.import_module": "no configuration may run 'importlib'",
    "runpy.run_path": "no configuration may run 'runpy'",
    "pickle.loads": "no configuration may run 'pickle'",
    "functools.partial": "no configuration may run 'functools'",
    "operator.methodcaller": "no configuration may run 'operator'",
    "code.interact": "no configuration may run 'code'",
    "ctypes.CDLL": "no configuration may run 'ctypes'",
    "antigravity.webbrowser": "no configuration may run 'antigravity'",
    # installers, configuration, arrays
    "pip.main": "no configuration may run 'pip'",
    "pip._internal.main": "'_internal' is private",
    "setuptools.setup": "no configuration may run 'setuptools'",
    "hydra.utils.instantiate": "no configuration may run 'hydra'",
    "hydra.utils.get_method": "no configuration may run 'hydra'",
    "hydra.utils.call": "no configuration may run 'hydra'",
    "omegaconf.OmegaConf.load": "no configuration may run 'omegaconf'",
    "yaml.unsafe_load": "no configuration may run 'yaml'",
    "numpy.load": "no configuration may run 'numpy'",
    "numpy.f2py.compile": "no configuration may run 'numpy'",
    "pandas.read_pickle": "no configuration may run 'pandas'",
    # torch and lightning, where they are not what a run needs
    "torch.load": "expected of 'torch' an optimizer",
    "torch.hub.load": "expected of 'torch' an optimizer",
    "torch.jit.load": "expected of 'torch' an optimizer",
    "torch.utils.cpp_extension.load": "expected of 'torch' an optimizer",
    "torch.optim.os.system": "no single name in torch.optim",
    "torch.optim.lr_scheduler.warnings": "imports it from elsewhere",
    "torch.optim.lr_scheduler.EPOCH_DEPRECATION_WARNING": "assigns it",
    "torch.optim.lr_scheduler.wraps": "imports it from elsewhere",
    "torch.optim.Optimizer.load_state_dict": "no single name in torch.optim",
    "torch.optim.swap_in_optimizer_params_and_state": "is not trusted",
    "torch.nn.init.normal_": "expected of 'torch' an optimizer",
    "torch.nn.parallel.DistributedDataParallel": "expected of 'torch' an optimizer",
    "torch.nn.modules.module._global_backward_hooks": "is private",
    "torch.serialization.load": "expected of 'torch' an optimizer",
    "torch.multiprocessing.spawn": "expected of 'torch' an optimizer",
    "lightning.pytorch.seed_everything": "expected of 'lightning' an optimizer",
    "lightning.pytorch.os.system": "no single name in lightning.pytorch",
    "lightning.pytorch.LightningModule": "expected of 'lightning' an optimizer",
    "lightning.pytorch.LightningModule.load_from_checkpoint": "no single name in lightning.pytorch",
    "lightning.pytorch.cli.LightningCLI": "expected of 'lightning' an optimizer",
    "lightning.pytorch.callbacks.finetuning.multiplicative": "expected of 'lightning' an optimizer",
    "lightning.fabric.utilities.cloud_io.get_filesystem": "expected of 'lightning' an optimizer",
    "torchmetrics.text.bert.BERTScore": "expected of 'torchmetrics' an optimizer",
    "torchmetrics.functional.accuracy": "expected of 'torchmetrics' an optimizer",
    # our own package, where it is not meant
    "phmbench.cli.main": "is meant to be a target",
    "phmbench.errors.ConfigError": "no class of phmbench.errors is meant",
    "phmbench.trust.check_target": "no function of phmbench.trust is meant",
    "phmbench.signatures.signature_of": "no function of phmbench.signatures is meant",
    "phmbench.record.shutil.rmtree": "no single name in phmbench.record",
    "phmbench.signatures.ast": "imports it from elsewhere",
    "phmbench.signatures.Path": "imports it from elsewhere (pathlib.Path)",
    "phmbench.signatures.Path.unlink": "no single name in phmbench.signatures",
    "phmbench.check.copy.deepcopy": "no single name in phmbench.check",
    "phmbench.syntax.sys.exit": "no single name in phmbench.syntax",
    "phmbench.models.wdcnn.nn.Conv1d": "no single name in phmbench.models.wdcnn",
    "phmbench.models.wdcnn.WDCNN.forward": "no single name in phmbench.models.wdcnn",
    "phmbench.models.wdcnn.nn": "imports it from elsewhere",
    "phmbench.models": "got a module",
    "phmbench": "no dotted name",
    # walks along attributes
    "phmbench.heads.Linear.__init__.__globals__": "is private",
    "phmbench.__builtins__.eval": "is private",
    "phmbench.__loader__.exec_module": "is private",
    "phmbench.heads._private": "is private",
    # packages nobody trusts
    "hostilepkg.bomb.Bomb": "add --trust hostilepkg",
    "hostilepkg.bomb.explode": "add --trust hostilepkg",
    "no_such_package.Thing": "add --trust no_such_package",
    # no names at all
    "": "no dotted name",
    ".": "no dotted name",
    "Linear": "no dotted name",
    ".heads.Linear": "no dotted name",
    "phmbench..heads.Linear": "no dotted name",
    "phmbench.heads.Linear.": "no dotted name",
    " phmbench.heads.Linear": "no dotted name",
    "phmbench.heads.Linear\n": "no dotted name",
    "phmbench.heads.Linear()": "no dotted name",
    "phmbench/heads.Linear": "no dotted name",
    "phmbench.heads:Linear": "no dotted name",
    "__import__('os').system": "no dotted name",
    "рhmbench.heads.Linear": "no dotted name",  # a Cyrillic р
    "phmbench.heads.ＬＬinear": "no dotted name",  # full-width letters, which Python would fold to ASCII
    "phmbench.hеads.Linear": "no dotted name",  # a Cyrillic е
    "${oc.env:HOME}": "an interpolation that was not resolved",
    "${model.real}": "an interpolation that was not resolved",
    "phmbench.heads.${name}": "an interpolation that was not resolved",
}

NOT_TEXT = [None, 3, True, 1.5, ["os.system"], {"_target_": "os.system"}, {"a": 1}]

BOMB = {"_target_": "hostilepkg.bomb.explode", "_partial_": False}
POSITIONS = {
    "at the root": {"_target_": "hostilepkg.bomb.explode"},
    "as the model": {"model": BOMB},
    "as a parameter": {"model": {"_target_": "phmbench.models.wdcnn.WDCNN", "width": BOMB}},
    "deep in parameters": {"model": {"_target_": "phmbench.models.wdcnn.WDCNN", "a": {"b": {"c": {"d": BOMB}}}}},
    "in a list": {"trainer": {"_target_": "lightning.pytorch.Trainer", "plugins": [1, BOMB]}},
    "in a list of lists": {"trainer": {"_target_": "lightning.pytorch.Trainer", "plugins": [[["x"], [BOMB]]]}},
    "in arguments by position": {"model": {"_target_": "phmbench.models.wdcnn.WDCNN", "_args_": [BOMB]}},
    "partial": {"task": {"optimizer": {**BOMB, "_partial_": True}}},
    "not recursive": {"model": {"_target_": "phmbench.models.wdcnn.WDCNN", "_recursive_": False, "a": BOMB}},
    "converted": {"model": {**BOMB, "_convert_": "all"}},
    "as a callback": {"trainer": {"_target_": "lightning.pytorch.Trainer", "callbacks": {"x": BOMB}}},
    "as a logger": {"logger": {"x": BOMB}},
    "as a source": {"data": {"sources": {"x": BOMB}}},
    "as a split": {"task": {"split": BOMB}},
    "under paths": {"paths": {"data": BOMB}},
    "as the seed": {"seed": BOMB},
    "under a key that nothing takes": {"whatever": {"x": BOMB}},
    "under hydra, but not at the root": {"model": {"hydra": BOMB}},
    "inside a target that is refused": {"model": {"_target_": "os.system", "command": BOMB}},
    "with a whitelist of its own": {"model": {**BOMB, "_execution_whitelist_": ["hostilepkg.*"]}},
    "as the key of a mapping without a target": {"data": {"x": {"_target_": "hostilepkg.bomb.explode", "_args_": []}}},
}

PROGRAM = """
import json, sys
from phmbench.check import check
jobs = json.load(sys.stdin)
said = [[str(f) for f in check(job) if f.severity == "error"] for job in jobs]
heavy = [m for m in ("torch", "numpy", "pandas", "lightning", "hydra", "pip", "hostilepkg") if m in sys.modules]
print(json.dumps({"said": said, "heavy": heavy}))
"""


@pytest.fixture(scope="module")
def hostile(tmp_path_factory):
    """A package that leaves a file where it is imported or called, and a way to check configurations beside it."""
    root = tmp_path_factory.mktemp("hostile")
    package = root / "hostilepkg"
    package.mkdir()
    canary = root / "canary"
    sing = f"from pathlib import Path\nPath({str(canary)!r}).touch()\n"
    (package / "__init__.py").write_text(sing)
    (package / "bomb.py").write_text(
        sing
        + dedent(
            """
            class Bomb:
                pass
            def explode(**anything):
                pass
            """
        )
    )
    return root, canary


def run(hostile, jobs):
    """What the check says to each configuration, in a fresh interpreter; and that nothing happened."""
    root, canary = hostile
    canary.unlink(missing_ok=True)
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        input=json.dumps(jobs),
        capture_output=True,
        text=True,
        timeout=60,
        cwd=root,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(root), str(CHECKOUT)]), "PYTHONDONTWRITEBYTECODE": "1"},
    )
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert answer["heavy"] == []
    assert not canary.exists()
    return answer["said"]


def test_the_canary_would_sing(hostile):
    root, canary = hostile
    canary.unlink(missing_ok=True)
    subprocess.run([sys.executable, "-c", "import hostilepkg.bomb"], cwd=root, check=True, timeout=60)
    assert canary.exists()


def test_there_are_enough():
    assert len(TARGETS) + len(NOT_TEXT) + len(POSITIONS) >= 60


def refused(what, jobs, said):
    """A line for docs/reliability.md: how many were refused."""
    if file := os.environ.get("PHMBENCH_TORTURE_COUNTS"):
        survived = sum(bool(findings) for findings in said)
        line = {"kind": "hostile configurations", "what": what, "count": len(jobs), "survived": survived}
        with Path(file).open("a", encoding="utf-8") as counts:
            counts.write(json.dumps(line) + "\n")


def test_every_hostile_target_is_refused_and_none_runs(hostile):
    said = run(hostile, [{"model": {"_target_": target}} for target in TARGETS])
    refused("targets", TARGETS, said)
    assert len(said) == len(TARGETS)
    for (target, reason), findings in zip(TARGETS.items(), said, strict=True):
        assert any(f.startswith("model._target_: ") and reason in f for f in findings), (target, reason, findings)
    count("hostile configurations", "targets", len(TARGETS), len(TARGETS))


def test_a_target_that_is_no_text_is_refused(hostile):
    said = run(hostile, [{"model": {"_target_": target}} for target in NOT_TEXT])
    refused("targets that are no text", NOT_TEXT, said)
    for target, findings in zip(NOT_TEXT, said, strict=True):
        assert any("_target_ is not text" in f for f in findings), (target, findings)
    count("hostile configurations", "targets that are no text", len(NOT_TEXT), len(NOT_TEXT))


def test_a_hostile_target_is_found_wherever_it_hides(hostile):
    said = run(hostile, list(POSITIONS.values()))
    refused("places in a configuration", POSITIONS, said)
    for (place, _), findings in zip(POSITIONS.items(), said, strict=True):
        assert any("add --trust hostilepkg" in f for f in findings), (place, findings)
    count("hostile configurations", "places where a target hides", len(POSITIONS), len(POSITIONS))


def test_what_hydra_itself_has_used_is_left_alone(hostile):
    (said,) = run(hostile, [{"hydra": {"launcher": BOMB}}])
    assert said  # of what the root lacks
    assert not any("hostilepkg" in finding or "hydra" in finding for finding in said)


def test_trusting_a_package_does_not_import_it_either(hostile):
    root, canary = hostile
    canary.unlink(missing_ok=True)
    program = "from phmbench.trust import check_target; print(check_target('hostilepkg.bomb.Bomb', ['hostilepkg']))"
    path = os.pathsep.join([str(root), str(CHECKOUT)])
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": path},
        timeout=60,
    )
    assert done.stdout.strip() == "None", done.stderr
    assert not canary.exists()
