"""Tables and the verdict of what cosines between labels tell."""

from collections.abc import Sequence

from experiments.reporting.markdown import Column, Table, columns
from experiments.reporting.record import Record


def title(record: Record) -> str:
    return "What cosines of labels tell" if "translations" in record else "What your cosines tell"


def meaning(record: Record) -> tuple[str, ...]:
    """The theorem, and what the second table counts."""
    translated = (
        "Adding one vector to all label vectors changes no probability of a softmax, and gives two "
        "labels any cosine below 1."
    )
    if "translations" not in record:
        return (translated,)
    return (
        translated,
        "Which labels can be told apart (the sign pattern, or chirotope) follows from cosines: of "
        "the rows for independent sigmoids, and for a softmax of the differences of rows, which no "
        "translation changes. The second table counts the random matrices whose pattern is "
        "recovered.",
    )


def tables(record: Record) -> list[Table]:
    """The translations, what cosines settle, and the audit of a matrix where one was given."""
    found = []
    if "translations" in record:
        found = [_translations(record["translations"]), _regions(record["regions"])]
    return found + ([_audit(record["audit"])] if "audit" in record else [])


def verdict(record: Record) -> str:
    """How far cosines moved at equal probabilities, and what that means for a given matrix."""
    said = [_moved(record["translations"]["rows"])] if "translations" in record else []
    said += [_audited(record["audit"])] if "audit" in record else []
    text = "; ".join(said)
    return f"{text[0].upper()}{text[1:]}."


def _moved(rows: Sequence[Record]) -> str:
    low, high = (pick(row["cosine"] for row in rows) for pick in (min, max))
    change = max(row["largest_change"] for row in rows)
    return (
        f"Two labels took cosines from {low:.2f} to {high:.2f} while no probability changed by "
        f"more than {change:.1e}, so a cosine of two rows says nothing about a softmax"
    )


def _audited(audit: Record) -> str:
    return (
        f"of your {audit['labels']:,} labels, "
        f"{audit['nearest_that_survive_every_translation']:,} keep their nearest label under "
        f"every translation, and {audit['sign_changes_on_centring']:.1%} of all pairs change "
        "the sign of their cosine when the rows are centred"
    )


def _translations(found: Record) -> Table:
    rows = [[row["target"], row["cosine"], row["largest_change"]] for row in found["rows"]]
    header = columns("asked cosine", Column("cosine", format="z.6f"))
    header.append(Column("largest change of a probability", format=".1e"))
    return Table(header, rows, "One classifier, many cosines")


def _regions(found: Record) -> Table:
    ways = ("rows", "differences")
    rows = [
        [row["labels"], row["dim"], *(f"{row[way]}/{row['of']}" for way in ways)]
        for row in found["rows"]
    ]
    header = columns("labels", "dimension", "from rows", "from differences")
    return Table(header, rows, "What cosines settle")


def _audit(record: Record) -> Table:
    needed = record["translation_to_cosine_zero"]
    rows = [
        ("labels × dimension", f"{record['labels']} × {record['dim']}"),
        ("pairs whose cosine no translation moves", f"{record['pairs_no_translation_moves']}"),
        ("mean cosine, as stored", f"{record['mean_cosine']:.4f}"),
        ("mean cosine, centred", f"{record['mean_centred_cosine']:.4f}"),
        ("pairs whose sign changes on centring", f"{record['sign_changes_on_centring']:.1%}"),
        (
            "labels whose nearest changes on centring",
            f"{record['nearest_changes_on_centring']:.1%}",
        ),
        (
            "labels whose nearest survives every translation",
            f"{record['nearest_that_survive_every_translation']}",
        ),
        (
            "translation that makes a cosine 0, in row scales (least, median, greatest)",
            ", ".join(f"{needed[name]:.3g}" for name in ("least", "median", "greatest")),
        ),
    ]
    return Table(columns("statement", "value"), rows, "Audit of your matrix")
