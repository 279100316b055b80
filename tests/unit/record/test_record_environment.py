"""Where a run took place, and files that are whole or not there."""

import re
import subprocess

import pytest

from phmbench.errors import RecordError
from phmbench.record import atomic, environment


def git(folder, *words):
    identity = ("-c", "user.name=a", "-c", "user.email=a@b.c")
    return subprocess.run(["git", *identity, *words], cwd=folder, capture_output=True, text=True, check=True).stdout


def test_commit_says_whether_tracked_files_differ(tmp_path):
    git(tmp_path, "init", "-q")
    (tmp_path / "a").write_text("1")
    git(tmp_path, "add", "a")
    git(tmp_path, "commit", "-q", "-m", "first")
    sha = git(tmp_path, "rev-parse", "HEAD").strip()
    (tmp_path / "untracked").write_text("outputs are no change")
    assert environment.commit(tmp_path) == sha
    (tmp_path / "a").write_text("2")
    assert environment.commit(tmp_path) == f"{sha}-dirty"


def test_no_repository_no_commit(tmp_path):
    assert environment.commit(tmp_path) is None


def test_versions_of_what_is_installed_and_none_of_what_is_not():
    found = environment.versions(("numpy", "no-such-package"))
    assert re.fullmatch(r"3\.\d+\.\d+\S*", found["python"])
    assert re.match(r"\d+\.\d+", found["numpy"])
    assert found["no-such-package"] is None


def test_the_command_can_be_pasted():
    text = environment.describe(["train.py", "data.where=speed_rpm >= 900"])
    assert "command: train.py 'data.where=speed_rpm >= 900'\n" in text
    assert re.search(r"^memory: \d+\.\d GiB$", text, re.MULTILINE)


def test_a_file_is_replaced_as_a_whole(tmp_path):
    atomic.write_text(tmp_path / "a", "first")
    atomic.write_text(tmp_path / "a", "±")
    assert (tmp_path / "a").read_bytes() == "±".encode()
    assert [p.name for p in tmp_path.iterdir()] == ["a"]


def test_a_folder_that_is_gone_says_so(tmp_path):
    with pytest.raises(RecordError, match=r"a: cannot be written; got No such file or directory; expected a writable"):
        atomic.write_text(tmp_path / "gone" / "a", "x")
