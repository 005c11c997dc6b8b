"""The loss from heads against the loss through logits, in value, gradient, memory and work."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import distill

ALL = (0, 1, 2, 3)


def through_logits(f, g, f2, g2, centre=False):
    loss = functools.partial(distill.l2_logit_loss, centre=centre)
    return jax.vmap(loss)(f @ g.T, f2 @ g2.T).mean()


def models(n=40, k=70, m=6, m2=6, dtype=np.float32):
    r = np.random.default_rng(0)
    return tuple(r.normal(size=s).astype(dtype) for s in ((n, m), (k, m), (n, m2), (k, m2)))


@pytest.mark.parametrize("m2", [6, 4, 9])
@pytest.mark.parametrize("centre", [False, True])
def test_value_and_gradients_equal_those_through_logits(x64, m2, centre):
    args = models(m2=m2, dtype=np.float64)
    want = jax.value_and_grad(functools.partial(through_logits, centre=centre), ALL)(*args)
    # 16 divides neither 70 labels nor leaves one block: the last block overlaps the one before.
    heads = functools.partial(distill.l2_logit_loss_from_heads, centre=centre, block=16)
    got = jax.jit(jax.value_and_grad(heads, ALL))(*args)
    jax.tree.map(functools.partial(np.testing.assert_allclose, rtol=1e-11, atol=1e-11), got, want)


def test_single_precision_is_within_1e_5_of_the_squared_logits():
    """Against logits in float64, of a student that is nothing like its teacher."""
    args = models(n=200, k=3000, m=64, m2=64)
    exact = [a.astype(np.float64) for a in args]
    with jax.enable_x64(True):
        want = jax.device_get(jax.value_and_grad(through_logits, ALL)(*exact))
    value, gradients = jax.value_and_grad(distill.l2_logit_loss_from_heads, ALL)(*args)
    logits = np.square(exact[0] @ exact[1].T).sum(1).mean()
    assert abs(value - want[0]) < 1e-5 * logits  # measured 1e-7
    for got, exactly in zip(gradients, want[1], strict=True):
        assert np.abs(got - exactly).max() < 1e-5 * np.abs(exactly).max()  # measured 1e-6


@pytest.mark.parametrize("block", [1, 64, None])
def test_block_size_does_not_matter(block):
    args = models()
    want = distill.l2_logit_loss_from_heads(*args)
    got = distill.l2_logit_loss_from_heads(*args, block=block)
    np.testing.assert_allclose(got, want, rtol=1e-6)  # measured 2e-7


def test_equal_models_give_exactly_zero_with_zero_gradient():
    f, g, _, _ = models(k=71)
    heads = functools.partial(distill.l2_logit_loss_from_heads, block=16)
    value, gradients = jax.value_and_grad(heads, ALL)(f, g, f, g)
    for x in (value, *gradients):
        np.testing.assert_array_equal(x, 0)


@pytest.mark.parametrize("step", [1e-2, 1e-4, 1e-6])
def test_near_equality_value_and_gradient_keep_relative_precision_in_float32(step):
    """Through float32 logits the value at step 1e-6 has no correct digit."""
    f2, g2, df, dg = models()
    f, g = (f2 + np.float32(step) * df), (g2 + np.float32(step) * dg)
    exact = [a.astype(np.float64) for a in (f, g, f2, g2)]
    with jax.enable_x64(True):
        want = jax.device_get(jax.value_and_grad(through_logits, (0, 1))(*exact))
    got = jax.value_and_grad(distill.l2_logit_loss_from_heads, (0, 1))(f, g, f2, g2)
    for a, b in zip(jax.tree.leaves(got), jax.tree.leaves(want), strict=True):
        error = np.abs(np.asarray(a) - b).max() / np.abs(b).max()
        assert error < 1e-6  # measured 3e-7


def test_error_for_a_student_equal_up_to_coordinates_is_1e_6_of_the_logits(x64):
    f2, g2, *_ = models(dtype=np.float64)
    b = np.random.default_rng(5).normal(size=(6, 6)) + 3 * np.eye(6)
    f, g = f2 @ b.T, g2 @ np.linalg.inv(b)
    single = [jnp.asarray(a, jnp.float32) for a in (f, g, f2, g2)]
    terms = np.square((f - f2) @ g.T).sum() + np.square(f2 @ (g - g2).T).sum()
    assert 0 <= distill.l2_logit_loss_from_heads(*single) <= 1e-6 * terms / len(f)


def test_half_precision_inputs_accumulate_in_single():
    args = [jnp.asarray(a, jnp.bfloat16) for a in models()]
    value, gradient = jax.value_and_grad(distill.l2_logit_loss_from_heads)(*args)
    want = through_logits(*(a.astype(jnp.float32) for a in args))
    assert value.dtype == jnp.float32 and gradient.dtype == jnp.bfloat16
    np.testing.assert_allclose(value, want, rtol=1e-5)


def test_memory_and_work_at_a_large_label_set():
    """Compiled only: 256 inputs, 20,000 labels, m = 64, forward and gradient."""
    shapes = [jax.ShapeDtypeStruct(s, jnp.float32) for s in [(256, 64), (20_000, 64)] * 2]
    compiled = lambda fn: jax.jit(jax.value_and_grad(fn, (0, 1))).lower(*shapes).compile()
    heads, whole, logits = (
        compiled(fn)
        for fn in (
            distill.l2_logit_loss_from_heads,
            functools.partial(distill.l2_logit_loss_from_heads, block=None),
            through_logits,
        )
    )
    temporary = lambda c: c.memory_analysis().temp_size_in_bytes
    assert temporary(logits) >= 8 * temporary(heads)
    # cost_analysis counts a loop's body once, so work is read off the form without one:
    # 10 (n + k) m^2, up to terms linear in (n + k) m.
    flops = whole.cost_analysis()["flops"]
    assert 10 * 20_256 * 64**2 <= flops <= 10.5 * 20_256 * 64**2


def test_mismatched_shapes_are_one_clear_error():
    f, g, f2, g2 = models()
    unchecked = getattr(
        distill.l2_logit_loss_from_heads, "__wrapped__", distill.l2_logit_loss_from_heads
    )
    for bad in ((f, g, f2[:-1], g2), (f, g, f2, g2[:-1]), (f[:, 1:], g, f2, g2), (f[0], g, f2, g2)):
        with pytest.raises(ValueError, match="same n inputs, the same k labels"):
            unchecked(*bad)
    with pytest.raises(ValueError, match="block must be positive"):
        distill.l2_logit_loss_from_heads(f, g, f2, g2, block=0)
