"""The source of the package bearing-datasets: on a tiny built root of its format, and on the real recordings."""

import json
import os
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from phmbench.data.sources import facts
from phmbench.data.sources.bearing_datasets import LEADING, BearingDatasets
from phmbench.errors import DataError


def built(root: Path, name: str, signals: dict[str, np.ndarray], **columns) -> Path:
    """A built data set: one row per signal ("recording/channel"), two signals in each row group."""
    folder = root / name
    (folder / "signals").mkdir(parents=True)
    ids = list(signals)
    table = pd.DataFrame(
        {
            "dataset": name,
            "signal_id": ids,
            "recording_id": [i.split("/")[0] for i in ids],
            "native_label": "unknown",
            "channel": [i.split("/")[1] for i in ids],
            "sensor_location": "test_bearing",
            "fs": 1000,
            "n_samples": [len(x) for x in signals.values()],
            "fault_type": "inner",
            "fault_location": "test_bearing",
            "sensor_at_fault": True,
            "signal_file": "part-float64.parquet",
            "signal_row_group": [i // 2 for i in range(len(ids))],
            "signal_row": [i % 2 for i in range(len(ids))],
            "quantity": "acceleration",
            "unit": "g",
            **columns,
        }
    )
    table.to_parquet(folder / "metadata.parquet")
    part = pa.table({"signal_id": ids, "signal": [x.tolist() for x in signals.values()]})
    pq.write_table(part, folder / "signals" / "part-float64.parquet", row_group_size=2)
    manifest = {"dataset": name, "content_hash": "abc", "schema_version": 2, "n_recordings": 2, "n_signals": len(ids)}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return folder


@pytest.fixture
def root(tmp_path):
    """Two recordings of x, y (1000 Hz) and slow (shorter); stored in the order b, a."""
    signals = {
        f"{r}/{c}": np.arange(n) + 100.0 * k for k, r in enumerate("ba") for c, n in (("x", 8), ("y", 8), ("slow", 4))
    }
    built(tmp_path, "tiny", signals, load=[1.0] * 3 + [2.0] * 3, load_unit="N", speed_rpm=600.0, bearing_id=["B1"] * 6)
    return tmp_path


def test_one_row_per_recording_in_storage_order(root):
    table = BearingDatasets(name="tiny", root=root).table()
    assert list(table.columns[: len(LEADING)]) == list(LEADING)
    assert list(table["recording"]) == ["tiny/b", "tiny/a"]
    assert list(table["channels"]) == [("x", "y"), ("x", "y")]  # not slow, which has another length
    assert list(table["unit"]) == ["tiny/B1", "tiny/B1"]
    assert list(table["condition"]) == ["1 N, 600 rpm", "2 N, 600 rpm"]
    assert table["native_label"].isna().all()  # "unknown"
    assert list(table["signal_unit"]) == ["g", "g"]
    assert table[["bpfo", "bpfi", "bsf", "ftf", "rul_s"]].isna().all(axis=None)


def test_signal_gives_the_channels_in_the_order_asked_for(root):
    source = BearingDatasets(name="tiny", root=root)
    row = source.table().iloc[1]
    np.testing.assert_array_equal(source.signal(row, ["y", "x"]), [np.arange(8) + 100.0] * 2)


def test_the_first_default_channel_leads(root):
    table = BearingDatasets(name="tiny", root=root, channels=["slow"]).table()
    assert list(table["channels"]) == [("slow",), ("slow",)]
    assert list(table["n_samples"]) == [4, 4]


def test_where_selects_recordings_and_changes_the_fingerprint(root):
    every, some = (BearingDatasets(name="tiny", root=root, where=w) for w in (None, "load == 2"))
    assert list(some.table()["recording"]) == ["tiny/a"]
    assert every.fingerprint() != some.fingerprint()
    assert every.fingerprint() == json.loads(json.dumps(every.fingerprint()))
    assert every.fingerprint()["facts"] == facts.version()


def test_not_built_names_the_command(tmp_path):
    source = BearingDatasets(name="cwru", root=tmp_path)
    with pytest.raises(
        DataError, match=rf"cwru: not built.*`bearing-datasets --root {tmp_path} build cwru`.*PHMBENCH_DATA"
    ):
        source.table()
    with pytest.raises(DataError, match="not built"):
        source.fingerprint()


@pytest.mark.parametrize("file", ["manifest.json", "metadata.parquet", "signals/part-float64.parquet"])
@pytest.mark.parametrize("content", [b"", b"garbage", None], ids=["empty", "garbage", "truncated"])
def test_a_damaged_file_says_which_and_how_to_build_it_again(root, file, content):
    path = root / "tiny" / file
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2] if content is None else content)
    source = BearingDatasets(name="tiny", root=root)
    with pytest.raises(DataError, match=r"tiny: damaged or outdated; got .*build --force tiny`"):
        source.signal(source.table().iloc[0], ["x"])


def test_another_length_than_the_metadata_say_is_damage(root):
    source = BearingDatasets(name="tiny", root=root)
    row = source.table().iloc[0].copy()
    row["n_samples"] = 9
    with pytest.raises(DataError, match=r"damaged or outdated.*b has \[8\] samples, not 9"):
        source.signal(row, ["x"])


def test_an_old_build_must_be_built_again(root):
    path = root / "tiny" / "manifest.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "schema_version": 1}))
    with pytest.raises(DataError, match=r"before 0\.2, with other column names.*build --force tiny"):
        BearingDatasets(name="tiny", root=root).table()


def test_channels_that_no_recording_has(root):
    with pytest.raises(DataError, match=r"tiny\.channels: no recording has z; got \['z'\]; expected of x, y, slow"):
        BearingDatasets(name="tiny", root=root, channels=["z"]).table()


def test_a_channel_that_a_recording_lacks(root):
    source = BearingDatasets(name="tiny", root=root)
    with pytest.raises(
        DataError, match=r"tiny/b: has no channel slow; got \['slow'\]; expected of x, y; choose another"
    ):
        source.signal(source.table().iloc[0], ["slow"])


def test_a_rig_column_makes_several_rigs(tmp_path):
    signals = {f"{r}/v": np.zeros(4) for r in "ab"}
    built(tmp_path, "two", signals, rig=["one", "other"], run_id=["r1", "r2"], operating_condition=["1", "2"])
    table = BearingDatasets(name="two", root=tmp_path).table()
    assert list(table["rig"]) == ["two/one", "two/other"]
    assert list(table["unit"]) == ["two/r1", "two/r2"]  # no bearing_id: one run is one bearing
    assert list(table["condition"]) == ["two 1", "two 2"]


def test_what_is_not_known_is_missing(tmp_path):
    """No bearing_id, run_id, load or speed: neither unit nor condition."""
    built(tmp_path, "bare", {"a/v": np.zeros(4)})
    row = BearingDatasets(name="bare", root=tmp_path).table().iloc[0]
    assert row[["unit", "condition", "load", "speed_rpm", "speed_nominal_rpm", "run_id"]].isna().all()


def test_many_speeds_are_measured_ones(tmp_path):
    """13 distinct speeds are more than facts.NOMINAL_SPEEDS, 12: none is taken for nominal."""
    signals = {f"r{i}/v": np.zeros(4) for i in range(13)}
    built(tmp_path, "many", signals, speed_rpm=np.arange(13.0) + 600)
    assert BearingDatasets(name="many", root=tmp_path).table()["speed_nominal_rpm"].isna().all()


def test_a_subset_under_a_name_of_its_own_has_the_facts_of_what_it_is_a_subset_of(tmp_path):
    folder = built(tmp_path, "cwru_small", {"a/DE": np.zeros(4)}, load=1.0, load_unit="hp", speed_rpm=1770.0)
    path = folder / "manifest.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "selection": {"of": "cwru", "channels": ["DE"]}}))
    row = BearingDatasets(name="cwru_small", root=tmp_path).table().iloc[0]
    assert row[["condition", "speed_nominal_rpm", "rig"]].tolist() == ["1 hp", 1772.0, "cwru_small"]


@pytest.fixture
def data():
    if "PHMBENCH_DATA" not in os.environ:
        pytest.skip("PHMBENCH_DATA is not set")
    return Path(os.environ["PHMBENCH_DATA"])


def same_as_the_package(source, root, count):
    """Signals of `count` recordings, spread over the table, are those of bearing_datasets itself."""
    import bearing_datasets

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        package = bearing_datasets.open(source.name, root)
    table = source.table()
    for position in np.linspace(0, len(table) - 1, count).astype(int):
        row = table.iloc[position]
        recording = row["recording"].removeprefix(f"{source.name}/")
        x = source.signal(row, row["channels"])
        assert x.shape == (len(row["channels"]), row["n_samples"])
        for channel, samples in zip(row["channels"], x, strict=True):
            np.testing.assert_array_equal(samples, package.signal(f"{recording}/{channel}"))
    return table


@pytest.mark.realdata
def test_cwru(data):
    where = 'fs == 12000 and fault_location == "motor_bearing_de"'
    table = same_as_the_package(BearingDatasets(name="cwru", root=data, channels=["DE"], where=where), data, 4)
    assert table["fault_type"].value_counts().to_dict() == {"outer": 28, "inner": 16, "rolling_element": 16}
    assert table["unit"].nunique() == 11
    assert set(table["rig"]) == {"cwru"}
    nominal = table.groupby("condition")["speed_nominal_rpm"].unique()
    assert {c: list(v) for c, v in nominal.items()} == {"0 hp": [1797], "1 hp": [1772], "2 hp": [1750], "3 hp": [1730]}
    assert (table["speed_rpm"] - table["speed_nominal_rpm"]).abs().max() < 30
    assert set(table["bpfo"]) == {3.5848}  # the drive-end bearing's, as DE is the default channel
    assert set(table["fault_severity"]) == {"0.007 in", "0.014 in", "0.021 in", "0.028 in"}


@pytest.mark.realdata
def test_cwru_at_48_khz_is_the_same_rig_with_the_same_units(data):
    table = same_as_the_package(BearingDatasets(name="cwru", root=data, channels=["DE"], where="fs == 48000"), data, 2)
    assert len(table) == 14
    at_12 = BearingDatasets(name="cwru", root=data, channels=["DE"], where="fs == 12000").table()
    assert set(table["unit"]) - set(at_12["unit"]) == {"cwru/healthy"}
    assert set(table["rig"]) == set(at_12["rig"])
    assert not set(table["recording"]) & set(at_12["recording"])


@pytest.mark.realdata
def test_fe_has_the_orders_of_its_own_bearing(data):
    table = BearingDatasets(name="cwru", root=data, channels=["FE"], where="fs == 12000 and load == 1").table()
    with_fe = table[[("FE" in c) for c in table["channels"]]]
    assert set(with_fe["bpfo"]) == {3.053}


@pytest.mark.realdata
def test_hit_sm(data):
    table = same_as_the_package(BearingDatasets(name="hit_sm", root=data, channels=["vibration"]), data, 3)
    assert len(table) == 42
    assert set(table["rig"]) == {"hit_sm/spectraquest", "hit_sm/self_built"}
    assert table["unit"].nunique() == 14
    assert "hit_sm/self_built/IR2" in set(table["unit"])
    assert table.groupby("unit").size().eq(3).all()
    assert set(table["condition"]) == {"600 rpm", "900 rpm", "1200 rpm"}
    by_rig = table.groupby("rig")[["bpfo", "bpfi", "bsf", "ftf"]].first()
    assert tuple(by_rig.loc["hit_sm/spectraquest"]) == (3.585, 5.415, 2.357, 0.398)
    assert by_rig.loc["hit_sm/self_built"].isna().all()


@pytest.mark.realdata
def test_mfpt(data):
    source = BearingDatasets(name="mfpt", root=data, channels=["vibration"], where="fs == 48828 and not field_data")
    table = same_as_the_package(source, data, 3)
    assert table["unit"].value_counts().to_dict() == {"mfpt/outer": 7, "mfpt/inner": 7}
    assert set(table["condition"]) == {f"{load} lbs" for load in (0, 25, 50, 100, 150, 200, 250, 300)}
    assert set(map(tuple, table[["bpfo", "bpfi", "bsf", "ftf"]].to_numpy())) == {(3.245, 4.755, 2.555, 0.406)}


@pytest.mark.realdata
def test_femto(data):
    table = same_as_the_package(BearingDatasets(name="femto", root=data, channels=["horizontal"]), data, 3)
    assert len(table) == 4155
    assert table["unit"].nunique() == 17
    assert table["fault_type"].isna().all()
    assert table.groupby("run_id")["rul_s"].min().between(0, 50).all()
    assert table["condition"].nunique() == 3


def test_a_rig_that_nothing_builds_is_none(tmp_path):
    with pytest.raises(DataError, match=r"cwri: no such rig; got no folder .*; did you mean 'cwru'\?"):
        BearingDatasets(name="cwri", root=tmp_path).table()
    with pytest.raises(DataError, match=r"zzz: no such rig; .* has none of that name; expected one of its 69; see"):
        BearingDatasets(name="zzz", root=tmp_path).table()
    with pytest.raises(DataError, match=r"ims: not built; got no manifest.json"):
        BearingDatasets(name="ims", root=tmp_path).table()


def test_a_root_that_is_no_folder(tmp_path):
    with pytest.raises(DataError, match=r"cwru: no folder of data sets; got .*nowhere; expected the root"):
        BearingDatasets(name="cwru", root=tmp_path / "nowhere").table()
