"""Runs put into columns: never two that were not asked the same."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from phmbench.leaderboard import identity
from phmbench.leaderboard.cells import ORDER, Cell, Column
from phmbench.leaderboard.runs import Fit, Run
from phmbench.record import words

Fits = dict[tuple[str, int], Fit]
"""Fold and seed → fit."""


class Entry(NamedTuple):
    """The runs of one method that were asked the same: of several seeds, or one that has them all."""

    runs: tuple[Run, ...]
    fits: tuple[Fit, ...]
    asked: str
    method: Mapping[str, Any]

    @property
    def name(self) -> str:
        return identity.name(self.runs[0].config)

    @property
    def is_done(self) -> bool:
        return self.runs[0].state == "done"


def arrange(runs: Sequence[Run], notes: list[str]) -> list[Column]:
    """The columns, named, with a cell for each method that has a run in them; notes gets what must be said."""
    columns: dict[str, list[Entry]] = {}
    done = [run for run in runs if run.state == "done"]
    for entry in _entries(done, notes):
        columns.setdefault(identity.protocol(entry.runs[0].config, entry.fits), []).append(entry)
    for run in runs:
        if run.state != "done":
            entry = Entry((run,), run.fits, identity.asked(run.config), identity.method(run.config))
            keys = [key for key, entries in columns.items() if any(one.asked == entry.asked for one in entries)]
            columns.setdefault(keys[0] if keys else entry.asked, []).append(entry)
    names = _method_names(list(columns.values()), notes)
    found = [_column(key, entries, names, notes) for key, entries in columns.items()]
    _name(found)
    return sorted(found, key=lambda column: column.name)


def _entries(done: Sequence[Run], notes: list[str]) -> list[Entry]:
    """Runs of one method that were asked the same, with each fit once; the later one, where one was run again."""
    groups: dict[str, list[tuple[list[Run], Fits]]] = {}
    for run in sorted(done, key=lambda run: run.started):
        hashes = sorted({str(fit.result["data"]["hash"]) for fit in run.fits})
        key = json.dumps([identity.asked(run.config), identity.method(run.config), hashes], sort_keys=True, default=str)
        own = {(fit.target, fit.seed): fit for fit in run.fits}
        alike = [group for group in groups.setdefault(key, []) if _agree(group[1], own)]
        runs, fits = alike[0] if alike else ([], {})
        if not alike:
            groups[key].append((runs, fits))
        if own.keys() & fits.keys():
            notes.append(f"{run.name}: the same fit as in an earlier run; the later one counts")
        runs.append(run)
        fits.update(own)
    found = []
    for runs, fits in (group for several in groups.values() for group in several):
        used = tuple(run for run in runs if any(fit in run.fits for fit in fits.values()))
        config = used[0].config
        found.append(Entry(used, tuple(fits.values()), identity.asked(config), identity.method(config)))
    return found


def _agree(fits: Fits, others: Fits) -> bool:
    """Whether fits of one fold and seed had the same split."""
    return all(fits[key].split == others[key].split for key in fits.keys() & others.keys())


def _method_names(columns: Sequence[Sequence[Entry]], notes: list[str]) -> dict[str, list[str]]:
    """Name of a method → the keys by which two of that name are told apart, where one column has both."""
    found: dict[str, list[str]] = {}
    for name in dict.fromkeys(entry.name for entries in columns for entry in entries):
        here = [[entry.method for entry in entries if entry.name == name] for entries in columns]
        keys = identity.differing(method for methods in here for method in methods)
        apart = dict.fromkeys(key for methods in here for key in identity.differing(methods))
        found[name] = list(apart)
        rest = [key for key in keys if key not in apart]
        if rest:
            notes.append(f"{name}: not the same settings in all columns; {', '.join(rest[:4])} differ")
    return found


def _titled(entry: Entry, names: Mapping[str, Sequence[str]]) -> str:
    keys = names[entry.name]
    told = ", ".join(f"{key}={entry.method.get(key, 'absent')}" for key in keys[:3])
    return f"{entry.name} ({told}{', …' if len(keys) > 3 else ''})" if keys else entry.name


def _column(key: str, entries: Sequence[Entry], names: Mapping[str, Sequence[str]], notes: list[str]) -> Column:
    column = Column(key)
    for entry in sorted(entries, key=lambda entry: ORDER.index(entry.runs[0].state)):
        title, run = _titled(entry, names), entry.runs[0]
        if title in column.cells:
            notes.append(f"{run.name}: {run.state}{': ' if run.said else ''}{run.said}; another run of it counts")
            continue
        column.cells[title] = Cell(run.state, run.said, entry.runs, entry.fits if entry.is_done else ())
    return column


def _name(columns: Sequence[Column]) -> None:
    """By the experiment, or by data and split; with what differs where two would have one name."""
    for column in columns:
        column.name = _short(column.first.config)
    for name in {column.name for column in columns}:
        alike = [column for column in columns if column.name == name]
        keys = identity.differing(facts(column) for column in alike)
        for column in alike if len(alike) > 1 else []:
            told = facts(column)
            told_apart = [f"{key} {told.get(key) or 'none'}" for key in keys[:2]]
            column.name = f"{name} · {', '.join(told_apart)}"


def _short(config: Mapping[str, Any]) -> str:
    chosen = config.get("choices") or {}
    if chosen.get("experiment"):
        return str(chosen["experiment"])
    data = config.get("data") or {}
    rigs = data.get("rigs")
    what = "+".join(map(str, rigs)) if isinstance(rigs, list) else str(chosen.get("data") or "data")
    split = (config.get("task") or {}).get("split") or {}
    how = str(chosen.get("task/split") or str(split.get("_target_")).rpartition(".")[2])
    target = split.get("target")
    folds = ", each target once" if config.get("folds") else f", target {'+'.join(map(str, target))}" if target else ""
    return f"{what} · {how}{folds}"


def _brief(value: Any) -> str:
    """A value of a split; of many, how many."""
    return f"{len(value)} given" if isinstance(value, list | dict) else str(value)


def facts(column: Column) -> dict[str, str]:
    """What the runs of a column have in common, for readers."""
    run = column.first
    config, data, split = run.config, run.config.get("data") or {}, (run.config.get("task") or {}).get("split") or {}
    told = {
        "window": f"{data.get('window')}, hop {data.get('hop')}",
        "where": str(data.get("where") or "all recordings"),
        "split": ", ".join(f"{key}={_brief(value)}" for key, value in split.items()
                           if key not in ("_target_", "target") and value is not None),
        "selection": f"{config.get('selection')}, by {config.get('monitor')}",
    }  # fmt: skip
    if data.get("view", "time") != "time":  # records of before there were views have none
        settings = (f"{key}={data[key]}" for key in ("per_revolution", "band", "whiten") if data[key] is not None)
        told["view"] = ", ".join((data["view"], *settings))
    if config.get("init") is not None:
        told["weights"] = "from another run"
    if data.get("noise_db") is not None:
        told["noise"] = f"{data['noise_db']} dB on test windows"
    if not run.fits:
        return told
    results = [fit.result for fit in run.fits]
    first = results[0]
    targets = list(dict.fromkeys(fit.target for fit in run.fits))
    seeds = sorted({fit.seed for cell in column.cells.values() for fit in cell.fits})
    units = sorted({unit for fit in run.fits for unit in fit.unit_of.values()})
    return {
        "rigs": ", ".join(sorted({rig for result in results for rig in result["data"]["rigs"]})),
        "classes": ", ".join(sorted({name for result in results for name in result["data"]["classes"]})),
        **told,
        "folds": ", ".join(targets) if targets != [""] else ", ".join(first["split"].get("target") or ()) or "none",
        "apart": words.separates(first["split"]),
        "units tested": "not known" if "" in units else str(len(units)),
        "marks": ", ".join(mark for mark in ("leaky", "weak") if any(r["split"].get(mark) for r in results)) or "none",
        "seeds": ", ".join(map(str, seeds)),
        "task": str((config.get("task") or {}).get("_target_")).rpartition(".")[2],
        "data": ", ".join(sorted({str(result["data"]["hash"])[:8] for result in results})),
        "sets": hashlib.sha256("".join(dict.fromkeys(fit.split for fit in run.fits)).encode()).hexdigest()[:8],
    }
