"""Functions and methods of `diffenc` over what people pass in: right, or refused.

Oracles: the formulas in float64 NumPy on the values as given; of a model, which holds a network,
its own result for the nearest float32 values. `python -m tests.diffenc.test_accepts` writes the
table of docs/inputs_diffenc.md.
"""

import pathlib

import jax
import numpy as np
import pytest

import diffenc
from diffenc import likelihood, noising
from tests.given import (
    CASES,
    OVERFLOW,
    WIDTHS,
    Tried,
    check,
    growing,
    of_size,
    rows,
)

PAGE = pathlib.Path(__file__).parents[2] / "docs" / "inputs_diffenc.md"
SHAPE, LEVELS, NUM = (2,), 100, 4
R = np.random.default_rng(0)
BATCH = tuple(R.normal(size=(3, NUM, *SHAPE)))
CODES = R.integers(0, LEVELS, (NUM, *SHAPE))
EXTREMES = (*OVERFLOW, "float64 × 1e-30", "float32 × 1e-30")
G_S, G_T = -1.0, 0.5


def a(gamma):
    return 1 / np.sqrt(1 + np.exp(gamma))


def s(gamma):
    return 1 / np.sqrt(1 + np.exp(-gamma))


A, S, BACK = a(G_T), s(G_T), np.exp(G_S - G_T)


def carried(z):
    return a(G_S) / a(G_T) * BACK * z


def of_batch(ours, definition, tolerance=2e-6, refused=()):
    return of_size(Tried(ours, definition, lambda: BATCH, tolerance, frozenset(refused)))


def of_levels(ours, definition, tolerance=1e-6):
    """Of levels γ, which exponentials take: relative, where float32 holds the value."""
    return Tried(ours, definition, lambda: (np.linspace(-9.0, 4.0, NUM),), tolerance)


def apart(x, code):
    """From x to the centre of the code's bin."""
    return np.abs(np.asarray(x, float) - 2 * (np.asarray(code) + 0.5) / LEVELS + 1)


def log_prob(z):
    """log p(CODES | z), each dimension a softmax over the centres of the bins."""
    values = 2 * (np.arange(LEVELS) + 0.5) / LEVELS - 1
    nearest = np.clip(np.floor((z + 1) * LEVELS / 2), 0, LEVELS - 1).astype(int)
    shifted = -0.5 * np.exp(8.0) * (values - values[nearest][..., None])
    logit = shifted * (values + values[nearest][..., None] - 2 * z[..., None])
    norm = np.log(np.exp(logit).sum(-1))
    return (np.take_along_axis(logit, CODES[..., None], -1)[..., 0] - norm).sum(-1)


def density(x, z):
    return -0.5 * (np.exp(8.0) * (x - z) ** 2 - 8.0 + np.log(2 * np.pi)).sum(-1)


# About five times the largest error measured over the cases.
TRIED = {
    "noising.alpha": of_levels(noising.alpha, a),
    "noising.sigma": of_levels(noising.sigma, s),
    "noising.step_fraction": of_levels(
        lambda g: noising.step_fraction(g, 0.5), lambda g: -np.expm1(g - 0.5), 1e-5
    )._replace(scale=np.abs),
    "noising.transition_variance": of_levels(
        # With the mixing given, any level makes a step; without, those up to gamma_t.
        lambda g: noising.transition_variance(g, 0.5, 1.0),
        lambda g: s(g) ** 2 * -np.expm1(-1.0),
        1e-5,
    ),
    "noising.diffuse": of_batch(
        lambda x, e, y: noising.diffuse(x, G_T, e), lambda x, e, y: A * x + S * e
    ),
    "noising.velocity": of_batch(
        lambda x, e, y: noising.velocity(x, e, G_T), lambda x, e, y: A * e - S * x
    ),
    "noising.x_from_v": of_batch(
        lambda z, v, y: noising.x_from_v(z, v, G_T), lambda z, v, y: A * z - S * v
    ),
    "noising.x_from_eps": of_batch(
        lambda z, e, y: noising.x_from_eps(z, e, G_T), lambda z, e, y: (z - S * e) / A
    ),
    "noising.v_from_x": of_batch(
        lambda z, x, y: noising.v_from_x(z, x, G_T), lambda z, x, y: (A * z - x) / S
    ),
    "noising.posterior_mean": of_batch(
        lambda z, x, y: noising.posterior_mean(z, x, y, G_S, G_T),
        lambda z, x, y: carried(z) + a(G_S) * ((1 - BACK) * x + y - x),
    ),
    "noising.generative_mean": of_batch(
        lambda z, x, y: noising.generative_mean(z, x, G_S, G_T, 1.0),
        lambda z, x, y: carried(z) + a(G_S) * ((1 - BACK) + (G_T - G_S) * S**2) * x,
    ),
    "noising.wide": of_batch(lambda x, *_: noising.wide(x), lambda x, *_: x),
    "noising.per_example": of_batch(
        lambda x, e, y: noising.per_example(np.asarray(x)[:, 0], e)[:, 0], lambda x, e, y: x[:, 0]
    ),
    "likelihood.quantise": Tried(
        lambda x: apart(x, likelihood.quantise(x, LEVELS)),
        lambda x: np.min([apart(x, code) for code in range(LEVELS)], axis=0),
        lambda: BATCH[:1],
        1e-6,
    ),
    "likelihood.discretised_log_prob": growing(
        Tried(
            lambda z: likelihood.discretised_log_prob(CODES, z, -8.0, LEVELS),
            log_prob,
            lambda: BATCH[:1],
            1e-5,
        )
    ),
    "likelihood.gaussian_log_prob": growing(
        Tried(
            lambda x, z: likelihood.gaussian_log_prob(x, z, -8.0),
            density,
            lambda: BATCH[:2],
            1e-5,
            frozenset(EXTREMES),
        )
    ),
    "bits_per_dim": growing(
        Tried(
            lambda x: diffenc.bits_per_dim(x, (32, 32, 3)),
            lambda x: x / (3072 * np.log(2)),
            lambda: BATCH[:1],
            1e-6,
        )
    ),
}


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("name", TRIED)
def test_right_or_refused(name, case):
    check(TRIED[name], case)


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize("width", WIDTHS)
def test_codes_of_every_width_and_layout(width):
    got = likelihood.dequantise(WIDTHS[width](CODES), LEVELS)
    np.testing.assert_allclose(got, 2 * (CODES + 0.5) / LEVELS - 1, rtol=0, atol=2e-7)


@pytest.fixture(scope="module")
def model():
    return diffenc.build("diffenc", SHAPE, LEVELS, width=8, encoder_width=8, num_layers=1)


@pytest.fixture(scope="module")
def params(model):
    shapes = jax.eval_shape(model.init, jax.random.key(0))
    return jax.tree.map(lambda s: 0.3 * R.normal(size=s.shape).astype(s.dtype), shapes)


METHODS = {
    "elbo_terms": lambda m, p, x: m.elbo_terms(p, CODES, t=[0.1, 0.4, 0.6, 0.9], eps=x, eps_0=x),
    "encode": lambda m, p, x: m.encode(p, x, 0.0),
    "denoise": lambda m, p, x: m.denoise(p, x, 0.0),
    "sample_step": lambda m, p, x: m.sample_step(p, x, 0.5, 0.4, x),
}


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize("method", METHODS)
def test_a_model_takes_the_nearest_float32_values(model, params, method):
    call = METHODS[method]
    for case, kind in CASES.items():
        given = kind(BATCH[0])
        if case in EXTREMES:
            with pytest.raises(ValueError, match="products of 2 of them leave float32"):
                call(model, params, given)
            continue
        want = call(model, params, np.float32(np.asarray(given, np.float64)))
        jax.tree.map(np.testing.assert_array_equal, call(model, params, given), want)


def table() -> str:
    """docs/inputs_diffenc.md: each function with its error bound and what it refuses."""
    lines = ["| function | right to | refuses |", "|---|---|---|", *rows(TRIED)]
    methods = ", ".join(f"`{name}`" for name in METHODS)
    return f"""# What `diffenc` accepts

Functions of data, noise and levels are tried on arrays given as each of: {", ".join(CASES)}.

"Right to" bounds the error against the formula in float64 NumPy, relative to the largest entry for
arrays that grow with what is given, relative for likelihoods, absolute for levels. It is about five
times what was measured.

{chr(10).join(lines)}

The methods {methods} of a model compute on the float32 values nearest to
what is given, in every case but {", ".join(EXTREMES)}, which they refuse. Codes may be integers
given as each of: {", ".join(WIDTHS)}. Codes that are floats, booleans, masked or out of range, and
arrays that are complex, textual, masked, NaN or infinite, are refused. No value is looked at under
`jit`.

Written by `python -m tests.diffenc.test_accepts`.
"""


def test_the_page_is_that_of_the_cases():
    assert PAGE.read_text() == table(), "run python -m tests.diffenc.test_accepts"


if __name__ == "__main__":
    PAGE.write_text(table())
