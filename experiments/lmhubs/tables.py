"""Recorded runs as Markdown tables."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from experiments.lmhubs.neighbourhoods import COMPARISONS, DISTANCES

Record = Mapping[str, Any]


def markdown(header: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """A Markdown table; bars and line ends in cells are made harmless."""
    clean = lambda cell: str(cell).replace("|", "\\|").replace("\n", "⏎")
    lines = ["| " + " | ".join(map(clean, row)) + " |" for row in [header, *rows]]
    return "\n".join([lines[0], "|" + "---|" * len(header), *lines[1:]]) + "\n"


def number(value: float | None, digits: int = 2) -> str:
    """A figure, or a dash where there is none."""
    return "–" if value is None else f"{value:z.{digits}f}"


def code(text: str) -> str:
    """Text as Markdown code; a backtick, which would end it, becomes an accent."""
    return f"`{text.replace('`', 'ˋ')}`"


def hubs(record: Record) -> str:
    """Skewness, hubs and spread of counts of every neighbourhood."""
    header = ["comparison", "distance", "corpus", "skewness", "by chance", "hubs", "their share"]
    header += ["median", "mean", "largest"]
    rows = [
        [
            COMPARISONS[r["comparison"]],
            DISTANCES[r["distance"]],
            r["corpus"] or "–",
            number(r["skewness"]),
            number(r["skewness_null"]),
            f"{r['num_hubs']:,}",
            f"{r['hub_share']:.0%}",
            number(r["median"], 0),
            number(r["mean"]),
            f"{r['largest']:,}",
        ]
        for r in record["hubs"]
    ]
    return markdown(header, rows)


def spearman(record: Record) -> str:
    """ρ between N_k and frequency over hubs with its 95 % interval, by corpus of the frequency.

    The last column is over all tokens, with the frequencies of each corpus in turn.
    """
    rows_of = [r for r in record["hubs"] if r.get("spearman")]
    names = _in_order(record, {name for r in rows_of for name in r["spearman"]})
    header = ["comparison", "distance", "contexts", "hubs", *(f"frequency in {n}" for n in names)]
    header.append("over all tokens")
    rows = []
    for r in rows_of:
        cells = []
        for name in names:
            s = r["spearman"][name]
            interval = "" if s["rho"] is None else f" [{s['low']:z.2f}, {s['high']:z.2f}]"
            text = number(s["rho"]) + interval
            cells.append(f"**{text}**" if name == r["corpus"] else text)
        labels = [COMPARISONS[r["comparison"]], DISTANCES[r["distance"]], r["corpus"] or "–"]
        whole = " / ".join(number(r["spearman"][name]["all"]) for name in names)
        rows.append([*labels, f"{r['num_hubs']:,}", *cells, whole])
    return markdown(header, rows)


def _in_order(record: Record, names: Collection[str]) -> list[str]:
    """Frequencies in the order of the corpora, then those of training: files sort their keys."""
    corpora = [s["name"] for s in record["samples"] if s["name"] in names]
    return corpora + sorted(set(names) - set(corpora))


def accuracy(record: Record) -> str:
    """Share of right predictions, for hubs and other tokens, and of answers among the k nearest."""
    within = f"within_{record['k']}"
    header = ["contexts", "distance", "all", "hub predicted", "other predicted", "share of hubs"]
    header += [f"answer among {record['k']}"]
    rows = [
        [
            r["corpus"],
            DISTANCES[r["distance"]],
            *(number(r[name], 3) for name in ("all", "hub", "non_hub", "hub_share")),
            number(r[within], 3),
        ]
        for r in record["accuracy"]
    ]
    return markdown(header, rows)


def uniformity(record: Record) -> str:
    """Mean ‖p - u‖₂ and entropy of the next-token distributions."""
    header = ["contexts", "mean ‖p − u‖₂", "mean entropy (nats)", "RV of 1 − p", "its bound"]
    rows = [
        [
            r["corpus"],
            number(r["l2_uniform"], 3),
            number(r["entropy_nats"]),
            f"{r['relative_variance']:.2e}",
            f"{r['relative_variance_bound']:.2e}",
        ]
        for r in record["uniformity"]
    ]
    return markdown(header, rows)


def distances(record: Record) -> str:
    """Moments and contrast of the distances."""
    header = ["comparison", "distance", "corpus", "mean", "RV", "smallest", "largest", "contrast"]
    rows = [
        [
            COMPARISONS[r["comparison"]],
            r["distance"],
            r["corpus"] or "–",
            f"{r['mean']:.6g}",
            f"{r['relative_variance']:.2e}",
            f"{r['smallest']:.3g}",
            f"{r['largest']:.6g}",
            f"{r['contrast']:.3g}",
        ]
        for r in record["distances"]
    ]
    return markdown(header, rows)


def mitigation(record: Record) -> str:
    """Skewness after each reduction, and what it costs."""
    within = f"within_{record['k']}"
    header = ["comparison", "distance", "reduction", "skewness", "largest N_k", "purity"]
    header += [f"answer among {record['k']}"]
    rows = [
        [
            COMPARISONS[r["comparison"]],
            DISTANCES[r["distance"]],
            r["method"],
            number(r["skewness"]),
            f"{r['largest']:,}",
            number(r.get("purity"), 3),
            number(r.get(within), 3),
        ]
        for r in record["mitigation"]
    ]
    return markdown(header, rows)


def top(record: Record, comparison: str, distance: str, corpus: str, size: int = 10) -> str:
    """The largest hubs with their counts and frequencies."""
    row = next(
        r
        for r in record["hubs"]
        if (r["comparison"], r["distance"], r["corpus"]) == (comparison, distance, corpus)
    )
    names = _in_order(record, row["top"][0]["frequency"]) if row["top"] else []
    header = ["token", "N_k", *(f"in {name}" for name in names)]
    rows = [
        [code(repr(t["token"])), f"{t['count']:,}", *(f"{t['frequency'][n]:,}" for n in names)]
        for t in row["top"][:size]
    ]
    return markdown(header, rows)


def expected(rows: Sequence[Sequence[str]]) -> str:
    """What others report of this model, each with how we know it."""
    return markdown(["to expect", "value", "source"], [[a, b or "–", c] for a, b, c in rows])


def caption(result: Record) -> str:
    """One sentence that says what the tables are."""
    record = result["models"][-1]
    corpora = ", ".join(f"{s['name']} {s['num_contexts']:,}" for s in record["samples"])
    rule = result["config"]["hubs"]
    return (
        f"{record['name']} (SHA-256 {record['sha256'][:12]}…), contexts: {corpora}; "
        f"k = {record['k']}, hubs by {rule['rule']} rule at {rule['value']:g}; intervals: 95 % "
        f"bootstrap over hubs. Command: `{result['command']}`, commit {result['commit']}, "
        f"jax {result['packages']['jax']}."
    )


def of_model(record: Record) -> list[tuple[str, str]]:
    """Every table of one model with its title."""
    found = [
        ("Hubs", hubs(record)),
        ("Frequency: Spearman's ρ over hubs, 95 % interval", spearman(record)),
    ]
    if record["accuracy"]:
        found.append(("Accuracy", accuracy(record)))
    found.append(("Distance from the uniform distribution", uniformity(record)))
    found.append(("Distances", distances(record)))
    if record["mitigation"]:
        found.append(("Reductions and what they cost", mitigation(record)))
    return found


def recorded(result: Record) -> str:
    """The tables of a recorded run, under bold titles that fit below any heading."""
    parts = []
    for record in result["models"]:
        name = f"{record['name']}: " if len(result["models"]) > 1 else ""
        for title, text in of_model(record):
            parts += [f"**{name}{title}.**\n", text]
    return "\n".join([*parts, caption(result), ""])
