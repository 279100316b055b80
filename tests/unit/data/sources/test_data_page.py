"""The example of docs/data.md is what the page says it is."""

import re
from pathlib import Path

import numpy as np

from phmbench.data.sources.folder import Folder

PAGE = Path(__file__).parents[4] / "docs" / "data.md"


def test_the_example_makes_twelve_recordings_of_six_bearings(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (program,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    exec(compile(program, str(PAGE), "exec"), {})
    source = Folder(root="machines", table="recordings.csv")
    table = source.table()
    assert len(table) == 12
    assert table["unit"].nunique() == 6
    assert table.groupby("fault_type")["unit"].nunique().to_dict() == {"inner": 3, "normal": 3}
    assert set(table["condition"]) == {"1500 rpm", "1800 rpm"}
    assert all(np.isfinite(source.signal(row, ["0"])).all() for _, row in table.iterrows())
