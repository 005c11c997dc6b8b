"""Oracle: XLA's count of the operations, on programs without loops, before any of it is removed."""

import functools

import jax
import jax.numpy as jnp
import pytest

import diffenc
from benchmarks.diffenc_published import published_loss

SHAPE, BATCH = (32, 32, 3), 8
# One block of width 32 beside the published encoder: spec section 8's small configuration.
SMALL = {"width": 32, "num_layers": 1, "unroll": True}


def abstract_batch():
    image = jax.ShapeDtypeStruct((BATCH, *SHAPE), jnp.float32)
    codes = jax.ShapeDtypeStruct(image.shape, jnp.int32)
    key = jax.eval_shape(lambda: jax.random.key(0))
    return codes, jax.ShapeDtypeStruct((BATCH,), jnp.float32), image, image, key


def flops(function, *args):
    return jax.jit(function).lower(*args).cost_analysis()["flops"]


def our_loss(model, training=True):
    def loss(params, codes, t, eps, eps_0, key):
        key = key if training else None
        terms = model.elbo_terms(params, codes, t=t, eps=eps, eps_0=eps_0, dropout_key=key)
        return sum(terms).mean(), None

    return loss


@functools.cache
def counts(pattern, gradient):
    """Total FLOPs of a loss, and the encoder's part of them in units of one encoder forward."""
    model = diffenc.build("diffenc-8-2", SHAPE, 256, **SMALL)
    plain = diffenc.build("vdmv-8", SHAPE, 256, **SMALL)
    params = jax.eval_shape(model.init, jax.random.key(0))
    losses = {
        "training": our_loss(model),
        "exact": our_loss(model, training=False),
        "published": published_loss(model),
    }
    differentiate = lambda f: jax.value_and_grad(f, has_aux=True) if gradient else f
    batch = abstract_batch()
    inner = model.encoder_network()
    forward = flops(
        lambda p, x, g: inner.apply({"params": p}, x, g, jnp.zeros_like(g)),
        params["encoder"],
        batch[2],
        batch[1],
    )
    total = flops(differentiate(losses[pattern]), params, *batch)
    return total, (total - flops(differentiate(our_loss(plain)), params, *batch)) / forward


def test_counted_patterns_are_what_they_are_called():
    # Guards the comparison: x_0, x_1, x_t, y and two slopes of nearly two forwards each.
    assert 7.5 < counts("published", False)[1] < 8.0
    assert 3.7 < counts("exact", False)[1] < 4.0


@pytest.mark.parametrize("gradient, most", [(False, 3.6), (True, 11.0)])
def test_encoder_costs_at_most_its_share_of_a_training_step(gradient, most):
    assert 2.5 < counts("training", gradient)[1] < most


def test_total_is_at_most_65_per_cent_of_the_published_pattern():
    assert counts("training", True)[0] < 0.65 * counts("published", True)[0]


def test_model_flops_agree_with_the_count():
    model = diffenc.build("diffenc-8-2", SHAPE, 256, **SMALL)
    found = diffenc.model_flops(model.options, SHAPE)
    # Measured 0.986: norms, activations and sums are left out, more of them in a narrow network.
    assert found.training == pytest.approx(counts("training", True)[0] / BATCH, rel=0.05)


@pytest.mark.parametrize(
    "name, shape, score, encoder",
    [
        # GFLOP a forward pass, counted on the published modules (32x32x3).
        ("diffenc-8-2", SHAPE, 15.0, 0.83),
        ("diffenc-32-4", SHAPE, 51.6, 1.40),
        ("diffenc-32-8-imagenet", SHAPE, 204.5, 2.54),
    ],
)
def test_model_flops_are_those_of_the_published_networks(name, shape, score, encoder):
    found = diffenc.model_flops(diffenc.build(name, shape, 256).options, shape)
    assert found.score / 1e9 == pytest.approx(score, rel=0.02)
    assert found.encoder / 1e9 == pytest.approx(encoder, rel=0.02)


@pytest.mark.parametrize("name, options", [("vdmv", {}), ("diffenc", {"x_0_every": 1})])
def test_model_flops_of_vectors_are_their_matrix_products(name, options):
    model = diffenc.build(name, (2,), 256, **options)
    found = diffenc.model_flops(model.options, (2,))
    kernels = jax.eval_shape(model.init, jax.random.key(0))
    products = lambda net: sum(2 * k.size for k in jax.tree.leaves(kernels[net]) if k.ndim == 2)
    assert found.score == found.sample_step == products("score")
    passes = 4 * products("encoder") if name == "diffenc" else 0
    assert found.training == 3 * (found.score + passes)
