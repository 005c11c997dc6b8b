"""Oracle: figures of synthetic records, where they must stand; SciPy's normal quantile."""

import math

import pytest
from scipy import stats

from experiments.reporting.markdown import block
from experiments.sbert import tables


def side(rho, skewness):
    found = {"skewness": skewness, "robin_hood": 0.25, "robin_hood_null": 0.125, "num_texts": 2552}
    return {"sts_test_spearman": rho, "hubness_sts": found}


def record(loss="cos", before=0.82, after=0.8514, pairs=1379):
    return {
        "objective": {"loss": loss, "normalisation": "c+n"},
        "before": side(before, 1.75),
        "after": side(after, 1.4),
        "model": {"name": "bert", "sha256": "0123456789abcdef"},
        "data": {"test": {"pairs": pairs}},
        "config": {"train": {"num_steps": 360, "batch_size": 16}},
        "command": "python -m this",
        "commit": "c0ffee",
        "packages": {"jax": "0.10"},
    }


def test_trained_encoders_stand_before_and_after():
    text = block([tables.table([record("cos"), record("euclidean")])])
    header, _, first, second, _, caption = text.strip().split("\n")
    assert "AG News" not in header
    row = "c+n | 360 | 0.8200 → 0.8514 | 1.75 → 1.40 | 0.250 → 0.250 (0.125) |"
    assert first == f"| cos | {row}" and second == f"| euclidean | {row}"
    assert "2,552 STS test sentences" in caption and "0123456789ab…" in caption
    assert caption.endswith("First command: `python -m this`, commit c0ffee, jax 0.10.")


@pytest.mark.parametrize(
    "pairs, after, said",
    [
        (1379, 0.8514, "which could be chance"),
        (20_000, 0.8514, "a certain rise"),
        (20_000, 0.7, "a certain fall"),
    ],
)
def test_a_change_is_claimed_where_intervals_are_apart(pairs, after, said):
    text = tables.verdict(record(after=after, pairs=pairs))
    assert text.startswith("STS test ρ goes from 0.8200 [") and f"], {said} (95 %" in text


def test_the_interval_is_that_of_bonett_and_wright():
    low, high = tables.spearman_interval(0.8, 103)
    half = stats.norm.ppf(0.975) * math.sqrt((1 + 0.8**2 / 2) / 100)
    assert math.atanh(low) == pytest.approx(math.atanh(0.8) - half, rel=1e-6)
    assert math.atanh(high) == pytest.approx(math.atanh(0.8) + half, rel=1e-6)
    assert tables.spearman_interval(1.0, 100) == (-1.0, 1.0)
