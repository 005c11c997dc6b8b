"""Oracle: the rule, leaf by leaf."""

import jax
import jax.numpy as jnp
import pytest
from jax.sharding import PartitionSpec as P

from experiments.runtime.errors import UserError
from experiments.runtime.mesh import LARGE, make_mesh, state_sharding

STATE = {
    "stacked blocks": jax.ShapeDtypeStruct((8, 3, 3, 128, 64), jnp.float32),
    "wide last": jax.ShapeDtypeStruct((64, LARGE), jnp.float32),
    "longest first": jax.ShapeDtypeStruct((LARGE, 16), jnp.float32),
    "just large": jax.ShapeDtypeStruct((LARGE,), jnp.float32),
    "indivisible": jax.ShapeDtypeStruct((LARGE + 1, 3), jnp.float32),
    "small": jax.ShapeDtypeStruct((LARGE // 2,), jnp.float32),
    "scalar": jax.ShapeDtypeStruct((), jnp.int32),
}


def test_fsdp_splits_the_longest_divisible_axis_of_each_large_leaf():
    specs = {k: s.spec for k, s in state_sharding(STATE, make_mesh(8), "fsdp").items()}
    assert specs == {
        "stacked blocks": P(None, None, None, "data"),
        "wide last": P(None, "data"),
        "longest first": P("data"),
        "just large": P("data"),
        "indivisible": P(),
        "small": P(),
        "scalar": P(),
    }


def test_an_axis_that_devices_do_not_divide_is_passed_over():
    leaf = jax.ShapeDtypeStruct((LARGE + 1, 16), jnp.float32)
    assert state_sharding(leaf, make_mesh(8), "fsdp").spec == P(None, "data")


def test_data_parallel_copies_every_leaf_and_other_words_are_an_error():
    shardings = state_sharding(STATE, make_mesh(8)).values()
    assert all(s.is_fully_replicated for s in shardings)
    with pytest.raises(UserError, match="'replicated', 'fsdp'"):
        state_sharding(STATE, make_mesh(8), "fdsp")
