"""The state at step 0. Oracle: the same program compiled with nothing left out."""

import jax
import numpy as np
import optax

from experiments.runtime.mesh import make_mesh
from experiments.runtime.state import StateFactory


def init(key):
    """Values whose last bits show how logarithms and roots were compiled."""
    k_w, k_b = jax.random.split(key)
    draw = jax.nn.initializers.truncated_normal(0.02)
    return {"w": draw(k_w, (7, 33)), "b": jax.random.normal(k_b, (65,))}


def test_a_state_that_is_compiled_in_a_hurry_has_the_same_bits(optimised, monkeypatch):
    factory = StateFactory(init, optax.adam(1e-3), jax.random.key(0), make_mesh(1))
    options, whole = [], jax.jit(factory._build)(factory.key)
    jit = jax.jit
    monkeypatch.setattr(
        jax, "jit", lambda f, **given: options.append(given["compiler_options"]) or jit(f, **given)
    )
    for made, want in zip(jax.tree.leaves(factory()), jax.tree.leaves(whole), strict=True):
        np.testing.assert_array_equal(made, want)
    # Only the processor's compiler knows these options.
    assert [bool(given) for given in options] == [jax.default_backend() == "cpu"]
