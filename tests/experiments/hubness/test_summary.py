"""Oracle: rows whose means, standard errors and cuts are worked out by hand."""

import numpy as np
import pytest
from scipy import stats

from experiments.hubness import summary, tables
from experiments.reporting.markdown import render


def row(method, seed, error, robin_hood, p=None):
    measures = {"skewness": 2.0, "robin_hood": robin_hood, "antihub_rate": 0.1, "largest": 50}
    return {
        "method": method,
        "seed": seed,
        "query": measures,
        "self": measures,
        "bad_rate": 0.25,
        "uniform": {"k": 5, "error": error},
        "mcnemar": p and {"p_value": p},
    }


ROWS = [
    row("none", 0, 0.20, 0.5),
    row("csls", 0, 0.15, 0.4, p=1e-5),
    row("none", 1, 0.10, 0.5),
    row("csls", 1, 0.09, 0.2, p=0.02),
]


def test_means_standard_errors_and_cuts_on_the_same_split():
    plain, csls = summary.summarise(ROWS)
    assert (plain["method"], csls["method"], csls["num_seeds"]) == ("none", "csls", 2)
    assert csls["error"]["mean"] == pytest.approx(0.12)
    assert csls["error"]["se"] == pytest.approx(0.03)  # sd 0.0424 over √2
    assert csls["error_reduction"]["mean"] == pytest.approx((25 + 10) / 2)
    assert csls["robin_hood_reduction"]["mean"] == pytest.approx((20 + 60) / 2)
    assert csls["p_value"] == 0.02 and plain["p_value"] is None
    assert csls["error_by_distance"] is None
    assert summary.best([plain, csls], "error") == "csls"
    assert summary.best([plain, csls], "error_by_distance") is None


def test_without_labels_or_with_one_seed_there_is_less_to_say():
    bare = [{k: v for k, v in r.items() if k not in ("uniform", "bad_rate")} for r in ROWS[:2]]
    plain, csls = summary.summarise(bare)
    assert plain["error"] is None and csls["error_reduction"] is None
    assert csls["robin_hood"] == {"mean": 0.4, "se": 0.0}


def test_the_table_has_the_figures_and_leaves_out_empty_columns():
    record = {"summary": summary.summarise(ROWS)}
    lines = render(tables.main_table(record)).split("\n")
    assert "error %" in lines[0] and "by 1/d" not in lines[0]
    assert "12.00 ± 3.00" in lines[3] and "0.020" in lines[3] and "17.5 ± 7.5" in lines[3]
    assert len({line.count("|") for line in lines}) == 1


def test_spread_is_of_the_known_values():
    assert summary.spread([None, None]) is None
    found = summary.spread([1.0, None, 3.0])
    assert found["mean"] == 2 and found["se"] == pytest.approx(np.sqrt(2) / np.sqrt(2))


@pytest.mark.parametrize(
    "p, said",
    [
        (1e-5, "is certainly below"),
        (0.06, "is not certainly below"),
        (None, "is not certainly below"),
    ],
)
def test_the_verdict_counts_the_methods_tried(p, said):
    """One method beside the plain space: p must be below 0.05; two: below 0.025."""
    null = {"skewness": 0.3, "robin_hood": 0.125}
    rows = [row("none", 0, 0.2, 0.5), row("csls", 0, 0.15, 0.4, p)]
    record = {"space": "static", "null": null, "summary": summary.summarise(rows)}
    text = tables.verdict(record)
    assert text.startswith("The plain space `static` has a Robin Hood index of 0.500 where chance")
    assert f"15.00 % with `csls`, {said}" in text and "p below 5.0e-02" in text
    rows += [row("nicdm", 0, 0.19, 0.45, 0.5)]
    more = tables.verdict(record | {"summary": summary.summarise(rows)})
    assert "2 methods were tried, so p below 2.5e-02 counts as certain" in more


def test_without_labels_the_verdict_claims_nothing_of_error():
    bare = [{k: v for k, v in r.items() if k not in ("uniform", "bad_rate")} for r in ROWS[:2]]
    null = {"skewness": 0.3, "robin_hood": 0.125}
    record = {"space": "x", "null": null, "summary": summary.summarise(bare)}
    assert tables.verdict(record).endswith("whether neighbours become better.")


def test_cuts_are_paired_by_split_and_of_what_is_above_chance_where_asked():
    assert summary.cuts(ROWS, "csls", "robin_hood") == pytest.approx([20, 60])
    rows = [r | {"query": r["query"] | {"robin_hood_null": 0.1}} for r in ROWS]
    above = summary.cuts(rows, "csls", "robin_hood", above_chance=True)
    assert above == pytest.approx([25, 75])  # 0.5 to 0.4 and to 0.2, with 0.1 by chance
    rows = [r | {"query": r["query"] | {"robin_hood_null": 0.5}} for r in ROWS]
    assert summary.cuts(rows, "csls", "robin_hood", above_chance=True) == [None, None]
    assert summary.cuts(ROWS, "csls", "error_by_distance") == []


def test_the_interval_of_cuts_is_scipys():
    values = [20.0, 60.0, 40.0]
    want = stats.ttest_1samp(values, 0).confidence_interval(0.95)
    assert summary.interval(values) == pytest.approx((40, want.low, want.high))
    assert summary.interval([None, 3.0]) == (3, None, None) and summary.interval([None]) is None


def test_the_abstracts_claim_stands_beside_the_cuts():
    nulls = {"skewness_null": 1.0, "robin_hood_null": 0.1}
    renamed = {"csls": tables.PUBLISHED}
    rows = [
        r | {"query": r["query"] | nulls, "method": renamed.get(r["method"], r["method"])}
        for r in ROWS
    ]
    (table,) = tables.claim_tables({"rows": rows})
    found = [line.split("|")[2:5] for line in render(table).split("\n")[2:]]
    assert [[cell.strip() for cell in line] for line in found] == [
        ["skewness", "0.0 [0.0, 0.0]", "about 75 %"],
        ["skewness above chance", "0.0 [0.0, 0.0]", "about 75 %"],
        ["Robin Hood", "40.0 [-214.1, 294.1]", "about 75 %"],
        ["Robin Hood above chance", "50.0 [-267.7, 367.7]", "about 75 %"],
        ["error", "17.5 [-77.8, 112.8]", "about 9 %"],
    ]
    assert tables.claim_tables({"rows": ROWS}) == []
