"""GGUF files of the Llama family, read by the `gguf` package and dequantised to float32."""

import dataclasses
import pathlib
from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from experiments.models.language import bpe
from experiments.models.language.llama import LlamaConfig
from experiments.runtime.errors import UserError, nearest

_LAYER = {
    "attention_norm/scale": "attn_norm",
    "query/kernel": "attn_q",
    "key/kernel": "attn_k",
    "value/kernel": "attn_v",
    "output/kernel": "attn_output",
    "ffn_norm/scale": "ffn_norm",
    "gate/kernel": "ffn_gate",
    "up/kernel": "ffn_up",
    "down/kernel": "ffn_down",
}
_OTHER = {"token_embd.weight", "output_norm.weight", "output.weight", "rope_freqs.weight"}


@dataclasses.dataclass(frozen=True)
class GGUFModel:
    """What a GGUF file holds.

    Attributes:
      divisors: of the rotary frequencies, where the file has them or scales positions.
      unembedding: the output matrix; the embedding matrix where the two are tied.
      tied: whether it is.
      bos: id of the token that the model was trained to see first, if any.
    """

    config: LlamaConfig
    params: dict[str, Any]
    divisors: Float[np.ndarray, "e_half"] | None
    unembedding: Float[np.ndarray, "v d"]
    tied: bool
    tokenizer: Any
    bos: int | None


def read(path: str | pathlib.Path) -> GGUFModel:
    """Reads configuration, weights and tokenizer.

    Raises:
      UserError: for a missing, truncated or damaged file, an architecture, tensor type or
        tokenizer that is not supported.
    """
    path = pathlib.Path(path)
    reader = _open(path)
    fields = {name: field.contents() for name, field in reader.fields.items()}
    architecture = fields.get("general.architecture")
    if architecture != "llama":
        raise nearest(str(architecture), ["llama"], f"GGUF architecture in {path}:")
    if fields.get("llama.expert_count"):
        raise UserError(f"{path}: mixtures of experts are not supported; use hf:FOLDER")
    tensors = {tensor.name: tensor for tensor in reader.tensors}
    config = _config(path, fields, tensors)
    expected = {
        f"blk.{i}.{name}.weight" for i in range(config.num_layers) for name in _LAYER.values()
    }
    unknown = sorted(tensors.keys() - expected - _OTHER)
    if unknown:
        raise UserError(
            f"{path}: tensor {unknown[0]!r} has no place in the plain Llama architecture "
            "(biases, for example, are not supported); use hf:FOLDER"
        )
    params = _params(path, config, tensors)
    embedding = np.asarray(params["embedding"]["embedding"])
    tied = "output.weight" not in tensors
    return GGUFModel(
        config=config,
        params=params,
        divisors=_divisors(path, fields, config, tensors.get("rope_freqs.weight")),
        unembedding=embedding if tied else dequantise(path, tensors["output.weight"]),
        tied=tied,
        tokenizer=_tokenizer(path, fields),
        bos=_bos(path, fields),
    )


def _open(path: pathlib.Path):
    import gguf

    class Bounded(gguf.GGUFReader):
        """A reader that stops at the end of the file, whatever lengths the file claims."""

        def _get(self, offset, dtype, count=1, override_order=None):
            if offset + np.dtype(dtype).itemsize * int(count) > len(self.data):
                raise ValueError(f"it claims {int(count):,} values at byte {offset:,}")
            return super()._get(offset, dtype, count, override_order)

    if not path.is_file():
        raise UserError(f"there is no GGUF file {path}")
    try:
        reader = Bounded(path)
        end = max(int(t.data_offset) + int(t.n_bytes) for t in reader.tensors)
        if end > path.stat().st_size:
            raise ValueError(f"its tensors end at byte {end:,}")
    except Exception as error:
        # The reader walks the raw bytes; damage shows as IndexError, ValueError, KeyError, ...
        size = path.stat().st_size
        raise UserError(
            f"{path} ({size:,} bytes) is truncated or no GGUF file: {error or 'cut off'}"
        ) from error
    return reader


def _config(path: pathlib.Path, fields: dict[str, Any], tensors: dict[str, Any]) -> LlamaConfig:
    def value(name: str, default: Any = None):
        found = fields.get(f"llama.{name}", default)
        if found is None:
            raise UserError(f"{path} has no metadata 'llama.{name}'")
        return found

    if "token_embd.weight" not in tensors:
        raise UserError(f"{path} has no tensor 'token_embd.weight'")
    hidden, heads = value("embedding_length"), value("attention.head_count")
    head_size = value("attention.key_length", hidden // heads)
    kv_heads = value("attention.head_count_kv", heads)
    if hidden % heads or heads % kv_heads:
        raise UserError(
            f"{path}: {heads} heads do not divide the width {hidden}, or {kv_heads} heads of keys "
            "do not divide them"
        )
    if value("rope.dimension_count", head_size) != head_size:
        raise UserError(f"{path}: rotary embedding of a part of each head is not supported")
    vocab_size = int(tensors["token_embd.weight"].shape[1])
    tokens = fields.get("tokenizer.ggml.tokens")
    if tokens is not None and len(tokens) != vocab_size:
        raise UserError(
            f"{path}: {vocab_size:,} embedding rows for {len(tokens):,} tokens; llama.cpp refuses "
            "such files too: convert the model again, which names the padding rows"
        )
    return LlamaConfig(
        vocab_size=vocab_size,
        hidden_size=hidden,
        num_layers=value("block_count"),
        num_heads=heads,
        num_kv_heads=kv_heads,
        head_size=head_size,
        intermediate_size=value("feed_forward_length"),
        rope_base=value("rope.freq_base", 10_000.0),
        norm_eps=value("attention.layer_norm_rms_epsilon"),
        context_length=value("context_length"),
    )


def dequantise(path: pathlib.Path, tensor) -> Float[np.ndarray, "..."]:
    """A tensor as float32 in row-major order: the reverse of the shape that GGUF lists."""
    from gguf import quants

    try:
        values = quants.dequantize(tensor.data, tensor.tensor_type)
    except NotImplementedError as error:  # of the gguf package: nothing of ours is unfinished
        raise UserError(
            f"{path}: tensor {tensor.name!r} has type {tensor.tensor_type.name}, which the gguf "
            "package cannot dequantise"
        ) from error
    return np.asarray(values, np.float32).reshape([int(n) for n in reversed(tensor.shape)])


def _params(path: pathlib.Path, config: LlamaConfig, tensors: dict[str, Any]) -> dict[str, Any]:
    def get(name: str) -> np.ndarray:
        if name not in tensors:
            raise UserError(f"{path} has no tensor {name!r}")
        return dequantise(path, tensors[name])

    layers: dict[str, dict[str, Any]] = {}
    for ours, theirs in _LAYER.items():
        module, leaf = ours.split("/")
        parts = [get(f"blk.{i}.{theirs}.weight") for i in range(config.num_layers)]
        # Rows of a GGUF matrix are outputs; a Flax kernel has inputs first.
        stacked = np.stack([part.T if leaf == "kernel" else part for part in parts])
        layers[module] = {leaf: jnp.asarray(stacked)}
    return {
        "embedding": {"embedding": jnp.asarray(get("token_embd.weight"))},
        "layers": layers,
        "norm": {"scale": jnp.asarray(get("output_norm.weight"))},
    }


def _tokenizer(path: pathlib.Path, fields: dict[str, Any]):
    kind = fields.get("tokenizer.ggml.model")
    if kind != "gpt2":
        raise UserError(
            f"{path}: tokenizer {kind!r} is not supported, only byte-level BPE ('gpt2'); "
            "use hf:FOLDER"
        )
    names = ("tokens", "merges", "token_type", "pre")
    missing = [name for name in names if f"tokenizer.ggml.{name}" not in fields]
    if missing:
        raise UserError(
            f"{path} has no metadata 'tokenizer.ggml.{missing[0]}', without which texts cannot be "
            "cut into its tokens: convert the model again with today's llama.cpp"
        )
    tokens, merges, types, split = (fields[f"tokenizer.ggml.{name}"] for name in names)
    return bpe.build(tokens, merges, types, split)


def _bos(path: pathlib.Path, fields: dict[str, Any]) -> int | None:
    """The first token that llama.cpp adds: what the file says, else one for Llama 3 only."""
    # llama.cpp, src/llama-vocab.cpp, llama_vocab::impl::load: add_bos where the split is Llama 3's.
    default = fields.get("tokenizer.ggml.pre") in bpe.LLAMA3_SPLITS
    if not fields.get("tokenizer.ggml.add_bos_token", default):
        return None
    if "tokenizer.ggml.bos_token_id" not in fields:
        raise UserError(
            f"{path} adds a first token, but names none: no tokenizer.ggml.bos_token_id"
        )
    return fields["tokenizer.ggml.bos_token_id"]


def _divisors(
    path: pathlib.Path, fields: dict[str, Any], config: LlamaConfig, tensor: Any
) -> Float[np.ndarray, "e_half"] | None:
    """What rotary frequencies are divided by: the file's tensor, times a linear scaling's factor.

    llama.cpp, src/llama-model.cpp, load_hparams: the type is linear unless named, and a factor
    without a type counts.
    """
    kind = fields.get("llama.rope.scaling.type", "linear")
    factor = fields.get("llama.rope.scaling.factor") or fields.get("llama.rope.scale_linear") or 1.0
    if kind not in ("none", "linear"):
        raise nearest(str(kind), ["none", "linear"], f"rope.scaling.type in {path}:")
    if fields.get("llama.rope.scaling.attn_factor", 1.0) != 1.0:
        raise UserError(f"{path}: rope.scaling.attn_factor is not supported; use hf:FOLDER")
    divisors = None if tensor is None else dequantise(path, tensor)
    if kind == "none" or factor == 1.0:
        return divisors
    ones = np.ones(config.head_size // 2, np.float32)
    return (ones if divisors is None else divisors) * np.float32(factor)
