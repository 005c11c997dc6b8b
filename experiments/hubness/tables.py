"""Tables and the verdict of a run."""

from collections.abc import Collection, Mapping

from experiments.hubness.summary import best, cuts, interval
from experiments.reporting.markdown import Cell, Column, Table, Value, code, columns
from experiments.reporting.record import Record, environment
from experiments.runtime import topology

PUBLISHED = "f-norm+mp_gauss@skhubness-0.30"
# The combination of the paper's abstract, as the paper computes it and among all points, and what
# it claims of one encoder of high hubness: arXiv 2311.18364.
CLAIMED_OF = (PUBLISHED, "f-norm+mp_gauss")
CLAIMS = (
    ("skewness", False, "about 75 %"),
    ("skewness", True, "about 75 %"),
    ("robin_hood", False, "about 75 %"),
    ("robin_hood", True, "about 75 %"),
    ("error", False, "about 9 %"),
    ("error_by_distance", False, "about 9 %"),
)
SURE = 0.05  # of the exact McNemar test, divided by the number of methods tried
_PERCENT = ("antihub_rate", "bad_rate", "error", "error_by_distance")


def _p(value: float) -> str:
    return f"{value:.1e}" if value < 1e-3 else f"{value:.3f}"


COLUMNS = {
    "skewness": Column("skewness", format="z.2f", better="lower"),
    "robin_hood": Column("Robin Hood", format="z.3f", better="lower"),
    "antihub_rate": Column("anti-hubs %", format="z.1f", better="lower"),
    "largest": Column("largest N", format="z.0f", better="lower"),
    "self_skewness": Column("skewness among points", format="z.2f", better="lower"),
    "bad_rate": Column("bad neighbours %", format="z.1f", better="lower", missing=""),
    "error": Column("error %", format="z.2f", better="lower", missing=""),
    "error_by_distance": Column("error % by 1/d", format="z.2f", better="lower", missing=""),
    "error_reduction": Column("error cut %", format="z.1f", better="higher", missing=""),
    "p_value": Column("p", format=_p, better="lower", missing=""),
}


def title(record: Record) -> str:
    return f"Hubness of {record['space']}: {record['data']['name']}"


def meaning(record: Record) -> tuple[str, ...]:
    """What columns are, and how to read them."""
    del record
    return (
        "`none` is the plain space; `a+b` first changes the vectors by `a`, then the distances by "
        "`b`; `@skhubness-0.30` is a reduction as scikit-hubness computes it. Columns are of "
        "queries among the points, except “skewness among points”. Robin Hood: share of neighbour "
        "slots to move for equality. Anti-hubs: points in no list. Largest N: lists with the "
        "largest hub. Bad neighbours: of another label. Error cut: per cent of the plain space's "
        "error on the same split, negative where it grows.",
        "Hubness is read against what chance gives at the same numbers of points and queries. "
        "Skewness follows single hubs and moves between splits; the Robin Hood index is steadier. "
        "Votes are not weighted by 1/d except where shown: mutual proximity spans twelve orders of "
        "magnitude among neighbours and would become a one-nearest-neighbour rule. A transform "
        "marked `f-norm` is the paper's: random, over points and queries together; "
        "`f-norm-inductive` learns from the points alone and is deterministic.",
    )


def tables(record: Record) -> list[Table]:
    """Every method, the abstract's claim, and what chance alone gives."""
    shown = [main_table(record), *claim_tables(record)]
    return [*shown, chance_table(record, caption(record))]


def recorded(record: Record, *, most: int = 5) -> list[Table]:
    """The tables of a recorded run: every single method, and the best of the combinations.

    Best are the `most` of least error and of least Robin Hood; the published combination is shown
    wherever it stands.
    """
    single = [s["method"] for s in record["summary"] if "+" not in s["method"]]
    combined = [s for s in record["summary"] if "+" in s["method"]]
    chosen = {*single, PUBLISHED}
    for column in ("error", "robin_hood"):
        known = [s for s in combined if s[column]]
        known.sort(key=lambda s: s[column]["mean"])
        chosen |= {s["method"] for s in known[:most]}
    hidden = len(record["summary"]) - len([s for s in record["summary"] if s["method"] in chosen])
    note = f"{hidden} further combinations are in the record. " if hidden else ""
    shown = [main_table(record, chosen), *claim_tables(record)]
    return [*shown, chance_table(record, note + caption(record))]


def main_table(record: Record, methods: Collection[str] | None = None) -> Table:
    """One row a method (all of them, or those of `methods`): means over seeds ± standard errors."""
    found = [s for s in record["summary"] if methods is None or s["method"] in methods]
    columns = {n: c for n, c in COLUMNS.items() if any(s[n] is not None for s in found)}
    rows = [[f"`{s['method']}`", *(_value(s, name) for name in columns)] for s in found]
    return Table([Column("method"), *columns.values()], rows, "Methods")


def claim_tables(record: Record) -> list[Table]:
    """By how much the abstract's combination cuts hubness and error; none where it was not tried.

    Cuts are paired by split, with Student's interval over splits.
    """
    tried = {row["method"] for row in record["rows"]}
    rows: list[list[Cell]] = []
    for method in (m for m in CLAIMED_OF if m in tried):
        for column, above_chance, claimed in CLAIMS:
            cut = interval(cuts(record["rows"], method, column, above_chance=above_chance))
            if cut is None:
                continue
            name = COLUMNS[column].title.replace(" %", "")
            what = f"{name} above chance" if above_chance else name
            rows.append([code(method), what, Value(cut[0], low=cut[1], high=cut[2]), claimed])
    if not rows:
        return []
    header = [Column("method"), Column("of"), Column("cut %", format="z.1f"), Column("abstract")]
    text = (
        "Cut: per cent of the plain space's figure on the same split; mean over splits [95 %, "
        "Student's]. All splits are of the same texts: other texts are not in the interval."
    )
    return [Table(header, rows, "Hubness and error cut as the abstract says?", text)]


def _value(row: Record, name: str) -> Cell:
    value = row[name]
    if not isinstance(value, Mapping):
        return value
    scale = 100 if name in _PERCENT else 1
    return Value(scale * value["mean"], scale * value["se"] if row["num_seeds"] > 1 else None)


def chance_table(record: Record, text: str) -> Table:
    """What chance alone gives at this number of points and queries."""
    names = ("skewness", "robin_hood", "antihub_rate")
    rows = [[name.replace("_", " "), record["null"][name]] for name in names]
    columns = [Column("measure"), Column("by chance", format=".4g")]
    made = environment(record)
    source = f"Commit {made['commit'] or 'unknown'}, `{made['command']}`."
    return Table(columns, rows, "By chance", text, source)


def caption(record: Record) -> str:
    """What was run, on what, how often."""
    data = record["data"]
    labels = f"{data['num_classes']} classes" if data["num_classes"] else "no labels"
    return (
        f"{data['name']} ({data['num_rows']:,} rows, {labels}, sha256 {data['sha256'][:8]}) in the "
        f"space `{record['space']}` ({data['width']} dimensions, {data['duplicates']:,} duplicate "
        f"rows): {data['num_train']:,} points, {data['num_test']:,} queries, "
        f"{len(record['seeds'])} splits; metric {record['metric']}, k = 10, local k = "
        f"{record['local_k']}; error of majority votes of 2 to 19 neighbours, their number by "
        "leave-one-out on the points; mean ± standard error; p: exact McNemar test against the "
        "plain space, the largest over splits."
    )


def verdict(record: Record) -> str:
    """How hubby the plain space is, what takes most of it away, and whether error falls surely."""
    rows = {s["method"]: s for s in record["summary"]}
    plain, chance = rows["none"], record["null"]
    fairest = best(record["summary"], "robin_hood")
    sentence = (
        f"The plain space {code(record['space'])} has a Robin Hood index of "
        f"{_shown(plain, 'robin_hood')} where chance gives {chance['robin_hood']:.3f}"
    )
    if fairest and fairest != "none":
        sentence += f", and {code(fairest)} brings it to {_shown(rows[fairest], 'robin_hood')}"
    return f"{sentence}; {_of_error(rows)}."


def _of_error(rows: Mapping[str, Record]) -> str:
    """Whether the least error is surely less; the best of many looks better than it is."""
    plain = rows["none"]
    if not plain["error"]:
        return "without labels nobody knows whether neighbours become better"
    least = best(list(rows.values()), "error")
    if least is None or least == "none":
        return f"no method has less error than the plain space's {_shown(plain, 'error')} %"
    p, level = rows[least]["p_value"], SURE / (len(rows) - 1)
    certain = p is not None and p < level
    test = "not tested" if p is None else f"exact McNemar p at most {_p(p)} over splits"
    return (
        f"the lowest error, {_shown(rows[least], 'error')} % with {code(least)}, is "
        f"{'' if certain else 'not '}certainly below the plain space's {_shown(plain, 'error')} % "
        f"({test}; {len(rows) - 1} methods were tried, so p below {level:.1e} counts as certain)"
    )


def _shown(row: Record, name: str) -> str:
    return COLUMNS[name].text(_value(row, name))


def compile_table(record: Record) -> Table:
    """Searches of results/tpu/compile.json."""
    rows: list[list[Cell]] = []
    for case in record.values():
        if "points" not in case:
            continue
        of = "tokens" if case["tokens"] else "points"
        what = f"{case['queries']:,} queries, {case['points']:,} {of} of width {case['width']}"
        rows.append([what, case["dtype"], case["topology"], *topology.row_of(case)])
    return Table(columns("search", "held as", "chips", *topology.COLUMNS), rows, "Searches")
