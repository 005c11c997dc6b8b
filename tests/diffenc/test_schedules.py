"""Oracles: the formulas of the schedules, and end points after arbitrary updates (vdm issue 11)."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from diffenc import schedules

LOW, HIGH = -13.3, 5.0


def updated(schedule, seed, size):
    """Parameters after a random update."""
    params = schedule.init(jax.random.key(seed))
    leaves, tree = jax.tree.flatten(params)
    keys = jax.random.split(jax.random.key(seed + 100), max(1, len(leaves)))
    moved = [p + size * jax.random.normal(k, p.shape) for p, k in zip(leaves, keys, strict=False)]
    return jax.tree.unflatten(tree, moved)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("name", ["FixedLinear", "Monotone", "Polynomial"])
def test_pinned_end_points_stay_and_gamma_increases(name, seed):
    schedule = getattr(schedules, name)(LOW, HIGH)
    params = updated(schedule, seed, size=[0.0, 0.01, 0.1, 1.0, 10.0][seed])
    t = jnp.linspace(0.0, 1.0, 1001)
    gamma, rate = jax.jvp(lambda t: schedule.gamma(params, t), (t,), (jnp.ones_like(t),))
    np.testing.assert_allclose([gamma[0], gamma[-1]], [LOW, HIGH], atol=1e-5)
    assert (rate > 0).all()


def test_learned_linear_starts_at_the_end_points_and_learns_them():
    schedule = schedules.LearnedLinear(LOW, HIGH)
    params = schedule.init(jax.random.key(0))
    ends = jnp.array([0.0, 0.25, 1.0])
    np.testing.assert_allclose(schedule.gamma(params, ends), [LOW, -8.725, HIGH], rtol=1e-6)
    params = {"b": jnp.array([-2.0]), "w": jnp.array([-3.0])}
    np.testing.assert_allclose(schedule.gamma(params, ends), [-2.0, -1.25, 1.0], rtol=1e-6)


def test_monotone_network_may_learn_its_end_points():
    schedule = schedules.Monotone(LOW, HIGH, learn_endpoints=True)
    params = updated(schedule, 1, 0.5)
    got = schedule.gamma(params, jnp.array([0.0, 1.0]))
    b, w = float(params["b"][0]), float(params["w"][0])
    np.testing.assert_allclose(got, [b, b + abs(w)], rtol=1e-5)


def test_polynomial_is_its_formula_and_refuses_what_does_not_increase():
    t = np.linspace(0, 1, 7)
    want = HIGH / 2 * t**10 + (HIGH / 2 - LOW) * t + LOW
    got = schedules.Polynomial(LOW, HIGH).gamma({}, jnp.asarray(t, jnp.float32))
    np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-5)
    with pytest.raises(ValueError, match="does not increase"):
        schedules.Polynomial(-1.0, -2.5)
