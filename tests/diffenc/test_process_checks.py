"""What functions of a bound process refuse, each in one sentence, and what they do not change.

Oracle of what is accepted: the same call on JAX's float32 arrays of equal values.
"""

import inspect
from typing import cast

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import diffenc
from diffenc import (
    finite_depth,
    flow,
    importance,
    path,
    sampling,
    step_choice,
    volatility,
    volatility_choice,
)
from diffenc.encoder import nt_encoder
from diffenc.likelihood import gaussian_log_prob
from diffenc.process import Process

pytestmark = pytest.mark.usefixtures("unchecked")
RNG = np.random.default_rng(0)
X, EPS = RNG.normal(size=(2, 3, 2)).astype(np.float32)
T, LEVELS = np.asarray([0.1, 0.4, 0.9], np.float32), np.asarray([-4.0, -1.0, 2.0], np.float32)
CODES, KEY = np.arange(6).reshape(3, 2), jax.random.key(0)
PROCESS = Process(nt_encoder(), lambda z, g: jnp.sin(z + g[:, None]), shape=(2,))
GIVEN = {
    "x": X,
    "eps": EPS,
    "t": T,
    "levels": LEVELS,
    "num_steps": 4,
    "x_0_every": 2,
    "log_ratio": 0.0,
    "points": LEVELS,
    "gamma": 0.5,
    "gamma_s": LEVELS - 1,
    "trace": "none",
    "target": None,
    "num_probes": 1,
    "gamma_0": -4.0,
    "tolerance": 1e-2,
    "process": PROCESS,
}
CALLS = {
    "diffusion_loss": lambda x, eps, t, num_steps, log_ratio, process, **_: (
        finite_depth.diffusion_loss(
            process,
            x,
            gamma=lambda t: -4 + 5 * t,
            t=t,
            eps=eps,
            num_steps=num_steps,
            log_ratio=log_ratio,
        )
    ),
    "sampled_step_cost": lambda x, eps, gamma_s, process, **_: finite_depth.sampled_step_cost(
        process, x, eps, gamma_s, LEVELS
    ),
    "expected_step_costs": lambda x, levels, process, **_: finite_depth.expected_step_costs(
        KEY, process, x, levels
    ),
    "path_log_weight": lambda x, levels, log_ratio, target, process, **_: (
        importance.path_log_weight(
            KEY,
            process,
            x,
            levels,
            decoder=gaussian_log_prob,
            target=target,
            log_ratio=log_ratio,
        )
    ),
    "pair_costs": lambda x, levels, process, **_: step_choice.pair_costs(KEY, process, x, levels),
    "velocity": lambda x, gamma, process, **_: flow.velocity(process, x, gamma),
    "log_density": lambda x, gamma_0, trace, tolerance, process, **_: flow.log_density(
        process, x, gamma_0, 2.0, trace=trace, tolerance=tolerance
    ),
    "log_weight": lambda x, gamma_0, target, num_probes, process, **_: flow.log_weight(
        KEY,
        process,
        x,
        gamma_0,
        2.0,
        decoder=gaussian_log_prob,
        target=target,
        num_probes=num_probes,
    ),
    "mean_difference": lambda x, eps, gamma_s, process, **_: finite_depth.mean_difference(
        process, X, x, X, X, gamma_s, LEVELS, eps
    ),
    "step_cost": lambda x, eps, gamma_s, process, **_: finite_depth.step_cost(
        process, X, x, X, X, gamma_s, LEVELS, eps
    ),
    "elbo_terms": lambda x, eps, t, target, x_0_every, process, **_: diffenc.elbo_terms(
        process,
        x,
        gamma=lambda t: -4 + 5 * t,
        decoder=gaussian_log_prob,
        t=t,
        eps=eps,
        eps_0=eps,
        target=target,
        x_0_every=x_0_every,
    ),
    "moments": lambda x, eps, gamma, process, **_: volatility_choice.moments(
        process, x, eps, gamma
    ),
    "estimate": lambda x, points, process, **_: volatility_choice.estimate(KEY, process, x, points),
    "shift": lambda x, eps, gamma, process, **_: path.shift(process, x, eps, gamma),
}


def spoiled(array, value=np.nan):
    bad = array.copy()
    bad.flat[1] = value
    return bad


# Of each argument, what is refused and a part of the sentence.
BAD = {
    "x": [
        (CODES, r"[xz]\w* holds integers; .*dequantise"),
        (CODES.tolist(), r"[xz]\w* holds integers"),
        (spoiled(X), r"[xz]\w* .*NaN"),
        (X[0], r"[xz]\w* has shape \(2,\); expected \[batch, 2\]"),
        (X[:, :1], r"[xz]\w* has shape \(3, 1\); expected \[batch, 2\]"),
        (["a"], r"expected \[batch, 2\]"),
    ],
    "eps": [(EPS[:1], r"eps has shape \(1, 2\)"), (spoiled(EPS), "eps .*NaN")],
    "t": [(T + 0.5, r"\[0, 1\]; t is"), (T - 0.5, r"\[0, 1\]; t is"), (T[:1], "t has shape")],
    "levels": [
        (LEVELS[::-1], "levels must increase strictly"),
        ([0.0, 0.0, 1.0], "levels must increase strictly"),
        ([0.0, np.inf], "levels .*infinite"),
        ([0.0], "levels has shape"),
    ],
    "points": [([0.0, np.inf], "levels .*infinite"), (X, "levels has shape"), ([], "levels has")],
    "gamma_s": [(LEVELS, "each gamma_s must be the lower"), (T[:2], "gamma_s has shape")],
    "x_0_every": [(0, "x_0_every=0 must be at least 1"), (1.5, "x_0_every=1.5 must be a whole")],
    "num_steps": [(0, "num_steps=0 must be at least 1"), (2.5, "num_steps=2.5 must be a whole")],
    "log_ratio": [(np.nan, "log_ratio .*NaN"), (np.zeros(3 + 2), "log_ratio has shape")],
    "gamma": [(np.nan, "gamma .*NaN"), (T[:2], "gamma has shape")],
    "target": [(X[:1], r"target has shape \(1, 2\); expected that of x")],
    "num_probes": [(0, "num_probes=0 must"), (1.5, "num_probes=1.5 must be a whole")],
    "gamma_0": [(np.nan, "NaN"), (np.zeros(3), "has shape")],
    "trace": [("exakt", "trace is 'exakt'"), (X, "trace is an array of shape")],
    "tolerance": [(0.0, "tolerance=0.0 must be positive"), (np.nan, "tolerance .*NaN")],
    "process": [
        (
            PROCESS._replace(conditioning=jnp.zeros(2)),
            r"3 examples; .* conditioning of shape \(2,\)",
        )
    ],
}


PAIRS = [(c, a) for c in CALLS for a in BAD if a in inspect.signature(CALLS[c]).parameters]


@pytest.mark.parametrize("call, argument", PAIRS)
def test_what_is_none_is_one_sentence(call, argument):
    for bad, message in BAD[argument]:
        with pytest.raises(ValueError, match=message):
            CALLS[call](**(GIVEN | {argument: bad}))


# Those of the flow compile for long, and take data as the others do.
@pytest.mark.parametrize("call", sorted(set(CALLS) - {"log_density", "log_weight"}))
def test_lists_are_the_float32_arrays(call):
    arrays = {k: v for k, v in GIVEN.items() if isinstance(v, np.ndarray)}
    want = CALLS[call](**(GIVEN | jax.tree.map(jnp.asarray, arrays)))
    got = CALLS[call](**(GIVEN | {k: v.tolist() for k, v in arrays.items()}))
    jax.tree.map(np.testing.assert_array_equal, got, want)


def test_a_bound_model_knows_the_shape_of_an_example():
    model = diffenc.build("vdmv", (2,), 8, width=8, num_layers=1)
    process = model.bind(model.init(KEY))
    assert process.shape == (2,)
    with pytest.raises(ValueError, match=r"x has shape \(3, 1\); expected \[batch, 2\]"):
        path.shift(process, X[:, :1], EPS[:, :1], 0.0)


PRICES = np.where(np.tri(3, k=-1), 1.0, np.inf)
PRICES[2, 0] = 2.0  # from the last of three levels down to the first in one step


@pytest.mark.parametrize(
    "costs, num_steps, message",
    [
        (np.zeros((3, 2)), 1, "expected a square matrix"),
        (np.where(np.tri(3, k=-1), np.nan, np.inf), 2, "costs holds NaN"),
        (np.ones((3, 3)), 2, "finite where s is not below t"),
        (
            np.where(np.tri(3, k=-1), 1.0, np.inf),
            1.5,
            r"num_steps=1.5 must be an integer in \[1, 2\]",
        ),
        (PRICES, True, "num_steps=True must be an integer"),
        (PRICES * (1 + 1j), 2, "costs has dtype complex128; accepted are real"),
        (np.ma.masked_equal(PRICES, 2.0), 2, "costs is a masked array"),
        (np.where(PRICES == 2.0, -np.inf, PRICES), 2, "costs holds NaN or -inf"),
        (np.where(PRICES == 2.0, np.inf, PRICES), 1, "no 1 steps of finite price lead"),
    ],
)
def test_prices_that_are_none_are_refused(costs, num_steps, message):
    with pytest.raises(ValueError, match=message):
        step_choice.best_levels(costs, num_steps)


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: finite_depth.optimal_log_ratio([-10.0], 2), "cost holds negative numbers"),
        (lambda: finite_depth.optimal_cost([np.nan], 2), "cost holds NaN"),
        (lambda: finite_depth.optimal_cost([1.0], 0), "dimensions=0 must be at least 1"),
        (lambda: volatility.interpolated([1, 0], [1, 2]), "levels must increase strictly"),
        (lambda: volatility.interpolated([0, 1], [1, -1]), "values must be positive"),
        (lambda: volatility.interpolated([0, 1], [1]), "expected two vectors of one length"),
        (lambda: volatility_choice.Moments(*np.ones((3, 1))).loss(0.0), "u=0.0 must be positive"),
        (lambda: volatility_choice.Moments(*np.ones((3, 1))).loss(-1.0), "u=-1.0 must be"),
    ],
)
def test_costs_and_volatilities_that_are_none_are_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_lists_of_costs_are_arrays_and_no_step_is_infinite():
    got = finite_depth.optimal_cost([0.0, 1.0, np.inf], 2)
    np.testing.assert_allclose(got, [0.0, np.log(2.0), np.inf], rtol=1e-6)
    np.testing.assert_allclose(finite_depth.optimal_log_ratio([1.0], 2), -np.log(2.0), rtol=1e-6)


@pytest.mark.parametrize("bad", [[np.nan], [[np.nan]], CODES * 1j])
def test_weights_that_are_none_are_refused(bad):
    with pytest.raises(ValueError, match="log_weights"):
        importance.importance_bound(bad)


def test_numbers_of_draws_are_whole():
    whole, half = cast(int, 2.0), cast(int, 2.5)
    with pytest.raises(ValueError, match="num=4 and draws=2.0 must be whole numbers"):
        diffenc.stratified_times(KEY, 4, whole)
    model = diffenc.build("vdmv", (2,), 8, width=8, num_layers=1)
    with pytest.raises(ValueError, match="num=2.5 and num_steps=3 must be whole numbers"):
        model.sample(KEY, {}, half, 3)


def step(**changed):
    given = {"z": X, "x_hat": EPS, "gamma_s": -1.0, "gamma_t": 0.5, "eps": X} | changed
    return sampling.generative_step(**given)


def draw(**changed):
    given = {"key": KEY, "predict": PROCESS.x_hat, "levels": LEVELS, "shape": (3, 2)} | changed
    return sampling.sample_along(**given)


def ancestral(num_steps):
    return sampling.ancestral_sample(KEY, PROCESS.x_hat, lambda t: 5 * t, (3, 2), num_steps)


@pytest.mark.parametrize(
    "call, changed, message",
    [
        (step, {"z": spoiled(X)}, "z .*NaN"),
        (step, {"x_hat": EPS[:1]}, r"x_hat has shape \(1, 2\)"),
        (step, {"eps": ["a"]}, "eps has shape"),
        (step, {"gamma_s": 0.5}, "each gamma_s must be the lower"),
        (step, {"gamma_t": T}, r"gamma_t has shape \(3,\); expected one level"),
        (step, {"log_ratio": np.nan}, "log_ratio .*NaN"),
        (step, {"volatility": "x"}, "volatility='x'; accepted are a number and a function"),
        (step, {"volatility": 0.0}, "volatility=0.0 must be positive"),
        (step, {"counterterm": "on"}, "counterterm='on'; accepted are a number and a function"),
        (draw, {"levels": LEVELS[::-1]}, "levels must increase strictly"),
        (draw, {"log_ratio": T}, r"log_ratio has shape \(3,\)"),
        (draw, {"shape": (3, 2.0)}, "shape=2.0 must be a whole number"),
        (draw, {"volatility": -1.0}, "volatility=-1.0 must be positive"),
        (ancestral, {"num_steps": 0}, "num_steps=0 must be at least 1"),
        (ancestral, {"num_steps": 2.5}, "num_steps=2.5 must be a whole"),
    ],
)
def test_samplers_refuse_what_is_none(call, changed, message):
    with pytest.raises(ValueError, match=message):
        call(**changed)


def test_a_sampler_takes_lists():
    lists = {name: X.tolist() for name in ("z", "x_hat", "eps")}
    np.testing.assert_array_equal(step(**lists), step(z=X, x_hat=X, eps=X))
