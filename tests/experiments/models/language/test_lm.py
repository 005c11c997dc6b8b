"""Oracles: the model called on all contexts at once; the errors promised."""

import dataclasses

import jax.numpy as jnp
import numpy as np
import pytest

from experiments.models import tiny
from experiments.models.language import language_model, lm
from experiments.runtime.errors import UserError
from experiments.runtime.store import Store

CONTEXTS = np.random.default_rng(0).integers(1, 100, (23, 6)).astype(np.int32)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return lm.load(f"gguf:{tiny.write_llama(tmp_path_factory.mktemp('m') / 'tiny.gguf')}")


@pytest.mark.parametrize("size", [4, 10**12])
def test_extraction_is_the_model_on_every_context(model, tmp_path, size):
    found = language_model.extract(model, CONTEXTS, Store(tmp_path), batch_size=size, chunk_rows=9)
    np.testing.assert_allclose(found, model.last_hidden(CONTEXTS), atol=1e-5)


def test_contexts_of_different_lengths_keep_their_order(model, tmp_path):
    ragged = [row[: 3 + i % 2].tolist() for i, row in enumerate(CONTEXTS[:9])]
    found = language_model.extract(model, ragged, Store(tmp_path), batch_size=4, chunk_rows=5)
    for row, hidden in zip(ragged, found, strict=True):
        np.testing.assert_allclose(hidden, model.last_hidden(np.array([row]))[0], atol=1e-5)


def test_an_interrupted_extraction_continues(model, tmp_path):
    calls = []

    def counted(ids):
        calls.append(len(ids))
        return model.last_hidden(ids)

    counting = dataclasses.replace(model, last_hidden=counted)

    def stop(done, total):
        if done == 16:
            raise KeyboardInterrupt

    kwargs = {"batch_size": 8, "chunk_rows": 8}
    with pytest.raises(KeyboardInterrupt):
        language_model.extract(counting, CONTEXTS, Store(tmp_path), say=stop, **kwargs)
    found = language_model.extract(counting, CONTEXTS, Store(tmp_path), **kwargs)
    # Three batches in all: none of the first two was computed again.
    assert calls == [8, 8, 8]
    np.testing.assert_allclose(found, model.last_hidden(CONTEXTS), atol=1e-5)
    other = CONTEXTS.copy()
    other[0, 0] += 1
    found = language_model.extract(counting, other, Store(tmp_path), **kwargs)
    np.testing.assert_allclose(found, model.last_hidden(other), atol=1e-5)


def test_the_head_is_checked(model):
    assert language_model.check_head(model, CONTEXTS) < 1e-5
    shifted = dataclasses.replace(model, bias=np.full(100, 0.1, np.float32))
    with pytest.raises(UserError, match="differs from the model's logits"):
        language_model.check_head(shifted, CONTEXTS)
    capped = dataclasses.replace(model, logits=lambda ids: np.tanh(model.logits(ids)))
    with pytest.raises(UserError, match="soft-capped"):
        language_model.check_head(capped, CONTEXTS)


def test_a_head_in_half_precision_is_judged_by_its_own_rounding(model):
    """Logits rounded to bfloat16 differ by up to 2^-9; a soft cap by more still shows."""
    rounded = lambda ids: np.asarray(model.logits(ids), jnp.bfloat16).astype(np.float32)
    half = dataclasses.replace(model, logits=rounded, resolution=float(jnp.finfo("bfloat16").eps))
    error = language_model.check_head(half, CONTEXTS)
    assert 1e-4 < error < 2**-8
    with pytest.raises(UserError, match="more than 0.0001"):
        language_model.check_head(dataclasses.replace(model, logits=rounded), CONTEXTS)
    cap = 2 * float(np.abs(model.logits(CONTEXTS)).max())
    capped = dataclasses.replace(half, logits=lambda ids: cap * np.tanh(rounded(ids) / cap))
    with pytest.raises(UserError, match="soft-capped"):
        language_model.check_head(capped, CONTEXTS)


def test_contexts_that_do_not_fit_are_refused(model, tmp_path):
    with pytest.raises(UserError, match="at most 64"):
        language_model.extract(model, np.ones((1, 65), np.int32), Store(tmp_path))
    with pytest.raises(UserError, match="token id 100"):
        language_model.extract(model, np.full((1, 5), 100, np.int32), Store(tmp_path))


def test_nan_hidden_states_are_refused(model, tmp_path):
    broken = dataclasses.replace(
        model, last_hidden=lambda ids: model.last_hidden(ids) * np.float32(np.nan)
    )
    with pytest.raises(UserError, match="23 of 23 rows of the hidden states are NaN"):
        language_model.extract(broken, CONTEXTS, Store(tmp_path))


def test_tokens_go_there_and_back_without_special_ones(model):
    (ids,) = model.tokenise(["the cat\nsat"])
    assert model.decode(ids) == "the cat\nsat"
    assert model.bos is None and 0 not in ids


@pytest.mark.parametrize(
    "spec,message",
    [
        ("ggfu:x", "Did you mean 'gguf:FILE'"),
        ("smolm2", "Did you mean 'smollm2'"),
        ("gguf", "'gguf:FILE'"),
        ("npz:x", "no model to run"),
        ("gguf:nowhere.gguf", "no GGUF file"),
    ],
)
def test_specs_are_checked(spec, message):
    with pytest.raises(UserError, match=message):
        lm.load(spec)
