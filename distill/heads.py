"""The L2 logit loss from embeddings and unembeddings, for label sets too large for logits."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float, Real

from repgeo import inputs
from similarity.checks import resolved
from similarity.logit_distance import padded


def l2_logit_loss_from_heads(
    f: Real[ArrayLike, "n m"],
    g: Real[ArrayLike, "k m"],
    f2: Real[ArrayLike, "n m2"],
    g2: Real[ArrayLike, "k m2"],
    *,
    centre: bool = False,
    block: int | None = 2048,
    precision: jax.lax.PrecisionLike = "highest",
) -> Float[Array, ""]:
    """Mean over inputs of ‖f gᵀ - f2 g2ᵀ‖² without an n x k array, in squared logits.

    Equal to the mean of `l2_logit_loss`; with `centre`, to the squared logit distance. (f, g) is
    the student, (f2, g2) the teacher; gradients are exact in all four. The difference of logits
    is factored as (f - f2) gᵀ + f2 (g - g2)ᵀ and only Gram matrices of the factors are formed,
    so that equal models give exactly 0 with exactly zero gradient. The narrower model is padded
    with zeros. About 10 (n + k) m² operations with gradient, against 8 n k m through logits:
    faster for n > 1.3 m, and smaller for any n.

    Labels are taken `block` at a time, which keeps g - g2 in cache and out of memory. Under `jit`
    with heads sharded over labels, pass block=None: then the products shard as any other.

    Error in float32: of the order 1e-6 of ‖(f - f2) gᵀ‖² + ‖f2 (g - g2)ᵀ‖² per input.
    That is relative precision for a student near its teacher's own parameters. A student that
    matches the teacher in other coordinates has large factors that cancel: there the value
    bottoms out near 1e-6 of ‖logits‖², the gradient near 1e-6 of its terms.

    Raises:
        ValueError: shapes do not fit, block is not positive, or an offset hides what float32 must
            see.
    """
    _check_heads(*(np.shape(a) for a in (f, g, f2, g2)))
    if block is not None and block <= 0:
        raise ValueError(f"l2_logit_loss_from_heads: block must be positive or None, got {block}.")
    f, g, f2, g2 = _working(centre, f=f, g=g, f2=f2, g2=g2)
    return _loss(f, g, f2, g2, centre, min(block or len(g), len(g)), precision)


@jax.jit(static_argnames=("centre", "block", "precision"))
def _loss(f, g, f2, g2, centre, block, precision):
    if centre:
        g, g2 = g - g.mean(0, keepdims=True), g2 - g2.mean(0, keepdims=True)
    return _mean_square(block, precision, *padded(f, g, f2, g2))


@functools.partial(jax.custom_vjp, nondiff_argnums=(0, 1))
def _mean_square(block, precision, f, g, f2, g2):
    return _forward(block, precision, f, g, f2, g2)[0]


def _forward(block, precision, f, g, f2, g2):
    """The value; as residuals the inputs and the Gram matrices of (f - f2, f2), (g, g - g2)."""
    dot = functools.partial(jnp.matmul, precision=precision)
    a = f - f2
    of_inputs = dot(a.T, a), dot(a.T, f2), dot(f2.T, f2)
    of_labels = _label_grams(block, dot, g, g2)
    total = sum(w * (s * t).sum() for w, s, t in zip((1, 2, 1), of_inputs, of_labels, strict=True))
    # Rounding can leave a total just below zero where large factors cancel.
    return jnp.maximum(total, 0) / len(f), (f, g, f2, g2, of_inputs, of_labels)


def _backward(block, precision, residuals, cotangent):
    """Gradients of ‖D‖², D = a gᵀ + f2 hᵀ: D g, Dᵀ f, -D g2 and -Dᵀ f2, times 2 / n.

    Autodiff of the value would multiply by the 2m x 2m Gram matrices on both sides, 16 k m²
    operations; these need only blocks that the value already has, so that 10 k m² suffice.
    """
    f, g, f2, g2, of_inputs, of_labels = residuals
    dot = functools.partial(jnp.matmul, precision=precision)
    scale = 2 * cotangent / len(f)
    aa, af, ff = (scale * s for s in of_inputs)
    gg, gh, hh = (scale * s for s in of_labels)
    a = f - f2
    grad_f = dot(a, gg) + dot(f2, gh.T)
    grad_g = _label_products(block, dot, g, g2, aa + af, af.T + ff)
    grad_f2 = dot(a, gh - gg) + dot(f2, hh - gh.T)
    grad_g2 = _label_products(block, dot, g, g2, -af, -ff)
    return grad_f, grad_g, grad_f2, grad_g2


_mean_square.defvjp(_forward, _backward)


def _label_grams(block, dot, g, g2):
    """(gᵀ g, gᵀ h, hᵀ h) for h = g - g2, over blocks of labels."""

    def add(i, grams):
        start = jnp.minimum(i * block, len(g) - block)
        # The last block reaches back over rows that were already counted.
        new = (start + jnp.arange(block) >= i * block)[:, None]
        g_rows, g2_rows = (
            jnp.where(new, jax.lax.dynamic_slice_in_dim(x, start, block), 0) for x in (g, g2)
        )
        h_rows = g_rows - g2_rows
        products = dot(g_rows.T, g_rows), dot(g_rows.T, h_rows), dot(h_rows.T, h_rows)
        return jax.tree.map(jnp.add, grams, products)

    zero = jnp.zeros((g.shape[1],) * 2, g.dtype)
    return jax.lax.fori_loop(0, -(-len(g) // block), add, (zero, zero, zero))


def _label_products(block, dot, g, g2, by_g, by_h):
    """g @ by_g + (g - g2) @ by_h, over blocks of labels."""

    def write(i, out):
        start = jnp.minimum(i * block, len(g) - block)
        g_rows, g2_rows = (jax.lax.dynamic_slice_in_dim(x, start, block) for x in (g, g2))
        rows = dot(g_rows, by_g) + dot(g_rows - g2_rows, by_h)
        return jax.lax.dynamic_update_slice_in_dim(out, rows, start, 0)

    return jax.lax.fori_loop(0, -(-len(g) // block), write, jnp.zeros_like(g))


def _working(centre: bool, **given: object) -> tuple[Array, ...]:
    """Checked arrays in the precision of kernels; with `centre`, heads up to a translation."""
    ready = []
    for name, value in given.items():
        checked = inputs.array(name, value, 2, degree=4)
        moves = centre and name in ("g", "g2")
        ready.append(
            inputs.single(name, checked, centre=True) if moves else resolved(name, checked)
        )
    return inputs.alike(*ready)


def _check_heads(*shapes: tuple[int, ...]) -> None:
    if all(len(s) == 2 and min(s) > 0 for s in shapes):
        (n, m), (k, m_g), (n2, m2), (k2, m2_g) = shapes
        if (n, k, m, m2) == (n2, k2, m_g, m2_g):
            return
    raise ValueError(
        "l2_logit_loss_from_heads takes f (n, m), g (k, m) of the student and f2 (n, m2), "
        "g2 (k, m2) of the teacher: the same n inputs, the same k labels, and one dimension "
        f"within each model. Got shapes {', '.join(map(str, shapes))}."
    )
