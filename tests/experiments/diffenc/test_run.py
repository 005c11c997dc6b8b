"""Gradient accumulation of the ELBO. Oracle: the same batch at once."""

import chex
import jax
import numpy as np
import optax
import pytest

import diffenc
from experiments.diffenc.run import draw_noise, elbo_loss
from experiments.runtime.errors import UserError
from experiments.runtime.mesh import make_mesh
from experiments.runtime.state import StateFactory
from experiments.runtime.step import make_step

# Every x_0 exact: else which examples are encoded at t = 0 follows their place in a part.
OPTIONS = {"width": 16, "num_layers": 1, "encoder_width": 16, "encoder_layers": 1, "x_0_every": 1}


CODES = np.random.default_rng(0).integers(0, 256, (16, 2)).astype(np.uint8)
BATCH = {"codes": CODES, "label": np.zeros(16, np.int32)}


def step_of(accumulate=1, seed=1):
    """The training step of DiffEnc on points of the plane, and the factory of its states."""
    model = diffenc.build("diffenc", (2,), 256, **OPTIONS)
    mesh, optimizer = make_mesh(2), optax.sgd(1e-3)
    factory = StateFactory(model.init, optimizer, jax.random.key(0), mesh)
    step = make_step(
        elbo_loss(model),
        optimizer,
        key=jax.random.key(seed),
        ema_decay=0.9,
        state=factory.abstract(),
        mesh=mesh,
        accumulate=accumulate,
        draw=draw_noise,
    )
    return step, factory


def train(accumulate):
    """Two steps; the state and the last metrics."""
    step, factory = step_of(accumulate)
    state, metrics = factory(), {}
    for _ in range(2):
        state, metrics = step(state, BATCH)
    return jax.device_get((state, metrics))


def test_all_seeds_have_one_program_and_other_numbers():
    """Else each seed would compile anew: minutes, on an accelerator."""
    (one, factory), (other, _) = step_of(seed=1), step_of(seed=2)
    lowered = [step.lower(factory.abstract(), BATCH).as_text() for step in (one, other)]
    assert lowered[0] == lowered[1]
    losses = [step(factory(), BATCH)[1]["loss"] for step in (one, other)]
    assert losses[0] != losses[1]


def test_four_parts_equal_the_whole_batch_noise_and_all():
    state, metrics = train(1)
    parts, sums = train(4)
    # Measured 4e-7 of the gradient's norm.
    chex.assert_trees_all_close(sums, metrics, rtol=1e-5)
    chex.assert_trees_all_close(parts.params, state.params, rtol=1e-5, atol=1e-6)


def test_accumulation_below_one_is_one_clear_error():
    with pytest.raises(UserError, match="accumulate is 0"):
        train(0)
