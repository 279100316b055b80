"""The run directory: one state, whole files, one owner, and what a crash, a full disk and a second run do to it."""

import json
import logging
import os
import signal
import subprocess
import sys
import textwrap
import time

import pytest

from phmbench.errors import RecordError
from phmbench.record import Record, lock, result, state
from phmbench.record.configuration import read_config
from phmbench.record.contents import children, folder_name

WRITER = """
    import sys, time, json
    from phmbench.record import Record
    record = Record.open(sys.argv[1], {"seed": 0})
    print("open", flush=True)
    while True:
        record._say("running", note="x" * 100_000)
        record.write_split(Frame())
"""


def begin(path, code=WRITER):
    """A process of its own that writes a record without end; returns once the record is open."""
    frame = "class Frame:\n    def to_csv(self, index):\n        return 'a,b\\n' * 10_000\n"
    program = frame + textwrap.dedent(code)
    process = subprocess.Popen(
        [sys.executable, "-c", program, str(path)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "open\n"
    return process


def test_a_record_holds_config_environment_and_status_from_the_start(tmp_path, config):
    record = Record.open(tmp_path / "run", config)
    assert read_config(record.path) == config
    environment = (record.path / "environment.txt").read_text()
    assert "command: " in environment
    assert "numpy==" in environment
    status = json.loads((record.path / "status.json").read_text())
    assert (status["state"], status["pid"], status["error"]) == ("running", os.getpid(), None)
    assert record.state == "running"
    record.interrupt()


def test_finish_writes_metrics_last_and_leaves_no_temporary_file(done):
    record = Record.attach(done)
    assert state(record.path) == "done"
    files = {p.name: p.stat().st_mtime_ns for p in record.path.rglob("*") if p.is_file()}
    assert max(files, key=files.get) == "metrics.json"
    assert not [name for name in files if name.endswith(".part")]
    assert {"report.html", "confusion.svg", "curves.csv", "windows.png", "split.csv", "predictions.h5"} <= set(files)
    result = record.result()
    assert result["metrics"]["test/macro_auroc"] is None  # NaN
    assert result["confusion"]["counts"] == [[20, 10, 0], [0, 30, 0], [3, 0, 27]]


def test_fail_keeps_the_error_and_its_traceback(tmp_path, config):
    with pytest.raises(ZeroDivisionError), Record.open(tmp_path, config) as record:
        _ = 1 / 0
    assert state(tmp_path) == "failed"
    assert json.loads((tmp_path / "status.json").read_text())["error"] == "ZeroDivisionError: division by zero"
    assert "Traceback" in (tmp_path / "log.txt").read_text()
    assert record.log not in logging.getLogger("phmbench").handlers


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
def test_the_user_or_the_queue_interrupts(tmp_path, config, error):
    with pytest.raises(error), Record.open(tmp_path, config):
        raise error
    assert state(tmp_path) == "interrupted"


def test_leaving_without_a_result_is_no_success(tmp_path, config):
    with Record.open(tmp_path, config):
        pass
    assert state(tmp_path) == "interrupted"


def test_the_log_holds_what_phmbench_says(tmp_path, config):
    with Record.open(tmp_path, config):
        logging.getLogger("phmbench.data").info("epoch 1")
    begun, said, ended = (tmp_path / "log.txt").read_text().splitlines()
    assert "INFO phmbench.record: begun: " in begun
    assert said.endswith("INFO phmbench.data: epoch 1")
    assert ended.endswith("the run was interrupted")


def test_a_running_record_is_refused_by_name_of_its_process(tmp_path, config):
    with (
        Record.open(tmp_path, config),
        pytest.raises(RecordError, match=rf"taken; got a run that is running by process {os.getpid()} on .*; expected"),
    ):
        Record.open(tmp_path, config, overwrite=True)


def test_a_second_process_is_refused_and_a_killed_one_leaves_an_interrupted_record(tmp_path, config, fit):
    """kill -9 in the middle of writing: every file is whole, the lock is gone, the record can be resumed."""
    process = begin(tmp_path)
    try:
        time.sleep(0.2)  # it writes and writes
        assert state(tmp_path) == "running"
        with pytest.raises(RecordError, match=rf"running by process {process.pid} on"):
            Record.resume(tmp_path)
    finally:
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        process.communicate()
    assert state(tmp_path) == "interrupted"
    assert json.loads((tmp_path / "status.json").read_text())["pid"] == process.pid
    assert (tmp_path / "split.csv").stat().st_size == 40_000
    with pytest.raises(RecordError, match=r"got a run that is interrupted; .* phmbench resume"):
        Record.open(tmp_path, config)
    record = Record.resume(tmp_path)
    assert record.config == {"seed": 0}
    assert not list(tmp_path.glob(".*.part"))
    record.finish(fit(), pages=False)
    assert state(tmp_path) == "done"


def test_a_worker_that_outlives_its_parent_does_not_keep_the_record_running(tmp_path):
    code = """
        import os, sys, time
        from phmbench.record import Record
        record = Record.open(sys.argv[1], {})
        if os.fork() == 0:
            os.close(1)
            os.close(2)
            time.sleep(20)
            os._exit(0)
        print("open", flush=True)
        time.sleep(60)
    """
    process = begin(tmp_path, code)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    process.communicate()
    assert lock.is_held(tmp_path) is False
    assert state(tmp_path) == "interrupted"


def test_a_done_record_is_kept_unless_overwritten(tmp_path, config, fit):
    Record.open(tmp_path, config).finish(fit(), pages=False)
    with pytest.raises(RecordError, match="got a run that is done; expected a new or empty folder; choose another"):
        Record.open(tmp_path, config)
    with pytest.raises(RecordError, match=r"the run is done; got resume; .* phmbench rerun"):
        Record.resume(tmp_path)
    assert state(tmp_path) == "done"
    (tmp_path / "mine.txt").write_text("not of the record")
    (tmp_path / "checkpoints").mkdir()
    record = Record.open(tmp_path, {"seed": 1}, overwrite=True)
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted(
        [".lock", "config.yaml", "environment.txt", "log.txt", "mine.txt", "status.json"]
    )
    record.interrupt()


@pytest.mark.parametrize("content", ["", '{"status": "done"', '{"status": "done"}', "[]", "\x00" * 64])
def test_a_damaged_result_is_not_done_and_can_be_resumed(tmp_path, config, fit, content):
    Record.open(tmp_path, config).finish(fit(), pages=False)
    (tmp_path / "metrics.json").write_text(content)
    assert state(tmp_path) == "failed"
    Record.resume(tmp_path).finish(fit(), pages=False)
    assert state(tmp_path) == "done"


def test_cut_off_between_the_last_two_writes_is_interrupted(tmp_path, config, fit):
    Record.open(tmp_path, config).finish(fit(), pages=False)
    (tmp_path / "metrics.json").unlink()  # as if the power had failed before the rename
    assert state(tmp_path) == "interrupted"


def test_an_invalid_result_is_refused_and_the_record_stays_open(tmp_path, config, fit):
    with Record.open(tmp_path, config) as record:
        with pytest.raises(RecordError, match=r"result\.metrics\.x: 'high' is not .*; expected what"):
            record.finish({**fit(), "metrics": {"x": "high"}})
        assert record.state == "running"
        assert not (tmp_path / "metrics.json").exists()
        record.finish(fit(), pages=False)
    assert state(tmp_path) == "done"


def test_an_ended_record_says_so(tmp_path, config):
    record = Record.open(tmp_path, config)
    record.interrupt()
    with pytest.raises(RecordError, match="this record is not open; got fail"):
        record.fail(ValueError("late"))


def test_a_rank_writes_into_the_record_and_cannot_end_it(tmp_path, config, fit):
    with Record.open(tmp_path, config):
        rank = Record.attach(tmp_path)
        assert rank.config == config
        with pytest.raises(RecordError, match="this record is not open; got finish"):
            rank.finish(fit())
        assert state(tmp_path) == "running"


def test_a_full_disk_says_what_to_do_and_leaves_the_old_file(tmp_path):
    """A limit on the size of files is a full disk that needs no administrator: writing beyond it fails with EFBIG."""
    code = """
        import resource, sys
        from phmbench.errors import RecordError
        from phmbench.record import Record, state
        record = Record.open(sys.argv[1], {"seed": 0})
        record.write_split(type("Frame", (), {"to_csv": lambda self, index: "small"})())
        resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, resource.RLIM_INFINITY))
        try:
            record.write_split(type("Frame", (), {"to_csv": lambda self, index: "x" * 100_000})())
        except RecordError as error:
            print("open" if "room for 100000 bytes; free space or choose another place" in str(error) else error)
        resource.setrlimit(resource.RLIMIT_FSIZE, (10, resource.RLIM_INFINITY))
        record.fail(OSError("full"))
    """
    process = begin(tmp_path, code)
    _, said = process.communicate()
    assert process.returncode == 0, said
    assert said.count("log.txt: cannot be written; got File too large") == 1
    assert (tmp_path / "split.csv").read_text() == "small"
    assert not list(tmp_path.glob(".*.part"))
    assert state(tmp_path) == "interrupted"  # the disk was too full even to say that it failed


@pytest.mark.parametrize("begin", [Record.open, lambda path, config: Record.resume(path)], ids=["open", "resume"])
def test_a_record_that_cannot_be_begun_leaves_no_log_behind(tmp_path, config, begin):
    Record.open(tmp_path / "run", config).interrupt()
    run = tmp_path / ("other" if begin == Record.open else "run")
    (run / "environment.txt").unlink(missing_ok=True)
    (run / "environment.txt").mkdir(parents=True)
    before = list(logging.getLogger("phmbench").handlers)
    with pytest.raises(RecordError, match=r"environment\.txt: cannot be written"):
        begin(run, config)
    assert logging.getLogger("phmbench").handlers == before
    assert lock.is_held(run) is False


def test_children_are_begun_resumed_and_kept(tmp_path, config, fit):
    with Record.open(tmp_path, config) as top:
        fold = top.child("target-hit_sm/spectraquest", config)
        assert fold.path.name == "target-hit_sm-spectraquest"
        fold.interrupt()
        again = top.child("target-hit_sm/spectraquest", {**config, "paths": {"data": "moved"}})
        again.finish(fit(), pages=False)
        done = top.child("target-hit_sm/spectraquest", config)
        assert done.state == "done"
        assert done.result() == fit()
        assert [p.name for p in children(top.path)] == ["target-hit_sm-spectraquest"]


def test_a_child_of_another_run_is_refused(tmp_path, config, fit):
    with Record.open(tmp_path, config) as top:
        top.child("seed-0", config).finish(fit(), pages=False)
        other = {**config, "seed": 3, "model": {"_target_": "a.B", "width": 9}}
        with pytest.raises(RecordError, match=r"of another run; got seed 0 here and 3 asked for; model\.width 8 here"):
            top.child("seed-0", other)


def test_overwriting_takes_children_with_it_but_not_a_running_one(tmp_path, config, fit):
    with Record.open(tmp_path, config) as top:
        top.child("seed-0", config).finish(fit(), pages=False)
    running = Record.open(tmp_path / "seed-1", config)
    with pytest.raises(RecordError, match="seed-1: in the way of a new run; got one that is running"):
        Record.open(tmp_path, config, overwrite=True)
    running.interrupt()
    Record.open(tmp_path, config, overwrite=True).interrupt()
    assert children(tmp_path) == []
    assert not (tmp_path / "seed-0").exists()


def test_what_is_no_record_says_so(tmp_path, config):
    with pytest.raises(RecordError, match=r"not a run directory; got no status\.json"):
        state(tmp_path)
    (tmp_path / "metrics.json").write_text("{}")
    with pytest.raises(RecordError, match=r"got a metrics\.json that no run of this version wrote"):
        Record.open(tmp_path, config)
    (tmp_path / "status.json").write_text("{")
    with pytest.raises(RecordError, match=r"status\.json: cannot be read"):
        state(tmp_path)
    (tmp_path / "status.json").write_text('{"state": "sleeping"}')
    with pytest.raises(RecordError, match=r"status\.json: unknown state"):
        state(tmp_path)


def test_a_place_that_cannot_be_made_says_so(tmp_path, config):
    (tmp_path / "file").write_text("")
    with pytest.raises(RecordError, match=r"the run directory cannot be made; got .*; choose another with"):
        Record.open(tmp_path / "file" / "run", config)


def test_a_configuration_must_be_plain(tmp_path):
    with pytest.raises(RecordError, match="the configuration is not plain; got"):
        Record.open(tmp_path, {"model": object()})
    assert lock.is_held(tmp_path) is False


@pytest.mark.parametrize(("content", "message"), [("a: [", "cannot be read"), ("- 1", "not a configuration; got list")])
def test_a_damaged_configuration_is_not_resumed(tmp_path, config, content, message):
    Record.open(tmp_path, config).interrupt()
    (tmp_path / "config.yaml").write_text(content)
    with pytest.raises(RecordError, match=message):
        Record.resume(tmp_path)


@pytest.mark.parametrize(("name", "folder"), [("seed-0", "seed-0"), ('target-0.021"', "target-0.021-"), ("../x", "-x")])
def test_names_of_folders(name, folder):
    assert folder_name(name) == folder


def test_opening_a_record_and_the_screen_import_nothing_heavy(tmp_path):
    code = (
        "import sys; from phmbench.record import Record, screen, result\n"
        f"Record.open({str(tmp_path / 'run')!r}, {{}}).interrupt()\n"
        "print(sorted({'torch', 'pandas', 'numpy', 'matplotlib', 'h5py', 'lightning', 'hydra'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_a_warning_is_said_once_and_stays_with_the_result(tmp_path, config, fit, caplog):
    """On the screen once for all folds and seeds; in each record's log, status and result."""
    with Record.open(tmp_path, config) as top:
        for seed in (0, 1):
            with top.child(f"seed-{seed}", config) as inner:
                for _ in range(2):
                    inner.warn("model.stem: no gradient;\n  freeze it")
                inner.finish(fit(seed=seed), pages=False)
        top.warn("trainer: early stopping never acts")
        inside = [top.child(f"seed-{seed}", config).result() for seed in (0, 1)]
        top.finish(result.aggregate_repeats(inside), pages=False)
    text = "model.stem: no gradient; freeze it"
    assert [line.getMessage() for line in caplog.records] == [text, "trainer: early stopping never acts"]
    assert [one["warnings"] for one in inside] == [[text], [text]]
    assert top.result()["warnings"] == ["trainer: early stopping never acts", text]
    assert [(tmp_path / f"seed-{n}" / "log.txt").read_text().count(text) for n in (0, 1)] == [1, 1]
    assert (tmp_path / "log.txt").read_text().count(text) == 1


def test_a_warning_outlives_the_process_that_gave_it(tmp_path, config, fit):
    """A rank attaches to a record that another process holds; a resumed run was warned in an earlier sitting."""
    record = Record.open(tmp_path, config)
    Record.attach(tmp_path).warn("stem: exploding gradient")
    assert "WARNING phmbench.record: stem: exploding gradient" in (tmp_path / "log.txt").read_text()
    record.interrupt()
    assert json.loads((tmp_path / "status.json").read_text())["state"] == "interrupted"
    again = Record.resume(tmp_path)
    again.warn("stem: exploding gradient")
    again.warn("head: dead units")
    again.finish(fit(), pages=False)
    assert again.result()["warnings"] == ["stem: exploding gradient", "head: dead units"]


def test_a_warning_that_the_disk_has_no_room_for_is_said_and_kept_in_memory(tmp_path):
    code = """
        import logging, resource, sys
        from phmbench.record import Record
        logging.getLogger("phmbench").addHandler(logging.StreamHandler())
        record = Record.open(sys.argv[1], {"seed": 0})
        resource.setrlimit(resource.RLIMIT_FSIZE, (10, resource.RLIM_INFINITY))
        record.warn("head: dead units")
        print(record.warnings)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code), str(tmp_path)], capture_output=True, text=True, check=True
    )
    assert done.stdout == "['head: dead units']\n"
    assert done.stderr.count("head: dead units") == 1
    assert "status.json: cannot be written" in done.stderr


def test_a_configuration_that_was_replaced_is_gone_on_with_by_either(tmp_path, config):
    """Batches that fit, in the place of the one that was asked for: the command given again asks for that one again."""
    asked, fitting = {**config, "data": {"batch_size": 64}}, {**config, "data": {"batch_size": 16}}
    with Record.open(tmp_path, asked) as record:
        record.keep_config(fitting)
        record.keep_config(fitting)
        assert record.config == read_config(tmp_path) == fitting
    for one in (asked, fitting):
        with Record.begin(tmp_path, one) as again:
            assert again.config == fitting
    with pytest.raises(RecordError, match=r"data\.batch_size 16 here and 32 asked for"):
        Record.begin(tmp_path, {**config, "data": {"batch_size": 32}})
