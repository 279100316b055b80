"""The result of a run as metrics.json holds it: of one fit, of several seeds, of several folds.

The format is docs/record.md and metrics.schema.json. Means and standard deviations are over whole fits: a metric
that is undefined (null) in one of them is undefined in the mean, and one that only some have stands with those alone.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

from phmbench.errors import RecordError
from phmbench.record import environment
from phmbench.types import LEVELS

FORMAT = 1
Result = dict[str, Any]


def build(
    *,
    metrics: Mapping[str, Any],
    seed: int | None,
    monitor: str | None,
    selection: str | None,
    split: Mapping[str, Any],
    data: Mapping[str, Any],
    model: Mapping[str, Any],
    seconds: Mapping[str, float],
    cpu_seconds: float | None = None,
    threads: int | None = None,
    confusion: Mapping[str, Any] | None = None,
    batch: Mapping[str, int] | None = None,
    choices: Mapping[str, str | None] | None = None,
    shortcuts: Mapping[str, Any] | None = None,
    intervals: Mapping[str, Any] | None = None,
    episodes: Mapping[str, Any] | None = None,
) -> Result:
    """The result of one fit; versions and commit are found here.

    Args:
        metrics: name with stage (`test/macro_f1`, `test/f1/inner`, `test/rig/cwru/macro_f1`, `val/…` of the chosen
            checkpoint) to value; NaN becomes null.
        split: name, level, validation_level, target, notes, train, val, test, shared; `weak` follows from the level.
        data: source, rigs, classes, hash.
        model: name, parameters (count).
        seconds: set_up, fit, test.
        cpu_seconds: of the CPU, of all processes, for fit and test; None where that is not known.
        threads: that torch computed with, which the last digits depend on; None: several processes shared them.
        confusion: classes (K names) and counts (K, K), rows are the true classes, of the test set.
        batch: size (windows of a process), processes, accumulated (batches of a step), effective (windows of a step);
            None where nothing was trained.
        choices: group to option: the sentence.
        shortcuts: what facts that are no fault physics give away, as `phmbench.data.shortcuts` finds it; None: not
            looked at.
        intervals: metric to its 95 % interval, as `phmbench.intervals` finds it; None: not of few-shot.
        episodes: of the test: number, n_way, k_shot, level and so on; None: not of few-shot.
    """
    level = split.get("level")
    weak = level in LEVELS and LEVELS.index(level) < LEVELS.index("unit")
    return _plain_dict(
        {
            "format": FORMAT,
            "status": "done",
            "choices": dict(choices or {}),
            "seed": seed,
            "metrics": metrics,
            "std": dict.fromkeys(metrics),
            "std_over": None,
            "std_seeds": {},
            "repeats": [],
            "folds": [],
            "confusion": confusion,
            "monitor": monitor,
            "selection": selection,
            "split": {**split, "weak": weak},
            "data": data,
            "model": model,
            "batch": batch,
            "seconds": {"set_up": 0.0, "fit": 0.0, "test": 0.0, **seconds},
            "cpu_seconds": cpu_seconds,
            "threads": threads,
            "shortcuts": shortcuts,
            **({} if episodes is None else {"episodes": episodes, "intervals": intervals or {}}),
            "warnings": [],
            "versions": environment.versions(),
            "commit": environment.commit_here(),
        }
    )


def aggregate_repeats(results: Sequence[Mapping[str, Any]]) -> Result:
    """One result from those of several seeds: means, standard deviations over seeds, confusion counts summed.

    Where a split depends on the seed, each repeat keeps its own, and the counts above are those of the first; what is
    shared is the largest of all.
    """
    _require_some("repeats", results)
    splits = [r["split"] for r in results]
    varies = any(s != splits[0] for s in splits)
    repeats = [
        {"seed": r["seed"], "metrics": r["metrics"], "seconds": r["seconds"]}
        | ({"split": r["split"]} if varies else {})
        for r in results
    ]
    split = {**splits[0], **_weakest(splits)} if varies else splits[0]
    every = [r["metrics"] for r in results]
    return _plain_dict(
        {**results[0], "seed": None, "metrics": mean(every), "std": std(every), "std_over": "seeds", "std_seeds": {},
         "repeats": repeats, "folds": [], "confusion": _sum_confusion(results), "split": split,
         "seconds": _sum_seconds(results), "cpu_seconds": _sum_cpu(results), "shortcuts": _shortcuts(results),
         "warnings": _warnings(results), **_intervals(results, "over_repeats")}
    )  # fmt: skip


def aggregate_folds(results: Mapping[str, Mapping[str, Any]]) -> Result:
    """One result from those of several folds (target → result of one fit or of several seeds).

    Metrics are means over folds, `std` is over folds. With repeats, `repeats` holds the mean over folds of each
    seed and `std_seeds` the standard deviation of these. Counts of sets, and which domain has which class, are
    left to the folds; the level is the weakest.
    """
    _require_some("folds", list(results))
    each = list(results.values())
    folds = [
        {"target": target, **{key: r[key] for key in ("metrics", "std", "split", "repeats", "seconds")}}
        for target, r in results.items()
    ]
    every = [r["metrics"] for r in each]
    repeats = _seeds_over_folds(each)
    split = {
        **each[0]["split"],
        **_weakest([r["split"] for r in each]),
        **dict.fromkeys(("train", "val", "test")),
        "target": list(results),
        "domains": sorted({str(domain) for r in each for domain in r["split"].get("domains") or ()}),
        "class_sources": {},
    }
    split["notes"] = [*split["notes"], *_uneven(results)]
    data = {**each[0]["data"], "classes": sorted({c for r in each for c in r["data"]["classes"]})}
    return _plain_dict(
        {**each[0], "seed": each[0]["seed"] if not repeats else None, "metrics": mean(every), "std": std(every),
         "std_over": "folds", "std_seeds": std([r["metrics"] for r in repeats]) if repeats else {}, "repeats": repeats,
         "folds": folds, "confusion": _sum_confusion(each), "split": split, "data": data,
         "batch": each[0].get("batch") if all(r.get("batch") == each[0].get("batch") for r in each) else None,
         "seconds": _sum_seconds(each), "cpu_seconds": _sum_cpu(each), "shortcuts": _shortcuts(each),
         "warnings": _warnings(each), **_intervals(each, "over_folds")}
    )  # fmt: skip


def _uneven(results: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Folds with different numbers of classes have different chances: their mean needs a word."""
    counts = {target: len(r["data"]["classes"]) for target, r in results.items()}
    if len(set(counts.values())) < 2:
        return []
    said = ", ".join(f"{target} {count}" for target, count in counts.items())
    return [f"folds differ in their number of classes ({said}): the mean is over tasks of different difficulty"]


def mean(every: Sequence[Mapping[str, Any]]) -> dict[str, float | None]:
    """Mean of each metric that all have; None where it is undefined in one of them."""
    return {name: None if None in values else statistics.fmean(values) for name, values in _columns(every)}


def std(every: Sequence[Mapping[str, Any]]) -> dict[str, float | None]:
    """Standard deviation (n − 1) of each metric that all have; None for a single one, and where one is undefined."""
    return {
        name: None if None in values or len(values) < 2 else statistics.stdev(values)
        for name, values in _columns(every)
    }


def plain(value: Any) -> Any:
    """The same in JSON's types: arrays and tuples as lists, NumPy and torch scalars as numbers, NaN and ∞ as None."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if value is None or isinstance(value, (str, bool, int)):
        return value
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    if hasattr(value, "tolist"):
        return plain(value.tolist())
    if isinstance(value, Iterable):
        return [plain(item) for item in value]
    return str(value)


def _plain_dict(value: Mapping[str, Any]) -> Result:
    return dict(plain(value))


def _columns(every: Sequence[Mapping[str, Any]]) -> list[tuple[str, list[Any]]]:
    return [(name, [m[name] for m in every]) for name in every[0] if all(name in m for m in every)] if every else []


def _require_some(name: str, results: Sequence[Any]) -> None:
    if not results:
        raise RecordError(f"{name}: nothing to average; got no results; expected at least one; run at least one fit")


def _seeds_over_folds(folds: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Seed by seed, the mean over folds; only seeds that every fold has."""
    by_seed = [{r["seed"]: r["metrics"] for r in fold["repeats"]} for fold in folds]
    seeds = [s for s in by_seed[0] if all(s in one for one in by_seed)]
    return [{"seed": seed, "metrics": mean([one[seed] for one in by_seed])} for seed in seeds]


def _adapted(each: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What was adapted to, the most of several; nothing where nothing was."""
    if not each:
        return {}
    most = {key: max((one[key] for one in each), key=lambda n: math.inf if n is None else n)
            for key in ("windows", "recordings", "units")}  # fmt: skip
    return {"adapt": {**most, "used": each[0]["used"], "varies": any(one != each[0] for one in each)}}


def _weakest(splits: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What must be said of several splits at once: the weakest level, the most that is shared, every note."""
    keys = dict.fromkeys(key for s in splits for key in s["shared"])
    worst = {key: [s["shared"].get(key) for s in splits] for key in keys}
    return {
        "level": min((s["level"] for s in splits), key=LEVELS.index),
        "validation_level": min((s.get("validation_level") or s["level"] for s in splits), key=LEVELS.index),
        "leaky": any(s.get("leaky") for s in splits),
        "weak": any(s["weak"] for s in splits),
        "notes": list(dict.fromkeys(note for s in splits for note in s.get("notes") or ())),
        "shared": {key: None if None in counts else max(counts) for key, counts in worst.items()},
        **_adapted([s["adapt"] for s in splits if s.get("adapt")]),
        "which": {key: _of_any([s.get("which", {}).get(key, []) for s in splits]) for key in keys},
    }


def _of_any(lists: Sequence[Sequence[str]]) -> list[str]:
    """Each name once, the first twenty."""
    return list(dict.fromkeys(name for names in lists for name in names))[:20]


def _sum_confusion(results: Sequence[Mapping[str, Any]]) -> dict[str, Any] | None:
    every = [r.get("confusion") for r in results]
    known = [c for c in every if c is not None]
    if len(known) < len(every) or any(c["classes"] != known[0]["classes"] for c in known):
        return None
    rows = zip(*(c["counts"] for c in known), strict=True)
    return {"classes": known[0]["classes"], "counts": [[sum(cell) for cell in zip(*row, strict=True)] for row in rows]}


def _sum_seconds(results: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    return {key: sum(r["seconds"].get(key) or 0.0 for r in results) for key in results[0]["seconds"]}


def _sum_cpu(results: Sequence[Mapping[str, Any]]) -> float | None:
    every = [r.get("cpu_seconds") for r in results]
    return None if None in every else sum(float(one) for one in every if one is not None)


def _shortcuts(results: Sequence[Mapping[str, Any]]) -> dict[str, Any] | None:
    """Means over fits of what each fact gives away, of the facts that all have; None where one was not looked at."""
    every = [r.get("shortcuts") for r in results]
    known = [one for one in every if one is not None]
    if len(known) < len(every):
        return None
    facts = [name for name in known[0]["facts"] if all(name in one["facts"] for one in known)]
    return {
        "facts": {name: _mean_scores([one["facts"][name] for one in known]) for name in facts},
        "chance": mean([one["chance"] for one in known]),
        "constant": sorted({name for one in known for name in one["constant"]}),
        "windows": known[0]["windows"],
    }


def _mean_scores(each: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    scores = mean([{name: value for name, value in one.items() if name != "classes"} for one in each])
    return {**scores, "classes": mean([one["classes"] for one in each])}


def _intervals(results: Sequence[Mapping[str, Any]], what: Literal["over_repeats", "over_folds"]) -> Result:
    """Of the mean, for metrics that all have an interval of, and how episodes were drawn, by the weakest; nothing
    where it is not few-shot."""
    every = [r["intervals"] for r in results if "intervals" in r]
    if len(every) < len(results):
        return {}
    from phmbench import intervals

    names = [name for name in every[0] if all(name in one for one in every)]
    episodes = dict(results[0]["episodes"])
    episodes["level"] = min((r["episodes"]["level"] for r in results), key=LEVELS.index)
    seconds = [r["episodes"]["labelled_seconds"] for r in results]
    episodes["labelled_seconds"] = None if None in seconds else statistics.fmean(seconds)
    return {
        "episodes": episodes,
        "intervals": {name: getattr(intervals, what)([one[name] for one in every]) for name in names},
    }


def _warnings(results: Sequence[Mapping[str, Any]]) -> list[str]:
    """Of all, each once."""
    return list(dict.fromkeys(text for r in results for text in r.get("warnings") or ()))
