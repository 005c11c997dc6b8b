"""Oracle: what a reader of a synthetic record must see."""

from experiments.prediction_hubs import tables
from experiments.reporting.markdown import render


def correlation(rho, over_all):
    return {"rho": rho, "low": rho - 0.1, "high": rho + 0.1, "n": 7, "all": over_all}


RECORD = {
    "samples": [{"name": "news"}, {"name": "code"}],
    "hubs": [
        {
            "comparison": "ct",
            "distance": "dot",
            "corpus": "code",
            "num_hubs": 1234,
            "spearman": {
                "code": correlation(-0.001, 0.3),
                "news": correlation(0.5, 0.2),
                "training": {"rho": None, "low": None, "high": None, "n": 2, "all": None},
            },
        }
    ],
}


def test_frequencies_stand_in_the_order_of_the_corpora_and_training_last():
    header, _, row = render(tables.spearman(RECORD)).split("\n")
    titles = [cell.strip() for cell in header.strip("|").split("|")]
    assert titles[4:7] == ["frequency in news", "frequency in code", "frequency in training"]
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    assert cells[3:] == [
        "1,234",
        "0.50 [0.40, 0.60]",
        "**0.00 [-0.10, 0.10]**",
        "–",
        "0.20 / 0.30 / –",
    ]


def test_figures_have_no_negative_zero_and_no_nan():
    column = tables.number("x")
    assert column.text(-0.001) == "0.00" and column.text(None) == "–"


def test_the_verdict_says_where_hubs_surely_follow_frequency():
    row = RECORD["hubs"][0] | {"skewness": 41.4, "skewness_null": 1.4}
    news = {"corpus": "news", "spearman": {"news": correlation(0.5, 0.2)}, "skewness": 50.0}
    model = RECORD | {"name": "tiny", "hubs": [row, row | news]}
    said = tables.verdict({"models": [model]})
    assert "skewness 41.40 to 50.00, by chance 1.40;" in said
    assert "is 0.00 [-0.10, 0.10] for code (could be 0), 0.50 [0.40, 0.60] for" in said
    nothing = tables.verdict({"models": [model | {"hubs": []}]})
    assert "were not compared with tokens" in nothing


def test_the_variance_of_one_query_stands_beside_the_pooled_one():
    row = {"comparison": "ct", "distance": "euclidean", "corpus": "news", "mean": 45.0}
    row |= {"relative_variance": 0.0127, "smallest": 36.0, "largest": 63.0, "contrast": 0.02}
    measured = row | {"within_query": {"mean": 6.2e-6, "low": 3e-6, "high": 9e-6}}
    _, _, new, old = render(tables.distances({"distances": [measured, row]})).split("\n")
    assert "| 1.27e-02 | 6.2e-06 [3.0e-06, 9.0e-06] |" in new
    assert "| 1.27e-02 | – |" in old
