"""report.html: a record on one page that works offline, on a phone, in the dark and in print."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from phmbench.record import atomic, html, profile, words
from phmbench.record.contents import children
from phmbench.record.status import CONFIG, METRICS, read_metrics, read_status, state

FIGURES = ("confusion", "spread", "curves", "windows")


def write_report(path: str | Path, *, outcome: Mapping[str, Any] | None = None) -> Path:
    """Write report.html from what the record holds; `figures.draw` comes first.

    Args:
        path: the run directory.
        outcome: the result, while metrics.json is not yet written.

    Raises:
        RecordError: the run has no result, or the page cannot be written.
    """
    path = Path(path).resolve()
    result = dict(read_metrics(path) if outcome is None else outcome)
    sections = [
        _head(path, result),
        _choices(result),
        _results(result),
        _split(result["split"], result["data"]),
        _shortcuts(result),
        _children(path),
        _figures(path, result),
        _profile(path),
        _repeat(path, result),
    ]
    file = path / "report.html"
    atomic.write_text(file, html.page(_title(result), "\n".join(s for s in sections if s)))
    return file


def _title(result: Mapping[str, Any]) -> str:
    chosen = words.choices(result.get("choices") or {})
    sentence = " · ".join(
        chosen[group] for group in ("task", "data", "model", "estimator", "experiment") if group in chosen
    )
    return sentence or f"{result['model']['name']} on {', '.join(result['data']['rigs'])}"


def _head(path: Path, result: Mapping[str, Any]) -> str:
    """Title, the one number, what must not be overlooked."""
    names = words.overall(result["metrics"], stage="test")
    parts = [f"<h1>{escape(_title(result))}</h1>"]
    status = read_status(path)
    parts.append(f'<p class="faint">{escape(path.name)} · begun {escape(str(status.get("started") or "?"))}</p>')
    if names:
        over = f" over {words.over(result)}" if words.over(result) else ""
        value = words.number(result["metrics"][names[0]]) + words.spread(result, names[0])
        parts.append(
            f'<p><span class="number">{escape(value)}</span> {escape(words.title(names[0]))}, test set{over}</p>'
        )
    warned = [html.mark(f"warning: {text}") for text in result.get("warnings") or ()]
    return "\n".join([*parts, *_marks(result["split"]), *warned])


def _choices(result: Mapping[str, Any]) -> str:
    """The sentence: group and option."""
    choices = words.choices(result.get("choices") or {})
    return f"<h2>Choices</h2>\n{html.facts(choices)}" if choices else ""


def _marks(split: Mapping[str, Any]) -> list[str]:
    marks = [words.LEAKY] if split.get("leaky") else []
    marks += [words.WEAK] if split["weak"] else []
    marks += [words.adapted(split)] if split.get("adapt") else []
    return [html.mark(text) for text in (*marks, *(split.get("notes") or ()))]


def _results(result: Mapping[str, Any]) -> str:
    over = (
        f"mean over {words.over(result)} ± standard deviation over {result['std_over']}" if words.over(result) else ""
    )
    stages = [s for s in words.STAGES if words.overall(result["metrics"], stage=s)]
    names = dict.fromkeys(n.partition("/")[2] for s in stages for n in words.overall(result["metrics"], stage=s))
    rows = [[words.title(f"test/{n}"), *(_value(result, f"{s}/{n}") for s in stages)] for n in names]
    parts = [
        "<h2>Results</h2>",
        html.table(["metric", *(words.STAGES[s] for s in stages)], rows, caption=over, main="macro F1"),
    ]
    for kind, members in words.groups(result["metrics"]).items():
        rows = [[name, _value(result, metric)] for name, metric in members.items()]
        parts.append(html.table([kind, "test F1" if kind == "class" else "test macro F1"], rows))
    parts += [f"<p>{escape(text)}.</p>" for text in words.called(result)]
    parts += [f"<p>Episodes: {escape(text)}.</p>" for text in (words.episodes(result),) if text]
    parts += [f"<p>Interval of {escape(text)}.</p>" for text in words.intervals(result)]
    if result["folds"]:
        parts.append(_folds(result["folds"]))
    head, rows = words.gaps(result)
    if rows:
        parts.append(html.table(head, rows, caption="the same method under other splits", main=rows[0][0]))
        parts += [html.mark(text) for text in words.refusals(result)]
    chosen = f"Checkpoint chosen by {result['monitor']}" if result["monitor"] else "No checkpoint was chosen"
    parts.append(f'<p class="faint">{escape(chosen)}; selection: {escape(str(result["selection"]))}.</p>')
    return "\n".join(parts)


def _folds(folds: Sequence[Mapping[str, Any]]) -> str:
    names = list(dict.fromkeys(n for fold in folds for n in words.overall(fold["metrics"], stage="test")))[:4]
    rows = []
    for fold in folds:
        mark = " (weak)" if fold["split"]["weak"] else ""
        windows = words.count((fold["split"]["test"] or {}).get("windows"))
        rows.append([fold["target"] + mark, *(_value(fold, n) for n in names), windows, _shared(fold["split"])])
    head = ["target", *map(words.title, names), "test windows", "units shared"]
    return html.table(head, rows, caption="each held out once")


def _shared(split: Mapping[str, Any]) -> str:
    return words.count(split["shared"].get("units"))


def _split(split: Mapping[str, Any], data: Mapping[str, Any]) -> str:
    """What the split separates, what the audit found, and the sets by class."""
    target = f", target {', '.join(split['target'])}" if split.get("target") else ""
    below = split.get("validation_level")
    facts = {
        "split": f"{split['name']}{target}",
        "separates": words.separates(split),
        "validation": f"separated by {below}" if below else "none",
        "shared": f"between train+val and test: {words.audit(split)}",
        **({"by name": words.which(split)} if words.which(split) else {}),
        "rigs": ", ".join(data["rigs"]),
    }
    parts = ["<h2>What is separate, and what is shared</h2>", html.facts(facts)]
    counted = {s: split[s] for s in words.SETS if split[s]}
    if counted:
        rows = [
            [name, *(_windows((c.get("classes") or {}).get(name)) for c in counted.values())]
            for name in data["classes"]
        ]
        rows = [row for row in rows if any(cell != "–" for cell in row[1:])]
        for key, label in (("windows", "all"), ("recordings", "recordings"), ("units", "units")):
            rows.append([label, *(words.count(c.get(key)) for c in counted.values())])
        parts.append(html.table(["windows", *(words.SETS[s] for s in counted)], rows, main="all"))
    sources = split.get("class_sources") or {}
    if sources:
        parts.append(
            html.facts({name: ", ".join(where) for name, where in sources.items()}, caption="in training from")
        )
    return "\n".join(parts)


def _windows(counts: Mapping[str, Any] | int | None) -> str:
    if counts is None:
        return "–"
    return words.count(counts if isinstance(counts, int) else counts["windows"])


def _shortcuts(result: Mapping[str, Any]) -> str:
    """What a tree on one fact reaches that is no fault physics, on the same split."""
    found = result.get("shortcuts")
    if not found or not found["facts"]:
        return ""
    stages = list(found["chance"])
    rows = [[name, *(words.number(one[stage]) for stage in stages)] for name, one in found["facts"].items()]
    rows.append(["a guess", *(words.number(found["chance"][stage]) for stage in stages)])
    head = ["macro F1 of one fact alone", *(words.SETS[stage] for stage in stages)]
    same = f"; the same in all windows: {', '.join(found['constant'])}" if found["constant"] else ""
    caption = f"a tree of depth 1 to 4, which validation chose{same}"
    return f"<h2>What can be told without fault physics</h2>\n{html.table(head, rows, caption=caption)}"


def _children(path: Path) -> str:
    """Folds and seeds inside this record, with their state and main metric."""
    rows = []
    for child in children(path):
        what = state(child)
        value = "–"
        if what == "done":
            inner = read_metrics(child)
            names = words.overall(inner["metrics"], stage="test")
            value = f"{words.title(names[0])} {_value(inner, names[0])}" if names else "–"
        page = child / "report.html"
        file = page if page.exists() else child / (METRICS if what == "done" else CONFIG)
        link = f'<a href="{escape(file.relative_to(path).as_posix(), quote=True)}">{escape(child.name)}</a>'
        rows.append([html.Html(link), what, value])
    return f"<h2>Runs inside this one</h2>\n{html.table(['run', 'state', 'result'], rows)}" if rows else ""


def _figures(path: Path, result: Mapping[str, Any]) -> str:
    shown = [html.figure(path / "figures", name) for name in FIGURES]
    shown = [one for one in shown if one]
    return "\n".join(["<h2>Figures</h2>", *shown]) if shown else ""


def _profile(path: Path) -> str:
    """Where the time of the fits went, where that was asked for."""
    found = profile.read(path)
    if found is None:
        return ""
    rows = [[title, f"{seconds:.2f}", f"{100 * share:.1f} %"] for title, seconds, share in found.rows()]
    parts = ["<h2>Where the time went</h2>", f"<p>{escape(found.sentence())}.</p>"]
    parts.append(
        html.table(["part", "seconds", "share"], rows, caption="" if found.fits == 1 else f"{found.fits} fits")
    )
    if found.trace is not None and found.trace.exists():
        link = escape(found.trace.relative_to(path).as_posix(), quote=True)
        parts.append(
            f'<p class="faint"><a href="{link}">Trace of three steps</a>, for ui.perfetto.dev or chrome://tracing.</p>'
        )
    return "\n".join(parts)


def _repeat(path: Path, result: Mapping[str, Any]) -> str:
    """How to run it again: command, configuration, environment, versions."""
    model, data = result["model"], result["data"]
    sources = data["source"] if isinstance(data["source"], str) else ", ".join(data["source"])
    facts = {
        "model": f"{model['name']}, {words.count(model['parameters'])} parameters"
        if model["parameters"] is not None
        else model["name"],
        "data": f"{sources}; store {data['hash'] or '?'}",
        "seed": "several" if result.get("seed") is None else str(result["seed"]),
        "time": ", ".join(f"{k.replace('_', '-')} {words.duration(v)}" for k, v in result["seconds"].items()),
        "commit": result["commit"] or "none",
        "versions": ", ".join(f"{name} {version}" for name, version in result["versions"].items() if version),
    }
    parts = ["<h2>Repeat this run</h2>", f"<pre><code>phmbench rerun {escape(shlex.quote(str(path)))}</code></pre>"]
    parts.append(html.facts(facts))
    for name, title in ((CONFIG, "Configuration, defaults filled in"), ("environment.txt", "Environment")):
        if (path / name).exists():
            text = escape((path / name).read_text("utf-8"))
            parts.append(f"<details><summary>{title}</summary><pre><code>{text}</code></pre></details>")
    return "\n".join(parts)


def _value(result: Mapping[str, Any], name: str) -> str:
    return words.number(result["metrics"][name]) + words.spread(result, name) if name in result["metrics"] else ""
