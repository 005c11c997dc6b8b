"""Oracle: `lax.conv_general_dilated` and JAX's own gradients of it."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from diffenc.networks.convolution import same_convolution

PLAIN = ("NHWC", "HWIO", "NHWC")


def reference(x, kernel):
    return jax.lax.conv_general_dilated(x, kernel, (1, 1), "SAME", dimension_numbers=PLAIN)


@pytest.mark.parametrize("side, size", [(6, 3), (5, 1), (7, 5)])
def test_value_and_gradients_equal_jaxs(side, size, x64):
    rng = np.random.default_rng(0)
    x = jnp.asarray(rng.normal(size=(3, side, side + 1, 4)))
    kernel = jnp.asarray(rng.normal(size=(size, size, 4, 5)))
    out, pull = jax.vjp(same_convolution, x, kernel)
    want, want_pull = jax.vjp(reference, x, kernel)
    cotangent = jnp.asarray(rng.normal(size=out.shape))
    np.testing.assert_allclose(out, want, atol=1e-13)
    for got, expected in zip(pull(cotangent), want_pull(cotangent), strict=True):
        np.testing.assert_allclose(got, expected, atol=1e-12)


def test_every_convolution_in_a_loop_keeps_the_plain_layout():
    # What the module is for: no permuted dimensions are left inside the compiled loop.
    x, kernels = jnp.ones((4, 8, 8, 8)), jnp.ones((3, 3, 3, 8, 8))

    def loops_compiled_with(convolve):
        def loss(kernels, x):
            return jax.lax.scan(lambda h, k: (jnp.tanh(convolve(h, k)), None), x, kernels)[0].sum()

        return jax.jit(jax.grad(loss)).lower(kernels, x).compile().as_text()

    permuted = ("01oi", "f01b")
    assert not any(label in loops_compiled_with(same_convolution) for label in permuted)
    # If this one fails, XLA has learnt to do it, and the module can go.
    assert any(label in loops_compiled_with(reference) for label in permuted)
