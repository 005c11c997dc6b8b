"""Oracles: the tensors written, the tokens listed, and the errors promised."""

import gguf as format
import numpy as np
import pytest

from experiments.runtime.errors import UserError
from experiments.text import gguf, tiny


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return tiny.write_llama(tmp_path_factory.mktemp("gguf") / "tiny.gguf")


@pytest.fixture(scope="module")
def model(path):
    return gguf.read(path)


def test_configuration_is_read(model):
    config = model.config
    assert (config.num_heads, config.num_kv_heads, config.head_size) == (4, 2, 4)
    assert (config.hidden_size, config.intermediate_size, config.num_layers) == (16, 24, 2)
    assert config.rope_base == 10_000 and abs(config.norm_eps - 1e-5) < 1e-11


def test_tensors_land_where_they_belong(model):
    settings = {"heads": 4, "kv_heads": 2, "hidden": 16, "ffn": 24, "layers": 2}
    tensors = tiny.llama_tensors(settings, model.config.vocab_size)
    key = model.params["layers"]["key"]["kernel"]
    np.testing.assert_array_equal(key[1], tensors["blk.1.attn_k.weight"].T)
    np.testing.assert_array_equal(model.unembedding, tensors["token_embd.weight"])
    assert model.tied and model.bos is None


def test_an_untied_output_matrix_is_used(tmp_path):
    output = np.random.default_rng(3).normal(size=(100, 16)).astype(np.float32)
    found = gguf.read(tiny.write_llama(tmp_path / "m.gguf", extra={"output.weight": output}))
    np.testing.assert_array_equal(found.unembedding, output)
    assert not found.tied


def test_quantised_tensors_are_dequantised(tmp_path):
    """Q8_0 keeps 8 bits of each block of 32: half a step of its largest value at most."""
    values = np.random.default_rng(4).normal(size=(99, 32)).astype(np.float32)
    writer = format.GGUFWriter(tmp_path / "q.gguf", "llama")
    packed = format.quants.quantize(values, format.GGMLQuantizationType.Q8_0)
    writer.add_tensor("t", packed, raw_dtype=format.GGMLQuantizationType.Q8_0)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    (tensor,) = format.GGUFReader(tmp_path / "q.gguf").tensors
    found = gguf.dequantise(tmp_path, tensor)
    assert found.shape == values.shape
    step = np.abs(values).max(1, keepdims=True) / 127
    # Scales are stored in half precision, which adds 127 · 2^-11 steps.
    assert (np.abs(found - values) <= 0.57 * step).all()


@pytest.mark.parametrize("keep", [3, 100, 3000, -50])
def test_a_truncated_file_is_one_clear_error(path, tmp_path, keep):
    cut = tmp_path / "cut.gguf"
    cut.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(UserError, match="truncated or no GGUF"):
        gguf.read(cut)


def test_what_is_not_supported_is_named(tmp_path):
    with pytest.raises(UserError, match="no GGUF file"):
        gguf.read(tmp_path / "none.gguf")
    (tmp_path / "text.gguf").write_text("not a model" * 100)
    with pytest.raises(UserError, match="truncated or no GGUF"):
        gguf.read(tmp_path / "text.gguf")
    with pytest.raises(UserError, match="architecture in .* 'gemma3'"):
        gguf.read(tiny.write_llama(tmp_path / "g.gguf", architecture="gemma3"))
    bias = {"blk.0.attn_q.bias": np.zeros(16, np.float32)}
    with pytest.raises(UserError, match="attn_q.bias"):
        gguf.read(tiny.write_llama(tmp_path / "b.gguf", extra=bias))


def test_types_that_cannot_be_dequantised_are_named(path):
    tensor = format.GGUFReader(path).tensors[0]
    odd = tensor._replace(tensor_type=format.GGMLQuantizationType.Q8_K)
    with pytest.raises(UserError, match="has type Q8_K"):
        gguf.dequantise(path, odd)


def test_the_tokenizer_goes_there_and_back(model):
    text = "the  theatre\n12 <|end|>x"
    encoded = model.tokenizer.encode(text)
    assert model.tokenizer.decode(encoded.ids, skip_special_tokens=False) == text
    assert encoded.ids.count(0) == 1
