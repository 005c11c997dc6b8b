"""The judgement of rows too many to ask them all. Oracle: all of them asking."""

import tracemalloc

import jax
import numpy as np
import pytest

import hubness
from experiments.hubness import advice, sampled, verdict
from experiments.hubness.config import Embeddings
from experiments.hubness.study import prepare_judgement


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


def test_without_reductions_the_space_alone_is_judged_and_they_are_priced():
    x = np.random.default_rng(0).normal(size=(1200, 48)).astype(np.float32)
    found = advice.advise(x, None, metric="euclidean", max_queries=400, reductions=False)
    assert [row["method"] for row in found["methods"]] == ["none"]
    said = "\n".join(verdict.meaning(found))
    assert "`mp_gauss`" in said and "(--reductions)" in said and "left out" not in said


def row(method: str, skewness: float | None, low: float, high: float) -> dict:
    return {"method": method, "skewness": skewness, "skewness_low": low, "skewness_high": high}


def test_only_what_is_surely_less_skewed_is_recommended():
    """An interval over everything, and a skewness that few queries do not tell, are no reason."""
    plain = row("none", 4.0, 3.0, 5.0)
    wide, unknown = row("mp_gauss", 2.0, -3.0, 7.0), row("inverted_softmax", None, -1.0, 1.0)
    assert sampled.recommend([plain, wide, unknown]) == "none"
    assert sampled.recommend([plain, wide, row("csls", 2.5, 2.2, 2.8)]) == "csls"


def test_a_mapped_file_costs_blocks_before_it_is_searched(tmp_path):
    """400 MB of zeros, a hole on disk; hashed as one array it was copied: 400 MB."""
    path = tmp_path / "x.npy"
    np.lib.format.open_memmap(path, mode="w+", dtype=np.float32, shape=(1_000_000, 100)).flush()
    tracemalloc.start()
    prepared = prepare_judgement(Embeddings(embeddings=str(path), metric="euclidean"))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert prepared.x.shape == (1_000_000, 100) and peak < 150e6  # measured: 84 MB
