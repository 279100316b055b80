"""How results are put into words, the same on the screen, in figures and on the page."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

SEPARATES = {
    "sample": "windows of the same recordings are on both sides; only their samples differ",
    "recording": "recordings are separate; physical units are on both sides",
    "unit": "physical units (bearings, gears, machines) are separate",
    "condition": "physical units and operating conditions are separate",
    "rig": "rigs are separate: the test machine was never seen",
}
"""What the level of a split means for the test set."""

WEAK = "weak: below the level of physical units: says little about a machine not seen in training"
LEAKY = "leaky: known to leak; for reproducing literature only"

TITLES = {
    "macro_f1": "macro F1",
    "balanced_accuracy": "balanced accuracy",
    "accuracy": "accuracy",
    "macro_auroc": "macro AUROC",
}
UNKNOWN = "recordings are separate; the physical units of some are not known, and may be on both sides"
SHARED = ("samples", "recordings", "units", "conditions", "rigs")
SETS = {"train": "training", "val": "validation", "test": "test"}
STAGES = {"test": "test", "last": "test, last epoch", "val": "validation"}
"""What a metric's first part says of when it was measured."""
SENTENCE = ("task", "data", "model", "estimator", "trainer", "pipeline", "experiment")
"""The groups in the order in which a run is said."""


def choices(chosen: Mapping[str, Any]) -> dict[str, str]:
    """Group → option, in the order in which a run is said, what is inside a group after it; only what was chosen."""
    order = {group: place for place, group in enumerate(SENTENCE)}
    groups = sorted(chosen, key=lambda group: (order.get(group.split("/")[0], len(order)), group))
    return {group: str(chosen[group]) for group in groups if chosen[group]}


def separates(split: Mapping[str, Any]) -> str:
    """What the level of a split means for its test set."""
    unknown = split["level"] == "recording" and (split.get("shared") or {}).get("units", 0) is None
    return UNKNOWN if unknown else SEPARATES[split["level"]]


def overall(metrics: Iterable[str], *, stage: str) -> list[str]:
    """Names of one stage (`test`) that are over all classes and rigs: the usual four first, then as they come."""
    names = [n.removeprefix(f"{stage}/") for n in metrics if n.startswith(f"{stage}/") and n.count("/") == 1]
    known = [n for n in TITLES if n in names]
    return [f"{stage}/{n}" for n in [*known, *(n for n in names if n not in TITLES)]]


def groups(metrics: Iterable[str]) -> dict[str, dict[str, str]]:
    """Kind of group → name → metric of the test set: `{"class": {"inner": "test/f1/inner"}, "rig": {…}, …}`.

    Classes by their F1; whatever else a test set was parted by (`test/rig/hit_sm/self_built/macro_f1`,
    `test/condition/0 hp/macro_f1`) by macro F1, and only where there are several: of one it is the whole test set.
    """
    found: dict[str, dict[str, str]] = {}
    for metric in metrics:
        stage, _, rest = metric.partition("/")
        kind, _, name = rest.partition("/")
        if stage == "test" and kind == "f1" and name:
            found.setdefault("class", {})[name] = metric
        elif stage == "test" and name.endswith("/macro_f1"):
            found.setdefault(kind, {})[name.removesuffix("/macro_f1")] = metric
    return {kind: names for kind, names in found.items() if kind == "class" or len(names) > 1}


def gaps(result: Mapping[str, Any]) -> tuple[list[str], list[list[str]]]:
    """Head and rows of a table of the run's split and the other splits: level, main test metric, and the difference to
    the run's own; an empty head where there are none."""
    others = result.get("other_splits") or []
    names = overall(result["metrics"], stage="test")
    if not others or not names:
        return [], []
    main = f"test/{(result['monitor'] or '').partition('/')[2]}"
    main = main if main in names else names[0]
    own = result["metrics"][main]
    rows = [[result["split"]["name"], result["split"]["level"], number(own) + spread(result, main), ""]]
    for one in others:
        if one["refused"] is not None:
            rows.append([one["name"], "", "refused", ""])
            continue
        value = one["metrics"].get(main)
        more = "" if value is None or own is None else f"{value - own:+.3f}"
        level = one["split"]["level"] + ", leaky" * bool(one["split"].get("leaky"))
        rows.append([one["name"], level, number(value) + spread(one, main), more])
    return ["split", "separates by", f"test {title(main)}", f"more than {result['split']['name']}"], rows


def called(result: Mapping[str, Any]) -> list[str]:
    """`rolling_element was called inner 0.62, outer 0.38`, of each class that no source has, most often first."""
    found: dict[str, dict[str, float]] = {}
    for metric, value in result["metrics"].items():
        if metric.startswith("test/foreign/") and value is not None:
            name, _, called_as = metric.removeprefix("test/foreign/").rpartition("/")
            found.setdefault(name, {})[called_as] = value
    said = {
        name: ", ".join(f"{one} {share:.2f}" for one, share in sorted(shares.items(), key=lambda item: -item[1]))
        for name, shares in found.items()
    }
    return [f"{name}, which no source has, was called {shares}" for name, shares in said.items()]


def intervals(result: Mapping[str, Any]) -> list[str]:
    """`accuracy, 95 %: 0.52 to 0.70 over physical units; 0.60 to 0.62 over episodes, which share units`, and so on."""
    found = []
    for name, one in (result.get("intervals") or {}).items():
        over = "over physical units"
        said = f"{over} not estimable ({one['why']})" if one["units"] is None else f"{_span(one['units'])} {over}"
        more = f"; {_span(one['episodes'])} over episodes, which share units" if one["episodes"] else ""
        found.append(f"{title(name)}, 95 %: {said}{more}")
    return found


def _span(ends: Sequence[float]) -> str:
    return f"{number(ends[0])} to {number(ends[1])}"


def episodes(result: Mapping[str, Any]) -> str:
    """`600 of 5 classes, 5 labelled windows (0.85 s of each), …`; empty where it is not few-shot."""
    of = result.get("episodes")
    if not of:
        return ""
    seconds = "" if of["labelled_seconds"] is None else f" ({of['labelled_seconds']:.3g} s of each)"
    base = f", base classes by {of['base_shot']} windows each" if of["base_shot"] else ""
    return (
        f"{of['number']} of {of['n_way']} classes, {of['k_shot']} labelled windows{seconds}{base}, {of['n_query']} "
        f"asked of each class; support and query are apart by {of['level']}"
    )


def adapted(split: Mapping[str, Any]) -> str:
    """`adapted to 120 unlabelled windows of the target (12 recordings, 4 units)`; empty where none was seen."""
    of = split.get("adapt")
    if not of:
        return ""
    most = "up to " if of.get("varies") else ""
    units = "units not known" if of["units"] is None else f"{of['units']} units"
    seen = f"{most}{count(of['windows'])} unlabelled windows of the target ({of['recordings']} recordings, {units})"
    return f"adapted to {seen}" if of.get("used", True) else f"not adapted: set aside are {seen}"


def refusals(result: Mapping[str, Any]) -> list[str]:
    """Why another split could not be run, one line each."""
    others = result.get("other_splits") or []
    return [f"{one['name']} refused: {one['refused']}" for one in others if one["refused"] is not None]


def title(name: str) -> str:
    """`test/macro_f1` → `macro F1`."""
    bare = name.partition("/")[2] or name
    return TITLES.get(bare, bare.replace("_", " "))


def number(value: float | None) -> str:
    """Three decimals; scientific where these say nothing; large whole numbers whole; a dash where undefined."""
    if value is None:
        return "–"
    if 1000 <= abs(value) < 1e12 and float(value).is_integer():
        return str(int(value))
    return f"{value:.3f}" if value == 0 or 0.001 <= abs(value) < 1000 else f"{value:.3g}"


def count(value: int | None) -> str:
    """With thin separation of thousands; a question mark where unknown."""
    return "?" if value is None else f"{value:,}".replace(",", " ")


def spread(result: Mapping[str, Any], name: str) -> str:
    """` ± 0.012`, or nothing for a single fit."""
    value = result["std"].get(name)
    return "" if value is None else f" ± {number(value)}"


def over(result: Mapping[str, Any]) -> str:
    """What means and deviations are over: `3 seeds`, `4 folds × 3 seeds`; empty for a single fit."""
    folds, seeds = len(result["folds"]), len(result["repeats"])
    parts = [f"{n} {word}{'' if n == 1 else 's'}" for n, word in ((folds, "fold"), (seeds, "seed")) if n]
    return " × ".join(parts)


def audit(split: Mapping[str, Any]) -> str:
    """`samples 0 · recordings 0 · units 4 (weak) · conditions ? · rigs 1`, between train+val and test."""
    shared = split["shared"]
    keys = [*SHARED, *(k for k in shared if k not in SHARED)]
    weak = " (weak)" if split["weak"] and shared.get("units") else ""
    return " · ".join(f"{key} {count(shared.get(key))}{weak if key == 'units' else ''}" for key in keys)


def which(split: Mapping[str, Any]) -> str:
    """`units cwru/DE_B007, cwru/DE_B014, … · conditions cwru at 0 hp`; empty where nothing is shared."""
    kept = {kind: names for kind, names in (split.get("which") or {}).items() if names and kind != "rigs"}
    return " · ".join(f"{kind} {', '.join(names[:3])}{', …' * (len(names) > 3)}" for kind, names in kept.items())


def shortcuts(result: Mapping[str, Any]) -> str:
    """`amplitude alone: macro F1 0.57 (normal 1.00) · offset 0.49 (normal 0.67); a guess 0.33`, the most telling first;
    empty for a record of before they were looked at, and where nothing was trained."""
    found = result.get("shortcuts")
    if not found or not found["facts"]:
        return ""
    stage = "test" if "test" in found["chance"] else "val"
    facts = sorted(found["facts"].items(), key=lambda item: -(item[1][stage] or 0.0))
    said = []
    for number, (name, scores) in enumerate(facts):
        known = {one: value for one, value in scores["classes"].items() if value is not None}
        best = max(known, key=lambda one: known[one], default="")
        told = f" ({best} {known[best]:.2f})" if best else ""
        said.append(f"{name}{' alone: macro F1' if not number else ''} {scores[stage] or 0.0:.2f}{told}")
    where = "" if stage == "test" else ", of validation"
    return f"{' · '.join(said)}; a guess {found['chance'][stage] or 0.0:.2f}{where}"


def batch(counts: Mapping[str, int]) -> str:
    """`64 windows a step`, `512 windows a step: 64 × 2 processes × 4 accumulated batches`."""
    named = (("processes", "processes"), ("accumulated", "accumulated batches"))
    factors = [f"{counts[key]} {word}" for key, word in named if counts[key] > 1]
    told = f": {' × '.join([str(counts['size']), *factors])}" if factors else ""
    return f"{count(counts['effective'])} windows a step{told}"


def duration(seconds: float | None) -> str:
    """`0.4 s`, `2 min 05 s`, `3 h 20 min`."""
    if seconds is None:
        return "–"
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    return f"{minutes // 60} h {minutes % 60:02d} min"
