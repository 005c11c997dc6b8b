import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.spatial.distance import pdist
from scipy.stats import pearsonr, rankdata, spearmanr

import similarity as S
from similarity.ranks import average_ranks
from similarity.rsa import sample_pairs

COMPARE = {
    "spearman": lambda a, b: spearmanr(a, b).statistic,
    "pearson": lambda a, b: pearsonr(a, b).statistic,
    "cosine": lambda a, b: a @ b / np.linalg.norm(a) / np.linalg.norm(b),
}


@pytest.mark.parametrize("dissimilarity", ["correlation", "cosine", "euclidean"])
@pytest.mark.parametrize("comparison", list(COMPARE))
def test_agreement_is_scipys(x64, models, dissimilarity, comparison):
    f, f2 = models.f[:40] + 1, models.f2[:40]
    want = COMPARE[comparison](pdist(f, dissimilarity), pdist(f2, dissimilarity))
    got = S.rsa(f, f2, dissimilarity=dissimilarity, comparison=comparison)
    np.testing.assert_allclose(got, want, rtol=1e-10)


def test_tied_ranks_are_averaged():
    values = jnp.asarray([3.0, 1, 3, 2, 1, 1])
    np.testing.assert_array_equal(average_ranks(values), rankdata(values))


def test_degenerate_rows_and_columns(models):
    f = models.f[:40].astype(np.float32)
    assert S.rsa(np.ones_like(f), f) == 0
    flat = f.copy()
    flat[0] = 2
    assert np.isfinite(S.rsa(flat, f))


@pytest.mark.parametrize("dissimilarity", ["correlation", "cosine", "euclidean"])
def test_sampled_pairs_estimate_the_value_of_all(models, dissimilarity):
    """Within four of the standard errors that the docstring names."""
    f, _, f2, _ = models.cast(np.float32)
    whole = S.rsa(f, f2, dissimilarity=dissimilarity)
    got = S.rsa(f, f2, dissimilarity=dissimilarity, key=jax.random.key(0), num_pairs=20_000)
    assert abs(got - whole) < 4 * (1 - whole**2) / 20_000**0.5
    assert S.rsa(f, f, dissimilarity=dissimilarity, key=jax.random.key(0), num_pairs=50) > 0.9999


def test_pairs_are_uniform_and_of_different_inputs():
    """χ² of 12 ordered pairs of 4 inputs, 11 degrees of freedom, below its 99.9% point."""
    first, second = np.asarray(sample_pairs(jax.random.key(0), 4, 12_000))
    assert (first != second).all()
    counts = np.unique(4 * first + second, return_counts=True)[1]
    assert counts.size == 12 and ((counts - 1000) ** 2 / 1000).sum() < 31.3


@pytest.mark.usefixtures("unchecked")
def test_many_inputs_are_sampled_or_refused(models):
    x = np.zeros((50_000, 1), np.float32)
    with pytest.raises(ValueError, match="1249975000 pairs.*give key and num_pairs"):
        S.rsa(x, x)
    with pytest.raises(ValueError, match="both key and num_pairs"):
        S.rsa(models.f, models.f2, num_pairs=10)
    with pytest.raises(ValueError, match="num_pairs=2 must be at least 3"):
        S.rsa(models.f, models.f2, key=jax.random.key(0), num_pairs=2)


@pytest.mark.usefixtures("unchecked")
def test_errors(models):
    with pytest.raises(ValueError, match="at least 3"):
        S.rsa(models.f[:2], models.f2[:2])
    with pytest.raises(ValueError, match="accepted are 'correlation'"):
        S.rsa(models.f, models.f2, dissimilarity="manhattan")
    with pytest.raises(ValueError, match="accepted are 'spearman'"):
        S.rsa(models.f, models.f2, comparison="kendall")
