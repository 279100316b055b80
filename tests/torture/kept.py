"""Whole tables, stores and run directories, and their reading when one file of them is damaged."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd

from phmbench.data.sources.folder import Folder
from phmbench.data.sources.vibench import Vibench
from phmbench.data.store import prepare
from tests.conftest import ROOT
from tests.torture import whole
from tests.unit.record.conftest import CONFIG, fill, one

SIGNALS = np.random.default_rng(1).standard_normal((2, 1, 600)).astype(np.float32)


# -- tables of recordings --------------------------------------------------------------------------------------------


def folder_tables(folder: Path) -> list[bytes]:
    for name in ("a.npy", "b.npy"):
        np.save(folder / name, whole.X)
    rows = {"file": ["a.npy", "b.npy"], "fs": [12000, 12000.5], "label": ["normal", "inner"], "unit": ["1", "ü 2"]}
    table = pd.DataFrame(rows).assign(lot=[1, "x"])
    return [table.to_csv(index=False, sep=mark).encode() for mark in ",;\t"]


def read_folder_table(path: Path) -> None:
    source = Folder(root=path.parent, table=path.name)
    source.fingerprint()
    table = source.table()
    assert (table["fs"] > 0).all()
    assert not table["recording"].duplicated().any()


def vibench_tables(folder: Path) -> list[bytes]:
    import h5py

    with h5py.File(folder / "RM_1.h5", "w") as file:
        file["1"], file["2"] = whole.X, whole.X[:, :1]
    rows = {
        "Id": [1, 2],
        "Name": "RM_1",
        "Label": [0, 1],
        "Sample_rate": 12000,
        "Label_Description": ["normal", "inner"],
    }
    table = pd.DataFrame({**rows, "Domain_id": [1, None], "File": "f", "Fault_level": [None, 0.2]})
    return [table.to_csv(index=False).encode(), ("\ufeff" + table.to_csv(index=False)).encode()]


def vibench_sheets(folder: Path) -> list[bytes]:
    table, file = pd.read_csv(io.BytesIO(vibench_tables(folder)[0])), io.BytesIO()
    table.to_excel(file, index=False)
    stored = io.BytesIO()  # and without compression, so that damage falls on the cells
    with zipfile.ZipFile(file) as source, zipfile.ZipFile(stored, "w") as target:
        for name in source.namelist():
            target.writestr(name, source.read(name))
    return [file.getvalue(), stored.getvalue()]


def read_vibench_table(path: Path) -> None:
    source = Vibench(root=path.parent, metadata=path.name)
    source.fingerprint()
    table = source.table()
    assert (table["fs"] > 0).all()
    assert not table["recording"].duplicated().any()


# -- stores ----------------------------------------------------------------------------------------------------------


class Noise:
    """Two recordings."""

    default_channels = None

    def fingerprint(self) -> dict[str, object]:
        return {"noise": 1}

    def table(self) -> pd.DataFrame:
        rows = {"recording": ["n/a", "n/b"], "unit": ["a", "b"], "fault_type": ["x", "ü"], "channels": [("c",)] * 2}
        return pd.DataFrame(rows).assign(dataset="n", rig="n", condition="c", fs=1000.0, n_samples=600)

    def signal(self, row: pd.Series, channels: object) -> np.ndarray:
        return SIGNALS[int(row["recording"] == "n/b")]


def _store(cache: Path):
    return prepare({"n": Noise()}, where=None, ids=None, channels=None, sample_rate=None, cache=cache)


def stores(folder: Path) -> list[bytes]:
    return [_store(folder).path.read_bytes()]


def sidecars(folder: Path) -> list[bytes]:
    _store(folder)
    return [_store(folder).path.with_suffix(".seen").read_bytes()]  # written when the store is opened again


def _same(store) -> None:
    np.testing.assert_array_equal(store.signals, SIGNALS.ravel())
    assert list(store.table["fault_type"]) == ["x", "ü"]
    assert store.channels == ("c",)


def read_store(path: Path) -> None:
    """Whatever became of the file: what is opened is what was written."""
    there = _store(path.parent).path
    there.write_bytes(path.read_bytes())
    _same(_store(path.parent))


def read_sidecar(path: Path) -> None:
    _store(path.parent).path.with_suffix(".seen").write_bytes(path.read_bytes())
    _same(_store(path.parent))


# -- run directories -------------------------------------------------------------------------------------------------


def _run(folder: Path) -> Path:
    """A finished run directory, as the tests of the record make it, with a configuration that is really composed."""
    from phmbench.record import Record

    run = folder / "run"
    if not run.exists():
        record = Record.open(run, CONFIG)
        fill(record)
        record.finish(one(), pages=False)
    return run


def configurations(folder: Path) -> list[bytes]:
    """What `phmbench show` writes into a record."""
    program = (
        "import yaml; from phmbench import cli; from hydra.core.hydra_config import HydraConfig\n"
        "line = cli.Line(['trainer=cpu'])\n"
        "with line.hydra() as hydra:\n"
        "    composed = line.compose(hydra); HydraConfig.instance().set_config(composed)\n"
        "    print(yaml.safe_dump(cli.checked(line, composed, {}), allow_unicode=True))\n"
    )
    return [subprocess.run([sys.executable, "-c", program], capture_output=True, check=True, cwd=ROOT).stdout]


def read_configuration(path: Path) -> None:
    """As `rerun` and `resume` do before they run anything."""
    import argparse

    from phmbench import cli
    from phmbench.record.configuration import leaves, read_config

    there = _run(path.parent)
    (there / path.name).write_bytes(path.read_bytes())
    cli._recorded(argparse.Namespace(dir=there, trust=[]))
    assert list(leaves(read_config(there)))


def results(folder: Path) -> list[bytes]:
    return [(_run(folder) / "metrics.json").read_bytes()]


def read_result(path: Path) -> None:
    """As `report` and `resume` do."""
    from phmbench.record import report
    from phmbench.record.status import read_metrics, state

    there = _run(path.parent)
    (there / path.name).write_bytes(path.read_bytes())
    state(there)
    outcome = read_metrics(there)
    json.dumps(outcome, allow_nan=False)
    report.write_report(there, outcome=outcome)


def statuses(folder: Path) -> list[bytes]:
    return [(_run(folder) / "status.json").read_bytes()]


def read_said(path: Path) -> None:
    from phmbench.record.status import read_status, state

    there = _run(path.parent)
    (there / "metrics.json").unlink(missing_ok=True)
    (there / path.name).write_bytes(path.read_bytes())
    read_status(there)
    assert state(there) in ("running", "done", "failed", "interrupted")


def predictions(folder: Path) -> list[bytes]:
    return [(_run(folder) / "predictions.h5").read_bytes()]


def read_predictions(path: Path) -> None:
    """As `report` does for the figures."""
    from phmbench.record.predictions import read

    found = read(path.parent)
    assert found.scores.shape == (len(found.target), len(found.classes))
    assert all(example.signal.ndim == 2 for example in found.examples)
