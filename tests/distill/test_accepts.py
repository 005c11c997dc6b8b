"""Every function of `distill` over what people pass in: right, or refused.

Oracles are the definitions in float64 NumPy and SciPy, of the values as given.
`python -m tests.distill.test_accepts` writes the table of docs/inputs_distill.md.
"""

import pathlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import optimize, stats
from scipy.special import log_softmax, softmax
from sklearn.metrics import f1_score, ndcg_score

import distill
from tests.given import CASES, HIDDEN, LARGE, OVERFLOW, SMALL, WIDTHS, Tried, check, growing, rows

PAGE = pathlib.Path(__file__).parents[2] / "docs" / "inputs_distill.md"
LOGITS = 3 * np.random.default_rng(0).normal(size=(2, 40))
R = np.random.default_rng(1)
FEATURES, CLASSES = R.normal(size=(60, 3)), np.arange(60) * 7 % 4
OUTCOMES = R.uniform(size=60) < 0.7
EXTREMES = (*OVERFLOW, "float64 × 1e-30", "float32 × 1e-30")
HEADS = tuple(R.normal(size=s) for s in ((50, 4), (9, 4), (50, 4), (9, 4)))
# Of numbers in [0, 1] these do not stay there.
NO_PROBABILITIES = (*("int16", "float64 + 1e3", *HIDDEN, *LARGE),)


def kl(s, t):
    log_q, log_p = log_softmax(s), log_softmax(t)
    return (np.exp(log_p) * (log_p - log_q)).sum()


def agreement(s, t):
    s, t = (np.sign(x[:, None] - x[None]) for x in (s, t))
    return ((s * t + 1) / 2)[t != 0].mean()


def centred(x):
    return x - x.mean()


def gaps(confidences, outcomes, bins=15):
    """The calibration error, binned in float32 as edges are."""
    place = np.clip(
        np.ceil(np.float32(confidences) * np.float32(bins)).astype(int) - 1, 0, bins - 1
    )
    gap = [abs((outcomes - confidences)[place == b].sum()) for b in range(bins)]
    return sum(gap) / len(outcomes)


def classwise(probs):
    return np.mean([gaps(p, y) for p, y in zip(probs.T, np.eye(4)[CLASSES].T, strict=True)])


def probe(x):
    """Logits of the regularised classifier, by L-BFGS on features of unit scale."""
    centre, scale = x.mean(axis=0), np.abs(x - x.mean(axis=0)).max()
    z = (x - centre) / scale

    def loss(w):
        w = w.reshape(4, 4)
        u = z @ w[:, :3].T + w[:, 3]
        p = softmax(u, axis=1) - np.eye(4)[CLASSES]
        penalty = w[:, :3] / (scale**2 * len(z))
        value = -log_softmax(u, axis=1)[np.arange(60), CLASSES].mean()
        slope = np.hstack([p.T @ z / len(z) + penalty, p.mean(axis=0)[:, None]])
        return value + 0.5 * (penalty * w[:, :3]).sum(), slope.ravel()

    found = optimize.minimize(loss, np.zeros(16), jac=True, tol=1e-14, options={"maxiter": 10_000})
    w = found.x.reshape(4, 4)
    return relative(z @ w[:, :3].T + w[:, 3])


def relative(logits):
    """Logits less their mean over classes, which nothing penalises."""
    return logits - logits.mean(axis=1, keepdims=True)


def fitted(x, y=CLASSES):
    return relative(distill.fit_linear_probe(x, y, 4, tolerance=1e-7).logits(x))


def heads(f, g, f2, g2, centre=False):
    g, g2 = (g - g.mean(axis=0), g2 - g2.mean(axis=0)) if centre else (g, g2)
    return np.square(f @ g.T - f2 @ g2.T).sum(axis=1).mean()


def of(base, ours, definition, tolerance, refused=()):
    return Tried(ours, definition, lambda: base, tolerance, frozenset(refused))


def of_logits(ours, definition, tolerance, refused=()):
    return of(tuple(LOGITS), ours, definition, tolerance, refused)


def of_probabilities(base, ours, definition):
    return of((base,), ours, definition, 2e-6, NO_PROBABILITIES)


# About five times the largest error measured over the cases.
TRIED = {
    "kl_loss": of_logits(distill.kl_loss, kl, 5e-6),
    "with_label_loss": of_logits(
        lambda s, t: distill.with_label_loss(distill.kl_loss, 0.5)(s, t, 7),
        lambda s, t: 0.5 * kl(s, t) - 0.5 * log_softmax(s)[7],
        5e-6,
    ),
    "l1_logit_loss": growing(
        of_logits(distill.l1_logit_loss, lambda s, t: np.abs(s - t).mean(), 1e-6)
    ),
    "l2_logit_loss": growing(
        of_logits(distill.l2_logit_loss, lambda s, t: np.square(s - t).sum(), 1e-6, EXTREMES)
    ),
    "l2_logit_loss, centred": growing(
        of_logits(
            lambda s, t: distill.l2_logit_loss(s, t, centre=True),
            lambda s, t: np.square(centred(s - t)).sum(),
            1e-6,
            EXTREMES,
        )
    ),
    "l2_logit_loss_from_heads": growing(
        of(HEADS, distill.l2_logit_loss_from_heads, heads, 4e-5, (*HIDDEN, *LARGE, *SMALL))
    ),
    "l2_logit_loss_from_heads, centred": growing(
        of(
            HEADS,
            lambda *m: distill.l2_logit_loss_from_heads(*m, centre=True),
            lambda *m: heads(*m, centre=True),
            3e-6,
            (*HIDDEN, *LARGE, *SMALL),
        )
    ),
    "kendall_tau": of_logits(distill.kendall_tau, lambda s, t: stats.kendalltau(s, t)[0], 1e-6),
    "pairwise_agreement": of_logits(distill.pairwise_agreement, agreement, 1e-6),
    "spearman_rho": of_logits(distill.spearman_rho, lambda s, t: stats.spearmanr(s, t)[0], 1e-6),
    "ndcg": of(
        tuple(np.abs(LOGITS)), distill.ndcg, lambda s, t: ndcg_score(t[None], s[None]), 1e-6
    ),
    "nll": growing(
        of((log_softmax(LOGITS[0]),), lambda p: distill.nll(p, 7), lambda p: -p[7], 1e-6)
    ),
    "brier": of_probabilities(
        softmax(LOGITS[0]),
        lambda p: distill.brier(p, 7),
        lambda p: np.square(p - (np.arange(40) == 7)).mean(),
    ),
    "ece": of_probabilities(
        np.linspace(0.01, 0.99, 60), lambda p: distill.ece(p, OUTCOMES), lambda p: gaps(p, OUTCOMES)
    ),
    "classwise_ece": of_probabilities(
        softmax(R.normal(size=(60, 4)), axis=1),
        lambda p: distill.classwise_ece(p, CLASSES),
        classwise,
    ),
    "fit_linear_probe": of((FEATURES,), fitted, probe, 3e-5, EXTREMES),
}


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("name", TRIED)
def test_right_or_refused(name, case):
    check(TRIED[name], case)


LOG_P, PROBS = log_softmax(LOGITS[0]), softmax(R.normal(size=(60, 4)), axis=1)
PREDICTED = R.integers(0, 4, 60)
LABELLED = {
    "accuracy": (
        lambda y: distill.accuracy(y, PREDICTED),
        lambda y: (y == PREDICTED).mean(),
    ),
    "macro_f1": (
        lambda y: distill.macro_f1(PREDICTED, y, 4),
        lambda y: f1_score(y, PREDICTED, average="macro"),
    ),
    "classwise_ece": (
        lambda y: distill.classwise_ece(np.eye(4)[PREDICTED], y),
        lambda y: np.mean([gaps(p, y == i) for i, p in enumerate(np.eye(4)[PREDICTED].T)]),
    ),
    "nll": (lambda y: distill.nll(LOG_P, y[1]), lambda y: -LOG_P[y[1]]),
    "brier": (
        lambda y: distill.brier(PROBS[0], y[1]),
        lambda y: np.square(PROBS[0] - (np.arange(4) == y[1])).mean(),
    ),
    "fit_linear_probe": (
        lambda y: fitted(FEATURES, y),
        lambda y: probe(FEATURES),
    ),
}
BAD_LABELS = {
    "floats": CLASSES.astype(float),
    "booleans": CLASSES > 1,
    "negative": CLASSES - 100,
    "wrapping": CLASSES + 2**32,
    "masked": np.ma.masked_array(CLASSES, CLASSES == 1),
}


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("function", LABELLED)
def test_labels_of_every_width_and_layout(function, width):
    call, definition = LABELLED[function]
    np.testing.assert_allclose(call(WIDTHS[width](CLASSES)), definition(CLASSES), atol=3e-5)


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize("name", BAD_LABELS)
@pytest.mark.parametrize("function", LABELLED)
def test_what_is_no_label_is_refused(function, name):
    if name == "masked" and function in ("nll", "brier"):
        return  # theirs is one label
    with pytest.raises(ValueError, match="accepted"):
        LABELLED[function][0](BAD_LABELS[name])


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
    mixed = distill.with_label_loss(distill.kl_loss, 0.5)
    calls = {
        "nll": lambda: distill.nll(log_p, label),
        "brier": lambda: distill.brier(np.exp(log_p), label),
        "with_label_loss": lambda: mixed(log_p, log_p, label),
        "classwise_ece": lambda: distill.classwise_ece(np.exp(log_p)[None], np.array([label])),
        "macro_f1": lambda: distill.macro_f1(np.array([label]), np.array([1]), 10),
    }
    for call in calls.values():
        with pytest.raises(ValueError, match=rf"classes must lie in 0\.\.9; got {label}\.\."):
            call()


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


def table() -> str:
    """docs/inputs_distill.md: each function with its error bound and what it refuses."""
    lines = ["| function | right to | refuses |", "|---|---|---|", *rows(TRIED)]
    names = ", ".join(f"`{name}`" for name in LABELLED)
    return f"""# What `distill` accepts

Every function that takes logits, probabilities, features or heads is tried on arrays given as each
of: {", ".join(CASES)}.

"Right to" bounds the error against the definition in float64 NumPy, SciPy or scikit-learn: relative
for losses in logits, absolute below one and relative above for the others. It is about five times
what was measured. What would not be right is refused in one sentence.

{chr(10).join(lines)}

Labels and predictions, of {names}, may be integers given as each of: {", ".join(WIDTHS)}. Refused
are {", ".join(BAD_LABELS)}. No value is looked at under `jit`.

Written by `python -m tests.distill.test_accepts`.
"""


def test_the_page_is_that_of_the_cases():
    assert PAGE.read_text() == table(), "run python -m tests.distill.test_accepts"


if __name__ == "__main__":
    PAGE.write_text(table())
