"""sweep.html: a search on one page that works offline, on a phone, in the dark and in print."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from phmbench.record import atomic, html, words
from phmbench.sweep import best, doubts, end, figures
from phmbench.sweep.settings import Settings
from phmbench.sweep.space_files import reasons
from phmbench.sweep.trials import Trials, said

NAME = "sweep.html"
Refit = tuple[Path, Mapping[str, Any]]


def write(
    found: Trials, study: Any, *, refit: Refit | None, warned: Sequence[str], settings: Settings, command: str
) -> Path:
    """Draw the figures and write the page.

    Args:
        found: the trials.
        study: of Optuna's.
        refit: run directory and result of the best trial with fresh seeds.
        warned: what must not be overlooked.
        settings: of the search, which name its spaces.
        command: by which it was searched.
    """
    figures.draw(found, study)
    why = reasons(settings.search, settings.places)
    sections = [_head(found, refit, warned), _refit(found, refit), _best(found), _table(found), _figures(found),
                _space(found, why), _sentence(study), _repeat(found, command)]  # fmt: skip
    file = found.folder / NAME
    atomic.write_text(file, html.page(f"Search {found.folder.name}", "\n".join(part for part in sections if part)))
    return file


def _head(found: Trials, refit: Refit | None, warned: Sequence[str]) -> str:
    counts = ", ".join(f"{count} {state}" for state, count in found.counts().items() if count)
    parts = [f"<h1>Search {escape(found.folder.name)}</h1>", f'<p class="faint">{len(found.rows)} trials: {counts}</p>']
    row, names = found.best, words.overall(refit[1]["metrics"], stage="test") if refit else []
    if refit and names:
        value = words.number(refit[1]["metrics"][names[0]]) + words.spread(refit[1], names[0])
        over = words.over(refit[1]) or "1 seed"
        text = f"{words.title(names[0])}, test set, best trial with fresh seeds ({over})"
        parts.append(f'<p><span class="number">{escape(value)}</span> {escape(text)}</p>')
    elif row is not None and row.values:
        value = words.number(row.values[0])
        text = f"{found.objectives[0]}, best of {len(found.different)}: too good by being the best; not tested"
        parts.append(f'<p><span class="number">{escape(value)}</span> {escape(text)}</p>')
    else:
        parts.append(html.mark("no trial is complete: there is no best one"))
    split = refit[1]["split"] if refit else {}
    marks = [words.WEAK] if split.get("weak") else []
    marks += [words.LEAKY] if split.get("leaky") else []
    return "\n".join([*parts, *map(html.mark, [*marks, *(f"warning: {text}" for text in warned)])])


def _refit(found: Trials, refit: Refit | None) -> str:
    """The best trial, trained again."""
    if refit is None:
        return ""
    folder, result = refit
    stages = [stage for stage in ("test", "val") if words.overall(result["metrics"], stage=stage)]
    names = dict.fromkeys(
        name.partition("/")[2] for stage in stages for name in words.overall(result["metrics"], stage=stage)
    )
    rows = [[words.title(f"test/{name}"), *(_value(result, f"{stage}/{name}") for stage in stages)] for name in names]
    seeds = ", ".join(str(one["seed"]) for one in result["repeats"]) or str(result["seed"])
    caption = f"seeds {seeds}, on the split of the trial; tested once"
    parts = ["<h2>The best trial, trained again</h2>",
             html.table(["metric", *(words.SETS[stage] for stage in stages)], rows, caption=caption, main="macro F1"),
             f"<p>{escape(doubts.flattery(found, result))}.</p>",
             f'<p class="faint">split {escape(result["split"]["name"])}: {escape(words.separates(result["split"]))}.'
             f" {_link(found, folder)}</p>"]  # fmt: skip
    return "\n".join(parts)


def _link(found: Trials, folder: Path) -> str:
    if folder.parent != found.folder:
        return f"Record: {escape(str(folder))}"
    return f'<a href="{escape(folder.name, quote=True)}/report.html">Its record</a>'


def _value(result: Mapping[str, Any], name: str) -> str:
    return words.number(result["metrics"][name]) + words.spread(result, name) if name in result["metrics"] else ""


def _best(found: Trials) -> str:
    """The values of the best trial, and how to run it."""
    row = found.best
    if row is None or not row.values:
        return ""
    said_ = {name: words.number(value) for name, value in zip(found.objectives, row.values, strict=False)}
    facts = {"trial": str(row.number), **said_, **{key: said(value) for key, value in row.chosen.items()}}
    several = len(found.objectives) > 1
    first = (
        f"<p>Of the Pareto-optimal trials the one with the best {escape(found.objectives[0])}.</p>" if several else ""
    )
    run = f"python train.py --config-dir {best.shown(found.folder)} experiment=best"
    return f"<h2>Best trial</h2>\n{first}{html.facts(facts)}\n<pre><code>{escape(run)}</code></pre>"


def _table(found: Trials) -> str:
    head, rows = end.columns(found)
    more = f"the first {len(rows)} of {len(found.rows)}; " if len(rows) < len(found.rows) else ""
    link = html.Html(f'<p class="faint">{more}best first; all of them: <a href="{end.TABLE}">{end.TABLE}</a></p>')
    failed = {f"trial {row.number}": row.error for row in found.of("failed")[:10] if row.error}
    why = html.facts(failed, caption="why trials failed") if failed else ""
    return f"<h2>Trials</h2>\n{html.table(head, rows)}\n{link}\n{why}"


def _figures(found: Trials) -> str:
    shown = [html.figure(found.folder / "figures", name) for name in figures.FIGURES]
    parts = [one for one in shown if one]
    if not (found.folder / "figures" / "importance.svg").exists():
        parts.append(
            f'<p class="faint">Importance of keys: not shown; it takes {figures.ENOUGH} complete trials with different '
            "values, and two keys.</p>"
        )
    return "\n".join(["<h2>Figures</h2>", *parts])


def _space(found: Trials, why: Mapping[str, str]) -> str:
    """What was searched, and why so."""
    rows = []
    for key, one in found.space.items():
        if one.get("choices"):
            values = ", ".join(map(said, one["choices"]))
        else:
            values = f"{said(one.get('low'))} … {said(one.get('high'))}"
            values += ", log" if one.get("log") else f", step {said(one['step'])}" if one.get("step") else ""
        when = ", ".join(f"{other} = {' or '.join(map(said, only))}" for other, only in one.get("when") or ())
        rows.append([key, values, when or "always", why.get(key, "")])
    head = ["key", "values", "exists when", "why so"]
    table = html.table(head, rows, text=head)
    return f"<h2>What was searched</h2>\n{table}" if rows else ""


def _sentence(study: Any) -> str:
    """What all trials have in common: the sentence."""
    from phmbench.sweep.study import IDENTITY

    fixed = (study.user_attrs.get(IDENTITY) or {}).get("fixed") or {}
    chosen = {key.removeprefix("choices."): value for key, value in fixed.items() if key.startswith("choices.")}
    return f"<h2>What all trials have in common</h2>\n{html.facts(words.choices(chosen))}" if chosen else ""


def _repeat(found: Trials, command: str) -> str:
    said_ = "The same command again goes on, or shows this end again; a larger n_trials makes more trials."
    code = f"{command}\nphmbench sweep-status {best.shown(found.folder)}"
    return f"<h2>Go on</h2>\n<p>{said_}</p>\n<pre><code>{escape(code)}</code></pre>"
