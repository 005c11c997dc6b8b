"""Oracles: the formulas in float64 NumPy, identities, finite gradients where roots vanish."""

import jax
import numpy as np
import pytest

from experiments.sbert import objectives as sbert

RNG = np.random.default_rng(0)
U, V = RNG.normal(1, 2, (2, 50, 12)).astype(np.float32)
SCORE = RNG.uniform(0, 5, 50).astype(np.float32)


def normalised(x, name):
    x = x.astype(np.float64)
    if name == "z":
        return (x - x.mean(1, keepdims=True)) / (x.std(1, keepdims=True) + 1e-6)
    if name.startswith("c"):
        x = x - x.mean(1, keepdims=True)
    if name.endswith("n") and name != "none":
        x = x / np.linalg.norm(x, axis=1, keepdims=True)
    return x


def loss_by_definition(u, v, s, loss):
    cos = (u * v).sum(1) / np.linalg.norm(u, axis=1) / np.linalg.norm(v, axis=1)
    return {
        "cos": (cos - s / 5) ** 2,
        "cos_dist": ((1 - cos) - (1 - s / 5)) ** 2,
        "euclidean": (np.linalg.norm(u - v, axis=1) - np.sqrt(1 - (s - 2.5) / 2.5)) ** 2,
    }[loss]


@pytest.mark.parametrize("loss", sbert.LOSSES)
@pytest.mark.parametrize("norm", sbert.NORMALISATIONS)
def test_losses_follow_their_definitions(loss, norm):
    found = sbert.pair_losses(U, V, SCORE, loss=loss, normalisation=norm)
    expected = loss_by_definition(normalised(U, norm), normalised(V, norm), SCORE, loss)
    # Measured 1.1e-6 relative.
    np.testing.assert_allclose(found, expected, rtol=2e-5, atol=1e-6)


@pytest.mark.parametrize("score,angle", [(5, 0), (0, 90)])
def test_orthogonal_targets(score, angle):
    """Pairs of score 5 belong together and pairs of score 0 at a right angle, on the sphere."""
    u = np.array([[3.0, 0.0]], np.float32)
    v = np.array([[np.cos(np.radians(angle)), np.sin(np.radians(angle))]], np.float32)
    for loss in sbert.LOSSES:
        found = sbert.pair_losses(u, v, np.array([score], np.float32), loss=loss, normalisation="n")
        np.testing.assert_allclose(found, 0, atol=1e-12)


def test_the_two_cosine_losses_and_their_gradients_are_the_same():
    def total(u, loss):
        return sbert.pair_losses(u, V, SCORE, loss=loss, normalisation="none").sum()

    one, two = (jax.grad(total)(U, loss) for loss in ("cos", "cos_dist"))
    np.testing.assert_allclose(one, two, atol=1e-6)


@pytest.mark.parametrize("loss", sbert.LOSSES)
@pytest.mark.parametrize("norm", sbert.NORMALISATIONS)
def test_gradients_are_finite_for_equal_constant_and_zero_embeddings(loss, norm):
    u = np.stack([U[0], np.ones(12), np.zeros(12)]).astype(np.float32)
    score = np.array([5, 5, 0], np.float32)
    total = lambda a: sbert.pair_losses(a, u, score, loss=loss, normalisation=norm).sum()
    assert np.isfinite(jax.grad(total)(u)).all()


@pytest.mark.parametrize("norm", ["n", "c+n", "z"])
def test_normalised_lengths(norm):
    lengths = np.linalg.norm(jax.vmap(sbert.NORMALISATIONS[norm])(U), axis=1)
    np.testing.assert_allclose(lengths, np.sqrt(12) if norm == "z" else 1, rtol=1e-5)


def test_similarities_grow_as_distances_shrink():
    near = U + 0.1 * V
    for loss in sbert.LOSSES:
        score = [
            np.asarray(sbert.pair_similarities(U, other, loss=loss, normalisation="n"))
            for other in (U, near, V)
        ]
        assert (score[0] >= score[1]).all() and score[1].mean() > score[2].mean()
