"""One HTML page, whole in itself: tables, and plots as embedded images."""

import base64
import html
import io
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

import similarity as S

STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; margin: 2em auto; max-width: 62em; color: #222; }
table { border-collapse: collapse; margin: 1em 0; }
th, td { padding: .25em .8em; text-align: right; border-bottom: 1px solid #ddd; }
th:first-child, td:first-child { text-align: left; }
.note { color: #777; font-size: 90%; }
.broken { color: #b00020; font-weight: 600; }
img { max-width: 100%; }
"""


def render(title: str, sections: Sequence[str]) -> str:
    """A page of the given sections."""
    body = "\n".join(sections)
    return (
        '<!doctype html>\n<html lang="en">\n<meta charset="utf-8">\n'
        f"<title>{_text(title)}</title>\n"
        f"<style>{STYLE}</style>\n<h1>{_text(title)}</h1>\n{body}\n</html>\n"
    )


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """An HTML table; cells are HTML already."""
    lines = ["<table>", "<tr>" + "".join(f"<th>{_text(name)}</th>" for name in header) + "</tr>"]
    lines += ["<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows]
    return "\n".join([*lines, "</table>"])


def measures_section(
    measures: Mapping[str, Mapping[str, Any]], resampled: Mapping[str, Mapping[str, Any]]
) -> str:
    """Each measure with its interval, its null, what it grows with, and its invariances."""
    rows = []
    for name, found in measures.items():
        known = S.MEASURES.get(name)
        drawn = resampled.get(name, {})
        interval = f"{_number(drawn['low'])} to {_number(drawn['high'])}" if "low" in drawn else ""
        null = (
            f"{_number(drawn['null_mean'])} (p = {_number(drawn['p_value'])})"
            if "p_value" in drawn
            else ""
        )
        grows = known.grows_with if known else ""
        invariant = ", ".join(sorted(known.invariant & known.invariant2)) if known else ""
        notes = _notes(found["notes"])
        cells = (_text(name) + notes, _number(found["value"]), interval, null, grows, invariant)
        rows.append(cells)
    header = ("measure", "value", "95% interval", "unrelated inputs", "grows with", "invariant to")
    return "<h2>Measures</h2>\n" + table(header, rows)


def bounds_section(bounds: Mapping[str, Mapping[str, Any]]) -> str:
    """Both sides of every bound."""
    rows = []
    for name, found in bounds.items():
        if "holds" not in found:
            rows.append((_text(name) + _notes(found["notes"]), "", "", "not defined"))
            continue
        verdict = "holds" if found["holds"] else '<span class="broken">broken</span>'
        if not found["exact"]:
            verdict = "estimate: " + verdict
        rows.append((_text(name), _number(found["lhs"]), _number(found["rhs"]), verdict))
    note = (
        '<p class="note">A bound given for each input shows its tightest one. An estimate is over '
        "sampled label sets, of which some may break it.</p>"
    )
    return "<h2>Bounds</h2>\n" + table(("bound", "left", "right", ""), rows) + note


def matrix_section(
    name: str, names: Sequence[str], values: np.ndarray, notes: Sequence[str]
) -> str:
    """A matrix as a heat map and as numbers."""
    rows = [
        (_text(label), *(_number(value) for value in row))
        for label, row in zip(names, values, strict=True)
    ]
    image = _image(_heat_map(name, names, values))
    if len(names) > 2:
        image += _image(_embedding(name, names, values))
    return f"<h2>{_text(name)}</h2>\n{image}\n{table(('', *names), rows)}{_notes(notes)}"


def spectrum_section(correlations: np.ndarray, per_input: np.ndarray | None) -> str:
    """The canonical correlations, and how the logit distance spreads over inputs."""
    figure, axes = _figure((9, 3), 2 if per_input is not None else 1)
    axes[0].plot(np.arange(1, correlations.size + 1), correlations, "o-", ms=3)
    axes[0].set_ylim(0, 1.02)
    axes[0].set_xlabel("canonical correlation of f, in order")
    if per_input is not None:
        axes[1].hist(np.sqrt(per_input), bins=50, color="#4c72b0")
        axes[1].set_xlabel("‖ũ(x) - ũ'(x)‖, over inputs")
    return "<h2>Spread</h2>\n" + _image(figure)


def _heat_map(name: str, names: Sequence[str], values: np.ndarray):
    figure, (axis,) = _figure((1.6 + 0.5 * len(names), 1.2 + 0.5 * len(names)), 1)
    shown = axis.imshow(values, cmap="viridis")
    axis.set_xticks(range(len(names)), names, rotation=45, ha="right", fontsize=8)
    axis.set_yticks(range(len(names)), names, fontsize=8)
    figure.colorbar(shown, ax=axis, label=name)
    return figure


def _embedding(name: str, names: Sequence[str], values: np.ndarray):
    """Classical scaling of the symmetrised matrix to the plane; similarities as 1 - value."""
    known = S.MEASURES.get(name)
    distance = 1 - values if known and known.grows_with == "similarity" else values
    distance = np.nan_to_num(0.5 * (distance + distance.T))
    squares = np.square(distance)
    centred = squares - squares.mean(0) - squares.mean(1)[:, None] + squares.mean()
    eigenvalues, vectors = np.linalg.eigh(-0.5 * centred)
    points = vectors[:, -2:] * np.sqrt(np.maximum(eigenvalues[-2:], 0))
    figure, (axis,) = _figure((4.5, 4), 1)
    axis.plot(points[:, 1], points[:, 0], "o")
    for label, (y, x) in zip(names, points, strict=True):
        axis.annotate(label, (x, y), fontsize=8, xytext=(4, 4), textcoords="offset points")
    axis.set_title(f"scaling of {name}", fontsize=10)
    return figure


def _figure(size: tuple[float, float], columns: int):
    from matplotlib.figure import Figure

    figure = Figure(size, layout="constrained")
    return figure, figure.subplots(1, columns, squeeze=False).ravel()


def _image(figure: Any) -> str:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=100)
    return (
        f'<img alt="" src="data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}">'
    )


def _notes(notes: Sequence[str]) -> str:
    return "".join(f'<br><span class="note">{_text(note)}</span>' for note in notes)


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.4g}"


def _text(value: str) -> str:
    return html.escape(value)
