"""Tables and the verdict of a comparison."""

import dataclasses
import math
from collections.abc import Sequence

import similarity as S
from experiments.reporting.markdown import Cell, Column, Table, Value, code, columns
from experiments.reporting.record import Record

NUMBER = Column("value", format=".4g")


def title(record: Record) -> str:
    return f"Similarity of {', '.join(record['entries'])}"


def meaning(record: Record) -> tuple[str, ...]:
    """What is compared, and with what chance."""
    del record
    return (
        "Row i of every entry is the same input. A measure of representations alone compares `f`; "
        "a measure of models also needs their `g`. “Unrelated inputs” is the mean over "
        "permutations of one entry's rows, and p the share of permutations that are at least as "
        "close.",
    )


def tables(record: Record) -> list[Table]:
    """The entries, for two of them every measure and bound, for more the matrices."""
    found = [_entries(record["entries"])]
    if "measures" in record:
        found.append(_measures(record["measures"], record["resampled"]))
    if "bounds" in record:
        found.append(_bounds(record["bounds"]))
    names = list(record["entries"])
    notes = record.get("notes", {})
    return found + [
        _matrix(name, names, rows, notes.get(name, ())) for name, rows in record["matrices"].items()
    ]


def verdict(record: Record) -> str:
    """How close two entries are and whether bounds hold; of more, the extremes of each matrix."""
    if "measures" not in record:
        return _of_matrices(record)
    names = " and ".join(map(code, record["entries"]))
    said = []
    for measure, label in (("mcca", "mean CCA"), ("cka", "CKA"), ("logit_distance", "d_logit")):
        value = _finite(record["measures"].get(measure, {}).get("value"))
        if value is not None:
            said.append(f"{label} {_with_errors(value, record['resampled'].get(measure, {}))}")
    if not said:
        return f"No measure of {names} is defined; the table says why."
    text = f"{names} have {', '.join(said)}"
    held = [b["holds"] for b in record.get("bounds", {}).values() if b.get("exact")]
    if held:
        broken = len(held) - sum(held)
        text += f"; {f'{broken} of' if broken else 'all'} {len(held)} exact bounds "
        text += "are broken" if broken else "hold"
    drawn = any("low" in r for r in record["resampled"].values())
    return f"{text} ({'95 % bootstrap intervals over inputs' if drawn else 'no intervals drawn'})."


def _with_errors(value: float, drawn: Record) -> str:
    text = NUMBER.text(Value(value, low=drawn.get("low"), high=drawn.get("high")))
    if "null_mean" in drawn:
        text += f" (unrelated inputs {NUMBER.text(drawn['null_mean'])})"
    return text


def _of_matrices(record: Record) -> str:
    names, said = list(record["entries"]), []
    for measure, rows in record["matrices"].items():
        pairs = {
            (names[i], names[j]): _finite(rows[i][j]) for j in range(len(names)) for i in range(j)
        }
        known = {pair: value for pair, value in pairs.items() if value is not None}
        if known:
            low, high = min(known, key=known.__getitem__), max(known, key=known.__getitem__)
            ends = " to ".join(f"{known[p]:.4g} ({code(p[0])}, {code(p[1])})" for p in (low, high))
            said.append(f"{measure} goes from {ends}")
    lead = f"Over the pairs of {len(names)} entries"
    return (
        f"{lead}, {'; '.join(said) or 'no measure is defined'} (no intervals: one draw of inputs)."
    )


def _finite(value: float | str | None) -> float | None:
    """A number; None for what is not defined, or nan or inf, strings where JSON was read."""
    return value if isinstance(value, float) and math.isfinite(value) else None


def _entries(found: Record) -> Table:
    rows: list[list[Cell]] = [
        [code(name), *shapes["f"], shapes["g"] and shapes["g"][0]] for name, shapes in found.items()
    ]
    header = columns("entry", *(Column(t, format=",") for t in ("inputs", "dimension", "labels")))
    return Table(header, rows, "Entries")


def _measures(measures: Record, resampled: Record) -> Table:
    """Each measure with its interval, its null, what it grows with, and its invariances."""
    rows: list[list[Cell]] = []
    for name, found in measures.items():
        known = S.MEASURES.get(name)
        drawn = resampled.get(name, {})
        interval = Value(found["value"], low=drawn.get("low"), high=drawn.get("high"))
        value = found["value"] if isinstance(found["value"], str) else interval
        null = (
            f"{NUMBER.text(drawn['null_mean'])} (p = {drawn['p_value']:.4g})"
            if "p_value" in drawn
            else ""
        )
        grows = known.grows_with if known else ""
        invariant = ", ".join(sorted(known.invariant & known.invariant2)) if known else ""
        rows.append([name, value, null, grows, invariant, "; ".join(found["notes"])])
    header = columns("measure", Column("value [95 %]", format=".4g"), "unrelated inputs")
    header += columns("grows with", "invariant to", "notes")
    return _without_empty_notes(Table(header, rows, "Measures"))


def _without_empty_notes(given: Table) -> Table:
    """The table without its last column, where nothing stands in that."""
    if any(row[-1] for row in given.rows):
        return given
    rows = [row[:-1] for row in given.rows]
    return dataclasses.replace(given, columns=given.columns[:-1], rows=rows)


def _bounds(bounds: Record) -> Table:
    """Both sides of every bound."""
    rows: list[list[Cell]] = []
    for name, found in bounds.items():
        said = "not defined"
        if "holds" in found:
            said = "holds" if found["holds"] else "**broken**"
            said = said if found["exact"] else f"estimate: {said}"
        notes = "; ".join(found.get("notes", ()))
        rows.append([name, found.get("lhs"), found.get("rhs"), said, notes])
    text = (
        "A bound given for each input shows its tightest one. An estimate is over sampled label "
        "sets, of which some may break it."
    )
    sides = (Column(title, format=".4g", missing="") for title in ("left", "right"))
    header = columns("bound", *sides, "", "notes")
    return _without_empty_notes(Table(header, rows, "Bounds", text))


def _matrix(
    name: str, names: Sequence[str], rows: Sequence[Sequence[Cell]], notes: Sequence[str]
) -> Table:
    filled = [[code(label), *row] for label, row in zip(names, rows, strict=True)]
    header = [Column(""), *(Column(label, format=".4g") for label in names)]
    return Table(header, filled, name, " ".join(notes))
