"""What the screen says: every line within 100 columns, no colour without a terminal, nothing left out."""

import io
import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from phmbench.record import Record, result, screen, words

CHOICES = {
    "task": ("classification", "Which class a window belongs to"),
    "data": ("cwru", "CWRU, 12 kHz drive-end faults: " + "60 recordings, 11 bearings, " * 4),
    "model": "wdcnn",
}


def summary(outcome, path="outputs/run"):
    file = io.StringIO()
    screen.summary(CHOICES, split=outcome["split"], data=outcome["data"], path=path, batch=outcome["batch"], file=file)
    return file.getvalue()


def results(outcome, path="outputs/run"):
    file = io.StringIO()
    screen.results(outcome, path=path, file=file)
    return file.getvalue()


def test_summary_says_the_sentence_the_sets_and_what_is_separate(fit):
    text = summary(fit())
    for line in (
        r"^task +classification +Which class a window belongs to$",
        r"^model +wdcnn$",
        r"^rigs +cwru$",
        r"^record +outputs/run$",
        r"^split +hold_out, target 3: physical units .* are separate; validation is$",
        r"^note +class 'normal' comes from one rig alone$",
        r"^windows +training +validation +test$",
        r"^inner +100 +20 +30$",
        r"^all +300 +60 +90$",
        r"^recordings +9 +9 +9$",
        r"^units +\? +\? +\?$",
    ):
        assert re.search(line, text, re.MULTILINE), f"{line} not in\n{text}"
    assert "weak" not in text


@pytest.mark.parametrize(
    ("processes", "accumulated", "line"),
    [
        (1, 1, r"^batch +64 windows a step$"),
        (2, 1, r"^batch +128 windows a step: 64 × 2 processes$"),
        (1, 4, r"^batch +256 windows a step: 64 × 4 accumulated batches$"),
        (8, 4, r"^batch +2 048 windows a step: 64 × 8 processes × 4 accumulated batches$"),
    ],
)
def test_summary_says_how_many_windows_a_step_sees(fit, processes, accumulated, line):
    counts = {"size": 64, "processes": processes, "accumulated": accumulated}
    assert re.search(line, summary(fit(batch={**counts, "effective": 64 * processes * accumulated})), re.MULTILINE)
    assert "batch" not in summary(fit())  # nothing is trained


def test_counts_of_recordings_and_units_per_class_are_shown_where_known(fit):
    outcome = fit()
    outcome["split"]["train"]["classes"] = {"inner": {"windows": 12480, "recordings": 10, "units": 2}}
    assert re.search(r"^inner +12 480 · +10 · +2 +20 +30$", summary(outcome), re.MULTILINE)


def test_a_weak_or_leaky_split_is_marked_at_the_start_and_at_the_end(fit):
    outcome = fit(level="recording")
    outcome["split"]["leaky"] = True
    for text in (summary(outcome), results(outcome)):
        assert re.search(r"^weak +below the level of physical units", text, re.MULTILINE)
        assert re.search(r"^leaky +known to leak; for reproducing literature only$", text, re.MULTILINE)
    assert "units 4 (weak)" in results(outcome)


def test_results_of_a_fit(fit):
    text = results(fit())
    for line in (
        r"^Results$",
        r"^macro F1 +0\.610 +0\.900$",
        r"^macro AUROC +–$",
        r"^inner +0\.610$",
        r"^audit +shared with train\+val: samples 0 · recordings 0 · units 0 · conditions 3 · rigs \?$",
        r"^time +set-up 1\.0 s · fit 1 min 10 s · test 0\.5 s$",
        r"^record +outputs/run$",
    ):
        assert re.search(line, text, re.MULTILINE), f"{line} not in\n{text}"
    assert not re.search(r"^rig ", text, re.MULTILINE)  # one rig: what stands above


def test_results_of_repeats_and_folds_carry_their_spread(fit):
    seeds = result.aggregate_repeats([fit(seed=0, f1=0.5), fit(seed=1, f1=0.7)])
    text = results(seeds)
    assert "Results, mean over 2 seeds ± standard deviation over seeds" in text
    assert re.search(r"^macro F1 +0\.600 ± 0\.141 ", text, re.MULTILINE)
    folds = result.aggregate_folds({"cwru": seeds, "mfpt": fit(level="recording")})
    text = results(folds)
    assert re.search(r"^target +macro F1 +accuracy +macro AUROC +windows$", text, re.MULTILINE)
    assert re.search(r"^cwru +0\.600 ± 0\.141 .* 90$", text, re.MULTILINE)
    assert re.search(r"^mfpt \(weak\) +0\.610 ", text, re.MULTILINE)


@settings(max_examples=15, deadline=None)
@given(names=st.lists(st.text(min_size=1, max_size=60), min_size=1, max_size=5, unique=True), width=st.integers(1, 400))
def test_no_line_is_wider_than_100_columns_and_nothing_is_coloured(names, width):
    """Whatever classes and targets are called, markup of rich among them, and however wide the environment says."""
    from rich.cells import cell_len

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COLUMNS", str(width))
        for text in (summary(made(names), "/deep/" * 40), results(made(names), "/deep/" * 40)):
            assert max(cell_len(line) for line in text.split("\n")) <= 100
            assert "\x1b[" not in text.replace("".join(names), "")


def made(names):
    counts = {"windows": 10**9, "recordings": 10**6, "units": 10**5, "classes": dict.fromkeys(names, 10**8)}
    names = [n.replace("\x1b", "") for n in names]
    return result.build(
        metrics={"test/macro_f1": 1e-9, **{f"test/f1/{n}": 0.5 for n in names}},
        seed=0, monitor=None, selection=None,
        split={"name": "x", "level": "sample", "target": names, "notes": names, "train": counts, "val": None,
               "test": counts, "shared": dict.fromkeys(words.SHARED, 10**9)},
        data={"source": "x", "rigs": names, "classes": names, "hash": None}, model={"name": "M", "parameters": None},
        seconds={"fit": 1e6},
    )  # fmt: skip


def test_groups_of_the_test_set():
    """Classes by F1; rigs and conditions by macro F1, also names with slashes; of a single one nothing is said."""
    names = ["test/macro_f1", "test/f1/inner", "test/recall/inner", "val/f1/inner", "test/rig/hit_sm/a/macro_f1",
             "test/rig/hit_sm/a/accuracy", "test/rig/cwru/macro_f1", "test/condition/0 hp/macro_f1"]  # fmt: skip
    assert words.groups(names) == {
        "class": {"inner": "test/f1/inner"},
        "rig": {"hit_sm/a": "test/rig/hit_sm/a/macro_f1", "cwru": "test/rig/cwru/macro_f1"},
    }


def test_a_long_table_is_cut_and_says_so(fit):
    outcome = fit()
    outcome["metrics"].update({f"test/condition/{i} rpm/macro_f1": 0.5 for i in range(23)})
    text = results(outcome)
    assert re.search(r"^19 rpm +0\.500$", text, re.MULTILINE)
    assert re.search(r"^and 3 more, in the record$", text, re.MULTILINE)
    assert "20 rpm" not in text


def test_markup_in_names_is_shown_as_it_is(fit):
    outcome = fit()
    outcome["data"]["classes"] = ["[red]inner"]
    outcome["split"]["train"]["classes"] = {"[red]inner": 5}
    assert "[red]inner" in summary(outcome)


def test_a_terminal_that_knows_only_ascii_does_not_end_the_run(fit):
    file = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    outcome = result.aggregate_repeats([fit(seed=0), fit(seed=1)])
    screen.results(outcome, path="x", file=file)
    file.seek(0)
    assert "macro F1" in file.read()


def test_a_path_below_the_current_folder_is_shown_short(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert screen.shown_path(tmp_path / "outputs" / "run") == str(Path("outputs/run"))
    assert screen.shown_path("/elsewhere/run") == "/elsewhere/run"


def test_colour_on_a_terminal_and_none_with_no_color(fit, monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    coloured, plain = Terminal(), Terminal()
    screen.results(fit(), path="x", file=coloured)
    monkeypatch.setenv("NO_COLOR", "1")
    screen.results(fit(), path="x", file=plain)
    assert "\x1b[1;32m" in coloured.getvalue()
    assert not re.search(r"\x1b\[[\d;]*3\dm", plain.getvalue())


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.44, "0.4 s"), (59.0, "59.0 s"), (125, "2 min 05 s"), (12000, "3 h 20 min"), (None, "–")]
)
def test_durations(seconds, text):
    assert words.duration(seconds) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.61, "0.610"), (None, "–"), (0, "0.000"), (1e-5, "1e-05"), (12345.0, "12345"), (12345.6, "1.23e+04")],
)
def test_numbers(value, text):
    assert words.number(value) == text


def test_warnings_stand_at_the_end_and_on_the_page(fit, config, filled, tmp_path):
    """Whatever they name: markup in it is text."""
    outcome = {**fit(), "warnings": ["trainer: [red]<b>early stopping</b> never acts"]}
    file = io.StringIO()
    screen.results(outcome, path="outputs/run", file=file)
    assert re.search(r"^warning +trainer: \[red\]<b>early stopping</b> never acts$", file.getvalue(), re.MULTILINE)
    record = Record.open(tmp_path, config)
    filled(record)
    record.finish(outcome)
    assert "warning: trainer: [red]&lt;b&gt;early stopping&lt;/b&gt; never acts</p>" in (
        tmp_path / "report.html"
    ).read_text("utf-8")


def test_choices_in_the_order_in_which_a_run_is_said():
    composed = {
        "logger": "csv",
        "model": "wdcnn",
        "task/split": "units",
        "experiment": None,
        "task": "dg",
        "data": "cwru",
    }
    assert list(words.choices(composed)) == ["task", "task/split", "data", "model", "logger"]
