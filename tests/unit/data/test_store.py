"""The store: what comes out is what went in, and faults are made for real."""

from __future__ import annotations

import json
import logging
import os
import pickle
import resource
import signal as signals_of_the_system
import subprocess
import sys
import time
from fractions import Fraction
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from phmbench.data import store as store_module
from phmbench.data.convert import resample
from phmbench.data.fingerprint import copies
from phmbench.data.selection import resampled_length
from phmbench.data.store import open_store, prepare, store_key
from phmbench.data.windows import gather, index
from phmbench.errors import ConfigError, DataError

CHOICES = {"where": None, "ids": None, "channels": None, "sample_rate": None}


class Memory:
    """Recordings of random numbers; each row of `rows` overwrites the columns of one recording."""

    def __init__(self, rows=({}, {}, {}), *, name="m", default_channels=None, change=None, pause_s=0.0):
        self.name, self.default_channels, self.change, self.pause_s = name, default_channels, change, pause_s
        usual = {"fs": 12_000.0, "n_samples": 600, "channels": ("a", "b"), "fault_type": "inner", "load": 1}
        self.rows = [usual | {"recording": f"{name}/{i}"} | row for i, row in enumerate(rows)]

    def fingerprint(self):
        return {"name": self.name, "rows": [sorted((k, str(v)) for k, v in row.items()) for row in self.rows]}

    def table(self):
        return pd.DataFrame(self.rows)

    def raw(self, row):
        rng = np.random.default_rng(int(row.name))
        return rng.standard_normal((len(row["channels"]), int(row["n_samples"])))

    def signal(self, row, channels):
        time.sleep(self.pause_s)
        picked = self.raw(row)[[row["channels"].index(channel) for channel in channels]]
        return picked if self.change is None else self.change(row, picked)


class Untouchable(Memory):
    """A source of which nothing may be read any more."""

    def table(self):
        raise AssertionError("the store was there, and yet the table was read")


def make(cache, source=None, **choices):
    sources = source if isinstance(source, dict) else {"m": source or Memory()}
    return prepare(sources, cache=cache, **(CHOICES | choices))


def files(cache, pattern="*.h5"):
    return sorted((cache / "stores").glob(pattern))


def test_what_comes_out_is_what_went_in(tmp_path):
    source, done = Memory(), []
    store = prepare({"m": source}, cache=tmp_path, progress=lambda i, n: done.append((i, n)), **CHOICES)
    assert done == [(1, 3), (2, 3), (3, 3)]
    assert store.table["offset"].tolist() == [0, 1200, 2400]  # two channels of 600 samples each
    assert store.table["length"].tolist() == [600, 600, 600]
    assert store.table["rate_hz"].tolist() == [12_000.0] * 3
    assert store.table["content"].nunique() == 3
    assert store.fingerprints.shape[0] == 3
    assert store.channels == ("a", "b")
    assert store.signals.shape == (3600,)
    for row, (_, own) in enumerate(source.table().iterrows()):
        assert np.array_equal(store.recording(row), source.raw(own).astype(np.float32))
    assert store.path == tmp_path / "stores" / f"{store.key}.h5"
    assert files(tmp_path, "*.tmp") == []


def test_samples_are_a_plain_read_only_map(tmp_path):
    store = make(tmp_path)
    assert type(store.signals) is np.ndarray
    assert not store.signals.flags.writeable
    assert isinstance(store.signals.base, np.memmap)
    with pytest.raises(ValueError, match="read-only"):
        store.signals[0] = 1
    with h5py.File(store.path, "a") as file:  # nobody holds it
        assert file["signals"].chunks is None


def test_batches_are_gathered_from_the_store(tmp_path):
    source = Memory([{"n_samples": 700}, {"n_samples": 90}, {"n_samples": 333}])
    store = make(tmp_path, source)
    offset, length = store.table["offset"].to_numpy(), store.table["length"].to_numpy()
    windows = index(length, 100, 50)
    rows = np.arange(len(windows.start))
    batch = gather(store.signals, offset, length, 2, windows, rows, 100)
    raw = [source.raw(row).astype(np.float32) for _, row in source.table().iterrows()]
    for got, r, s in zip(batch, windows.recording, windows.start, strict=True):
        assert np.array_equal(got, raw[r][:, s : s + 100])


def test_a_store_is_built_once_and_then_opened_without_reading_the_source(tmp_path):
    first = make(tmp_path)
    written = first.path.stat().st_mtime_ns
    again = make(tmp_path, Untouchable())
    assert again.path.stat().st_mtime_ns == written
    assert np.array_equal(again.signals, first.signals)
    pd.testing.assert_frame_equal(again.table, first.table)
    assert np.array_equal(again.fingerprints, first.fingerprints)


def test_a_store_goes_to_a_worker_without_its_samples(tmp_path):
    store = make(tmp_path, Memory([{"n_samples": 100_000}]))
    sent = pickle.dumps(store)
    assert len(sent) < 20_000 < store.signals.nbytes
    there = pickle.loads(sent)
    assert np.array_equal(there.signals, store.signals)
    assert there.channels == store.channels


def test_the_table_keeps_types_and_missing_values(tmp_path):
    stamp = pd.Timestamp("2026-01-02 03:04:05")
    rows = [
        {"text": "ä", "mixed": "x", "real": 1.5, "flag": True, "when": stamp, "whole": 3, "kind": "u"},
        {"text": None, "mixed": 7, "real": np.nan, "flag": False, "when": pd.NaT, "whole": pd.NA, "kind": "v"},
    ]  # fmt: skip
    rows[0]["pair"], rows[1]["pair"] = (1, "a"), None

    class Typed(Memory):
        def table(self):
            return super().table().astype({"whole": "Int64", "kind": "category", "mixed": object})

    table = make(tmp_path, Typed(rows)).table
    own = Typed(rows).table()
    assert table["text"].iloc[0] == "ä"
    assert table.isna().sum().to_dict() == {**dict.fromkeys(table.columns, 0), **dict.fromkeys(
        ["text", "real", "when", "whole", "pair"], 1)}  # fmt: skip
    for column in ("text", "real", "flag", "when", "whole", "mixed"):
        assert table[column].dtype == own[column].dtype, column
    assert table["mixed"].tolist() == ["x", 7]
    assert table["when"].iloc[0] == stamp
    assert table["channels"].tolist() == [("a", "b"), ("a", "b")]
    assert table["pair"].iloc[0] == (1, "a")
    assert table["kind"].tolist() == ["u", "v"]


def test_a_value_that_cannot_be_stored_is_named(tmp_path):
    with pytest.raises(DataError, match=r"column 'odd' of a table cannot be stored; got PosixPath .*; expected text"):
        make(tmp_path, Memory([{"odd": Path("x")}]))
    assert files(tmp_path, "*.tmp") == []


@pytest.mark.parametrize(
    "other",
    [
        {"where": "load == 1"}, {"ids": ["m/0"]}, {"channels": ["a"]}, {"sample_rate": 6000.0},
        {"source": Memory([{"load": 2}, {}, {}])}, {"source": {"other": Memory()}},
    ],
)  # fmt: skip
def test_everything_that_shapes_a_store_is_in_its_key(tmp_path, other):
    assert make(tmp_path, **other).path != make(tmp_path).path


def test_a_fingerprint_that_is_no_json_is_named():
    source = Memory()
    source.fingerprint = lambda: {"at": object()}
    with pytest.raises(
        DataError, match=r"data\.sources: a fingerprint is not plain JSON .*mend the source's fingerprint"
    ):
        store_key({"m": source}, **CHOICES)


# Choosing


def test_where_and_ids_choose_rows_in_storage_order(tmp_path):
    source = Memory([{"load": 0}, {"load": 1}, {"load": 2}, {"load": 3}])
    store = make(tmp_path, source, where="load >= 1 and fault_type == 'inner'", ids=["m/3", "m/0", "m/1"])
    assert store.table["recording"].tolist() == ["m/1", "m/3"]
    for row, number in enumerate([1, 3]):
        assert np.array_equal(store.recording(row), source.raw(source.table().loc[number]).astype(np.float32))


@pytest.mark.parametrize(
    ("where", "message"),
    [
        ("lood == 1", r"data\.where: .*lood.*load"),
        ("load ==", r"data\.where: not an expression"),
        ("load > 7", r"data\.where: no recording is left; got 'load > 7'"),
        ("@os.system('true')", r"data\.where"),
        ("load.to_pickle('x')", r"data\.where: .*is not allowed in a query"),
        ("__import__('os').system('true')", r"data\.where: .*is not allowed in a query"),
        ("load.__class__", r"data\.where: .*is not allowed in a query"),
    ],
)
def test_a_query_that_cannot_be_says_why_and_runs_nothing(tmp_path, monkeypatch, where, message):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError, match=message):
        make(tmp_path, where=where)
    assert not Path("x").exists()


def test_unknown_ids_get_near_names(tmp_path):
    with pytest.raises(DataError, match=r"data\.ids: 1 recordings do not exist; got m/00; .*did you mean m/0"):
        make(tmp_path, ids=["m/1", "m/00"])
    with pytest.raises(DataError, match=r"got §; .*recordings look like 'm/0'"):
        make(tmp_path, ids=["§"])


def test_ids_that_the_query_leaves_out_are_nothing(tmp_path):
    source = Memory([{"load": 0}, {"load": 1}])
    with pytest.raises(DataError, match=r"data\.ids: no recording is left; got m/0 and data\.where='load == 1'"):
        make(tmp_path, source, where="load == 1", ids=["m/0"])
    with pytest.raises(DataError, match=r"no recording is left; got an empty list"):
        make(tmp_path, source, ids=[])


def test_names_that_occur_twice_are_refused(tmp_path):
    with pytest.raises(DataError, match=r"data\.sources: 3 recording names occur more than once: m/0, m/1, m/2;"):
        make(tmp_path, {"one": Memory(), "two": Memory()})


def test_no_sources_and_no_recordings_are_refused(tmp_path):
    with pytest.raises(DataError, match=r"data\.sources: no recordings; got empty tables"):
        make(tmp_path, {})


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("fs", np.nan),
        ("fs", 0.0),
        ("fs", -5.0),
        ("fs", np.inf),
        ("fs", 1e-9),
        ("fs", 1e300),
        ("n_samples", 0),
        ("n_samples", None),
    ],
)
def test_a_table_without_rate_or_samples_is_refused(tmp_path, column, value):
    with pytest.raises(
        DataError, match=rf"data\.sources\.m: {column} is missing or out of range in 1 recordings: m/1;"
    ):
        make(tmp_path, Memory([{}, {column: value}]))


def test_a_table_that_lacks_columns_is_refused(tmp_path):
    class Bare(Memory):
        def table(self):
            return super().table().drop(columns=["fs", "channels"])

    with pytest.raises(
        DataError, match=r"data\.sources\.m: the table lacks columns; .*expected also fs, channels; mend"
    ):
        make(tmp_path, Bare())


# Channels


def test_channels_are_those_asked_for_else_the_default_else_the_common_ones(tmp_path):
    source = Memory([{"channels": ("a", "b", "c")}, {"channels": ("c", "a")}])
    asked = make(tmp_path, source, channels=["c"])
    assert asked.channels == ("c",)
    assert np.array_equal(asked.recording(1), source.raw(source.table().loc[1])[:1].astype(np.float32))
    assert make(tmp_path, source).channels == ("a", "c")
    default = Memory(source.rows, default_channels=("c",), name="d")
    assert make(tmp_path, default).table["channels"].tolist() == [("c",), ("c",)]


def test_channels_of_two_sources_are_joined_by_position(tmp_path):
    one, two = Memory(default_channels=("a",)), Memory([{"channels": ("vertical",)}], name="n")
    store = make(tmp_path, {"one": one, "two": two})
    assert store.channels == ("a|vertical",)
    assert store.table["channels"].tolist() == [("a",)] * 3 + [("vertical",)]
    assert np.array_equal(store.recording(3), two.raw(two.table().loc[0]).astype(np.float32))


def test_recordings_that_lack_a_channel_are_named(tmp_path):
    source = Memory([{}, *[{"channels": ("a",)}] * 4])
    message = (
        r"data\.channels: 4 recordings lack a channel: m/1, m/2, m/3, …; got a in .*expected also b; .*channels=\[a\]"
    )
    with pytest.raises(DataError, match=message):
        make(tmp_path, source, channels=["a", "b"])
    with pytest.raises(DataError, match=r"got a, b in the first; expected also z; choose data\.channels=\[a,b\]"):
        make(tmp_path, channels=["z"])
    with pytest.raises(DataError, match=r"no channel is in all of them; leave them out with"):
        make(tmp_path, Memory([{}, {"channels": ("c",)}]), channels=["a"])


def test_recordings_without_a_common_channel_are_refused(tmp_path):
    with pytest.raises(DataError, match=r"data\.channels: no channel is in every recording of m; got a, b, c;"):
        make(tmp_path, Memory([{}, {"channels": ("c",)}]))


def test_sources_with_different_numbers_of_channels_are_refused(tmp_path):
    sources = {"one": Memory(), "two": Memory([{"channels": ("v",)}], name="n")}
    with pytest.raises(
        DataError, match=r"number of channels differs; got one has 2 \(a, b\), two has 1 \(v\); expected"
    ):
        make(tmp_path, sources)


# Rates


def test_rates_that_differ_say_what_to_set(tmp_path):
    source = Memory([{}, {}, {"fs": 48_000.0}])
    message = r"sampling rates differ; got 12000 Hz \(2 recordings\), 48000 Hz \(1 recordings\); .*sample_rate=12000"
    with pytest.raises(DataError, match=message) as caught:
        make(tmp_path, source)
    assert "the lowest of them, or choose one with data.where" in str(caught.value)


@pytest.mark.parametrize("rate", [0.0, -1.0, float("nan")])
def test_a_rate_that_is_none_is_refused(tmp_path, rate):
    with pytest.raises(ConfigError, match=r"data\.sample_rate: not a rate; got \S+; expected more than 0 Hz; set data"):
        make(tmp_path, sample_rate=rate)


@pytest.mark.parametrize("rate", [1.0, 1e12])
def test_a_rate_that_is_too_far_from_what_was_recorded(tmp_path, rate):
    """12 kHz by 12000 for one, and 1e8 for one: the filter would have a billion taps."""
    with pytest.raises(DataError, match=r"data\.sample_rate: \S+ Hz cannot be made of 12000 Hz; got a ratio of"):
        make(tmp_path, sample_rate=rate)


def test_resampling_keeps_a_tone_and_removes_what_would_alias(tmp_path):
    """48 → 12 kHz: 1 kHz stays (amplitude 1, offset 5), 11 kHz, which would appear at 1 kHz, is gone."""

    def tones(row, _):
        time_s = np.arange(4800) / 48_000
        return np.stack([np.sin(2 * np.pi * 1000 * time_s) + 5, np.sin(2 * np.pi * 11_000 * time_s)])

    source = Memory([{"fs": 48_000.0, "n_samples": 4800}, {"n_samples": 700}], change=None)
    source.signal = lambda row, channels: tones(row, channels) if row["fs"] > 12_000 else source.raw(row)
    store = make(tmp_path, source, sample_rate=12_000.0)
    assert store.table["length"].tolist() == [1200, 700]
    assert store.table["rate_hz"].tolist() == [12_000.0, 12_000.0]
    expected = np.sin(2 * np.pi * 1000 * np.arange(1200) / 12_000) + 5
    assert np.abs(store.recording(0)[0] - expected)[20:-20].max() < 0.005
    assert np.abs(store.recording(0)[0] - 5).max() < 1.2  # no ringing from zero to 5 at the ends
    assert np.abs(store.recording(0)[1])[20:-20].max() < 0.01
    assert np.array_equal(store.recording(1), source.raw(source.table().loc[1]).astype(np.float32))


@given(st.integers(1, 400), st.integers(1, 50), st.integers(1, 50))
def test_the_length_is_known_before_resampling(samples, up, down):
    ratio = Fraction(up, down)
    assert resample(np.ones((1, samples)), ratio).shape == (1, resampled_length(samples, ratio))


def test_upsampling_is_said(tmp_path, caplog):
    with caplog.at_level(logging.WARNING, "phmbench"):
        store = make(tmp_path, Memory([{}, {"fs": 24_000.0}]), sample_rate=24_000.0)
    assert "store: 1 of 2 recordings are brought up to 24000 Hz" in caplog.text
    assert store.table["length"].tolist() == [1200, 600]


# Signals that are not what they must be


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e39])
def test_a_sample_that_is_no_number_is_named(tmp_path, value):
    def spoil(row, signal):
        if row.name == 1:
            signal[1, [7, 9]] = value
        return signal

    with pytest.raises(
        DataError, match=r"recording m/1: 2 samples are NaN or infinite; got \S+ first, at sample 7 of chan"
    ):
        make(tmp_path, Memory(change=spoil))
    assert files(tmp_path) == files(tmp_path, "*.tmp") == []


@pytest.mark.parametrize(
    "change",
    [lambda _, x: x[:, :-1], lambda _, x: x[:1], lambda _, x: x[0], lambda _, x: x * 1j, lambda _, x: x.astype(str)],
)
def test_a_signal_of_another_shape_is_named(tmp_path, change):
    with pytest.raises(DataError, match=r"recording m/0: the signal is not what its table says; .*expected \(2, 600\)"):
        make(tmp_path, Memory(change=change))


def test_an_empty_recording_is_named(tmp_path):
    with pytest.raises(
        DataError, match=r"recording m/0: no samples; got shape \(2, 0\); expected \(2, 600\); leave it"
    ):
        make(tmp_path, Memory(change=lambda _, x: x[:, :0]))


def test_dead_sensors_are_no_copies_of_each_other_and_renamed_recordings_are(tmp_path):
    dead = make(tmp_path, Memory(change=lambda _, x: x * 0 + 3))
    assert dead.table["content"].nunique() == 3
    fixed = np.random.default_rng(0).standard_normal((2, 600))
    gains = [1.0, -2.5, 1e-3]
    same = make(tmp_path, Memory(name="s", change=lambda row, _: fixed * gains[row.name] + 0.1))
    assert same.table["content"].nunique() == 1


# Faults


def damage(path, how):
    """Damage a file, and leave its time as it was if `how` says so."""
    before = path.stat()
    content = bytearray(path.read_bytes())
    if how == "cut":
        content = content[: len(content) // 2]
    elif how == "cut by one byte":
        content = content[:-1]
    elif how == "empty":
        content = bytearray()
    elif how == "garbage":
        content = bytearray(np.random.default_rng(0).bytes(len(content)))
    elif how == "zeros":
        content = bytearray(len(content))
    elif how.startswith("bit of a sample"):
        content[open_store(path).position + 4001] ^= 1
    elif how == "bit of the table":
        content[content.index(b'"inner"') + 2] ^= 1
    path.write_bytes(content)
    if how.endswith("old time"):
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


@pytest.mark.parametrize(
    "how",
    [
        "cut", "cut by one byte", "empty", "garbage", "zeros", "bit of a sample", "bit of a sample, old time",
        "bit of the table",
    ],
)  # fmt: skip
def test_a_damaged_store_is_noticed_and_built_again(tmp_path, caplog, how):
    expected = make(tmp_path).signals.copy()
    path = make(tmp_path).path  # opened twice: the second time by the short check
    damage(path, how)
    store_module._checked.cache_clear()  # another process: this one has checked the file of this size and time
    with caplog.at_level(logging.WARNING, "phmbench"):
        store = make(tmp_path)
    assert "is damaged" in caplog.text
    assert "it is built again" in caplog.text
    assert np.array_equal(store.signals, expected)
    store.verify()


def test_jobs_of_one_process_open_a_store_once(tmp_path):
    """The same object, until the file is another one."""
    first = make(tmp_path)
    assert make(tmp_path) is make(tmp_path)
    os.utime(first.path)
    assert make(tmp_path) is not first


def test_a_store_of_another_format_is_built_again(tmp_path, caplog):
    path = make(tmp_path).path
    with h5py.File(path, "a") as file:
        file.attrs["format"] = 0
    make(tmp_path)
    assert "of another format, or has been changed" in caplog.text


def test_verify_reads_everything(tmp_path):
    store = make(tmp_path)
    store.verify()
    damage(store.path, "bit of a sample")
    with pytest.raises(
        DataError, match=r"store: samples of 1 recordings have changed: m/0; .*delete the file, it is built"
    ):
        open_store(store.path).verify()


def test_a_store_that_is_missing_or_damaged_cannot_be_opened_by_path(tmp_path):
    with pytest.raises(DataError, match=r"store: cannot be opened .*; expected a whole store; run the command again"):
        open_store(tmp_path / "none.h5")
    path = make(tmp_path).path
    damage(path, "cut")
    with pytest.raises(DataError, match=r"store: cannot be opened \(it is cut short"):
        open_store(path)


BUILDER = """
import sys
from pathlib import Path
from test_store import Memory, make
source = Memory([{"n_samples": 60_000}] * 6, pause_s=float(sys.argv[2]))
source.signal_ = source.signal
def signal(row, channels):
    print("signal", flush=True)
    return source.signal_(row, channels)
source.signal = signal
store = make(Path(sys.argv[1]), source)
print("done", store.path.stat().st_ino, float(store.signals.sum()), flush=True)
"""


def builder(cache, pause_s):
    """Start a process that builds a store of six recordings, with a pause before each."""
    here = Path(__file__).parent
    paths = os.pathsep.join([str(here), str(here.parents[2])])
    return subprocess.Popen(
        [sys.executable, "-c", BUILDER, str(cache), str(pause_s)],
        env={**os.environ, "PYTHONPATH": paths},
        stdout=subprocess.PIPE,
        text=True,
    )


def test_a_builder_that_is_killed_leaves_no_lock_and_no_half_store(tmp_path):
    process = builder(tmp_path, 0.1)
    for _ in range(3):
        assert process.stdout.readline() == "signal\n"
    process.send_signal(signals_of_the_system.SIGKILL)
    process.wait()
    process.stdout.close()
    assert len(files(tmp_path, "*.tmp")) == 1
    assert files(tmp_path) == []
    make(tmp_path)  # another store: what the dead builder left is cleared all the same
    assert files(tmp_path, "*.tmp") == []
    source = Memory([{"n_samples": 60_000}] * 6)
    store = make(tmp_path, source)
    assert np.array_equal(store.recording(5), source.raw(source.table().loc[5]).astype(np.float32))


def test_a_living_builder_is_left_alone(tmp_path):
    process = builder(tmp_path, 0.3)
    assert process.stdout.readline() == "signal\n"
    make(tmp_path)  # another store, meanwhile
    assert len(files(tmp_path, "*.tmp")) == 1
    assert process.communicate(timeout=60)[0].splitlines()[-1].startswith("done ")
    assert len(files(tmp_path)) == 2


def test_two_processes_build_a_store_once_and_see_the_same(tmp_path):
    both = [builder(tmp_path, 0.05) for _ in range(2)]
    outputs = [process.communicate(timeout=60)[0].splitlines() for process in both]
    assert [process.returncode for process in both] == [0, 0]
    assert sum(output.count("signal") for output in outputs) == 6
    assert outputs[0][-1] == outputs[1][-1]
    assert outputs[0][-1].startswith("done ")


FULL = """
import os, resource, sys
from pathlib import Path
from phmbench.errors import DataError
from test_store import Memory, make
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), int(sys.argv[2])))
if sys.argv[3] == "no":
    del os.posix_fallocate  # as on macOS: the disk is found to be full while writing
try:
    make(Path(sys.argv[1]), Memory([{"n_samples": 60_000}] * 6))
except DataError as error:
    print(error)
"""


@pytest.mark.parametrize(("limit", "reserves"), [(2_883_000, "yes"), (1_000_000, "no"), (2_890_000, "no")])
def test_a_full_disk_is_said_and_leaves_nothing_behind(tmp_path, limit, reserves):
    """Six recordings, two channels, 60,000 samples of 4 bytes: 2,880,000 bytes; the last limit is met by the table."""
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] == resource.RLIM_INFINITY
    here = Path(__file__).parent
    out = subprocess.run(
        [sys.executable, "-c", FULL, str(tmp_path), str(limit), reserves],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(here), str(here.parents[2])])},
        capture_output=True,
        text=True,
        check=False,
    )
    assert out.returncode == 0, out.stderr
    assert "store: no room on the disk (File too large); got " in out.stdout
    assert "expected 2,880,000 bytes free" in out.stdout
    assert "PHMBENCH_CACHE" in out.stdout
    assert files(tmp_path) == files(tmp_path, "*.tmp") == []
    assert make(tmp_path, Memory([{"n_samples": 60_000}] * 6)).signals.size == 720_000


def test_a_cache_that_cannot_be_a_folder_is_said(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(
        DataError, match=r"paths\.cache: cannot be written \(.*irectory.*\); got .*; set paths\.cache or .*PHM"
    ):
        make(tmp_path / "file")


def test_a_folder_without_permission_is_said_and_a_store_in_it_can_be_read(tmp_path):
    store = make(tmp_path)
    (tmp_path / "stores").chmod(0o555)
    if os.access(tmp_path / "stores", os.W_OK):
        pytest.skip("root may write everywhere")
    try:
        assert make(tmp_path).key == store.key
        with pytest.raises(DataError, match=r"paths\.cache: cannot be written \(Permission denied\)"):
            make(tmp_path, where="load == 1")
    finally:
        (tmp_path / "stores").chmod(0o755)


def test_an_error_of_a_source_stays_what_it_is(tmp_path):
    def deny(row, signal):
        raise PermissionError(13, "Permission denied", "/data/file.mat")

    with pytest.raises(PermissionError, match=r"file\.mat"):
        make(tmp_path, Memory(change=deny))
    assert files(tmp_path, "*.tmp") == []


@pytest.mark.slow
def test_memory_does_not_grow_with_the_store(tmp_path):
    """Recordings of 4 MB: to build 24 of them takes hardly more memory than to build 8."""
    code = (
        "import resource, sys; from pathlib import Path; from test_store import Memory, make\n"
        "import numpy as np\n"
        "one = np.random.default_rng(0).standard_normal((1, 1_000_000)).astype(np.float32)\n"
        "make(Path(sys.argv[1]), Memory([{'n_samples': 1000, 'channels': ('a',)}], name='warm'))\n"
        "start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "rows = [{'n_samples': 1_000_000, 'channels': ('a',)}] * int(sys.argv[2])\n"
        "make(Path(sys.argv[1]), Memory(rows, change=lambda row, _: one * (1 + row.name)))\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - start)\n"
    )
    here = Path(__file__).parent
    grown = []
    for number in (8, 24):
        out = subprocess.run(
            [sys.executable, "-c", code, str(tmp_path), str(number)],
            env={**os.environ, "PYTHONPATH": os.pathsep.join([str(here), str(here.parents[2])])},
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        grown.append(int(out.stdout) / 1024)
    assert grown[1] - grown[0] < 24, json.dumps(grown)  # 16 more recordings are 64 MB


@pytest.mark.realdata
def test_three_real_rigs_at_one_rate(tmp_path):
    """cwru DE at 12 kHz (60), hit_sm (42), mfpt (14) brought to 12 kHz: 29.3, 10.3 and 2.0 MB; no copies among them."""
    root = os.environ.get("PHMBENCH_DATA")
    if root is None:
        pytest.skip("PHMBENCH_DATA is not set")
    from phmbench.data.sources.bearing_datasets import BearingDatasets

    sources = {
        "cwru": BearingDatasets(name="cwru", root=root, channels=["DE"], where="fs == 12000"),
        "hit_sm": BearingDatasets(name="hit_sm", root=root, channels=["vibration"]),
        "mfpt": BearingDatasets(name="mfpt", root=root, channels=["vibration"]),
    }
    store = make(tmp_path, sources, sample_rate=12_000.0)
    assert store.table["dataset"].value_counts().to_dict() == {"cwru": 60, "hit_sm": 42, "mfpt": 14}
    length = store.table.groupby("dataset")["length"].max()
    assert length["hit_sm"] == 61_440  # 262,144 samples at 51.2 kHz: 5.12 s
    assert length["mfpt"] == 36_000  # 146,484 at 48.828 kHz: 3 s to the sample
    assert np.isfinite(store.signals).all()
    everything = np.arange(len(store.table))
    assert copies(store.table["content"], store.fingerprints, everything, everything).tolist() == []
    own = sources["cwru"].table()
    row = own.index[own["recording"] == store.table["recording"].iloc[5]][0]
    raw = sources["cwru"].signal(own.loc[row], ("DE",))
    assert np.array_equal(store.recording(5), raw.astype(np.float32))
    again = make(tmp_path, sources, sample_rate=12_000.0)
    assert again.key == store.key
    again.verify()


def test_a_source_that_fills_one_array_again_and_again(tmp_path):
    """Hashes are taken beside the reading of the next recording: they would be of what was not stored."""
    array = np.empty((2, 600), np.float32)

    def fill(row, signal):
        array[:] = signal
        return array

    with pytest.raises(DataError, match="m/1: its source gives an array that it has given before; got the memory of"):
        prepare({"m": Memory(change=fill)}, **CHOICES, cache=tmp_path)
    prepare({"m": Memory(change=lambda row, signal: fill(row, signal).copy())}, **CHOICES, cache=tmp_path)
