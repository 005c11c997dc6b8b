"""Oracles: the tensors written, the tokens listed, and the errors promised."""

import struct

import gguf as format
import numpy as np
import pytest

from experiments.models import tiny
from experiments.models.language import gguf
from experiments.runtime.errors import UserError


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


@pytest.mark.parametrize("kind", [0, 8, 9])
def test_the_length_of_an_array_is_bounded_by_the_file(tmp_path, kind):
    """43 bytes that claim an array of 2^62 small numbers, of texts or of arrays."""
    key = b"a"
    data = struct.pack("<4sIQQQ", b"GGUF", 3, 0, 1, len(key)) + key
    data += struct.pack("<IIQ", 9, kind, 1 << 62)
    (tmp_path / "x.gguf").write_bytes(data.ljust(43, b"\0"))
    with pytest.raises(UserError, match="truncated or no GGUF file: it claims"):
        gguf.read(tmp_path / "x.gguf")


def test_other_scalings_of_positions_are_refused(tmp_path):
    strings = {"llama.rope.scaling.type": "yarn"}
    with pytest.raises(UserError, match="rope.scaling.type in .* 'yarn'.* Accepted: linear, none"):
        gguf.read(tiny.write_llama(tmp_path / "y.gguf", strings=strings))
    floats = {"llama.rope.scaling.attn_factor": 1.2}
    with pytest.raises(UserError, match="attn_factor is not supported"):
        gguf.read(tiny.write_llama(tmp_path / "a.gguf", floats=floats))


def test_first_tokens_are_those_of_llama_cpp(tmp_path):
    """Llama 3 has one unless the file says no; others have one where the file says so."""
    bos = {"tokenizer.ggml.bos_token_id": 0}

    def first(name, pre, bools=None):
        path = tmp_path / f"{name}.gguf"
        return gguf.read(tiny.write_llama(path, pre=pre, ids=bos, bools=bools or {})).bos

    add = "tokenizer.ggml.add_bos_token"
    assert first("llama3", "llama-bpe") == 0
    assert first("no", "llama-bpe", {add: False}) is None
    assert first("smollm", "smollm") is None
    assert first("yes", "smollm", {add: True}) == 0
    with pytest.raises(UserError, match="adds a first token, but names none"):
        gguf.read(tiny.write_llama(tmp_path / "none.gguf", pre="llama-bpe"))


def test_tokenizers_that_are_not_told_and_padding_rows_are_refused(tmp_path):
    with pytest.raises(UserError, match="no metadata 'tokenizer.ggml.pre'"):
        gguf.read(tiny.write_llama(tmp_path / "p.gguf", pre=""))
    padded = {"token_embd.weight": np.ones((128, 16), np.float32)}
    with pytest.raises(UserError, match="128 embedding rows for 100 tokens"):
        gguf.read(tiny.write_llama(tmp_path / "r.gguf", extra=padded))


def test_heads_that_do_not_divide_are_one_sentence(tmp_path):
    with pytest.raises(UserError, match="5 heads do not divide the width 16"):
        gguf.read(tiny.write_llama(tmp_path / "h.gguf", heads=5))
