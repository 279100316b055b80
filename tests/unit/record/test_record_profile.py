"""A profile read, summed, put into a sentence, on the screen and on the page."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from phmbench.errors import RecordError
from phmbench.record import Record, profile, screen
from phmbench.record.contents import clear
from phmbench.record.report import write_report

CPU = {"num_workers": 0, "batch_size": 64, "cores": 2, "device": "cpu", "gpu_is_there": False, "precision": "32-true",
       "check_val_every_n_epoch": 1, "log_every_n_steps": 50, "loggers": ["CSVLogger"]}  # fmt: skip
GPU = {**CPU, "device": "cuda", "gpu_is_there": True}


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Callable[[], Record]]:
    """A record that has begun; ended with the test."""
    with ExitStack() as stack:
        yield lambda: stack.enter_context(Record.open(tmp_path / "run", {"seed": 0}))


def of(settings: dict[str, Any] | None = None, **seconds: float) -> dict[str, Any]:
    parts = {**dict.fromkeys(profile.PARTS, 0.0), **seconds}
    return profile.build(parts=parts, batches=9, actions=[], settings=CPU if settings is None else settings, trace=None)


@pytest.mark.parametrize(
    ("seconds", "settings", "sentence"),
    [
        ({"data": 7.1, "forward": 2.9}, {}, "71 % of the time is waiting for data: data.num_workers=2"),
        ({"data": 1.0}, {"cores": 64}, "100 % of the time is waiting for data: data.num_workers=4"),
        ({"data": 1.0}, {"cores": 64, "num_workers": 4}, "with 4 workers: data.num_workers=8"),
        ({"data": 1.0}, {"num_workers": 2}, "with 2 workers on 2 cores: paths.cache=… on a faster, local disk"),
        ({"forward": 3.0, "backward": 3.0, "data": 4.0}, {}, "60 % of the time is forward and backward: a smaller"),
        ({"forward": 1.0}, {"gpu_is_there": True}, "forward and backward: trainer=gpu; results change with it"),
        ({"backward": 1.0}, GPU, "forward and backward: trainer.precision=bf16-mixed"),
        ({"backward": 1.0}, {**GPU, "precision": "bf16-mixed"}, "forward and backward: data.batch_size=128"),
        ({"transfer": 1.0}, GPU, "copying batches to the device: data.batch_size=128"),
        ({"optimizer": 1.0}, {}, "the optimizer's steps: data.batch_size=128"),
        ({"validation": 2.0, "metrics": 2.0, "forward": 3.0}, {}, "57 % of the time is validation: trainer.check_val"),
        ({"logging": 1.0}, {}, "logging: trainer.log_every_n_steps=200"),
        ({"logging": 1.0}, {"loggers": ["CSVLogger", "WandbLogger"]}, "logging (CSVLogger, WandbLogger): logger=csv"),
        ({"checkpoints": 1.0}, {}, "writing checkpoints: paths.output=…"),
        ({"set_up": 1.0}, {}, "set-up before the first batch, paid once a fit: trainer.max_epochs"),
        ({"set_up": 1.0}, {"num_workers": 2}, "data.num_workers=0 starts no processes, now 2"),
        ({"rest": 1.0}, {}, "Lightning's loop around the steps: data.batch_size=128"),
        (
            {"profiling": 3.0, "data": 1.0},
            {},
            "most of the time went into the trace, and a longer run says more; of the rest, 100 % is waiting for",
        ),
        (
            {"data": 2.0, "forward": 1.9, "optimizer": 2.1, "validation": 2.0, "logging": 2.0},
            {},
            "no part stands out; the largest, 21 %, is the optimizer's steps: data.batch_size=128",
        ),
    ],
)
def test_the_sentence_names_the_bottleneck_and_a_setting(
    seconds: dict[str, float], settings: dict[str, Any], sentence: str
):
    assert sentence in of({**CPU, **settings}, **seconds)["bottleneck"]


def test_shares_by_hand():
    found = of(data=3.0, forward=1.0)
    assert found["seconds"] == 4.0
    assert found["shares"]["data"] == 0.75
    assert of()["shares"]["data"] == 0  # nothing was timed: no division by zero


def test_folds_and_seeds_are_summed(opened):
    """Two seeds of one fold: 3 + 5 seconds of data, 1 + 1 of forward."""
    record = opened()
    with record.child("target-a", {"seed": 0}) as fold:
        for seed, seconds in ((0, 3.0), (1, 5.0)):
            with fold.child(f"seed-{seed}", {"seed": seed}) as child:
                profile.write(child.path, of(data=seconds, forward=1.0))
    found = profile.read(record.path)
    assert found is not None
    assert (found.fits, found.seconds, found.parts["data"]) == (2, 10.0, 8.0)
    assert found.rows() == [("waiting for data", 8.0, 0.8), ("forward", 2.0, 0.2)]


def test_screen_and_page_show_it_and_only_where_there_is_one(opened, fit, capsys):
    record = opened()
    outcome = fit()
    screen.results(outcome, path=record.path)
    assert "waiting for data" not in capsys.readouterr().out
    assert "Where the time went" not in write_report(record.path, outcome=outcome).read_text("utf-8")
    (record.path / "trace.json").write_text("{}")
    profile.write(record.path, {**of(data=7.1, forward=2.9), "trace": "trace.json"})
    screen.results(outcome, path=record.path)
    said = capsys.readouterr().out
    assert "waiting for data" in said
    assert "profile   71 % of the time is waiting for data: data.num_workers=2" in said
    assert max(map(len, said.splitlines())) <= 100
    page = write_report(record.path, outcome=outcome).read_text("utf-8")
    assert "Where the time went" in page
    assert 'href="trace.json"' in page


def test_it_is_part_of_the_record(opened):
    record = opened()
    profile.write(record.path, of(data=1.0))
    clear(record.path)
    assert profile.read(record.path) is None


@pytest.mark.parametrize("text", ["", "[]", '{"parts": {}}', '{"parts": {"data": "x"}}'])
def test_a_damaged_profile(opened, text: str):
    record = opened()
    (record.path / "profile.json").write_text(text)
    with pytest.raises(RecordError, match=r"profile\.json: cannot be read as a profile; got .*; expected what profile"):
        profile.read(record.path)


def test_it_is_plain_json(opened):
    record = opened()
    profile.write(record.path, of(data=1.0))
    assert json.loads((record.path / "profile.json").read_text())["format"] == 1
