"""Oracles: transformers' own outputs on small random models (fixtures/), invariances."""

import math
import pathlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from safetensors.numpy import load_file

from experiments.models.sentence import huggingface
from experiments.models.sentence.bert import Encoder, relative_position_buckets
from experiments.models.sentence.encoder import embed
from experiments.models.sentence.pooling import mean_pool

FIXTURES = pathlib.Path(__file__).parent / "fixtures"
FAMILIES = ("bert", "distilbert", "mpnet", "roberta")


@pytest.fixture(scope="module", params=FAMILIES)
def case(request):
    folder = FIXTURES / request.param
    family, config = huggingface.read_config(folder)
    params = huggingface.read_params(folder, family, config)
    return config, params, load_file(folder / "expected.safetensors")


def test_embeddings_equal_those_of_transformers(case):
    config, params, expected = case
    ours = embed(params, expected["ids"], expected["mask"], config=config, normalise=False)
    # Measured 1.8e-7 at most, on values up to 1.2.
    np.testing.assert_allclose(ours, expected["pooled"], atol=2e-6)


def test_padding_does_not_reach_the_embedding(case):
    config, params, expected = case
    ids, mask = expected["ids"], expected["mask"]
    other = np.where(mask == 1, ids, 5)
    ours = embed(params, other, mask, config=config, normalise=False)
    np.testing.assert_allclose(ours, expected["pooled"], atol=2e-6)


def test_dropout_acts_in_training_only():
    _, config = huggingface.read_config(FIXTURES / "mpnet")
    params = huggingface.read_params(FIXTURES / "mpnet", "mpnet", config)
    expected = load_file(FIXTURES / "mpnet" / "expected.safetensors")
    apply = jax.jit(Encoder(config).apply, static_argnames="deterministic")
    args = ({"params": params}, expected["ids"][:1], expected["mask"][:1])
    one, two = (
        apply(*args, deterministic=False, rngs={"dropout": jax.random.key(k)}) for k in (0, 1)
    )
    assert np.abs(one - two).max() > 0.01
    np.testing.assert_array_equal(apply(*args), apply(*args))


def bucket_by_definition(offset, num_buckets, max_distance):
    half, distance = num_buckets // 2, abs(offset)
    exact = half // 2
    if distance >= exact:
        # A hair more than the quotient: powers of two fall on the boundary itself.
        step = math.log(distance / exact) / math.log(max_distance / exact) * (half - exact)
        distance = min(half - 1, exact + math.floor(step + 1e-9))
    return distance + (half if offset > 0 else 0)


@pytest.mark.parametrize("num_buckets,max_distance", [(32, 128), (8, 20)])
def test_relative_position_buckets_follow_their_definition(num_buckets, max_distance):
    found = relative_position_buckets(200, num_buckets, max_distance)
    for i, j in [(0, 0), (0, 1), (1, 0), (0, 7), (0, 8), (9, 0), (0, 40), (150, 3), (0, 199)]:
        assert found[i, j] == bucket_by_definition(j - i, num_buckets, max_distance)
    assert found.max() == num_buckets - 1


def test_mean_pooling_is_the_mean_over_tokens_and_zero_without_any():
    hidden = jnp.arange(12.0).reshape(2, 3, 2)
    pooled = mean_pool(hidden, jnp.array([[1, 1, 0], [0, 0, 0]]))
    np.testing.assert_array_equal(pooled, [[1.0, 2.0], [0.0, 0.0]])
