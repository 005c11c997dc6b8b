"""What people pass in. Oracles: the float32 or int32 array of equal values, and float64 NumPy."""

from typing import Any

import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np
import pytest

import diffenc
from diffenc import checks, likelihood, noising

SHAPE, LEVELS, NUM = (2,), 256, 4
RNG = np.random.default_rng(0)
CODES = RNG.integers(0, LEVELS, (NUM, *SHAPE))
# Exact in every type below.
EPS = np.asarray(RNG.normal(size=(NUM, *SHAPE)), ml_dtypes.bfloat16).astype(np.float32)


def strided(a):
    wide = np.zeros((*a.shape[:-1], 2 * a.shape[-1]), a.dtype)
    wide[..., ::2] = a
    return wide[..., ::2]


def read_only(a):
    a = a.copy()
    a.flags.writeable = False
    return a


LAYOUTS = {
    "F-order": np.asfortranarray,
    "strided": strided,
    "reversed": lambda a: a[::-1].copy()[::-1],
    "read-only": read_only,
    "big-endian": lambda a: a.astype(a.dtype.newbyteorder(">")),
    "device": jnp.asarray,
}
FLOATS = [np.float16, ml_dtypes.bfloat16, np.float32, np.float64, np.longdouble]
INTEGERS = [np.uint8, np.int16, np.int32, np.uint32, np.int64]


# NumPy has no big-endian bfloat16, JAX no extended precision.
NONE = {(ml_dtypes.bfloat16, "big-endian"), (np.longdouble, "device")}


@pytest.mark.parametrize(
    "dtype, layout", [(d, l) for d in FLOATS for l in LAYOUTS if (d, l) not in NONE]
)
def test_noise_of_every_type_and_layout_is_the_float32_one(dtype, layout):
    given = LAYOUTS[layout](EPS.astype(dtype))
    (got,) = checks.batch(SHAPE, eps=given)
    assert got.dtype == jnp.float32
    np.testing.assert_array_equal(got, EPS)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", INTEGERS)
def test_codes_of_every_type_and_layout_are_the_int32_ones(dtype, layout):
    got = checks.codes("codes", LAYOUTS[layout](CODES.astype(dtype)), LEVELS)
    np.testing.assert_array_equal(got, CODES)


BAD_CODES = {
    "wrapping": CODES.astype(np.int64) + 2**32,
    "negative": CODES - 1000,
    "boolean": CODES > 100,
    "floating": CODES.astype(np.float32),
    "complex": CODES.astype(complex),
    "object": CODES.astype(object),
    "masked": np.ma.masked_less(CODES, 100),
}


@pytest.mark.parametrize("kind", BAD_CODES)
def test_codes_that_are_none_are_refused(kind):
    with pytest.raises(ValueError, match="codes .*(accepted|no array)"):
        checks.codes("codes", BAD_CODES[kind], LEVELS)


def spoiled(value, dtype: Any = np.float32):
    bad = EPS.astype(dtype)
    bad[1, 0] = value
    return bad


BAD_NOISE = {
    "NaN": (spoiled(np.nan), r"NaN or infinite entries, the first at \(1, 0\)"),
    "infinite": (spoiled(-np.inf, np.float16), "NaN or infinite"),
    "beyond float32": (spoiled(1e60, np.float64), "float32"),
    "complex": (EPS.astype(np.complex64), "real numbers"),
    "object": (EPS.astype(object), "real numbers"),
    "text": (EPS.astype(str), "real numbers"),
    "masked": (np.ma.masked_less(EPS, 0), "masked"),
    "another batch": (EPS[:, :1], "expected"),
}


@pytest.fixture(scope="module")
def model():
    return diffenc.build("diffenc", SHAPE, LEVELS, width=8, encoder_width=8, num_layers=1)


@pytest.fixture(scope="module")
def params(model):
    shapes = jax.eval_shape(model.init, jax.random.key(0))
    rng = np.random.default_rng(1)
    return jax.tree.map(lambda s: 0.3 * rng.normal(size=s.shape).astype(s.dtype), shapes)


@pytest.mark.parametrize("kind", BAD_NOISE)
@pytest.mark.parametrize("method", ["elbo_terms", "encode", "denoise", "sample_step"])
def test_noise_and_data_that_are_none_are_one_sentence(model, params, method, kind):
    bad, message = BAD_NOISE[kind]
    t = np.full(NUM, 0.5, np.float32)
    calls = {
        "elbo_terms": lambda: model.elbo_terms(params, CODES, t=t, eps=bad, eps_0=EPS),
        "encode": lambda: model.encode(params, bad, 0.0),
        "denoise": lambda: model.denoise(params, bad, 0.0),
        "sample_step": lambda: model.sample_step(params, EPS, 0.5, 0.4, bad),
    }
    # Where annotations are checked, as here, a wrong type is a TypeError before.
    with pytest.raises((ValueError, TypeError), match=f"{message}|annotation"):
        calls[method]()


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(
    "option",
    [{"depth": 2.5}, {"width": 8.0}, {"encoder_width": 8.0}, {"num_layers": 1.5}]
    + [{"num_classes": 3.0}, {"fourier": [7.5]}, {"fourier": 7}, {"dropout": "0.1"}],
)
def test_options_that_are_no_numbers_are_refused_when_built(option):
    (name,) = option
    with pytest.raises(ValueError, match=f"{name}.*must be a"):
        diffenc.build("diffenc", SHAPE, LEVELS, **option)


@pytest.mark.parametrize("missing", ["score", "encoder"])
def test_parameters_without_a_part_are_refused_when_bound(model, params, missing):
    rest = {name: part for name, part in params.items() if name != missing}
    with pytest.raises(ValueError, match=f"params has no '{missing}'"):
        model.bind(rest)


@pytest.mark.usefixtures("unchecked")
def test_what_does_not_belong_to_a_model_is_one_sentence(model, params):
    classed = diffenc.build("vdmv", SHAPE, LEVELS, width=8, num_layers=1, num_classes=3)
    wider = diffenc.build("diffenc", SHAPE, LEVELS, width=10, encoder_width=8, num_layers=1)
    given = {"t": np.full(NUM, 0.5, np.float32), "eps": EPS, "eps_0": EPS}
    for call, message in (
        (lambda: classed.bind(params, 1), r"conditioning has shape \(\); expected one class"),
        (lambda: classed.bind(params, np.ma.masked_equal([0, 1], 1)), "conditioning is a masked"),
        (lambda: model.bind(None), "params is NoneType; accepted are those"),
        (lambda: model.sample(0, params, 1, 1), "key=0; accepted is a random key"),
        (lambda: wider.elbo_terms(params, CODES, **given), "params are of another model"),
    ):
        with pytest.raises(ValueError, match=message):
            call()


LEARNED = {
    "schedule": {"schedule": "learned_linear"},
    "counterterm": {"counterterm": "learned"},
    "volatility": {"volatility": "network"},
    "log_ratio": {"depth": 4, "step_variance": "learned"},
}


@pytest.mark.parametrize("part", LEARNED)
def test_what_the_form_of_the_loss_learned_is_missed(part):
    model = diffenc.build("vdmv", SHAPE, LEVELS, width=4, num_layers=0, **LEARNED[part])
    shapes = jax.eval_shape(model.init, jax.random.key(0))
    params = jax.tree.map(lambda s: np.zeros(s.shape, s.dtype), shapes)
    given = {"t": np.full(NUM, 0.5, np.float32), "eps": EPS, "eps_0": EPS}
    rest = {name: leaves for name, leaves in params.items() if name != part}
    with pytest.raises(ValueError, match=rf"params has no '{part}', only \[.*'score'"):
        model.elbo_terms(rest, CODES, **given)
    if isinstance(params[part], dict):
        first, *others = sorted(params[part])
        fewer = params | {part: {name: params[part][name] for name in others}}
        with pytest.raises(ValueError, match=rf"params\['{part}'\] has no {first}, only"):
            model.elbo_terms(fewer, CODES, **given)


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize("volatility", ["x", 0.0, np.nan, [1.0, 2.0]])
def test_a_volatility_is_a_positive_number_or_a_function(model, params, volatility):
    given = {"t": np.full(NUM, 0.5, np.float32), "eps": EPS, "eps_0": EPS}
    with pytest.raises(ValueError, match="volatility=.*(accepted are a number|must be positive)"):
        model.elbo_terms(params, CODES, **given, volatility=volatility)


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize("shape", [4, (2.0, 3)])
def test_bits_need_the_shape_of_an_example(shape):
    with pytest.raises(ValueError, match="shape.* must be a"):
        diffenc.bits_per_dim(1.0, shape)


@pytest.mark.usefixtures("unchecked")
def test_a_list_of_frequencies_is_a_tuple():
    given, tupled = (diffenc.build("vdmv", SHAPE, 8, fourier=f) for f in ([2, 3], (2, 3)))
    assert given == tupled and hash(given) == hash(tupled)


@pytest.mark.parametrize("t", [2.0, [-0.1, 0.5], np.nan])
def test_levels_outside_the_schedule_are_refused(model, params, t):
    with pytest.raises((ValueError, TypeError), match="must lie in|NaN|annotation"):
        model.gamma(params, t)


@pytest.mark.parametrize("t, s", [(0.4, 0.5), (0.5, 0.5), (1.2, 0.5), (np.nan, 0.1)])
def test_a_step_goes_down_within_the_unit_interval(model, params, t, s):
    with pytest.raises(ValueError, match="goes down|NaN|must lie in"):
        model.sample_step(params, EPS, t, s, EPS)


def test_activations_of_narrow_data_are_not_narrow(model, params):
    """The network sees the phase of z in a grey level's bin, which bfloat16 cannot hold."""
    z, gamma = EPS + np.float32(1.25), np.float32(-3.0)
    denoise = jax.jit(lambda z: model.denoise(params, z, gamma))
    exact = z.astype(ml_dtypes.bfloat16)
    np.testing.assert_array_equal(denoise(exact), denoise(exact.astype(np.float32)))


@pytest.mark.parametrize("dtype", [np.float16, ml_dtypes.bfloat16])
def test_likelihoods_of_narrow_data_are_those_of_float64(dtype):
    z = np.asarray(2 * (CODES + 0.5) / LEVELS - 1 + 1e-3 * EPS, dtype)
    exact, gamma_0 = z.astype(np.float64), np.asarray(-8.0, dtype)
    values = 2 * (np.arange(LEVELS) + 0.5) / LEVELS - 1
    logit = -0.5 * np.exp(8.0) * (exact[..., None] - values) ** 2
    log_p = logit - np.log(np.exp(logit - logit.max(-1, keepdims=True)).sum(-1, keepdims=True))
    log_p = np.take_along_axis(log_p - logit.max(-1, keepdims=True), CODES[..., None], -1)
    got = likelihood.discretised_log_prob(CODES, z, gamma_0, LEVELS)
    np.testing.assert_allclose(got, log_p.sum((1, 2)), rtol=1e-5, atol=1e-4)
    nearest = np.abs(exact[..., None] - values).argmin(-1)
    np.testing.assert_array_equal(likelihood.quantise(z, LEVELS), nearest)
    density = -0.5 * (np.exp(8.0) * (exact - 0.1) ** 2 - 8.0 + np.log(2 * np.pi)).sum(1)
    other = np.full_like(exact, 0.1, np.float32)
    np.testing.assert_allclose(likelihood.gaussian_log_prob(z, other, gamma_0), density, rtol=1e-5)
    bits = likelihood.bits_per_dim(np.asarray([1000.0], dtype), (32, 32, 3))
    np.testing.assert_allclose(bits, 1000 / (3072 * np.log(2)), rtol=1e-6)


@pytest.mark.parametrize("dtype", [np.float16, ml_dtypes.bfloat16])
def test_levels_of_narrow_types_are_those_of_float64(dtype):
    gamma = np.asarray([-12, -3, 0, 4], dtype)
    wide = gamma.astype(np.float64)
    a, s = np.sqrt(1 / (1 + np.exp(wide))), np.sqrt(1 / (1 + np.exp(-wide)))
    np.testing.assert_allclose(noising.alpha(gamma), a, rtol=1e-6)
    np.testing.assert_allclose(noising.sigma(gamma), s, rtol=1e-6)
    x, eps = EPS.astype(ml_dtypes.bfloat16), EPS[::-1].astype(np.float16)
    want = a[:, None] * EPS + s[:, None] * EPS[::-1]
    np.testing.assert_allclose(noising.diffuse(x, gamma, eps), want, rtol=1e-6, atol=1e-6)
    step = noising.step_fraction(gamma, gamma + gamma.dtype.type(1))
    np.testing.assert_allclose(step, -np.expm1(-1), rtol=1e-6)


@pytest.mark.parametrize("dtype", [np.float16, ml_dtypes.bfloat16, np.float64])
def test_transitions_of_every_type_are_those_of_float64(dtype):
    """NumPy from the definitions; measured relative errors at most 4e-7."""
    z, x, y = (EPS.astype(dtype), EPS[::-1].astype(dtype), EPS[:, ::-1].astype(dtype))
    g_s, g_t = (np.asarray(level, dtype) for level in (-1.0, 0.5))
    Z, X, Y, G_s, G_t = (a.astype(np.float64) for a in (z, x, y, g_s, g_t))
    a, s = (lambda g: 1 / np.sqrt(1 + np.exp(g))), (lambda g: 1 / np.sqrt(1 + np.exp(-g)))
    back, carried = np.exp(G_s - G_t), a(G_s) / a(G_t) * np.exp(G_s - G_t) * Z
    cases = {
        "velocity": (noising.velocity(x, y, g_t), a(G_t) * Y - s(G_t) * X),
        "x_from_v": (noising.x_from_v(z, y, g_t), a(G_t) * Z - s(G_t) * Y),
        "x_from_eps": (noising.x_from_eps(z, y, g_t), (Z - s(G_t) * Y) / a(G_t)),
        "v_from_x": (noising.v_from_x(z, x, g_t), (a(G_t) * Z - X) / s(G_t)),
        "variance": (noising.transition_variance(g_s, g_t), s(G_s) ** 2 * (1 - back)),
        "posterior": (
            noising.posterior_mean(z, x, y, g_s, g_t),
            carried + a(G_s) * ((1 - back) * X + Y - X),
        ),
        "generative": (
            noising.generative_mean(z, x, g_s, g_t, 1.0),
            carried + a(G_s) * ((1 - back) + (G_t - G_s) * s(G_t) ** 2) * X,
        ),
    }
    for name, (got, want) in cases.items():
        np.testing.assert_allclose(got, want, rtol=2e-6, atol=2e-6, err_msg=name)
