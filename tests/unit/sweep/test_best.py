"""The best trial as YAML that is read back as it is, and which command has tested it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from omegaconf import OmegaConf

from phmbench.errors import ConfigError
from phmbench.sweep import best, jobs, storage, trials
from phmbench.sweep import study as studies
from phmbench.sweep.space import Space

optuna = pytest.importorskip("optuna")


@pytest.mark.parametrize(
    "value",
    ["1e-3", "1E5", "1_0e5", "012", "nan", "on", "null", "2024-01-01", "1:30", "0x1F", "a: b", "", 1e-5, 0.001, 7, True,
     None, [1, "2e3"]],
)  # fmt: skip
def test_a_value_is_read_back_as_it_is(value: Any):
    read = OmegaConf.to_container(OmegaConf.create(best.dumped({"model": {"value": value}})))
    assert isinstance(read, dict)
    assert read["model"]["value"] == value
    assert type(read["model"]["value"]) is type(value)


def test_plain_text_is_not_quoted():
    assert best.dumped({"defaults": [{"override /model": "wdcnn"}]}) == "defaults:\n- override /model: wdcnn\n"


@pytest.mark.parametrize("text", ["${seed}", "a ${oc.env:HOME} b", "\\${seed}"])
def test_what_is_no_interpolation_any_more_does_not_become_one(text: str):
    """As a value that a configuration has when all of it is resolved; escaped or not, it is a text."""
    read: Any = OmegaConf.create(best.dumped({"value": best._literal(text), "values": best._literal([text])}))
    assert (read.value, read["values"][0]) == (text, text)


class Broken:
    """A launcher that cannot start."""

    def launch(self, job_overrides: Any, initial_job_idx: int) -> Any:
        raise RuntimeError("no queue")


CONFIG: dict[str, Any] = {"seed": 0, "repeats": 1, "test": False}


def refitted(study: Any, folder: Path) -> Path:
    found = trials.read(study, folder)
    assert found.best is not None
    return best.refit(study, found, found.best, config=CONFIG, space=Space([], [], []), count=2, launcher=Broken(),
                      threads=2)  # fmt: skip


@pytest.fixture
def study(tmp_path: Path) -> Any:
    found = optuna.create_study(study_name="s", storage=storage.opened(None, tmp_path / "study"), direction="maximize")
    found.set_user_attr(studies.IDENTITY, {"objectives": ["val/macro_f1"], "space": {}})
    found.tell(found.ask(), 0.5)
    return found


def test_who_has_begun_to_test_is_said_once_also_by_those_that_begin_again(study: Any, tmp_path: Path):
    for _ in range(2):
        with pytest.raises(ConfigError, match="no queue"):
            refitted(study, tmp_path / "one")
    assert jobs.read(tmp_path / "one" / "best-trial-0")["threads"] == 2
    assert list(best.tested(study).values()) == [str(tmp_path / "one" / "best-trial-0")]
    moved = (tmp_path / "one").rename(tmp_path / "moved")
    with pytest.raises(ConfigError, match="no queue"):
        refitted(study, moved)
    assert len(best.tested(study)) == 1


def test_what_another_command_tests_is_left_to_it(study: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture):
    with pytest.raises(ConfigError, match="no queue"):
        refitted(study, tmp_path / "one")
    assert refitted(study, tmp_path / "two") == tmp_path / "one" / "best-trial-0"
    assert "is trained again by another command" in caplog.text
    assert len(best.tested(study)) == 1


def test_of_two_that_begin_at_the_same_moment_none_is_forgotten(study: Any, tmp_path: Path):
    """Neither has seen the other's word when it begins; the test set was looked at twice."""
    for name in ("one", "two"):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(best, "tested", lambda study: {})
            with pytest.raises(ConfigError, match="no queue"):
                refitted(study, tmp_path / name)
    assert len(best.tested(study)) == 2
