"""The judgement of rows too many to ask them all. Oracle: all of them asking."""

import jax
import numpy as np
import pytest

import hubness
from experiments.hubness import advice, sampled, verdict


@pytest.fixture(scope="module")
def judged():
    """Case R39: 1,200 rows of which 400 ask; all rows stay among what can be found."""
    x = np.random.default_rng(0).normal(size=(1200, 48)).astype(np.float32)
    labels = np.arange(1200) % 2
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sampled, "TRIED", ("none", "f-norm-inductive+mp_gauss"))
        found = advice.advise(x, labels, metric="euclidean", max_queries=400)
    d = ((x[:, None, :8] - x[None, :, :8]) ** 2).sum(2)
    for start in range(8, 48, 8):
        d += ((x[:, None, start : start + 8] - x[None, :, start : start + 8]) ** 2).sum(2)
    np.fill_diagonal(d, np.inf)
    return found, np.argsort(d, axis=1, kind="stable")[:, :10], labels


def test_the_skewness_is_that_of_all_rows_within_its_interval(judged):
    found, near, _ = judged
    plain, counts = found["methods"][0], np.bincount(near.reshape(-1), minlength=1200)
    truth = float(hubness.measures(counts, 10).skewness)
    assert plain["skewness_low"] < truth < plain["skewness_high"]
    assert plain["skewness_high"] - plain["skewness_low"] < 0.5 * truth
    for row, _, low, high in found["hubs"]:
        assert counts[row] >= 20 and low <= counts[row] <= high
    assert found["num_rows"] == 1200 and found["num_queries"] == 400


def test_the_error_is_that_of_the_rows_that_ask(judged):
    found, near, labels = judged
    rows = hubness.sampled.draw(jax.random.key(0), 1200, 400)
    wrong = (labels[near] != labels[:, None])[rows]
    # Euclidean near-ties may swap between the oracle and the search.
    assert found["methods"][0]["bad_rate"] == pytest.approx(wrong.mean(), abs=1e-3)
    assert "p_value" in found["methods"][1]


def test_what_a_sample_cannot_tell_is_said_and_not_shown(judged):
    found = judged[0]
    said = "\n".join([verdict.verdict(found), *verdict.meaning(found)])
    assert "Robin Hood, Gini and Atkinson indices, do not" in said
    assert "400 of 1,200 rows, drawn at random" in said
    assert "`csls` was left out: CSLS needs" in said and "FLOPs" in said
    titles = [column.title for column in verdict.tables(found)[0].columns]
    assert "95 % from" in titles and not {"Robin Hood", "anti-hubs %"} & set(titles)
