"""Against the best baseline, over protocols, and what the board is written as."""

from __future__ import annotations

import csv
import io
import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from phmbench import cli
from phmbench.leaderboard import board, ranking, text
from phmbench.leaderboard.ranking import Ranking
from tests.test_imports import command
from tests.unit.leaderboard.made import answers, baseline, config, fit, folds, seeds


def test_many_units_can_speak_and_few_cannot(tmp_path: Path):
    """8 units of each class, all of them better: 2 of 65 536 exchanges, of which 9 999 are drawn; 2 of each: of 16."""
    for units, name in ((8, "many"), (2, "few")):
        fit(tmp_path / name / "net", config(), answers(4, units=units), hash=name)
        fit(tmp_path / name / "trees", baseline(), answers(1, units=units), hash=name)
        fit(tmp_path / name / "rms", baseline("amplitude"), answers(0, units=units), hash=name)
    said = {
        len(c.cells["wdcnn"].fits[0].unit_of): c.comparisons for c in board.read([tmp_path], metric="accuracy").columns
    }
    many, few = said[16][0], said[4][0]
    assert (many.method, many.baseline, many.difference) == ("wdcnn", "rf_orders", 0.75)
    assert many.said == "better than rf_orders: p = 0.0002 over 16 units (least possible 0.0001)"
    assert said[16][1].said.startswith("worse than rf_orders: p = 0.0002")
    assert few.said == ("cannot speak: 4 units in which the two differ give p ≥ 0.125, and there are 2 comparisons")
    assert many.interval is not None
    assert many.interval.low == many.interval.high == 0.75


def test_folds_have_a_test_of_their_own(tmp_path: Path):
    each = {str(i): answers(3, first=10 * i) for i in range(4)}
    folds(tmp_path / "a", config(), each)
    folds(tmp_path / "b", baseline(), {name: answers(2, first=10 * i) for i, name in enumerate(each)})
    (one,) = board.read([tmp_path], metric="accuracy").columns[0].comparisons
    assert one.folds is not None
    assert (one.folds.p, one.folds.pairs) == (0.125, 4)
    assert one.said.endswith("over 4 folds cannot speak, p ≥ 0.125")


def test_seeds_that_both_have_are_paired(tmp_path: Path):
    """The split does not depend on the seed: a baseline of one seed stands beside a network of three."""
    seeds(tmp_path / "a", config(), [answers(4, units=6), answers(0, units=6), answers(0, units=6)])
    fit(tmp_path / "b", baseline(), answers(1, units=6))
    (column,) = board.read([tmp_path], metric="accuracy").columns
    (one,) = column.comparisons
    assert one.units is not None
    assert (one.units.difference, one.difference) == (0.75, pytest.approx(1 / 3 - 1 / 4))
    assert "1 seed" in text.remarks(column.cells["rf_orders"], column)


def test_what_cannot_be_paired_is_said(tmp_path: Path):
    fit(tmp_path / "a", config(seed=1), answers(3))
    fit(tmp_path / "b", baseline(seed=0), answers(2))
    (one,) = board.read([tmp_path], metric="accuracy").columns[0].comparisons
    assert (one.units, one.said) == (None, "no test over units: their tests cannot be paired")


def test_no_baseline_is_no_comparison(tmp_path: Path):
    fit(tmp_path / "a", config(), answers(3))
    found = board.read([tmp_path], metric="accuracy")
    assert "No protocol has a baseline and another method." in text.markdown(found, "why", command="c")


def many(folder: Path, *, protocols: int) -> None:
    """Three methods that are better one than the other on each protocol; a fourth lacks one of them."""
    for number in range(protocols):
        key = f"data{number}"
        fit(folder / key / "net", config(), answers(4), hash=key)
        fit(folder / key / "trees", baseline(), answers(3), hash=key)
        fit(folder / key / "rms", baseline("amplitude"), answers(1), hash=key)
        if number:
            fit(folder / key / "most", baseline("majority"), answers(2), hash=key)


def test_eight_protocols_make_a_ranking(tmp_path: Path):
    """Mean ranks 1, 2, 3 with a critical difference of 2.343 · sqrt(12 / 48) = 1.17: first and last differ, neighbours
    do not."""
    many(tmp_path, protocols=8)
    found = board.read([tmp_path], metric="accuracy")
    ranks = ranking.ranking(found)
    assert isinstance(ranks, Ranking)
    assert (ranks.methods, ranks.ranks.mean) == (("wdcnn", "rf_orders", "amplitude"), (1.0, 2.0, 3.0))
    assert ranks.ranks.critical == pytest.approx(1.1715, abs=1e-3)
    assert ranks.alike == ((0, 1), (1, 2))
    assert ranks.said == "over 8 protocols wdcnn has the best mean rank, 1.00, and is better than amplitude"
    files = ranking.draw(ranks, tmp_path, metric="accuracy", baselines=found.baselines)
    assert [file.name for file in files] == [f"critical_difference.{kind}" for kind in ("png", "svg", "csv")]
    assert "amplitude 3.00" in files[1].read_text(encoding="utf-8")
    assert "wdcnn,1.0" in files[2].read_text(encoding="utf-8")


def test_fewer_protocols_make_none(tmp_path: Path):
    many(tmp_path, protocols=7)
    why = ranking.ranking(board.read([tmp_path], metric="accuracy"))
    assert why == (
        "a critical-difference diagram takes 8 protocols and 3 methods with a result in each of them; of such "
        "protocols there are 7 here, with 3 methods"
    )


def test_methods_that_are_alike_are_said_to_be():
    found = Ranking(("a", "b", "c"), ("p",) * 8, ranking.ranks(__import__("numpy").eye(8, 3)), ((0, 2),))
    assert found.said.startswith("over 8 protocols no difference between the 3 methods is shown (Friedman p = ")


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    many(tmp_path / "runs", protocols=8)
    (tmp_path / "runs" / "x").mkdir()
    (tmp_path / "runs" / "x" / "job.json").write_text(json.dumps({"config": baseline("a|b"), "trial": None}))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def written(*words: str) -> int:
    with pytest.raises(SystemExit) as end:
        cli.main(["leaderboard", *words])
    return int(end.value.code or 0)


def test_the_command_writes_markdown_csv_and_a_page(made: Path, capsys: pytest.CaptureFixture[str]):
    assert written("runs", "--metric", "accuracy", "--into", "out") == 0
    assert capsys.readouterr().out.split() == ["out/leaderboard.md", "out/leaderboard.csv", "out/leaderboard.html"]
    page = (made / "out" / "leaderboard.md").read_text(encoding="utf-8")
    assert "5 methods × 8 protocols, accuracy of the test set; 32 runs" in page
    assert "Made by `phmbench leaderboard runs --metric accuracy --into out`." in page
    assert "| **1.000**<br>[1.000, 1.000] |" in page
    assert "data data0: a\\|b: not run" in page
    assert "not run" in page
    assert "![over 8 protocols wdcnn has the best mean rank" in page
    assert str(made) not in page
    rows = list(csv.DictReader(io.StringIO((made / "out" / "leaderboard.csv").read_text(encoding="utf-8"))))
    assert len(rows) == 5 * 8
    first = next(row for row in rows if row["method"] == "wdcnn")
    assert (first["mean"], first["low"], first["least_units"], first["baseline"]) == ("1.0", "1.0", "3", "rf_orders")
    whole = (made / "out" / "leaderboard.html").read_text(encoding="utf-8")
    assert 'href="../runs/data0/net/metrics.json"' in whole
    assert "data:image/svg+xml;base64," in whole
    assert "http://" not in whole.replace("http://www.w3.org", "")


def test_the_same_runs_give_the_same_files(made: Path, capsys: pytest.CaptureFixture[str]):
    contents = []
    for _ in range(2):
        assert written("runs", "--into", "out") == 0
        contents.append([file.read_bytes() for file in sorted((made / "out").rglob("*")) if file.is_file()])
    assert contents[0] == contents[1]


def test_json_is_for_programs_and_writes_nothing(made: Path, capsys: pytest.CaptureFixture[str]):
    assert written("runs", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert found["metric"] == "test/macro_f1"
    assert found["ranks"]["wdcnn"] == 1.0
    assert {cell["method"] for cell in found["protocols"][0]["cells"]} >= {"wdcnn", "rf_orders", "amplitude"}
    assert not (made / "leaderboard").exists()


def test_a_folder_without_runs_is_exit_code_5(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert written(str(tmp_path)) == 5
    assert "no run found" in capsys.readouterr().err


def test_torch_stays_away(made: Path):
    code, heavy, printed = command("leaderboard", str(made / "runs"), "--into", str(made / "out"))
    assert code == 0, printed
    assert not {"torch", "lightning", "torchmetrics", "sklearn", "pyarrow"} & set(heavy)


BROWSER = shutil.which("chromium") or shutil.which("google-chrome")


@pytest.mark.slow
@pytest.mark.skipif(BROWSER is None, reason="no chromium")
@pytest.mark.parametrize("width", [400, 1200])
def test_a_browser_shows_the_page_within_the_width_of_the_screen(made: Path, width: int):
    """In a frame of that width; tables scroll inside of it, and the diagram is loaded."""
    assert written("runs", "--into", "out") == 0
    page = made / "out" / "leaderboard.html"
    script = (
        "<script>addEventListener('load',()=>{document.title=[document.documentElement.scrollWidth,"
        "[...document.images].filter(i=>i.naturalWidth>0).length].join()})</script></body>"
    )
    page.write_text(page.read_text(encoding="utf-8").replace("</body>", script), encoding="utf-8")
    frame = page.with_name("frame.html")
    frame.write_text(
        f'<iframe src="leaderboard.html" style="width:{width}px;height:900px;border:0"></iframe><p id="said"></p>'
        "<script>addEventListener('load',()=>setTimeout(()=>{said.textContent='said '+frames[0].document.title},500))"
        "</script>"
    )
    flags = (
        "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
        "--disable-component-update --disable-sync --allow-file-access-from-files --virtual-time-budget=5000"
    )
    done = subprocess.run(
        [str(BROWSER), *flags.split(), f"--user-data-dir={made / 'browser'}", "--window-size=1400,1000", "--dump-dom",
         frame.as_uri()],
        capture_output=True, text=True, timeout=120, check=True,
    )  # fmt: skip
    found = re.search(r"said (\d+),(\d+)", done.stdout)
    assert found is not None
    assert int(found[1]) <= width
    assert int(found[2]) == 1
