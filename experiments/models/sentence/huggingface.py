"""Hugging Face folders of encoders: config.json and model.safetensors, to and from our tree."""

import json
import pathlib
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import traverse_util

from experiments import arrays
from experiments.models.sentence.bert import ACTIVATIONS, Encoder, EncoderConfig
from experiments.runtime.errors import UserError, nearest

Params = dict[str, Any]

# Our module -> theirs. {i} is the layer.
_BERT_LIKE = {
    "word": "embeddings.word_embeddings",
    "position": "embeddings.position_embeddings",
    "token_type": "embeddings.token_type_embeddings",
    "norm": "embeddings.LayerNorm",
    "layers/attention/query": "encoder.layer.{i}.attention.self.query",
    "layers/attention/key": "encoder.layer.{i}.attention.self.key",
    "layers/attention/value": "encoder.layer.{i}.attention.self.value",
    "layers/attention/output": "encoder.layer.{i}.attention.output.dense",
    "layers/attention_norm": "encoder.layer.{i}.attention.output.LayerNorm",
    "layers/intermediate": "encoder.layer.{i}.intermediate.dense",
    "layers/output": "encoder.layer.{i}.output.dense",
    "layers/output_norm": "encoder.layer.{i}.output.LayerNorm",
}
_MODULES = {
    "bert": _BERT_LIKE,
    "roberta": _BERT_LIKE,
    "mpnet": _BERT_LIKE
    | {
        "layers/attention/query": "encoder.layer.{i}.attention.attn.q",
        "layers/attention/key": "encoder.layer.{i}.attention.attn.k",
        "layers/attention/value": "encoder.layer.{i}.attention.attn.v",
        "layers/attention/output": "encoder.layer.{i}.attention.attn.o",
        "layers/attention_norm": "encoder.layer.{i}.attention.LayerNorm",
        "relative": "encoder.relative_attention_bias",
    },
    "distilbert": {
        "word": "embeddings.word_embeddings",
        "position": "embeddings.position_embeddings",
        "norm": "embeddings.LayerNorm",
        "layers/attention/query": "transformer.layer.{i}.attention.q_lin",
        "layers/attention/key": "transformer.layer.{i}.attention.k_lin",
        "layers/attention/value": "transformer.layer.{i}.attention.v_lin",
        "layers/attention/output": "transformer.layer.{i}.attention.out_lin",
        "layers/attention_norm": "transformer.layer.{i}.sa_layer_norm",
        "layers/intermediate": "transformer.layer.{i}.ffn.lin1",
        "layers/output": "transformer.layer.{i}.ffn.lin2",
        "layers/output_norm": "transformer.layer.{i}.output_layer_norm",
    },
}
_LEAVES = {"kernel": "weight", "bias": "bias", "scale": "weight", "embedding": "weight"}
# How DistilBERT's config.json calls what the others call as below.
_DISTILBERT_KEYS = {
    "hidden_size": "dim",
    "num_hidden_layers": "n_layers",
    "num_attention_heads": "n_heads",
    "intermediate_size": "hidden_dim",
    "hidden_act": "activation",
    "hidden_dropout_prob": "dropout",
    "attention_probs_dropout_prob": "attention_dropout",
}


def read_config(folder: pathlib.Path) -> tuple[str, EncoderConfig]:
    """Family and sizes from config.json.

    Raises:
      UserError: for a missing file or key, a family or option outside those implemented.
    """
    raw = read_json(folder / "config.json")
    family = raw.get("model_type", "bert")
    if family not in _MODULES:
        raise nearest(str(family), _MODULES, f"model_type in {folder / 'config.json'}:")
    distilled = family == "distilbert"
    if raw.get("is_decoder"):
        raise UserError(
            f"{folder}: a decoder (is_decoder true) is not supported, only encoders are"
        )
    if raw.get("position_embedding_type", "absolute") != "absolute":
        raise UserError(
            f"{folder}: position_embedding_type {raw['position_embedding_type']!r} is not "
            "supported, only 'absolute'"
        )

    def value(name: str):
        key = _DISTILBERT_KEYS.get(name, name) if distilled else name
        if key not in raw:
            raise UserError(f"{folder / 'config.json'} has no {key!r}")
        return raw[key]

    activation = value("hidden_act")
    if activation not in ACTIVATIONS:
        raise nearest(str(activation), ACTIVATIONS, f"activation in {folder}:")
    width, heads = value("hidden_size"), value("num_attention_heads")
    if not heads or width % heads:
        raise UserError(
            f"{folder / 'config.json'}: {heads} attention heads do not divide the width {width}"
        )
    # RoBERTa and MPNet number positions from the row after that of padding.
    offset = raw.get("pad_token_id", 1) + 1 if family in ("roberta", "mpnet") else 0
    return family, EncoderConfig(
        vocab_size=value("vocab_size"),
        hidden_size=width,
        num_layers=value("num_hidden_layers"),
        num_heads=heads,
        intermediate_size=value("intermediate_size"),
        max_positions=value("max_position_embeddings"),
        layer_norm_eps=1e-12 if distilled else value("layer_norm_eps"),
        activation=activation,
        dropout=value("hidden_dropout_prob"),
        attention_dropout=value("attention_probs_dropout_prob"),
        position_offset=offset,
        num_token_types=value("type_vocab_size") if family in ("bert", "roberta") else 0,
        relative_buckets=raw.get("relative_attention_num_buckets", 32) if family == "mpnet" else 0,
    )


def read_json(path: pathlib.Path) -> dict[str, Any]:
    """The object in a JSON file. Raises `UserError` where it is missing or no JSON object."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"{path} does not exist") from None
    except ValueError as error:
        raise UserError(f"{path} is not valid JSON: {error}") from error
    if not isinstance(value, dict):
        raise UserError(f"{path} must hold a JSON object, not a {type(value).__name__}")
    return value


def read_tensors(path: pathlib.Path) -> dict[str, np.ndarray]:
    """Every tensor of a safetensors file, floating ones as float32.

    Raises:
      UserError: where the file is missing, truncated or no safetensors file.
    """
    # NumPy's own issubdtype does not know bfloat16.
    return {
        name: t.astype(np.float32) if jnp.issubdtype(t.dtype, jnp.floating) else t
        for name, t in arrays.load(path).items()
    }


def _read_folder(folder: pathlib.Path) -> dict[str, np.ndarray]:
    index = folder / "model.safetensors.index.json"
    if not index.exists():
        if not (folder / "model.safetensors").exists() and list(folder.glob("*.bin")):
            raise UserError(
                f"{folder} has weights as a PyTorch pickle only, which is never read: save them "
                "again with save_pretrained(FOLDER, safe_serialization=True)"
            )
        return read_tensors(folder / "model.safetensors")
    tensors = {}
    for name in sorted(set(read_json(index)["weight_map"].values())):
        tensors |= read_tensors(folder / name)
    return tensors


def _their_name(family: str, path: tuple[str, ...]) -> str:
    module, leaf = "/".join(path[:-1]), path[-1]
    return f"{_MODULES[family][module]}.{_LEAVES[leaf]}"


def param_shapes(config: EncoderConfig) -> Params:
    """The shapes of the encoder's parameters, as `jax.ShapeDtypeStruct` leaves."""
    token = jax.ShapeDtypeStruct((1, 1), jnp.int32)
    return jax.eval_shape(Encoder(config).init, jax.random.key(0), token, token)["params"]


def read_params(folder: pathlib.Path, family: str, config: EncoderConfig) -> Params:
    """The parameters in model.safetensors as our tree, layers stacked on the first axis.

    A task's prefix ("bert.", "0.auto_model.", ...) and parts that the encoder does not use
    (pooler, heads) are skipped; the old names gamma and beta are understood.

    Raises:
      UserError: naming the first parameter that is missing or of another shape.
    """
    tensors = {
        name.replace(".gamma", ".weight").replace(".beta", ".bias"): tensor
        for name, tensor in _read_folder(folder).items()
    }
    anchor = _their_name(family, ("word", "embedding"))
    prefixes = [n.removesuffix(anchor) for n in tensors if n.endswith(anchor)]
    prefix = prefixes[0] if prefixes else ""
    flat: dict[tuple[str, ...], jax.Array] = {}
    for keys, shape in jax.tree_util.tree_flatten_with_path(param_shapes(config))[0]:
        path = tuple(key.key for key in keys)
        name = prefix + _their_name(family, path)
        names = [name.format(i=i) for i in range(config.num_layers)] if "{i}" in name else [name]
        for one in names:
            if one not in tensors:
                raise UserError(f"{folder}: model.safetensors has no {one!r} ({family})")
        parts = [tensors[one].T if path[-1] == "kernel" else tensors[one] for one in names]
        value = np.stack(parts) if "{i}" in name else parts[0]
        if value.shape != shape.shape:
            raise UserError(
                f"{folder}: {names[0]!r} has shape {parts[0].shape}, but config.json asks for "
                f"{shape.shape[1:] if '{i}' in name else shape.shape}"
            )
        flat[path] = jnp.asarray(value)
    return traverse_util.unflatten_dict(flat)


def write_params(folder: pathlib.Path, family: str, params: Mapping[str, Any]) -> None:
    """Writes `params` as model.safetensors under Hugging Face's names; `read_params` inverts it."""
    from safetensors.numpy import save_file

    tensors = {}
    for path, value in traverse_util.flatten_dict(params).items():
        name, value = _their_name(family, path), np.asarray(value)
        for i, part in enumerate(value if "{i}" in name else [value]):
            part = part.T if path[-1] == "kernel" else part
            tensors[name.format(i=i)] = np.ascontiguousarray(part)
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
