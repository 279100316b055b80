"""Wrong words: found before torch, all at once, with the nearest right name, exit code 2."""

from __future__ import annotations

import os
import subprocess
import sys

from tests.conftest import ROOT, TINY, Command


def test_all_errors_at_once(command: Command):
    done = command("model.widht=64", "task.optimizer.lrr=1", "sede=3", "modle=wdcnn", "trainer=cpuu", "data.window=x",
                   "data.hop=null", "task.optimizer.lr=-1")  # fmt: skip
    assert done.code == 2
    for message in (
        "trainer=cpuu: no such option; did you mean 'cpu'?",
        "model.widht: WDCNN has no parameter 'widht'; did you mean 'width'?",
        "task.optimizer.lrr: AdamW has no parameter 'lrr'; did you mean 'lr'?",
        "sede: no such key",
        "did you mean 'seed'?",
        "modle: no such key",
        "data.window: no length; got 'x'",
        "data.hop: wrong value",
        "task.optimizer.lr: too small; got -1; expected at least 0",
    ):
        assert message in done.err
    assert not done.folder.exists()


def test_keys_behind_plus_signs(command: Command):
    done = command("+model.widht=64", "++task.optimizer.lrr=1")
    assert done.code == 2
    assert "model.widht" in done.err
    assert "task.optimizer.lrr" in done.err


def test_a_test_metric_as_monitor(command: Command):
    done = command("monitor=test/macro_f1")
    assert done.code == 2
    assert "chosen on the test set" in done.err


def test_an_untrusted_target(command: Command, tmp_path):
    canary = tmp_path / "canary"
    for target in ("os.system", "pathlib.Path.touch", "phmbench.record.directory.shutil.rmtree"):
        done = command(f"model._target_={target}", f"model.command='touch {canary}'")
        assert done.code == 2
        assert "model._target_" in done.err or "model:" in done.err
    assert not canary.exists()


def test_an_algorithm_that_the_task_does_not_take(command: Command):
    done = command("task/algoritm=erm")
    assert done.code == 2
    assert "task/algorithm" in done.err


def test_a_grid_by_another_launcher(command: Command):
    done = command(*TINY, "-m", "seed=0,1", "hydra/launcher=basic", "hydra.sweeper._target_=os.system")
    assert done.code == 2
    assert "hydra/launcher=basic: no such option; there are in_process, joblib" in done.err
    assert "hydra.sweeper: cannot run a grid here" in done.err


def test_the_check_command(command: Command):
    good = command(*TINY, program="check")
    assert good.code == 0
    assert "valid" in good.out
    bad = command("model.widht=1", program="check")
    assert bad.code == 2


def test_fsdp_on_a_cpu_says_so(command: Command):
    done = command(*TINY[:-2], "trainer=fsdp")
    assert done.code == 2
    assert "fsdp needs a GPU" in done.err


def test_gpu_on_a_cpu_says_so(command: Command):
    done = command(*TINY[:-2], "trainer=gpu")
    assert done.code == 2
    assert "needs a GPU" in done.err


def test_several_machines_need_torchrun(command: Command):
    done = command(*TINY[:-2], "trainer=multinode")
    assert done.code == 2
    assert "torchrun" in done.err


def test_rigs_that_are_no_data_options(command: Command):
    done = command("data=bearings", "data.rigs=[cwru,mfptt]")
    assert done.code == 2
    assert "did you mean 'mfpt'?" in done.err


def test_folds_of_a_split_without_targets(command: Command):
    done = command(*TINY, "task/split=recordings", "folds=all")
    assert done.code == 2
    assert "has no target" in done.err


def test_no_data_names_the_command_that_gets_them(command: Command, tmp_path):
    done = command("data=cwru", env={"PHMBENCH_DATA": str(tmp_path)})
    assert done.code == 3
    assert "bearing-datasets" in done.err
    assert "build cwru" in done.err


def test_without_a_root_the_command_is_named_too(command: Command, tmp_path):
    done = command("data=cwru", env={"PHMBENCH_DATA": str(tmp_path / "nowhere")})
    assert done.code == 3
    assert "no folder of data sets" in done.err
    assert f"bearing-datasets --root {tmp_path / 'nowhere'} build cwru" in done.err


def test_a_list_in_the_place_of_names_does_not_hide_what_else_is_wrong(command: Command, tmp_path):
    done = command("trainer.callbacks=[{_target_: pip.main}]", "model.widht=3", "task.split=units", program="check")
    assert done.code == 2
    assert "trainer.callbacks: a list where names and values belong, or the other way round; got [" in done.err
    assert "model.widht: WDCNN has no parameter 'widht'" in done.err
    assert "task.split: wrong value; got 'units'; expected a node (_target_: …); write task/split=units" in done.err
    (tmp_path / "own" / "experiment").mkdir(parents=True)
    listed = "# @package _global_\ntrainer: {callbacks: [{_target_: pip.main}]}\n"
    (tmp_path / "own" / "experiment" / "bad.yaml").write_text(listed)
    done = command("--config-dir", "own", "experiment=bad", program="check")
    assert done.code == 2
    assert "a list where names and values belong, or the other way round; write a name before each entry" in done.err
    assert "Cannot merge" not in done.err


def test_dry_run_of_one_run_is_refused(command: Command):
    done = command("--dry-run")
    assert done.code == 2
    assert "--dry-run: one run has no jobs to show; expected -m, or a search" in done.err
    assert not done.folder.exists()


def test_packages_of_the_current_folder_are_found_by_the_console_command(tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "__init__.py").write_text("")
    (tmp_path / "mine" / "model.py").write_text(
        "class Mine:\n    def __init__(self, *, channels: int, window: int, wide: int = 3) -> None: ...\n"
    )
    (tmp_path / "own" / "model").mkdir(parents=True)
    (tmp_path / "own" / "model" / "mine.yaml").write_text("# Mine\n_target_: mine.model.Mine\n")
    words = ["check", "--config-dir", "own", "--trust", "mine", "model=mine", "model.wid=1"]
    console = f"import sys; sys.path[0] = '/nowhere'; sys.argv = {['phmbench', *words]!r}\n"
    console += "from phmbench.entry import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", console], cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT), "NO_COLOR": "1"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert "model.wid: Mine has no parameter 'wid'; did you mean 'wide'?" in done.stderr


def test_what_the_check_imports():
    """--help, --cfg, list, show, check and a wrong key in fresh interpreters: no torch, NumPy, pandas."""
    program = (
        "import sys; from phmbench.cli import main\n"
        "try: main({words!r})\n"
        "except SystemExit as end: code = end.code or 0\n"
        "heavy = [m for m in ('torch', 'numpy', 'pandas', 'lightning', 'matplotlib', 'scipy') if m in sys.modules]\n"
        "print('HEAVY', heavy, 'CODE', code)\n"
    )
    for words, code in (
        (["train", "--help"], 0),
        (["train", "--cfg", "job"], 0),
        (["train", "model.widht=1"], 2),
        (["list", "model"], 0),
        (["show", "task=cddg"], 0),
        (["check"], 0),
    ):
        done = subprocess.run(
            [sys.executable, "-c", program.format(words=words)], capture_output=True, text=True, cwd=ROOT, check=False
        )
        assert f"HEAVY [] CODE {code}" in done.stdout, (words, done.stdout[-300:], done.stderr[-500:])
