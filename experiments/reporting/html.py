"""One page for every study: the verdict, what it means, tables, figures, and how it was made."""

import base64
import dataclasses
import hashlib
import html
import pathlib
import re
import struct
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from experiments.reporting import figures, markdown
from experiments.reporting.figures import Image
from experiments.reporting.markdown import Cell, Column, Table, Value
from experiments.reporting.record import Record, facts

if TYPE_CHECKING:
    from matplotlib.figure import Figure

NAME = "report.html"
SMALL = 500  # CSS pixels of width that 360 can show without making letters illegible
_STYLE = """
:root { color-scheme: light dark; --ink: #1d2127; --soft: #59636e; --paper: #fff; --line: #d9dee3;
        --tint: #f3f5f7; --link: #0a58ca; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e3e6ea; --soft: #a3acb6; --paper: #14171b; --line: #363c44; --tint: #1f242a;
          --link: #7db1ff; } }
body { font: 16px/1.55 system-ui, sans-serif; max-width: 72rem; margin: 0 auto;
       padding: 1rem 1rem 4rem; color: var(--ink); background: var(--paper);
       overflow-wrap: break-word; }
h1 { font-size: 1.5rem; line-height: 1.25; margin: 1rem 0; }
h2 { font-size: 1.15rem; margin: 2.5rem 0 .5rem; }
p, figcaption, dl { max-width: 46rem; }
.verdict { font-size: 1.15rem; border-left: 4px solid var(--link); padding: .2rem 0 .2rem .9rem; }
.note, figcaption, dt, .unit { color: var(--soft); }
.note, figcaption { font-size: .875rem; }
.scroll { overflow-x: auto; margin: .75rem 0; }
table { border-collapse: collapse; font-size: .875rem; font-variant-numeric: tabular-nums; }
th, td { padding: .3rem .7rem; border-bottom: 1px solid var(--line); text-align: left;
         vertical-align: top; }
th { background: var(--tint); font-weight: 600; vertical-align: bottom; }
td { white-space: nowrap; }
td.words { white-space: normal; min-width: 14rem; }
.figure { text-align: right; }
th button { font: inherit; color: inherit; text-align: inherit; background: none; border: 0;
            padding: 0; cursor: pointer; }
th button::after { content: "\\a0↕"; color: var(--soft); font-weight: 400; }
th[aria-sort=ascending] button::after { content: "\\a0↑"; color: var(--link); }
th[aria-sort=descending] button::after { content: "\\a0↓"; color: var(--link); }
.unit { font-weight: 400; }
figure { margin: 2rem 0; }
img { display: block; height: auto; max-width: 100%; background: #fff; border-radius: 4px; }
@media (max-width: 44rem) { img:not(.small) { max-width: 44rem; } }
code { background: var(--tint); padding: 0 .25em; border-radius: 3px; font-size: .9em;
       overflow-wrap: anywhere; }
td code { white-space: pre; }
td.words code { white-space: pre-wrap; }
summary { cursor: pointer; margin: 1rem 0 .5rem; font-weight: 600; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .3rem 1rem; font-size: .875rem; }
dd { margin: 0; min-width: 0; }
"""
# A click sorts by a column, a second one the other way round, a third restores the order. Cells
# without a figure stay last.
_SCRIPT = """
for (const table of document.querySelectorAll("table")) {
  const body = table.tBodies[0], given = [...body.rows], heads = [...table.tHead.rows[0].cells];
  const key = (row, i) => {
    const cell = row.cells[i], value = parseFloat(cell.dataset.key ?? cell.textContent);
    return cell.classList.contains("figure") || !isNaN(value) ? value : cell.textContent;
  };
  const compare = (a, b) => {
    const numbers = typeof a === "number" && typeof b === "number";
    return numbers ? a - b : String(a).localeCompare(String(b));
  };
  heads.forEach((head, i) => head.querySelector("button")?.addEventListener("click", () => {
    const next = { ascending: "descending", descending: "none" };
    const order = next[head.getAttribute("aria-sort")] ?? "ascending";
    heads.forEach(other => other.removeAttribute("aria-sort"));
    if (order !== "none") head.setAttribute("aria-sort", order);
    const sign = order === "descending" ? -1 : 1;
    const last = row => Number(Number.isNaN(key(row, i)));
    const by = (a, b) => last(a) - last(b) || sign * compare(key(a, i), key(b, i));
    body.append(...(order === "none" ? given : [...given].sort(by)));
  }));
}
"""
_HINTS = {"lower": "lower is better", "higher": "higher is better", "": ""}


@dataclasses.dataclass(frozen=True)
class Page:
    """What a study says, in the order in which it is read.

    Attributes:
      verdict: one sentence with the numbers that matter and their errors.
      meaning: paragraphs; like all text they may hold `code` and **bold**.
      record: where command, date, versions and commit come from, which stand last.
    """

    title: str
    verdict: str
    record: Record
    meaning: Sequence[str] = ()
    tables: Sequence[Table] = ()
    images: Mapping[str, Image] = dataclasses.field(default_factory=dict)

    def render(self) -> str:
        """The page, which needs no other file and runs no script but its own."""
        parts = [f"<h1>{html.escape(self.title)}</h1>"]
        parts.append(f'<p class="verdict">{inline(self.verdict)}</p>')
        parts += [f"<p>{inline(text)}</p>" for text in self.meaning]
        parts += map(_section, self.tables)
        if self.images:
            parts.append("<h2>Figures</h2>")
        parts += [_figure(name, image) for name, image in self.images.items()]
        parts.append(_made_by(facts(self.record)))
        head = (
            '<meta charset="utf-8"><meta name="viewport" content="width=device-width">'
            f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
            f"<title>{html.escape(self.title)}</title><style>{_STYLE}</style>"
        )
        body = "\n".join(parts)
        return (
            f'<!doctype html>\n<html lang="en"><head>{head}</head><body>\n{body}\n'
            f"<script>{_SCRIPT}</script></body></html>\n"
        )


class Reporting(Protocol):
    """What a study says of its record; the module tables.py of a study is one."""

    def title(self, record: Any, /) -> str: ...
    def verdict(self, record: Any, /) -> str: ...
    def meaning(self, record: Any, /) -> Sequence[str]: ...
    def tables(self, record: Any, /) -> Sequence[Table]: ...


def publish(
    study: Reporting,
    record: Record,
    drawn: "Mapping[str, Figure]",
    folder: pathlib.Path,
    write: Callable[[pathlib.Path, bytes], None],
) -> Sequence[Table]:
    """Writes figures/, tables.md and report.html by `write(path, data)`; returns the tables."""
    tables = study.tables(record)
    images = figures.save(drawn, folder / "figures", write)
    words = study.title(record), study.verdict(record)
    page = Page(*words, record, study.meaning(record), tables, images)
    write(folder / "tables.md", markdown.block(tables, titles=True).encode())
    write(folder / NAME, page.render().encode())
    return tables


def inline(text: str) -> str:
    """Text as HTML with `code` and **bold**; everything else is escaped.

    A figure and what belongs to it stay on one line.
    """
    text = html.escape(text, quote=False).replace(" %", "\u00a0%").replace(" ± ", "\u00a0±\u00a0")
    # In one pass: asterisks inside code stay.
    mark = lambda m: f"<b>{m[2]}</b>" if m[1] is None else f"<code>{m[1]}</code>"
    return re.sub(r"`([^`]*)`|\*\*([^*`]+)\*\*", mark, text)


def table(given: Table) -> str:
    """A table that scrolls inside itself and can be sorted by each of its columns."""
    of_figures = [_holds_figures(given, i) for i in range(len(given.columns))]
    sortable = len(given.rows) > 1
    heads = [_head(*pair, sortable) for pair in zip(given.columns, of_figures, strict=True)]
    lines = []
    for row, texts in zip(given.rows, given.text(), strict=True):
        cells = map(_cell, row, texts, of_figures)
        lines.append(f"<tr>{''.join(cells)}</tr>")
    return (
        f'<div class="scroll"><table><thead><tr>{"".join(heads)}</tr></thead>\n'
        f"<tbody>{''.join(lines)}</tbody></table></div>"
    )


def _holds_figures(given: Table, place: int) -> bool:
    return any(isinstance(row[place], int | float | Value) for row in given.rows)


def _head(column: Column, of_figures: bool, sortable: bool) -> str:
    title = html.escape(column.title)
    if column.unit:
        title += f' <span class="unit">{html.escape(column.unit)}</span>'
    if sortable and column.title:
        title = f'<button title="{_HINTS[column.better]}">{title}</button>'
    return f'<th scope="col"{_class("figure" if of_figures else "")}>{title}</th>'


def _cell(cell: Cell, text: str, of_figures: bool) -> str:
    value = cell.mean if isinstance(cell, Value) else cell
    key = f' data-key="{float(value)!r}"' if isinstance(value, int | float) else ""
    kind = "figure" if of_figures else "words" if len(text) > 60 else ""
    return f"<td{_class(kind)}{key}>{inline(text)}</td>"


def _class(name: str) -> str:
    return f' class="{name}"' if name else ""


def _section(given: Table) -> str:
    caption = f'\n<p class="note">{inline(given.caption)}</p>' if given.caption else ""
    body, title = f"{table(given)}{caption}", html.escape(given.title)
    if given.folded:
        return f"<details><summary>{title}</summary>\n{body}</details>"
    return f"<h2>{title}</h2>\n{body}" if title else body


def _figure(name: str, image: Image) -> str:
    width, height = struct.unpack(">II", image.png[16:24])
    scale = 96 / figures.DPI  # a CSS pixel is 1/96 of an inch
    data, name = base64.b64encode(image.png).decode(), html.escape(name)
    # On a telephone it is shown whole, where others keep their size and scroll.
    small = _class("small" if width * scale <= SMALL else "")
    return (
        f'<figure id="{name}"><div class="scroll"><img{small} alt="{name}" '
        f'width="{width * scale:.0f}" height="{height * scale:.0f}" '
        f'src="data:image/png;base64,{data}"></div>'
        f"<figcaption>{inline(image.caption)}</figcaption></figure>"
    )


def _made_by(known: Mapping[str, str]) -> str:
    if not known:
        return ""
    escaped = {name: html.escape(value) for name, value in known.items()}
    if "command" in escaped:
        escaped["command"] = f"<code>{escaped['command']}</code>"
    rows = "".join(f"<dt>{name}</dt><dd>{value}</dd>" for name, value in escaped.items())
    return f"<h2>How this was made</h2>\n<dl>{rows}</dl>"


def _digest(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


# The browser refuses whatever else a record's text might smuggle in.
_POLICY = (
    f"default-src 'none'; img-src data:; style-src {_digest(_STYLE)}; "
    f"script-src {_digest(_SCRIPT)}; base-uri 'none'; form-action 'none'"
)
