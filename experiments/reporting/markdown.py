"""One table for every study: columns, rows and a caption, and how they read in Markdown."""

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, NamedTuple


class Value(NamedTuple):
    """A figure with its error or its interval.

    Attributes:
      error: one standard error or deviation, as the caption says; NaN for one that is unknown.
      format: in place of the column's.
      strong: whether it is emphasised.
    """

    mean: float | None
    error: float | None = None
    low: float | None = None
    high: float | None = None
    format: str | Callable[[float], str] | None = None
    strong: bool = False


# Text may hold `code` and **bold**; what users name goes through `code`.
Cell = str | float | Value | None


@dataclasses.dataclass(frozen=True)
class Column:
    """What stands in a column.

    Attributes:
      unit: stands after the title.
      format: a format specification, or a function, of the figures; of errors, `error_format`.
      better: the direction of improvement, where there is one.
      missing: what stands for None.
    """

    title: str
    unit: str = ""
    format: str | Callable[[float], str] = ""
    error_format: str = ""
    better: Literal["", "lower", "higher"] = ""
    missing: str = "–"

    @property
    def heading(self) -> str:
        return f"{self.title} {self.unit}".strip()

    def text(self, cell: Cell) -> str:
        """The cell as it is read: a figure with its error or interval, in this column's format."""
        if isinstance(cell, str):
            return cell
        value = cell if isinstance(cell, Value) else Value(cell)
        if value.mean is None:
            return self.missing
        form = self.format if value.format is None else value.format
        text = _formatted(value.mean, form)
        if value.error is not None:
            known = not math.isnan(value.error)
            text += f" ± {_formatted(value.error, self.error_format or form) if known else '–'}"
        if value.low is not None and value.high is not None:
            text += f" [{_formatted(value.low, form)}, {_formatted(value.high, form)}]"
        return f"**{text}**" if value.strong else text


@dataclasses.dataclass(frozen=True)
class Table:
    """Rows of cells under columns.

    Attributes:
      caption: what the figures are, of what, how often.
      source: by what command; after the caption in Markdown, at the end of a page.
      folded: whether a page shows no more than the title until it is opened.
    """

    columns: Sequence[Column]
    rows: Sequence[Sequence[Cell]]
    title: str = ""
    caption: str = ""
    source: str = ""
    folded: bool = False

    def __post_init__(self):
        for row in self.rows:
            if len(row) != len(self.columns):
                raise ValueError(f"a row of {len(row)} cells in {len(self.columns)} columns: {row}")

    def text(self) -> list[list[str]]:
        """Every cell as it is read."""
        return [
            [c.text(cell) for c, cell in zip(self.columns, row, strict=True)] for row in self.rows
        ]


def of_records(
    records: Sequence[Mapping[str, Any]],
    columns: Mapping[str, Column],
    title: str = "",
    caption: str = "",
) -> Table:
    """A table with one row a record and one column a key; a key that a record lacks is missing."""
    rows = [[record.get(key) for key in columns] for record in records]
    return Table([*columns.values()], rows, title, caption)


def columns(*titles: str | Column) -> list[Column]:
    """Columns of text, from their titles, among others."""
    return [Column(title) if isinstance(title, str) else title for title in titles]


def code(text: str) -> str:
    """Text as Markdown code; a backtick, which would end it, becomes an accent."""
    return f"`{text.replace('`', 'ˋ')}`"


def render(table: Table) -> str:
    """The table's Markdown alone, without an end of line."""
    headings = [column.heading for column in table.columns]
    lines = ["|" + "".join(f" {_clean(h)} |" if h else " |" for h in headings)]
    lines.append("|" + "---|" * len(headings))
    lines += [f"| {' | '.join(map(_clean, row))} |" for row in table.text()]
    return "\n".join(lines)


def block(tables: Sequence[Table], *, titles: bool = False) -> str:
    """Tables with their captions and sources, and in bold their titles, one below the other."""
    parts = []
    for table in tables:
        if titles and table.title:
            parts.append(f"**{table.title}.**")
        notes = " ".join(filter(None, (table.caption, table.source)))
        parts += [render(table), *filter(None, [notes])]
    return "\n\n".join(parts) + "\n"


def _formatted(value: float, form: str | Callable[[float], str]) -> str:
    return format(value, form) if isinstance(form, str) else form(value)


def _clean(text: str) -> str:
    """Bars and ends of lines, which would end a cell, made harmless."""
    return text.replace("|", "\\|").replace("\n", "⏎")
