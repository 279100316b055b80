"""Records as a run would write them, made through the public interface alone."""

import math

import numpy as np
import pandas as pd
import pytest

from phmbench.record import Record, result
from phmbench.record.predictions import Example

CLASSES = ("inner", "normal", "outer")
CONFIG = {"seed": 0, "model": {"_target_": "a.B", "width": 8}, "paths": {"data": None}, "task": {"target": ['0.021"']}}
ORDERS = (3.585, 5.415, 2.357, 0.398)  # 6205, from geometry
CURVES = """epoch,step,train/loss,val/loss,val/macro_f1,test/macro_f1
0,9,1.2,,,
0,19,,1.1,0.40,
1,29,0.7,,,
1,39,,0.8,0.90,
2,59,,0.9,0.85,
2,60,,,,0.61
"""


def counts(windows):
    each = dict.fromkeys(CLASSES, windows // 3)
    return {"windows": windows, "recordings": 9, "units": None, "classes": each}


def one(*, seed=0, f1=0.61, target="3", level="unit", **more):
    """The result of one fit."""
    return result.build(
        metrics={"test/macro_f1": f1, "test/accuracy": 0.7, "test/macro_auroc": math.nan, "test/f1/inner": f1,
                 "test/f1/outer": 0.9, "test/rig/cwru/macro_f1": f1, "val/macro_f1": 0.9},
        seed=seed, monitor="val/macro_f1", selection="source_validation",
        split={"name": "hold_out", "level": level, "validation_level": "recording", "target": [target],
               "notes": ["class 'normal' comes from one rig alone"], "train": counts(300), "val": counts(60),
               "test": counts(90), "class_sources": {"inner": ["cwru"]},
               "shared": {"samples": 0, "recordings": 0, "units": 4 if level == "recording" else 0, "conditions": 3,
                          "rigs": None}},
        data={"source": ["cwru"], "rigs": ["cwru"], "classes": CLASSES, "hash": "9f2c"},
        model={"name": "WDCNN", "parameters": 54321}, seconds={"set_up": 1.0, "fit": 70.0, "test": 0.5},
        confusion={"classes": CLASSES, "counts": np.array([[20, 10, 0], [0, 30, 0], [3, 0, 27]])},
        choices={"task": "classification", "data": "cwru", "model": "wdcnn"}, **more,
    )  # fmt: skip


def window(label, *, rate_hz=12000.0, speed_hz=29.2, order=None):
    """A window of 4096 samples: noise and, if an order is given, decaying strikes at it, ringing at 3.1 kHz."""
    time = np.arange(4096) / rate_hz
    signal = np.random.default_rng(0).normal(0, 0.1, 4096)
    if order:
        since = time % (1 / (order * speed_hz))
        signal += np.exp(-800 * since) * np.sin(2 * np.pi * 3100 * since)
    return Example(label, f"cwru/{label}", 0, signal[None].astype(np.float32), rate_hz, speed_hz, ORDERS, ("DE",), "g")


def fill(record):
    """Everything but the result."""
    record.write_split(pd.DataFrame({"recording": ["a", "b"], "set": ["train", "test"], "windows": [3, 4]}))
    record.write_predictions(
        recording=[0, 0, 1], names=["a", "b"], start=[0, 10, 0], target=[0, 1, 2], scores=np.eye(3), classes=CLASSES,
        window=4096, examples=[window("inner", order=5.415), window("normal"), window("outer", order=3.585)],
    )  # fmt: skip
    (record.path / "csv").mkdir()
    (record.path / "csv" / "metrics.csv").write_text(CURVES)


@pytest.fixture(scope="session")
def done(tmp_path_factory):
    """A finished record with figures and page; tests only read it."""
    record = Record.open(tmp_path_factory.mktemp("done") / "10-31-07 run", CONFIG)
    fill(record)
    record.finish(one())
    return record.path


@pytest.fixture
def config():
    return CONFIG


@pytest.fixture
def fit():
    return one


@pytest.fixture
def filled():
    return fill


@pytest.fixture
def example():
    return window
