import jax.numpy as jnp
import numpy as np
import pytest
from scipy.spatial.distance import pdist
from scipy.stats import pearsonr, rankdata, spearmanr

import similarity as S
from similarity.rsa import average_ranks

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


@pytest.mark.usefixtures("unchecked")
def test_errors(models):
    with pytest.raises(ValueError, match="at least 3"):
        S.rsa(models.f[:2], models.f2[:2])
    with pytest.raises(ValueError, match="accepted are 'correlation'"):
        S.rsa(models.f, models.f2, dissimilarity="manhattan")
    with pytest.raises(ValueError, match="accepted are 'spearman'"):
        S.rsa(models.f, models.f2, comparison="kendall")
