"""bfloat16 activations. Oracle: the float32 model, on the same noise."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import diffenc

SHAPE, LEVELS = (4, 4, 1), 17
SMALL = {"width": 4, "num_layers": 0, "encoder_width": 4, "encoder_layers": 1}


def build(name, dtype):
    return diffenc.build(name, SHAPE, LEVELS, dtype=dtype, **SMALL)


@pytest.fixture(scope="module")
def terms():
    """ElboTerms with float32 and with bfloat16 activations, parameters and noise equal.

    Of the model whose encoder has no network, so that only its diffusion term holds activations.
    """
    models = [build("nt", dtype) for dtype in ("float32", "bfloat16")]
    k_codes, k_eps, k_0 = jax.random.split(jax.random.key(0), 3)
    codes = jax.random.randint(k_codes, (8, *SHAPE), 0, LEVELS)
    eps, eps_0 = (jax.random.normal(k, codes.shape) for k in (k_eps, k_0))
    t = jnp.linspace(0.02, 0.98, 8)
    shapes = jax.eval_shape(models[0].init, jax.random.key(0))
    rng = np.random.default_rng(0)
    params = jax.tree.map(lambda s: 0.3 * rng.normal(size=s.shape).astype(s.dtype), shapes)
    elbo = lambda model: model.elbo_terms(params, codes, t=t, eps=eps, eps_0=eps_0)
    return jax.jit(lambda: [elbo(model) for model in models])()


def test_what_no_network_enters_is_equal_to_the_bit(terms):
    for part in ("prior", "reconstruction"):
        np.testing.assert_array_equal(*(getattr(found, part) for found in terms))


def test_the_diffusion_term_feels_the_precision_a_little(terms):
    want, got = (found.diffusion for found in terms)
    assert (got != want).all()
    np.testing.assert_allclose(got, want, rtol=0.02)


def test_parameters_networks_outputs_and_terms_are_float32():
    model = build("diffenc", "bfloat16")
    params = jax.eval_shape(model.init, jax.random.key(0))
    image = jax.ShapeDtypeStruct((8, *SHAPE), jnp.float32)
    codes, t = jax.ShapeDtypeStruct(image.shape, jnp.int32), jnp.linspace(0.0, 1.0, 8)
    elbo = lambda p, c, e: model.elbo_terms(p, c, t=t, eps=e, eps_0=e)
    inner = model.encoder_network()
    score = model.score_network()
    apply = lambda net: lambda p, x: net.apply({"params": p}, x, t, t)
    found = (
        params,
        jax.eval_shape(apply(inner), params["encoder"], image),
        jax.eval_shape(apply(score), params["score"], image),
        jax.eval_shape(elbo, params, codes, image),
        jax.eval_shape(lambda p, x: model.encode(p, x, 0.0), params, image),
        jax.eval_shape(lambda p, x: model.denoise(p, x, 0.0), params, image),
    )
    assert {leaf.dtype for leaf in jax.tree.leaves(found)} == {jnp.dtype("float32")}
