"""What pages of a record and of a sweep are made of: HTML that works offline, on a phone and in print."""

from __future__ import annotations

import base64
import re
import xml.etree.ElementTree as ET
from collections.abc import Collection, Iterable, Mapping, Sequence
from html import escape
from importlib import resources
from pathlib import Path

LARGEST_SVG = 250_000  # bytes; a larger drawing is shown as PNG, so that the page stays below 3 MB


def page(title: str, body: str) -> str:
    """A whole page; `body` is HTML, the title is text."""
    css = resources.files("phmbench.record").joinpath("page.css").read_text("utf-8")
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>\n{css}</style>\n</head>\n<body>\n<main>\n{body}\n</main>\n</body>\n</html>\n"
    )


def mark(text: str) -> str:
    """What must not be overlooked."""
    return f'<p class="mark">{escape(text)}</p>'


def figure(folder: Path, name: str) -> str:
    """A figure inside the page: as a drawing, or as pixels where the drawing is large; its text alternative."""
    svg, png = folder / f"{name}.svg", folder / f"{name}.png"
    if not svg.exists() or not png.exists():
        return ""
    alt = _alternative(svg)
    file, kind = (svg, "svg+xml") if svg.stat().st_size <= LARGEST_SVG else (png, "png")
    content = base64.b64encode(file.read_bytes()).decode("ascii")
    numbers = f'<a href="figures/{name}.csv">numbers</a>'
    return (
        f'<figure class="{name}"><img alt="{escape(alt, quote=True)}" src="data:image/{kind};base64,{content}">'
        f"<figcaption>{escape(alt)} ({numbers})</figcaption></figure>"
    )


def _alternative(svg: Path) -> str:
    """The text that says what a drawing shows: `style.save` put it into the drawing's metadata."""
    description = "{http://purl.org/dc/elements/1.1/}description"
    return ET.parse(svg).getroot().findtext(f".//{description}") or svg.stem


class Html(str):
    """Text that is HTML already."""


MANY = 10  # columns, from which on a table is set smaller


def _cell(tag: str, value: str, *, breaks: bool, is_text: bool) -> str:
    shown = value if isinstance(value, Html) else escape(value)
    if breaks and not isinstance(value, Html):
        shown = re.sub(r"([_./])(?=[^\W\d])", r"\1<wbr>", shown)  # a long key may go on in the next line, a number not
    return f"<{tag}{' class=text' if is_text else ''}>{shown}</{tag.partition(' ')[0]}>"


def table(
    head: Sequence[str], rows: Iterable[Sequence[str]], *, caption: str = "", main: str = "", text: Collection[str] = ()
) -> str:
    """A table that scrolls sideways where the screen is too narrow; the row `main` is bold.

    Args:
        head: names of the columns.
        rows: cells by column.
        caption: above it.
        main: first cell of the row that is bold.
        text: columns of words, which start at the left and have as many lines as they need.
    """
    many = len(head) >= MANY

    def cells(tag: str, row: Sequence[str]) -> str:
        return "".join(
            _cell(tag, value, breaks=many or name in text, is_text=name in text)
            for name, value in zip(head, row, strict=True)
        )

    body = "\n".join(f"<tr{' class=main' if row[0] == main else ''}>{cells('td', row)}</tr>" for row in rows)
    said = f"<caption>{escape(caption)}</caption>" if caption else ""
    top, kind = cells('th scope="col"', head), " class=many" if many else ""
    return (
        f'<div class="wide"><table{kind}>{said}<thead><tr>{top}</tr></thead>\n<tbody>\n{body}\n</tbody></table></div>'
    )


def facts(facts: Mapping[str, str], *, caption: str = "") -> str:
    """Names and their values, as text."""
    rows = "\n".join(f'<tr><th scope="row">{escape(k)}</th><td>{escape(v)}</td></tr>' for k, v in facts.items())
    said = f"<caption>{escape(caption)}</caption>" if caption else ""
    return f'<table class="facts">{said}<tbody>\n{rows}\n</tbody></table>'
