"""Oracles: the definitions in NumPy, scikit-learn's search, and what the words promise."""

import numpy as np
import pytest
from sklearn.neighbors import NearestNeighbors

from experiments.hubness import methods
from experiments.hubness.config import combinations, hubness_config
from experiments.hubness.study import STUDY
from experiments.runtime.errors import UserError

X = np.random.default_rng(0).normal(1, 2, (60, 5)).astype(np.float32)
TRAIN = np.arange(0, 60, 2)


def test_names_say_what_was_read():
    assert [methods.parse(word).name for word in combinations()] == list(combinations())
    assert len(set(combinations())) == len(combinations())
    assert methods.parse("none+none").name == "none"
    assert [m.name for m in methods.all_methods(["csls", "none", "csls"])] == ["none", "csls"]


@pytest.mark.parametrize(
    "word, message",
    [
        ("mp_gaus", "Did you mean 'mp_gauss'"),
        ("f-nrm+csls", "Did you mean 'f-norm'"),
        ("csls@skhubness-0.30", "unknown reduction .csls@skhubness-0.30."),
        ("mp_gauss@0.21", "Did you mean .mp_gauss"),
        ("f-norm+", "unknown reduction ''. Accepted: csls"),
    ],
)
def test_other_words_are_one_clear_error(word, message):
    with pytest.raises(UserError, match=message):
        methods.parse(word)


def test_fitted_transforms_learn_from_the_points_alone():
    others = X.copy()
    others[1::2] += 5
    for name in ("centre", "f-norm-inductive", "whiten", "centre-weighted"):
        moved = methods.FEATURES[name]
        np.testing.assert_array_equal(moved(X, TRAIN, 0)[TRAIN], moved(others, TRAIN, 0)[TRAIN])
    centred = methods.FEATURES["centre"](X, TRAIN, 0)
    expected = X - X[TRAIN].mean(0)
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    np.testing.assert_allclose(centred, expected, atol=1e-6)


def test_force_normal_depends_on_the_seed_and_keeps_ranks():
    first, again, other = (methods.FEATURES["f-norm"](X, TRAIN, seed) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()
    np.testing.assert_allclose(np.linalg.norm(first, axis=1), 1, atol=1e-6)


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
def test_plain_search_is_scikit_learns(metric):
    theirs = NearestNeighbors(n_neighbors=5, metric=metric, algorithm="brute").fit(X[TRAIN])
    plain = methods.parse("none")
    own = methods.search(plain, X[TRAIN], None, 5, metric=metric, local_k=5)
    np.testing.assert_array_equal(own.index, theirs.kneighbors(return_distance=False))
    asked = methods.search(plain, X[TRAIN], X[1::2], 5, metric=metric, local_k=5)
    np.testing.assert_array_equal(asked.index, theirs.kneighbors(X[1::2], return_distance=False))


@pytest.mark.parametrize("arg", ["minilm", "static", "lsa", "file:x.npy", "model:folder"])
def test_config_arguments_are_spaces_and_perhaps_smoke(arg):
    for word in (arg, f"{arg}:smoke"):
        config = hubness_config(word)
        assert config.space == arg and config.smoke == word.endswith("smoke")
        assert len(config.seeds) >= 2 and methods.all_methods(config.methods)


@pytest.mark.parametrize(
    "arg, message",
    [("minlm", "Did you mean 'minilm'"), ("file", "file:FILE"), ("lsa:smok", "Did you mean 'lsa'")],
)
def test_other_config_arguments_are_refused(arg, message):
    with pytest.raises(UserError, match=message):
        STUDY.read(hubness_config(arg).to_dict())
