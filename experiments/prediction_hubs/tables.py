"""Tables and the verdict of a run."""

from collections.abc import Collection, Mapping, Sequence

from experiments.prediction_hubs.neighbourhoods import COMPARISONS, DISTANCES
from experiments.reporting.markdown import Cell, Column, Table, Value, code, columns, of_records
from experiments.reporting.record import Record, direction, source


def title(record: Record) -> str:
    return f"Prediction hubs of {record['models'][-1]['name']}"


def meaning(record: Record) -> tuple[str, ...]:
    """When hubs are a nuisance, and what must not be compared."""
    del record
    return (
        "A token is a hub when it is among the k nearest of many contexts. Under the model's own "
        "comparison (softmax dot) hubs that follow the frequency of tokens in the corpus of the "
        "contexts are predictions that the context informs; hubs unrelated to frequency are a "
        "nuisance of the geometry. The relative variance RV must not be compared across distances: "
        "that of 1 − p is below 1/(V − 1) whatever the model does. Distances concentrate "
        "when those from one query are nearly equal, so its own RV tells; the pooled one counts "
        "that queries differ, in length above all.",
    )


def number(title: str, digits: int = 2) -> Column:
    """A column of figures without negative zeros."""
    return Column(title, format=f"z.{digits}f")


def tables(record: Record) -> list[Table]:
    """Every table of every model, the largest hubs with contexts, and what others report."""
    found = recorded(record)
    model = record["models"][-1]
    found += [top(model, row) for row in model["hubs"] if row.get("top")]
    found += [_contexts(group) for group in model["examples"]]
    expected = record["config"]["expected"]
    if expected:
        rows = [[what, value or "–", origin] for what, value, origin in expected]
        header = columns("to expect", "value", "source")
        found.append(Table(header, rows, "What others report"))
    return found


def recorded(record: Record) -> list[Table]:
    """The tables of a recorded run; what was run stands below the last."""
    found = []
    for model in record["models"]:
        name = f"{model['name']}: " if len(record["models"]) > 1 else ""
        found += of_model(model, name)
    *others, last = found
    text = " ".join(filter(None, (last.caption, caption(record))))
    return [*others, Table(last.columns, last.rows, last.title, text, source(record))]


def of_model(record: Record, name: str = "") -> list[Table]:
    """Every table of one model; titles begin with `name`."""
    found = [hubs(record, name), spearman(record, name)]
    if record["accuracy"]:
        found.append(accuracy(record, name))
    found += [uniformity(record, name), distances(record, name)]
    return found + ([mitigation(record, name)] if record["mitigation"] else [])


def hubs(record: Record, name: str = "") -> Table:
    """Skewness, hubs and spread of counts of every neighbourhood."""
    columns = {
        "skewness": number("skewness"),
        "skewness_null": number("by chance"),
        "num_hubs": Column("hubs", format=","),
        "hub_share": Column("their share", format=".0%"),
        "median": number("median", 0),
        "mean": number("mean"),
        "largest": Column("largest", format=","),
    }
    return of_records(_named(record["hubs"]), _WHERE | columns, f"{name}Hubs")


_WHERE = {key: Column(key) for key in ("comparison", "distance", "corpus")}


def _named(rows: Sequence[Record], distances: Mapping[str, str] = DISTANCES) -> list[Record]:
    """The rows with comparison, distance and corpus in words."""
    return [dict(row) | dict(zip(_WHERE, _where(row, distances), strict=True)) for row in rows]


def _where(row: Record, distances: Mapping[str, str] = DISTANCES) -> list[str]:
    comparison, distance = row.get("comparison", ""), row["distance"]
    words = COMPARISONS.get(comparison, ""), distances.get(distance, distance)
    return [*words, row.get("corpus") or "–"]


def spearman(record: Record, name: str = "") -> Table:
    """ρ between N_k and frequency over hubs with its 95 % interval, by corpus of the frequency.

    The last column is over all tokens, with the frequencies of each corpus in turn.
    """
    rows_of = [r for r in record["hubs"] if r.get("spearman")]
    names = _in_order(record, {corpus for r in rows_of for corpus in r["spearman"]})
    whole = number("")
    rows: list[list[Cell]] = []
    for r in rows_of:
        found = [(corpus, r["spearman"][corpus]) for corpus in names]
        values = [
            Value(s["rho"], low=s["low"], high=s["high"], strong=corpus == r["corpus"])
            for corpus, s in found
        ]
        over_all = " / ".join(whole.text(s["all"]) for _, s in found)
        rows.append([*_where(r), r["num_hubs"], *values, over_all])
    header = columns("comparison", "distance", "contexts", Column("hubs", format=","))
    header += [number(f"frequency in {corpus}") for corpus in names]
    title = f"{name}Frequency: Spearman's ρ over hubs, 95 % interval"
    return Table([*header, Column("over all tokens")], rows, title)


def _in_order(record: Record, names: Collection[str]) -> list[str]:
    """Frequencies in the order of the corpora, then those of training: files sort their keys."""
    corpora = [s["name"] for s in record["samples"] if s["name"] in names]
    return corpora + sorted(set(names) - set(corpora))


def accuracy(record: Record, name: str = "") -> Table:
    """Share of right predictions, for hubs and other tokens, and of answers among the k nearest."""
    columns = {
        "corpus": Column("contexts"),
        "distance": Column("distance"),
        "all": number("all", 3),
        "hub": number("hub predicted", 3),
        "non_hub": number("other predicted", 3),
        "hub_share": number("share of hubs", 3),
        f"within_{record['k']}": number(f"answer among {record['k']}", 3),
    }
    return of_records(_named(record["accuracy"]), columns, f"{name}Accuracy")


def uniformity(record: Record, name: str = "") -> Table:
    """Mean ‖p - u‖₂ and entropy of the next-token distributions."""
    columns = {
        "corpus": Column("contexts"),
        "l2_uniform": number("mean ‖p − u‖₂", 3),
        "entropy_nats": number("mean entropy (nats)"),
        "relative_variance": Column("RV of 1 − p", format=".2e"),
        "relative_variance_bound": Column("its bound", format=".2e"),
    }
    return of_records(
        record["uniformity"], columns, f"{name}Distance from the uniform distribution"
    )


def distances(record: Record, name: str = "") -> Table:
    """Moments and contrast of the distances; of records before it was measured no RV of a query."""
    columns = {
        "mean": Column("mean", format=".6g"),
        "relative_variance": Column("RV, pooled", format=".2e"),
        "within_query": Column("RV of one query", format=".1e"),
        "smallest": Column("smallest", format=".3g"),
        "largest": Column("largest", format=".6g"),
        "contrast": Column("contrast", format=".3g"),
    }
    rows = _named(record["distances"], {})
    spread = lambda found: found and Value(found["mean"], low=found["low"], high=found["high"])
    rows = [dict(row) | {"within_query": spread(row.get("within_query"))} for row in rows]
    caption = (
        "RV: Var[d] / E[d]², pooled over all pairs, and of the distances from one query: mean over "
        "queries [5 %, 95 % of them]."
    )
    return of_records(rows, _WHERE | columns, f"{name}Distances", caption)


def mitigation(record: Record, name: str = "") -> Table:
    """Skewness after each reduction, and what it costs."""
    columns = {
        "comparison": Column("comparison"),
        "distance": Column("distance"),
        "method": Column("reduction"),
        "skewness": number("skewness"),
        "largest": Column("largest N_k", format=","),
        "purity": number("purity", 3),
        f"within_{record['k']}": number(f"answer among {record['k']}", 3),
    }
    title = f"{name}Reductions and what they cost"
    return of_records(_named(record["mitigation"]), columns, title)


def top(record: Record, row: Record, size: int = 10) -> Table:
    """The largest hubs of one neighbourhood with their counts and frequencies."""
    names = _in_order(record, row["top"][0]["frequency"])
    rows = [
        [code(repr(t["token"])), t["count"], *(t["frequency"][name] for name in names)]
        for t in row["top"][:size]
    ]
    figures = (Column(title, format=",") for title in ("N_k", *(f"in {name}" for name in names)))
    comparison, distance, _ = _where(row)
    title = f"Largest hubs: {comparison}, {distance} {row['corpus']}".strip()
    return Table([Column("token"), *figures], rows, title, folded=True)


def _contexts(group: Record) -> Table:
    rows = [
        [code(repr(hub["token"])), hub["count"], code(c["context"]), code(repr(c["next"]))]
        for hub in group["hubs"]
        for c in hub["contexts"]
    ]
    comparison, distance, corpus = _where(group)
    header = columns("hub", Column("N_k", format=","), "a context near it", "next")
    title = f"Contexts of the largest hubs: {comparison}, {distance}, {corpus}"
    return Table(header, rows, title, folded=True)


def caption(record: Record) -> str:
    """One sentence that says what the tables are."""
    model = record["models"][-1]
    corpora = ", ".join(f"{s['name']} {s['num_contexts']:,}" for s in model["samples"])
    rule = record["config"]["hubs"]
    return (
        f"{model['name']} (SHA-256 {model['sha256'][:12]}…), contexts: {corpora}; "
        f"k = {model['k']}, hubs by {rule['rule']} rule at {rule['value']:g}; intervals: 95 % "
        "bootstrap over hubs."
    )


def verdict(record: Record) -> str:
    """How skewed predictions are, and in which corpora their hubs surely are frequent tokens."""
    model = record["models"][-1]
    own = [r for r in model["hubs"] if (r["comparison"], r["distance"]) == ("ct", "dot")]
    if not own:
        return f"{model['name']}: contexts were not compared with tokens under the model's softmax."
    sentences = (
        f"Next-token neighbours of {model['name']} have skewness "
        f"{_range([r['skewness'] for r in own])}, by chance "
        f"{_range([r['skewness_null'] for r in own])}"
    )
    known = [(r["corpus"], r["spearman"].get(r["corpus"])) for r in own if r.get("spearman")]
    follow = [_followed(corpus, s) for corpus, s in known if s is not None]
    if not follow:
        return f"{sentences}; frequencies of the contexts' own corpora are not known."
    return (
        f"{sentences}; between a hub's count and its frequency in the contexts' own corpus "
        f"Spearman's ρ is {', '.join(follow)} (95 % bootstrap intervals over hubs)."
    )


def _followed(corpus: str, found: Record) -> str:
    if found["rho"] is None:
        return f"not defined on {found['n']} hubs for {corpus}"
    text = number("").text(Value(found["rho"], low=found["low"], high=found["high"]))
    words = {"higher": "", "lower": " (below 0)", "uncertain": " (could be 0)"}
    return f"{text} for {corpus}{words[direction(found['low'], found['high'])]}"


def _range(values: Sequence[float]) -> str:
    low, high = (number("").text(pick(values)) for pick in (min, max))
    return low if low == high else f"{low} to {high}"
