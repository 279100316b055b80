"""Figures and page: made from the record alone, saying what they show, with the numbers beside them."""

import base64
import csv
import math
import re
import shutil
import struct
import subprocess
from html.parser import HTMLParser

import numpy as np
import pytest

from phmbench.errors import RecordError
from phmbench.record import Record, curves, figures, predictions, report, result, spectra, style, windows


def rows(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_a_sine_on_a_bin_gives_its_amplitude():
    """1.5 sin(2π 250 t), 1000 samples at 1 kHz: bin 250 is 250 Hz; a Hann window spreads half to each neighbour."""
    time = np.arange(1000) / 1000
    hz, amplitude = spectra.spectrum(3 + 1.5 * np.sin(2 * np.pi * 250 * time), 1000.0)
    assert hz[250] == 250
    assert amplitude[[249, 250, 251]] == pytest.approx([0.75, 1.5, 0.75])
    assert np.delete(amplitude, [249, 250, 251]).max() < 1e-12


@pytest.mark.parametrize("n", [1000, 1001])
def test_the_envelope_of_a_modulated_tone_is_its_modulation(n):
    """(1 + 0.5 cos 2π 20 t) sin 2π 300 t over whole periods: the envelope is 1 + 0.5 cos 2π 20 t."""
    time = np.arange(n) / n
    modulation = 1 + 0.5 * np.cos(2 * np.pi * 20 * time)
    assert spectra.envelope(modulation * np.sin(2 * np.pi * 300 * time)) == pytest.approx(modulation)
    hz, amplitude = spectra.envelope_spectrum(modulation * np.sin(2 * np.pi * 300 * time), float(n))
    assert (hz[20], amplitude[20]) == pytest.approx((20, 0.5))


def lines(label, **more):
    return [
        (round(one.hz, 3), one.name)
        for one in spectra.fault_lines(
            label, **{"speed_hz": 10.0, "orders": (3.5, 5.5, 2.4, 0.4), "harmonics": 2, **more}
        )
    ]


def test_lines_of_each_fault_at_ten_turns_a_second():
    """Orders 3.5, 5.5, 2.4, 0.4; the inner ring passes the load zone once a turn (± 10 Hz), the cage turns at 4 Hz."""
    assert lines("inner") == [(55, "BPFI"), (45, ""), (65, ""), (110, "2 BPFI"), (100, ""), (120, "")]
    assert lines("outer") == [(35, "BPFO"), (70, "2 BPFO")]
    assert lines("rolling_element", harmonics=1) == [(24, "BSF"), (20, ""), (28, "")]
    assert lines("cage", harmonics=1) == [(4, "FTF")]
    assert lines("normal") == [(35, "BPFO"), (55, "BPFI"), (24, "BSF"), (4, "FTF")]
    assert lines("inner+outer", harmonics=1) == [(35, "BPFO"), (55, "BPFI"), (45, ""), (65, "")]


def test_no_lines_where_speed_or_orders_are_unknown():
    nan = math.nan
    assert lines("inner", speed_hz=nan) == []
    assert lines("inner", orders=(nan, nan, nan, nan)) == []
    assert lines("rolling_element", orders=(3.5, nan, 2.4, nan), harmonics=1) == [(24, "BSF")]
    assert lines("inner", orders=(3.5, nan, nan, nan)) == [(35, "BPFO")]


def test_prominence_by_hand():
    """Lines every 1 Hz of height 2, but 10 at 50 Hz: 5 times the background. Beyond the spectrum: unknown."""
    hz = np.arange(0.0, 101.0)
    amplitude = np.full(101, 2.0)
    amplitude[50] = 10.0
    assert spectra.prominence(hz, amplitude, 50.0) == 5
    assert math.isnan(spectra.prominence(hz, amplitude, 500.0))


def test_predictions_come_back_as_they_were_written(done):
    read = predictions.read(done)
    assert read.recording.tolist() == [0, 0, 1]
    assert read.names == ("a", "b")
    assert read.start.tolist() == [0, 10, 0]
    assert read.target.tolist() == [0, 1, 2]
    assert read.scores.tolist() == np.eye(3).tolist()
    assert (read.classes, read.window) == (("inner", "normal", "outer"), 4096)
    one = read.examples[2]
    assert (one.label, one.recording, one.signal.shape) == ("outer", "cwru/outer", (1, 4096))
    assert (one.rate_hz, one.speed_hz, one.orders, one.channels, one.unit) == (
        12000, 29.2, (3.585, 5.415, 2.357, 0.398), ("DE",), "g",
    )  # fmt: skip


GOOD = {"recording": [0], "names": ["a"], "start": [0], "target": [0], "scores": [[1.0]], "classes": ["x"], "window": 4}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"start": [0, 1]}, "columns do not fit; got .*'start': 2.*expected one row a window"),
        ({"scores": [[1.0, 2.0]]}, r"columns do not fit; got .* scores \(1, 2\) and 1 classes"),
        ({"recording": [3]}, "recording lies outside of its names; got 3 to 3; expected 0 to 0"),
        ({"target": [-1]}, "target lies outside of its names; got -1 to -1"),
    ],
)
def test_predictions_that_do_not_fit_are_refused(change, message):
    with pytest.raises(RecordError, match=message):
        predictions.encode(**{**GOOD, **change})


def test_an_example_without_a_rate_is_refused(example):
    with pytest.raises(RecordError, match=r"example inner: no window; got shape \(1, 4096\) at nan Hz"):
        predictions.encode(**GOOD, examples=[example("inner", rate_hz=math.nan)])


def test_no_predictions_at_all_can_be_written(tmp_path):
    nothing = {"recording": [], "start": [], "target": [], "scores": np.zeros((0, 1))}
    (tmp_path / "predictions.h5").write_bytes(predictions.encode(**{**GOOD, **nothing}))
    assert predictions.read(tmp_path).scores.shape == (0, 1)


def test_damaged_predictions_say_so(tmp_path, done):
    whole = (done / "predictions.h5").read_bytes()
    (tmp_path / "predictions.h5").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(
        RecordError,
        match=r"got bytes that are not those which were written, by the seal at the end; .*pipeline=evaluate",
    ) as caught:
        predictions.read(tmp_path)
    assert "expected the predictions of a run" in str(caught.value)


def test_every_figure_is_there_as_png_svg_and_numbers(done):
    for name in ("confusion", "curves", "windows"):
        png = (done / "figures" / f"{name}.png").read_bytes()
        width, height = struct.unpack(">II", png[16:24])
        assert png[:4] == b"\x89PNG"
        assert min(width, height) > 400
        assert len(rows(done / "figures" / f"{name}.csv")) > 5
        assert (done / "figures" / f"{name}.svg").read_text().startswith("<?xml")


def title(done, name):
    return re.search(r"<dc:title>(.*?)</dc:title>", (done / "figures" / f"{name}.svg").read_text(), re.DOTALL)[1]


def test_titles_say_what_the_figures_show(done):
    """Inner: 10 of 30 windows are taken for normal, the largest share of mistakes; validation is best at step 39."""
    assert title(done, "confusion") == "Macro F1 0.610: 33 % of inner is taken for normal"
    assert title(done, "curves") == "Validation macro F1 is best, 0.900, at step 39 of 59"
    assert title(done, "windows") == (
        "One test window of each class: the fault's own line stands out in 2 of 2 faults whose line a window can show"
    )


def test_numbers_beside_the_figures(done):
    confusion = rows(done / "figures" / "confusion.csv")
    assert confusion[1] == {"true": "inner", "predicted": "normal", "windows": "10", "share": "0.333333"}
    drawn = {(r["metric"], r["step"], r["value"]) for r in rows(done / "figures" / "curves.csv")}
    assert ("val/macro_f1", "39.0", "0.9") in drawn
    assert not any(name.startswith("test/") for name, _, _ in drawn)
    kinds = {(r["class"], r["kind"]) for r in rows(done / "figures" / "windows.csv")}
    assert len(kinds) == 9


def test_drawing_again_gives_the_same_files(done, tmp_path):
    again = tmp_path / "again"
    shutil.copytree(done, again)
    shutil.rmtree(again / "figures")
    files = figures.draw(again)
    assert sorted(f.name for f in files) == sorted(f.name for f in (done / "figures").iterdir())
    assert (again / "figures" / "confusion.svg").read_bytes() == (done / "figures" / "confusion.svg").read_bytes()


def test_a_loss_is_best_where_it_is_lowest():
    assert curves._best({"val/loss": [(1, 0.9), (2, 0.3), (3, 0.4)]}, "val/loss") == (2, 0.3)
    assert curves._best({}, "val/loss") is None


def test_nothing_logged_draws_no_curves(tmp_path, fit):
    assert curves.draw(tmp_path, fit()) == []


def test_more_classes_than_fit_say_so(tmp_path, example):
    with style.drawing():
        windows.draw(tmp_path, [example(f"{i}", rate_hz=100.0)._replace(signal=np.ones((1, 8))) for i in range(13)])
    assert title(tmp_path, "windows").endswith("(first 12 of 13 classes)")


@pytest.fixture(scope="module")
def folds(tmp_path_factory):
    from conftest import CONFIG, one

    path = tmp_path_factory.mktemp("folds") / "run"
    with Record.open(path, CONFIG) as top:
        outcomes = {}
        for target, f1 in (("cwru", 0.5), ("mfpt & co", 0.7)):
            with top.child(f"target-{target}", CONFIG) as child:
                outcome = result.aggregate_repeats([one(seed=s, f1=f1 + s / 10) for s in range(2)])
                child.finish(outcome, pages=False)
                outcomes[target] = child.result()
        top.finish(result.aggregate_folds(outcomes))
    return path


def test_folds_are_drawn_with_their_spread(folds):
    """Means over two seeds: 0.55 and 0.75."""
    assert title(folds, "spread") == "Macro F1 from 0.550 (target cwru) to 0.750 (target mfpt &amp; co)"
    first, _, mean = rows(folds / "figures" / "spread.csv")
    assert (first["row"], float(first["mean"]), first["seeds"]) == ("cwru", pytest.approx(0.55), "0.5 0.6")
    assert (mean["row"], float(mean["mean"])) == ("mean", pytest.approx(0.65))


class Page(HTMLParser):
    """What a page holds, and whether its tags are balanced."""

    VOID = frozenset({"meta", "img", "br"})

    def __init__(self, text):
        super().__init__()
        self.open, self.images, self.links, self.text = [], [], [], []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.images += [dict(attrs)] if tag == "img" else []
        self.links += [v for k, v in attrs if k in ("href", "src")]
        self.open += [] if tag in self.VOID else [tag]

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


def test_the_page_is_one_file_with_everything_in_it(done):
    file = done / "report.html"
    page = Page(file.read_text())
    assert file.stat().st_size < 3_000_000
    assert [link for link in page.links if not link.startswith(("data:", "figures/"))] == []  # nothing from outside
    assert all(len(image["alt"]) > 40 for image in page.images)
    assert len(page.images) == 3
    text = " ".join(page.text)
    for part in ("0.610", "macro F1", "physical units (bearings, gears, machines) are separate", "_target_: a.B",
                 "samples 0 · recordings 0 · units 0", "class 'normal' comes from one rig alone", "numpy==",
                 f"phmbench rerun '{done}'", "54 321 parameters"):  # fmt: skip
        assert part in text, part


def test_figures_in_the_page_are_those_of_the_folder(done):
    page = Page((done / "report.html").read_text())
    kind, _, content = page.images[0]["src"].partition(";base64,")
    assert kind == "data:image/svg+xml"
    assert base64.b64decode(content) == (done / "figures" / "confusion.svg").read_bytes()


def test_the_page_of_folds_links_to_its_children(folds):
    page = Page((folds / "report.html").read_text())
    assert "target-cwru/metrics.json" in page.links
    assert "target-mfpt-co/metrics.json" in page.links
    for child in ("target-cwru", "target-mfpt-co"):
        report.write_report(folds / child)
    links = Page(report.write_report(folds).read_text()).links
    assert "target-cwru/report.html" in links
    assert all((folds / link).exists() for link in links if not link.startswith("data:"))


def test_names_are_escaped(tmp_path, config, fit):
    outcome = fit()
    outcome["choices"]["model"] = "<script>alert(1)</script>"
    outcome["split"]["notes"] = ['<img src="x">']
    Record.open(tmp_path, config).finish(outcome, pages=False)
    text = report.write_report(tmp_path).read_text()
    assert "<script>" not in text
    assert Page(text).images == []


def test_a_page_of_a_run_without_a_result_says_so(tmp_path, config):
    Record.open(tmp_path, config).interrupt()
    for make in (figures.draw, report.write_report):
        with pytest.raises(RecordError, match=r"metrics\.json: not found; .* phmbench resume"):
            make(tmp_path)


def test_a_picture_that_cannot_be_drawn_does_not_lose_the_result(tmp_path, config, fit):
    record = Record.open(tmp_path, config)
    (tmp_path / "predictions.h5").write_bytes(b"no HDF5")
    record.finish(fit())
    assert record.state == "done"
    assert "figures or page could not be made; try again with: phmbench report" in (tmp_path / "log.txt").read_text()


BROWSER = shutil.which("chromium") or shutil.which("google-chrome")


@pytest.mark.slow
@pytest.mark.skipif(BROWSER is None, reason="no chromium")
@pytest.mark.parametrize("width", [400, 1200])
def test_a_browser_shows_the_page_within_the_width_of_the_screen(done, tmp_path, width):
    """A frame of that width; the page says in its title how wide its content is, and how many pictures were loaded."""
    shutil.copy(done / "report.html", tmp_path / "report.html")
    script = (
        "<script>addEventListener('load',()=>{document.title=[document.documentElement.scrollWidth,"
        "[...document.images].filter(i=>i.naturalWidth>0).length].join()})</script></body>"
    )
    page = tmp_path / "report.html"
    page.write_text(page.read_text().replace("</body>", script))
    frame = tmp_path / "frame.html"
    frame.write_text(
        f'<iframe src="report.html" style="width:{width}px;height:900px;border:0"></iframe><p id="said"></p><script>'
        "addEventListener('load',()=>setTimeout(()=>{said.textContent='said '+frames[0].document.title},500))</script>"
    )
    flags = (
        "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
        "--disable-component-update --disable-sync --allow-file-access-from-files --virtual-time-budget=5000"
    )
    done_ = subprocess.run(
        [BROWSER, *flags.split(), f"--user-data-dir={tmp_path / 'browser'}", "--window-size=1400,1000", "--dump-dom",
         frame.as_uri()],
        capture_output=True, text=True, timeout=120, check=True,
    )  # fmt: skip
    wide, loaded = re.search(r"said (\d+),(\d+)", done_.stdout).groups()
    assert int(wide) <= width
    assert int(loaded) == 3
