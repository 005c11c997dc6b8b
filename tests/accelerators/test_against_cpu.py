"""Oracle: the same program on this machine's CPU. For whoever has an accelerator:

JAX_PLATFORMS=cuda,cpu .venv/bin/python -m pytest -n 0 -m gpu
JAX_PLATFORMS=tpu,cpu .venv/bin/python -m pytest -n 0 -m tpu
"""

import jax
import numpy as np
import pytest

import diffenc
import hubness
import similarity

BOTH = [pytest.param("gpu", marks=pytest.mark.gpu), pytest.param("tpu", marks=pytest.mark.tpu)]


def on_both(platform, function, *arguments):
    """Results of `function` on the accelerator and on the CPU, as NumPy arrays."""
    results = []
    for device in (jax.devices(platform)[0], jax.devices("cpu")[0]):
        with jax.default_device(device), jax.default_matmul_precision("highest"):
            moved = jax.device_put(arguments, device)
            results.append(jax.tree.map(np.asarray, function(*moved)))
    return results


@pytest.mark.parametrize("platform", BOTH)
def test_elbo_terms(platform):
    model = diffenc.build("diffenc", (8, 8, 1), 17)
    rng = np.random.default_rng(0)
    codes = rng.integers(0, 17, (8, 8, 8, 1))
    eps, eps_0 = (rng.normal(size=codes.shape).astype(np.float32) for _ in range(2))
    t = np.linspace(0.05, 0.95, 8).astype(np.float32)

    def terms(codes, t, eps, eps_0):
        params = model.init(jax.random.key(0))
        return model.elbo_terms(params, codes, t=t, eps=eps, eps_0=eps_0)

    there, here = on_both(platform, jax.jit(terms), codes, t, eps, eps_0)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4), there, here)


@pytest.mark.parametrize("platform", BOTH)
def test_neighbours(platform):
    x = np.random.default_rng(0).normal(size=(2000, 64)).astype(np.float32)
    there, here = on_both(platform, lambda x: hubness.knn(x, 10).index, x)
    assert (np.sort(there) == np.sort(here)).mean() > 0.9999


@pytest.mark.parametrize("platform", BOTH)
def test_logit_distance(platform):
    rng = np.random.default_rng(0)
    f, f2 = (rng.normal(size=(500, 8)).astype(np.float32) for _ in range(2))
    g, g2 = (rng.normal(size=(50, 8)).astype(np.float32) for _ in range(2))
    there, here = on_both(platform, similarity.logit_distance, f, g, f2, g2)
    np.testing.assert_allclose(there, here, rtol=1e-4)
