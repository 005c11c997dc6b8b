"""One self-contained HTML page from headings, text, Markdown tables and figures."""

import base64
import html
import pathlib
import re
from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
from matplotlib.figure import Figure

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 80rem; margin: 2rem auto; padding: 0 1rem;
       color: #222; }
table { border-collapse: collapse; margin: 1rem 0; font-size: 13px; display: block;
        overflow-x: auto; }
th, td { border-bottom: 1px solid #ddd; padding: 3px 6px; text-align: left; }
td { white-space: nowrap; }
th { background: #f5f5f5; }
code { background: #f5f5f5; padding: 0 3px; white-space: pre-wrap; }
p { max-width: 60rem; }
img { max-width: 100%; }
h2 { margin-top: 2.5rem; border-bottom: 2px solid #eee; }
"""


def page(title: str, parts: Sequence[str]) -> str:
    """The page; `parts` are the results of the functions below."""
    head = f'<meta charset="utf-8"><title>{html.escape(title)}</title><style>{_STYLE}</style>'
    body = "\n".join([f"<h1>{html.escape(title)}</h1>", *parts])
    return f"<!doctype html><html lang=en><head>{head}</head><body>\n{body}\n</body></html>\n"


def heading(text: str) -> str:
    return f"<h2>{html.escape(text)}</h2>"


def paragraph(text: str) -> str:
    """Text with `code` and **bold**."""
    return f"<p>{_inline(text)}</p>"


def table(markdown: str) -> str:
    """A Markdown table as HTML."""
    lines = [line for line in markdown.strip().split("\n") if not re.fullmatch(r"\|(---\|)+", line)]
    rows = [re.split(r"(?<!\\)\|", line)[1:-1] for line in lines]
    clean = [[_inline(cell.strip().replace("\\|", "|")) for cell in row] for row in rows]
    header = "".join(f"<th>{cell}</th>" for cell in clean[0])
    body = "".join(
        "<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in clean[1:]
    )
    return f"<table><thead><tr>{header}</tr></thead><tbody>{body}</tbody></table>"


def save_figures(drawn: Mapping[str, Figure], folder: pathlib.Path) -> dict[str, pathlib.Path]:
    """Writes NAME.png and NAME.pdf of each figure, closes it, and says where the PNG is."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, figure in drawn.items():
        figure.savefig(folder / f"{name}.pdf")
        figure.savefig(folder / f"{name}.png", dpi=120)
        plt.close(figure)
    return {name: folder / f"{name}.png" for name in drawn}


def image(path: pathlib.Path, alt: str) -> str:
    """A PNG file inside the page."""
    data = base64.b64encode(path.read_bytes()).decode()
    return f'<img alt="{html.escape(alt)}" src="data:image/png;base64,{data}">'


def _inline(text: str) -> str:
    text = html.escape(text, quote=False)
    # In one pass: asterisks inside code stay.
    mark = lambda m: f"<b>{m[2]}</b>" if m[1] is None else f"<code>{m[1]}</code>"
    return re.sub(r"`([^`]*)`|\*\*([^*`]+)\*\*", mark, text)
