"""The table of other splits."""

from phmbench.record import words

SPLIT = {"name": "units", "level": "unit"}


def result(**more):
    return {"metrics": {"test/macro_f1": 0.25, "test/loss": 1.0}, "std": {"test/macro_f1": 0.1}, "split": SPLIT,
            "monitor": "val/macro_f1", **more}  # fmt: skip


def other(name, value, level="recording", **more):
    return {"name": name, "refused": None, "metrics": {"test/macro_f1": value, "test/loss": 0.5}, "std": {},
            "split": {"level": level, **more}}  # fmt: skip


def test_each_other_split_stands_with_its_difference():
    head, rows = words.gaps(result(other_splits=[other("load", 0.85), other("random", 0.975, "sample", leaky=True)]))
    assert head == ["split", "separates by", "test macro F1", "more than units"]
    assert rows == [
        ["units", "unit", "0.250 ± 0.100", ""],
        ["load", "recording", "0.850", "+0.600"],
        ["random", "sample, leaky", "0.975", "+0.725"],
    ]


def test_the_metric_is_the_one_that_chose():
    _, rows = words.gaps(result(monitor="val/loss", other_splits=[other("load", 0.85)]))
    assert [row[2:] for row in rows] == [["1.000", ""], ["0.500", "-0.500"]]


def test_what_is_refused_or_undefined_has_no_difference():
    refused = {"name": "load", "refused": "load: not known of 3 recordings"}
    found = result(other_splits=[refused, other("random", None)])
    assert words.gaps(found)[1][1:] == [["load", "", "refused", ""], ["random", "recording", "–", ""]]
    assert words.refusals(found) == ["load refused: load: not known of 3 recordings"]


def test_a_run_without_others_has_no_table():
    assert words.gaps(result()) == ([], [])
    assert words.refusals(result()) == []
