"""Populations against single models, and one model against a plain loop with optax."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import distill
from experiments.distill.population import (
    Plan,
    PopulationFactory,
    _epoch_order,
    make_epoch,
    make_forward,
    members,
)

PLAN = Plan(epochs=4, batch_size=8, learning_rate=1e-2, gamma=0.9, held_epochs=1)
RNG = np.random.default_rng(0)
DATA = {
    "x": RNG.integers(0, 9, (20, 2)).astype(np.uint8),
    "label": RNG.integers(0, 5, 20).astype(np.int32),
    "teacher_logits": RNG.normal(size=(2, 20, 5)).astype(np.float32),
}
SCALE = 0.125


def loss(outputs, example):
    return distill.l2_logit_loss(outputs[1], example["teacher_logits"])


def group(teachers=2, each=2, together=0, dropout=0.1):
    model = distill.Classifier(distill.MLP(dim=2, widths=(16,), dropout=dropout), 5)
    return members(model, jax.random.key(5), teachers, each, together)


def train(population_group, epochs=2):
    epoch = make_epoch(population_group, PLAN, loss, DATA, SCALE)
    population = PopulationFactory(population_group, DATA["x"])()
    for index in range(epochs):
        population, metrics = epoch(population, index)
    return jax.device_get(population), jax.device_get(metrics)


@pytest.fixture(scope="module")
def one_by_one():
    return train(group(together=1))


@pytest.mark.parametrize("together", [3, 4])
def test_models_computed_together_equal_models_computed_one_by_one(one_by_one, together):
    population, metrics = train(group(together=together))
    want, want_metrics = one_by_one
    # Measured 2e-7: sums in another order.
    jax.tree.map(functools.partial(np.testing.assert_allclose, atol=2e-6), population, want)
    np.testing.assert_allclose(metrics["loss"], want_metrics["loss"], rtol=1e-6)
    assert metrics["finite"] == 1


def test_a_seed_trains_the_same_whatever_its_company(one_by_one):
    """Students (0, 0) and (1, 0), where teachers have one or two; dropout and data order too."""
    fewer, _ = train(group(each=1))
    same = jax.tree.map(lambda a: a[::2], one_by_one[0])
    jax.tree.map(functools.partial(np.testing.assert_allclose, atol=2e-6), fewer, same)
    weights = one_by_one[0].variables["params"]["unembedding"]
    assert len(np.unique(weights[:, 0, 0])) == 4


def test_training_equals_a_plain_loop_with_optax():
    """The second teacher's student: optax.adam at the plan's rate, batch by batch, no dropout."""
    both = group(each=1, dropout=0.0)
    got, _ = train(both)
    params = jax.tree.map(lambda a: a[1], PopulationFactory(both, DATA["x"])().variables)
    adam = optax.inject_hyperparams(optax.adam)(learning_rate=0.0)
    state = adam.init(params)

    def mean_loss(params, x, teacher_logits):
        logits = both.model.apply(params, x.astype(np.float32) * SCALE)[1]
        return jnp.square(logits - teacher_logits).sum(1).mean()

    gradient = jax.jit(jax.grad(mean_loss))
    for epoch in range(2):
        key = jax.random.fold_in(jax.random.fold_in(both.keys[1], 1), epoch)
        for rows in np.asarray(_epoch_order(jax.random.split(key)[0], 20, 8)):
            state.hyperparams["learning_rate"] = jnp.float32(1e-5 if epoch == 0 else 1e-2)
            grads = gradient(params, DATA["x"][rows], DATA["teacher_logits"][1, rows])
            updates, state = adam.update(grads, state)
            params = optax.apply_updates(params, updates)
    second = jax.tree.map(lambda a: a[1], got.variables)
    jax.tree.map(functools.partial(np.testing.assert_allclose, atol=2e-6), second, params)


def test_an_epoch_sees_every_example_and_fills_the_last_batch_with_its_first():
    order = np.asarray(_epoch_order(jax.random.key(0), 20, 8))
    assert order.shape == (3, 8)
    np.testing.assert_array_equal(np.sort(order.ravel()[:20]), np.arange(20))
    np.testing.assert_array_equal(order.ravel()[20:], order.ravel()[:4])


def test_rate_is_held_then_full_then_decays():
    plan = Plan(epochs=250, batch_size=1, learning_rate=1e-3, gamma=0.995, held_epochs=20)
    got = [float(plan.rate(e)) for e in (0, 19, 20, 21, 249)]
    np.testing.assert_allclose(got, [1e-6, 1e-6, 1e-3, 0.995e-3, 1e-3 * 0.995**229], rtol=1e-5)


def test_forward_takes_blocks_of_any_length():
    population_group = group()
    variables = PopulationFactory(population_group, DATA["x"])().variables
    x = RNG.integers(0, 9, (700, 2)).astype(np.uint8)
    f, logits = make_forward(population_group.model, SCALE)(variables, x)
    assert f.shape == (4, 700, 2) and logits.shape == (4, 700, 5)
    one = jax.tree.map(lambda a: a[3], variables)
    want = population_group.model.apply(one, x.astype(np.float32) * SCALE)[1]
    np.testing.assert_allclose(logits[3], want, atol=1e-5)


def test_start_from_keeps_the_given_variables_with_fresh_moments():
    population_group = group()
    trained, _ = train(population_group)
    again = PopulationFactory(population_group, DATA["x"], trained.variables)()
    jax.tree.map(np.testing.assert_array_equal, again.variables, trained.variables)
    assert all(not np.any(leaf) for leaf in jax.tree.leaves(again.opt_state))
