"""Oracle: the decoder written again in float64 NumPy, with rotations as complex products."""

import jax
import numpy as np
import pytest

from experiments.models import tiny
from experiments.models.language import gguf, lm
from experiments.models.language.llama import Llama, rotary_angles, rotate

SETTINGS = {"heads": 4, "kv_heads": 2, "hidden": 16, "ffn": 24, "layers": 2}
IDS = np.random.default_rng(1).integers(0, 100, (3, 11)).astype(np.int32)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return gguf.read(tiny.write_llama(tmp_path_factory.mktemp("gguf") / "tiny.gguf"))


@pytest.fixture(scope="module")
def hidden(model):
    return jax.jit(lambda ids: Llama(model.config).apply({"params": model.params}, ids))


def rms(x, scale):
    return x / np.sqrt((x**2).mean(-1, keepdims=True) + 1e-5) * scale


def turn(x, base, factor=1.0):
    """Pairs of neighbours as complex numbers, each turned by its position's angle."""
    e = x.shape[-1]
    z = x[..., 0::2] + 1j * x[..., 1::2]
    frequency = base ** (-np.arange(0, e, 2) / e)
    z = z * np.exp(1j * np.arange(len(x))[:, None, None] / factor * frequency)
    return np.stack([z.real, z.imag], -1).reshape(x.shape)


def forward(tensors, ids, settings=SETTINGS, base=10_000.0, factor=1.0):
    """Hidden states of one text, [length, d]."""
    t = {name.removesuffix(".weight"): v.astype(np.float64) for name, v in tensors.items()}
    x, length = t["token_embd"][ids], len(ids)
    e = settings["hidden"] // settings["heads"]
    for i in range(settings["layers"]):
        p = f"blk.{i}."
        h = rms(x, t[p + "attn_norm"])
        q, k, v = ((h @ t[p + f"attn_{n}"].T).reshape(length, -1, e) for n in "qkv")
        q, k = turn(q, base, factor), turn(k, base, factor)
        heads = []
        for head in range(settings["heads"]):
            shared = head * settings["kv_heads"] // settings["heads"]
            scores = q[:, head] @ k[:, shared].T / np.sqrt(e)
            scores[np.triu_indices(length, 1)] = -np.inf
            weights = np.exp(scores - scores.max(1, keepdims=True))
            heads.append(weights / weights.sum(1, keepdims=True) @ v[:, shared])
        x = x + np.concatenate(heads, 1) @ t[p + "attn_output"].T
        h = rms(x, t[p + "ffn_norm"])
        gate = h @ t[p + "ffn_gate"].T
        x = x + (gate / (1 + np.exp(-gate)) * (h @ t[p + "ffn_up"].T)) @ t[p + "ffn_down"].T
    return rms(x, t["output_norm"])


def test_hidden_states_equal_the_numpy_transcription(model, hidden):
    tensors = tiny.llama_tensors(SETTINGS, model.config.vocab_size)
    expected = np.stack([forward(tensors, row) for row in IDS])
    # Measured 3e-6 on values up to 2.
    np.testing.assert_allclose(hidden(IDS), expected, atol=3e-5)


def test_later_tokens_do_not_change_earlier_states(hidden):
    changed = IDS.copy()
    changed[:, 7:] = 5
    np.testing.assert_allclose(hidden(IDS)[:, :7], hidden(changed)[:, :7], atol=1e-5)
    assert np.abs(hidden(IDS)[:, 7:] - hidden(changed)[:, 7:]).max() > 0.01


def test_rotation_keeps_lengths_and_depends_on_distance_only():
    x, y = np.random.default_rng(0).normal(size=(2, 1, 1, 1, 8)).astype(np.float32)
    angle = rotary_angles(20, 8, 100.0)
    place = lambda v, p: np.asarray(rotate(v, angle[p : p + 1]))[0, 0, 0]
    np.testing.assert_allclose(np.linalg.norm(place(x, 13)), np.linalg.norm(x), rtol=1e-6)
    products = [place(x, p + 4) @ place(y, p) for p in (0, 3, 15)]
    np.testing.assert_allclose(products, products[0], rtol=1e-5)


def test_divisors_slow_the_frequencies():
    divisors = np.array([1.0, 2, 4, 8], np.float32)
    plain, slow = rotary_angles(5, 8, 100.0), rotary_angles(5, 8, 100.0, divisors)
    np.testing.assert_allclose(plain, slow * divisors[None, :], rtol=1e-6)


@pytest.mark.parametrize("named", [True, False])
def test_linear_scaling_divides_positions(tmp_path, named):
    """Without a type a factor means linear scaling, as in llama.cpp."""
    strings = {"llama.rope.scaling.type": "linear"} if named else {}
    floats = {"llama.rope.scaling.factor": 4.0}
    path = tiny.write_llama(tmp_path / "m.gguf", strings=strings, floats=floats)
    model = lm.load(f"gguf:{path}")
    tensors = tiny.llama_tensors(SETTINGS, len(model.unembedding))
    found = model.last_hidden(IDS)
    for row, ids in zip(found, IDS, strict=True):
        # Measured 3e-6 at most; unscaled it differs by 0.5.
        np.testing.assert_allclose(row, forward(tensors, ids, factor=4.0)[-1], atol=2e-5)
    assert np.abs(found[0] - forward(tensors, IDS[0])[-1]).max() > 0.05


def test_a_scaling_of_type_none_scales_nothing(tmp_path):
    strings, floats = {"llama.rope.scaling.type": "none"}, {"llama.rope.scaling.factor": 4.0}
    path = tiny.write_llama(tmp_path / "m.gguf", strings=strings, floats=floats)
    assert gguf.read(path).divisors is None
