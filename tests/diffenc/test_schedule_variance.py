"""Oracle: Gaussian data, where the loss at each level and the best schedule are in closed form.

In D dimensions loss(t) = (1/2) gamma'(t) f(gamma) chi2_D with f = v / (v + e^gamma), so its mean
over t is (D/2) int f dgamma, and its least second moment D (D + 2) / 4 (int f dgamma)^2.
"""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import diffenc
from diffenc import schedules, stratified_times

LOW, HIGH, VAR, DIM = -13.3, 5.0, 0.25, 32
TIMES = (np.arange(4000) + 0.5) / 4000


def share(gamma):
    return VAR / (VAR + jnp.exp(gamma))


def moments(gamma):
    """(E loss, E loss^2) over t and data, by the midpoint rule in t."""
    t = jnp.asarray(TIMES, jnp.result_type(float))
    level, rate = jax.jvp(gamma, (t,), (jnp.ones_like(t),))
    scaled = 0.5 * rate * share(level)
    return DIM * scaled.mean(), DIM * (DIM + 2) * (scaled**2).mean()


@pytest.fixture(scope="module")
def trained():
    """A monotone schedule trained by the surrogate on simulated losses, and its first state."""
    schedule = schedules.Monotone(LOW, HIGH)
    first = schedule.init(jax.random.key(0))
    optimizer = optax.adam(optax.cosine_decay_schedule(0.1, 1000))

    def objective(params, key):
        k_t, k_x = jax.random.split(key)
        t = stratified_times(k_t, 128)[0]
        gamma = lambda t: schedule.gamma(params, t)
        level, rate = jax.jvp(gamma, (t,), (jnp.ones_like(t),))
        noise = (jax.random.normal(k_x, (128, DIM)) ** 2).sum(1)
        loss = jax.lax.stop_gradient(0.5 * rate * share(level) * noise)
        return schedules.variance_surrogate(gamma, t, loss).mean()

    def step(carry, key):
        params, state = carry
        updates, state = optimizer.update(jax.grad(objective)(params, key), state)
        return (optax.apply_updates(params, updates), state), None

    keys = jax.random.split(jax.random.key(1), 1000)
    start = (first, optimizer.init(first))
    last = jax.jit(lambda: jax.lax.scan(step, start, keys)[0][0])()
    return [lambda t, p=p: schedule.gamma(p, t) for p in (first, last)]


def test_training_lowers_the_variance_and_leaves_the_bound(trained):
    (mean_0, square_0), (mean_1, square_1) = map(moments, trained)
    levels = LOW + (HIGH - LOW) * TIMES
    integral = (HIGH - LOW) * float(np.mean(np.asarray(share(levels))))
    np.testing.assert_allclose([mean_0, mean_1], 0.5 * DIM * integral, rtol=1e-3)
    least = DIM * (DIM + 2) / 4 * integral**2
    # The straight line has 1.41 times the least second moment; the data's noise alone is 2/D.
    assert square_0 > 1.4 * least
    assert square_1 < 1.06 * least  # measured 1.043
    variance_0, variance_1 = square_0 - mean_0**2, square_1 - mean_1**2
    assert variance_1 < 0.25 * variance_0
    assert variance_1 < 2 * (2 / DIM) * mean_1**2


def test_gradient_is_that_of_the_log_second_moment(x64):
    schedule = schedules.Monotone(LOW, HIGH)
    params = jax.tree.map(
        lambda p: p[:8].astype(float) + 4 * jnp.cos(jnp.arange(len(p[:8]))),
        schedule.init(jax.random.key(0)),
    )

    def surrogate(params):
        gamma, t = (lambda t: schedule.gamma(params, t)), jnp.asarray(TIMES)
        level, rate = jax.jvp(gamma, (t,), (jnp.ones_like(t),))
        return schedules.variance_surrogate(gamma, t, 0.5 * rate * share(level)).mean()

    want = jax.jit(jax.grad(lambda p: jnp.log(moments(lambda t: schedule.gamma(p, t))[1])))(params)
    got = jax.jit(jax.grad(surrogate))(params)
    # Both by the midpoint rule, whose error is 1e-6 here.
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-5), got, want)
    assert max(float(jnp.abs(leaf).max()) for leaf in jax.tree.leaves(want)) > 1e-2


def test_a_models_interior_follows_the_variance_and_its_ends_the_bound():
    options = dict(schedule="monotone", learn_endpoints=True, width=8, num_layers=1)
    model = diffenc.build("vdmv", (2,), 16, **options)
    other = diffenc.build("vdmv", (2,), 16, interior="elbo", **options)
    params = model.init(jax.random.key(0))
    params = jax.tree.map(lambda p: p + 2 * jnp.cos(jnp.arange(p.size)).reshape(p.shape), params)
    rng = np.random.default_rng(0)
    codes, t = rng.integers(0, 16, (6, 2)), rng.uniform(size=6).astype(np.float32)
    eps, eps_0 = rng.normal(size=(2, 6, 2)).astype(np.float32)
    terms = lambda model, p: model.elbo_terms(p, codes, t=t, eps=eps, eps_0=eps_0)
    total = lambda model: jax.value_and_grad(lambda p: sum(terms(model, p)).mean())

    @jax.jit
    def both(params):
        diffusion = jax.lax.stop_gradient(terms(other, params).diffusion)
        gamma = lambda p: lambda t: model.gamma({"schedule": p}, t)
        surrogate = lambda p: schedules.variance_surrogate(gamma(p), jnp.asarray(t), diffusion)
        wanted = jax.grad(lambda p: surrogate(p).mean())(params["schedule"])
        return total(model)(params), total(other)(params), wanted

    (value, grads), (same, plain), wanted = both(params)
    np.testing.assert_allclose(value, same, rtol=1e-6)

    def apart(a, b):
        a, b = (jnp.concatenate([*map(jnp.ravel, jax.tree.leaves(g))]) for g in (a, b))
        return float(jnp.abs(a - b).max() / jnp.abs(b).max())

    assert apart(grads["score"], plain["score"]) < 1e-4
    for leaf, gradient in grads["schedule"].items():
        is_end = leaf in schedules.ENDS
        assert apart(gradient, plain["schedule"][leaf] if is_end else wanted[leaf]) < 1e-3
        assert (apart(gradient, plain["schedule"][leaf]) < 0.1) == is_end, leaf
