"""Oracles: SciPy's rank correlation, NumPy's neighbours, and what was tokenised."""

import numpy as np
import pytest
from scipy.stats import skew, spearmanr

from experiments.models import tiny
from experiments.models.sentence import encoder as sentence
from experiments.runtime.errors import UserError
from experiments.sbert import sts


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return sentence.load(tiny.write_encoder(tmp_path_factory.mktemp("m")), max_length=16)


@pytest.fixture(scope="module")
def pairs(tmp_path_factory):
    folder = tiny.write_sts(tmp_path_factory.mktemp("sts"), {"dev": 30})
    return sts.read_split(str(folder), "dev")


def test_batches_hold_the_pairs_asked_for_at_the_shortest_length(model, pairs):
    data = sts.training_pairs(model, pairs)
    batch = data.take(np.array([4, 1]))
    longest = max(len(side[i]) for i in (4, 1) for side in (data.first, data.second))
    assert batch["ids"].shape == (2, 2, 16) and longest <= 16
    assert batch["ids"][0, 1, : len(data.second[4])].tolist() == data.second[4]
    np.testing.assert_array_equal(
        batch["mask"].sum(2)[1], [len(data.first[1]), len(data.second[1])]
    )
    np.testing.assert_array_equal(batch["score"], pairs.score[[4, 1]])


def test_spearman_is_scipys_on_the_embeddings(model, pairs):
    found = sts.sts_spearman(model, pairs, loss="euclidean", normalisation="none")
    u, v = (sentence.encode(model, side) for side in (pairs.first, pairs.second))
    expected = spearmanr(-np.linalg.norm(u - v, axis=1), pairs.score).statistic
    assert abs(found - expected) < 1e-6


def test_hubness_is_that_of_the_normalised_embeddings(model):
    texts = list(dict.fromkeys(tiny.sentences(40)))
    found = sts.hubness_of(model, texts, normalisation="n", k=5)
    x = sentence.encode(model, texts).astype(np.float64)
    x = x / np.linalg.norm(x, axis=1, keepdims=True)
    distance = ((x[:, None] - x[None]) ** 2).sum(-1) + np.diag(np.full(len(x), np.inf))
    counts = np.bincount(np.argsort(distance)[:, :5].ravel(), minlength=len(x))
    assert found["largest"] == counts.max() and found["num_texts"] == len(x)
    np.testing.assert_allclose(found["skewness"], skew(counts), rtol=1e-5)


def test_missing_files_say_which_option_names_them(tmp_path):
    with pytest.raises(UserError, match="--config.data.folder"):
        sts.read_split("", "dev")
    with pytest.raises(UserError, match="stsbenchmark_dev.csv"):
        sts.read_split(str(tmp_path), "dev")
