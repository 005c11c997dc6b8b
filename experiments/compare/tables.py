"""Tables and the verdict of a comparison."""

import dataclasses
import math
from collections.abc import Mapping, Sequence

import similarity as S
from experiments.compare.entries import BY_ORDER
from experiments.compare.measures import LEVEL
from experiments.reporting.markdown import Cell, Column, Table, Value, code, columns
from experiments.reporting.record import Record

# The measures that a comparison is told by, in order.
LABELS = {
    "cka_debiased": "CKA, debiased",
    "mcca": "mean CCA",
    "mutual_knn": "shared neighbours of 10",
    "angular_procrustes": "angle after rotation",
    "agreement": "same label predicted",
    "logit_distance": "distance of logits",
}
# Of an angle in radians, and of a mean correlation: equal but for rounding in single precision.
_EQUAL_ANGLE, _EQUAL_CORRELATION = 1e-3, 1 - 1e-5
# Of the calibrated score, from which entries are called close, or alike.
_CLOSE, _ALIKE = 0.8, 0.4


def title(record: Record) -> str:
    return f"Similarity of {', '.join(record['entries'])}"


def meaning(record: Record) -> tuple[str, ...]:
    """What is compared."""
    del record
    return (
        "A row of every entry is the same input. A measure of representations alone compares `f`; "
        "a measure of models also needs their `g`. A bias belongs to the distribution: measures of "
        "representations do not see it, and bounds take it as one more coordinate.",
    )


def tables(record: Record) -> list[Table]:
    """What matters first; then the entries, every measure and bound, or the matrices."""
    found = brief(record) if "measures" in record else []
    found.append(_entries(record))
    if "measures" in record:
        found.append(_measures(record["measures"]))
    if "bounds" in record:
        found.append(_bounds(record["bounds"]))
    return found + _matrices(record)


def brief(record: Record) -> list[Table]:
    """What a terminal shows: of two entries the measures that matter, of more the matrices."""
    return [_first(record)] if "measures" in record else _matrices(record)


def verdict(record: Record) -> str:
    """How alike two entries are; of more, the extremes of each matrix. Then what pairs the rows."""
    matched = " ".join(n for n in record.get("alignment", ()) if n.startswith(BY_ORDER))
    return f"{_alike(record)} {matched}".strip()


def _alike(record: Record) -> str:
    if "measures" not in record:
        return _of_matrices(record)
    names = " and ".join(map(code, record["entries"]))
    value = {name: _finite(found.get("value")) for name, found in record["measures"].items()}
    if all(v is None for v in value.values()):
        return f"No measure of {names} is defined; the table says why."
    parts = [f"{names} {_relation(value, record['resampled'].get('cka_debiased', {}))}"]
    agreement, distance = value.get("agreement"), value.get("logit_distance")
    if agreement is not None:
        parts.append(f"they predict the same label on {agreement:.1%} of inputs")
    if distance is not None:
        parts.append(f"their centred logits are {distance:.3g} apart (root mean square)")
    held = [b["holds"] for b in record.get("bounds", {}).values() if b.get("exact")]
    if held:
        broken = len(held) - sum(held)
        text = f"{broken} of {len(held)}" if broken else f"all {len(held)}"
        parts.append(f"{text} exact bounds {'are broken' if broken else 'hold'}")
    return "; ".join(parts) + "."


def _relation(value: Mapping[str, float | None], drawn: Record) -> str:
    """How two representations are related, by the strongest statement that holds."""
    angle, correlation, cka = (
        value.get(name) for name in ("angular_procrustes", "mcca", "cka_debiased")
    )
    if angle is not None and angle < _EQUAL_ANGLE:
        return "are equal up to rotation, shift and scale"
    if correlation is not None and correlation > _EQUAL_CORRELATION:
        return "are equal up to an invertible linear map"
    if cka is None:
        return "have no CKA"
    text = f"debiased CKA is {cka:.3g}, where equal ones have 1"
    if "p_value" not in drawn:
        return f"were not compared with chance: {text}"
    text += f" and chance reaches {drawn['critical']:.2g}"
    if drawn["p_value"] > LEVEL:
        return f"cannot be told from unrelated representations: {text}"
    score = drawn["score"]
    degree = "close" if score > _CLOSE else "alike" if score > _ALIKE else "weakly related"
    return f"are {degree}: {text}"


def _of_matrices(record: Record) -> str:
    names, sentences = list(record["entries"]), []
    for measure, rows in record["matrices"].items():
        pairs = {
            (names[i], names[j]): _finite(rows[i][j]) for j in range(len(names)) for i in range(j)
        }
        known = {pair: value for pair, value in pairs.items() if value is not None}
        if known:
            low, high = min(known, key=known.__getitem__), max(known, key=known.__getitem__)
            ends = " to ".join(f"{known[p]:.4g} ({code(p[0])}, {code(p[1])})" for p in (low, high))
            beside = _beside_chance(record.get("chance", {}).get(measure))
            sentences.append(f"{measure} goes from {ends}{beside}")
    lead = f"Over the pairs of {len(names)} entries"
    return f"{lead}, {'; '.join(sentences) or 'no measure is defined'}."


def _beside_chance(drawn: Record | None) -> str:
    """How many pairs of entries a measure tells from unrelated ones, as the end of a sentence."""
    if drawn is None:
        return ", not compared with chance"
    rows = drawn["p_value"]
    p_values = [p for i, row in enumerate(rows) for p in row[i + 1 :] if p is not None]
    if not p_values:
        return ""
    closer, count = sum(p <= LEVEL for p in p_values), len(p_values)
    if closer == count:
        return f", and all {count} pairs are closer than chance"
    told = f"{closer} of {count} pairs {'is' if closer == 1 else 'are'}" if closer else "no pair is"
    return f", and {told} closer than chance"


def _finite(value: float | str | None) -> float | None:
    """A number; None for what is not defined, or nan or inf, strings where JSON was read."""
    return value if isinstance(value, float) and math.isfinite(value) else None


def _entries(record: Record) -> Table:
    rows: list[list[Cell]] = [
        [code(name), *shapes["f"], shapes["g"] and shapes["g"][0]]
        for name, shapes in record["entries"].items()
    ]
    header = columns("entry", *(Column(t, format=",") for t in ("inputs", "dimension", "labels")))
    return Table(header, rows, "Entries", " ".join(record.get("alignment", ())))


def _first(record: Record) -> Table:
    """The measures that matter: value, what equal entries have, and what chance reaches."""
    rows: list[list[Cell]] = []
    measures = record["resampled"] or LABELS
    for name, label in LABELS.items():
        if name not in measures or name not in record["measures"]:
            continue
        found, known = record["measures"][name], S.MEASURES[name]
        drawn = record["resampled"].get(name, {})
        value = Value(_finite(found["value"]), low=drawn.get("low"), high=drawn.get("high"))
        closer = "more" if known.grows_with == "similarity" else "less"
        notes = "; ".join([*found.get("notes", ()), *drawn.get("notes", ())])
        chance = [drawn.get(key) for key in ("critical", "score", "p_value")]
        rows.append([label, value, closer, known.closest, *chance, notes])
    header = columns(
        "measure",
        Column("value [95 %]", format=".3g"),
        "closer is",
        Column("equal", format="g"),
        Column("chance", format=".3g"),
        Column("score", format=".2f"),
        Column("p", format=".3g"),
        "notes",
    )
    text = (
        "Chance is what one of twenty random pairings of the inputs reaches. The score is 0 there "
        "and 1 for equal entries; p is the share of pairings that are at least as close."
    )
    if not record["resampled"]:
        header, rows = [*header[:4], *header[-1:]], [[*row[:4], *row[-1:]] for row in rows]
        text = "Not compared with chance: give --draws=200."
    return _without_empty_notes(Table(header, rows, "What matters", text))


def _measures(measures: Record) -> Table:
    """Each measure with its range, what it grows with, and its invariances."""
    rows: list[list[Cell]] = []
    for name, found in measures.items():
        known = S.MEASURES.get(name)
        grows = known.grows_with if known else ""
        ends = f"{known.low:.3g} to {known.high:.3g}" if known else ""
        invariant = ", ".join(sorted(known.invariant & known.invariant2)) if known else ""
        rows.append([name, found["value"], ends, grows, invariant, "; ".join(found["notes"])])
    header = columns("measure", Column("value", format=".4g"), "range", "grows with")
    header += columns("invariant to", "notes")
    return _without_empty_notes(Table(header, rows, "All measures"))


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
        outcome = "not defined"
        if "holds" in found:
            outcome = "holds" if found["holds"] else "**broken**"
            outcome = outcome if found["exact"] else f"estimate: {outcome}"
        notes = "; ".join(found.get("notes", ()))
        rows.append([name, found.get("lhs"), found.get("rhs"), outcome, notes])
    text = (
        "A bound given for each input shows its tightest one. An estimate is over sampled label "
        "sets, of which some may break it."
    )
    sides = (Column(title, format=".4g", missing="") for title in ("left", "right"))
    header = columns("bound", *sides, "", "notes")
    return _without_empty_notes(Table(header, rows, "Bounds", text))


def _matrices(record: Record) -> list[Table]:
    names, notes = list(record["entries"]), record.get("notes", {})
    return [
        _matrix(name, names, rows, record.get("chance", {}).get(name), notes.get(name, ()))
        for name, rows in record["matrices"].items()
    ]


def _matrix(
    name: str,
    names: Sequence[str],
    rows: Sequence[Sequence[Cell]],
    drawn: Record | None,
    notes: Sequence[str],
) -> Table:
    """Every cell with what chance reaches, where that was drawn."""
    filled = [[code(label), *row] for label, row in zip(names, rows, strict=True)]
    header = [Column(""), *(Column(label, format=".4g") for label in names)]
    if drawn is None or not any(p is not None for row in drawn["p_value"] for p in row):
        return Table(header, filled, name, " ".join(notes))
    for i, row in enumerate(rows):
        for j, value in enumerate(row):
            critical, p_value = drawn["critical"][i][j], drawn["p_value"][i][j]
            if p_value is not None:
                near = "" if p_value <= LEVEL else ", no closer"
                filled[i][j + 1] = f"{header[j + 1].text(value)} (chance {critical:.3g}{near})"
    text = "Chance is what one of twenty random pairings of the inputs reaches."
    return Table(header, filled, name, " ".join((text, *notes)))
