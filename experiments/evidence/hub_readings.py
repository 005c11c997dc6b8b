"""What records of hubness and of prediction hubs say to a claim: see `readings`."""

from collections.abc import Mapping
from typing import Any

from scipy import stats

from experiments.evidence.readings import LEVEL, Finding, Reading, side, together
from experiments.reporting.record import Record


def cut(method: str, column: str) -> Reading:
    """That a reduction takes away a share of a column of the plain space."""

    def read(record: Record) -> Finding:
        text, low, high = _cut(record, method, column)
        return Finding(text, side("higher", low, high))

    return read


def no_cut(method: str, column: str, most: float) -> Reading:
    """That it does not take away as much as `most` per cent."""

    def read(record: Record) -> Finding:
        text, low, high = _cut(record, method, column)
        return Finding(text, high < most or (False if low > 0 else None))

    return read


def _cut(record: Record, method: str, column: str) -> tuple[str, float, float]:
    (row,) = (row for row in record["summary"] if row["method"] == method)
    found, n = row[f"{column}_reduction"], row["num_seeds"]
    half = float(stats.t.ppf(LEVEL, n - 1)) * found["se"]
    low, high = found["mean"] - half, found["mean"] + half
    return f"{found['mean']:.1f} % [{low:.1f}, {high:.1f}], {n} splits", low, high


def skewed_above(least: float) -> Reading:
    """That tokens' counts among contexts are more skewed than this, whatever the corpus."""

    def read(record: Record) -> Finding:
        rows = _hubs(record, "ct", "dot")
        chance = max(row["skewness_null"] for row in rows)
        text = ", ".join(f"{row['skewness']:.1f}" for row in rows)
        holds = all(row["skewness"] > least for row in rows)
        return Finding(f"{text} (by chance at most {chance:.1f})", holds)

    return read


def follow_frequency(distance: str) -> Reading:
    """That hubs are the tokens that are frequent in the contexts' own corpus."""

    def read(record: Record) -> Finding:
        found = [row["spearman"][row["corpus"]] for row in _hubs(record, "ct", distance)]
        sides = [side("higher", rho["low"], rho["high"]) for rho in found]
        return Finding(", ".join(map(_rho, found)), together(sides))

    return read


def unrelated_to_frequency(distance: str) -> Reading:
    """That hubs have nothing to do with frequency: refuted where each surely has."""

    def read(record: Record) -> Finding:
        ours, related = follow_frequency(distance)(record)
        return Finding(ours, None if related is None else not related)

    return read


def own_corpus_first(record: Record) -> Finding:
    """That hubs follow the frequencies of their own corpus more than those of another."""
    pairs = [
        (row["spearman"][row["corpus"]], other)
        for row in _hubs(record, "ct", "dot")
        for corpus, other in row["spearman"].items()
        if corpus != row["corpus"]
    ]
    more = sum(own["rho"] > other["rho"] for own, other in pairs)
    refuted = any(other["low"] > own["high"] for own, other in pairs)
    holds = True if more == len(pairs) else False if refuted else None
    return Finding(f"in {more} of {len(pairs)} pairs of corpora", holds)


def junk_among_tokens(record: Record) -> Finding:
    """That hubs among tokens have |ρ| < .2 with every frequency."""
    rows = [row for row in record["models"][-1]["hubs"] if row["comparison"] == "tt"]
    largest = max(abs(rho["rho"]) for row in rows for rho in row["spearman"].values())
    return Finding(f"|ρ| at most {largest:.2f}", largest < 0.2)


def right_more_often(record: Record) -> Finding:
    """That a predicted token that is a hub is right more often than another one."""
    rows = [row for row in record["models"][-1]["accuracy"] if row["distance"] == "dot"]
    text = "; ".join(f"{r['corpus']} {r['hub']:.2f} and {r['non_hub']:.2f}" for r in rows)
    more = sum(row["hub"] > row["non_hub"] for row in rows)
    return Finding(text, {len(rows): True, 0: False}.get(more))


def reductions_cost(record: Record) -> Finding:
    """That each reduction between contexts and tokens has fewer right answers among ten."""
    rows = [r for r in record["models"][-1]["mitigation"] if r["comparison"] == "ct"]
    rows = [r for r in rows if r["distance"] == "cosine"]
    plain = next(r["within_10"] for r in rows if r["method"] == "none")
    others = {r["method"]: r["within_10"] for r in rows if r["method"] != "none"}
    text = ", ".join(f"{name} {share:.3f}" for name, share in others.items())
    return Finding(f"{plain:.3f}; {text}", all(share < plain for share in others.values()))


def _hubs(record: Record, comparison: str, distance: str) -> list[Mapping[str, Any]]:
    rows = record["models"][-1]["hubs"]
    return [r for r in rows if (r["comparison"], r["distance"]) == (comparison, distance)]


def _rho(found: Mapping[str, float]) -> str:
    return f"{found['rho']:.2f} [{found['low']:.2f}, {found['high']:.2f}]"
