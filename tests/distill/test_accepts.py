"""Every function of `distill` over dtypes, offsets, scales and labels: right, or refused.

Oracles are the definitions in float64 NumPy and SciPy, of the values as given.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np
import pytest
from scipy import stats
from scipy.special import log_softmax

import distill

CASES: dict[str, Callable[[np.ndarray], object]] = {
    "float64": lambda x: x,
    "float32": lambda x: x.astype(np.float32),
    "float16": lambda x: x.astype(np.float16),
    "bfloat16": lambda x: x.astype(ml_dtypes.bfloat16),
    "bfloat16 of JAX": lambda x: jnp.asarray(x, jnp.bfloat16),
    "int64": lambda x: np.int64(np.round(3 * x)),
    "bool": lambda x: x > 0,
    "big-endian": lambda x: x.astype(">f8"),
    "strided": lambda x: np.repeat(x, 2, axis=0)[::2],
    "offset 1e3": lambda x: x + 1e3,
    "offset 1e8": lambda x: x + 1e8,
}
LOGITS = 3 * np.random.default_rng(0).normal(size=(2, 40))


def kl(s, t):
    log_q, log_p = log_softmax(s), log_softmax(t)
    return (np.exp(log_p) * (log_p - log_q)).sum()


def agreement(s, t):
    s, t = (np.sign(x[:, None] - x[None]) for x in (s, t))
    return ((s * t + 1) / 2)[t != 0].mean()


def centred(x):
    return x - x.mean()


# Tolerances are relative; measured errors are at most a third of them.
LOSSES = {
    "kl": (distill.kl_loss, kl, 1e-5),
    "l1": (distill.l1_logit_loss, lambda s, t: np.abs(s - t).mean(), 1e-6),
    "l2": (distill.l2_logit_loss, lambda s, t: np.square(s - t).sum(), 1e-6),
    "l2 centred": (
        lambda s, t: distill.l2_logit_loss(s, t, centre=True),
        lambda s, t: np.square(centred(s - t)).sum(),
        1e-6,
    ),
    "kendall": (distill.kendall_tau, lambda s, t: stats.kendalltau(s, t)[0], 1e-6),
    "pairs": (distill.pairwise_agreement, agreement, 1e-6),
    "spearman": (distill.spearman_rho, lambda s, t: stats.spearmanr(s, t)[0], 1e-6),
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.usefixtures("unchecked")
def test_two_vectors_of_logits(name, case):
    ours, definition, tolerance = LOSSES[name]
    given = [CASES[case](x) for x in LOGITS]
    want = definition(*(np.asarray(x, np.float64) for x in given))
    np.testing.assert_allclose(ours(*given), want, rtol=tolerance)


@pytest.mark.parametrize("scale", [1e-30, 1e30])
def test_squares_that_leave_float32_are_refused(scale):
    with pytest.raises(ValueError, match="products of 2 of them leave float32"):
        distill.l2_logit_loss(scale * LOGITS[0], scale * LOGITS[1])
    np.testing.assert_allclose(
        distill.l1_logit_loss(scale * LOGITS[0], scale * LOGITS[1]),
        scale * np.abs(LOGITS[0] - LOGITS[1]).mean(),
        rtol=1e-6,
    )


@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float16])
@pytest.mark.parametrize("labels", [1_000, 128_000])
@pytest.mark.parametrize("wrap", [lambda f: f, jax.jit], ids=["eager", "jit"])
def test_half_precision_is_promoted_before_any_sum(dtype, labels, wrap):
    """Value and gradient; measured relative errors 2e-7 and, of the gradient's rounding, 4e-3."""
    r = np.random.default_rng(0)
    s, t = (jnp.asarray(2 * r.normal(size=labels), dtype) for _ in range(2))
    exact = [np.asarray(x, np.float64) for x in (s, t)]
    value, gradient = wrap(jax.value_and_grad(distill.kl_loss))(s, t)
    np.testing.assert_allclose(value, kl(*exact), rtol=2e-6)
    want = np.exp(log_softmax(exact[0])) - np.exp(log_softmax(exact[1]))
    assert gradient.dtype == dtype
    # float16 has no normal numbers below 6e-5, where the gradient of a rare label lies.
    np.testing.assert_allclose(np.float64(gradient), want, rtol=1e-2, atol=4e-8)


@pytest.mark.parametrize("label", [10, -1, -100])
def test_labels_that_do_not_exist_are_refused(label):
    log_p = np.log(np.full(10, 0.1, np.float32))
    calls = {
        "nll": lambda: distill.nll(log_p, label),
        "brier": lambda: distill.brier(np.exp(log_p), label),
        "with_label_loss": lambda: distill.with_label_loss(distill.kl_loss, 0.5)(
            log_p, log_p, label
        ),
        "classwise_ece": lambda: distill.classwise_ece(np.exp(log_p)[None], np.array([label])),
        "macro_f1": lambda: distill.macro_f1(np.array([label]), np.array([1]), 10),
    }
    for call in calls.values():
        with pytest.raises(ValueError, match=rf"classes must lie in 0\.\.9; got {label}\.\."):
            call()


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.float16, ml_dtypes.bfloat16])
def test_scores_of_one_example(dtype):
    log_p = log_softmax(LOGITS[0]).astype(dtype)
    exact = np.float64(log_p)
    np.testing.assert_allclose(distill.nll(log_p, 7), -exact[7], rtol=1e-6)
    probs = np.exp(exact).astype(dtype)
    want = np.square(np.float64(probs) - (np.arange(40) == 7)).mean()
    np.testing.assert_allclose(distill.brier(probs, 7), want, rtol=1e-6)


@pytest.mark.parametrize("dtype", [np.float64, np.float16, ml_dtypes.bfloat16])
def test_calibration_error_of_half_precision_is_that_of_its_values(dtype):
    """300 examples: sums in half precision would be off by 1e-2."""
    r = np.random.default_rng(0)
    confidence = r.uniform(0.01, 1, 300).astype(dtype)
    right = r.uniform(size=300) < 0.7
    single = np.float32(confidence)
    bins = np.clip(np.ceil(single * np.float32(15)).astype(int) - 1, 0, 14)
    gap = [abs((right[bins == b] - np.float64(single[bins == b])).sum()) for b in range(15)]
    np.testing.assert_allclose(distill.ece(confidence, right), sum(gap) / 300, rtol=1e-5)
    with pytest.raises(ValueError, match="outside"):
        distill.ece(confidence + np.asarray(1, dtype), right)


@pytest.mark.parametrize("offset", [0.0, 1e3, 1e6, 1e8])
def test_an_offset_of_the_features_does_not_move_a_probe(offset):
    r = np.random.default_rng(0)
    x, y = r.normal(size=(200, 3)), r.integers(0, 4, 200)
    want = distill.fit_linear_probe(x, y, 4).logits(x)
    got = distill.fit_linear_probe(x + offset, y, 4).logits(x + offset)
    np.testing.assert_allclose(got, want, atol=1e-5)


def test_a_loss_from_heads_does_not_see_an_offset_of_centred_heads():
    r = np.random.default_rng(0)
    f, g, f2, g2 = (r.normal(size=s) for s in ((50, 4), (9, 4), (50, 4), (9, 4)))
    want = distill.l2_logit_loss_from_heads(f, g, f2, g2, centre=True)
    got = distill.l2_logit_loss_from_heads(f, g + 1e8, f2, g2, centre=True)
    np.testing.assert_allclose(got, want, rtol=1e-6)


def test_logits_without_any_probability_are_refused():
    none = np.full(3, -np.inf, np.float32)
    with pytest.raises(ValueError, match="at least one label"):
        distill.kl_loss(none, np.zeros(3, np.float32))


def test_ndcg_refuses_negative_gains():
    with pytest.raises(ValueError, match="must not be negative"):
        distill.ndcg(LOGITS[0], LOGITS[1])
