"""Oracle: what a reader of a made-up record must see."""

from experiments.lmhubs import tables


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
    header, _, row = tables.spearman(RECORD).strip().split("\n")
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
    assert tables.number(-0.001) == "0.00" and tables.number(None) == "–"
