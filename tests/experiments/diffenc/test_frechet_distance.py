"""Oracles: SciPy's matrix square root, and Gaussians whose distance is known."""

import numpy as np
import pytest
from scipy.linalg import sqrtm

from experiments.diffenc.frechet import measure
from experiments.diffenc.frechet_distance import extract, frechet_distance, load_extractor
from experiments.runtime.errors import UserError


@pytest.mark.parametrize("rows, columns", [(50, 4), (6, 9)])
def test_distance_is_the_formula(rows, columns):
    rng = np.random.default_rng(0)
    a = rng.normal(size=(rows, columns))
    b = 0.3 + rng.normal(size=(rows + 3, columns)) @ rng.normal(size=(columns, columns))
    c_a, c_b = np.cov(a.T), np.cov(b.T)
    # Of a rank-deficient product sqrtm is accurate to about 1e-7 only.
    root = np.trace(sqrtm(c_a @ c_b)).real
    want = np.sum((a.mean(0) - b.mean(0)) ** 2) + np.trace(c_a) + np.trace(c_b) - 2 * root
    assert frechet_distance(a, b) == pytest.approx(want, rel=1e-5)
    assert frechet_distance(b, a) == pytest.approx(frechet_distance(a, b), rel=1e-9)


def test_equal_sets_and_moved_sets():
    x = np.random.default_rng(0).normal(size=(30, 5))
    assert frechet_distance(x, x) == pytest.approx(0, abs=1e-9)
    assert frechet_distance(x, x + 2) == pytest.approx(20)
    spread = np.trace(np.cov(x.T))
    assert frechet_distance(x, 3 * x) == pytest.approx(4 * spread + 4 * np.sum(x.mean(0) ** 2))


@pytest.mark.parametrize("shapes", [((1, 3), (5, 3)), ((5, 3), (5, 2)), ((5,), (5, 2))])
def test_other_shapes_are_refused(shapes):
    with pytest.raises(UserError, match="two or more rows"):
        frechet_distance(*(np.zeros(shape) for shape in shapes))


def test_extractor_is_the_users_function_with_its_digest(tmp_path):
    path = tmp_path / "own.py"
    path.write_text("def flat(codes):\n    return codes.reshape(len(codes), -1) / 2\n")
    extractor, facts = load_extractor(f"{path}:flat")
    codes = np.arange(24).reshape(6, 2, 2, 1)
    np.testing.assert_array_equal(extract(extractor, codes, 4), codes.reshape(6, 4) / 2)
    assert facts["extractor"] == "own.py:flat" and len(facts["sha256"]) == 64
    for where in (f"{path}:none", str(path), "absent.py:flat"):
        with pytest.raises(UserError, match="features"):
            load_extractor(where)
    with pytest.raises(UserError, match="one row each"):
        extract(lambda codes: codes, codes)
    with pytest.raises(UserError, match="not finite"):
        extract(lambda codes: np.full((len(codes), 2), np.nan), codes)


@pytest.mark.parametrize("num", [-3, 0, 1])
def test_too_few_samples_are_refused_before_the_run_is_read(num, tmp_path):
    with pytest.raises(UserError, match=f"--num={num}: .* at least 2"):
        measure(tmp_path, "features.py:f", num=num)
