"""A causal language model as its last hidden states and its unembedding; how states are kept."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from experiments.data.texts.digests import array_digest
from experiments.models.language.states import check_states
from experiments.runtime.errors import UserError
from experiments.runtime.store import Store


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
      resolution: spacing of the numbers just above 1 in the precision that it computes in.
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
    resolution: float = float(np.finfo(np.float32).eps)

    def tokenise(self, texts: Sequence[str]) -> list[list[int]]:
        """Token ids of each text, without special tokens."""
        encodings = self.tokenizer.encode_batch(list(texts), add_special_tokens=False)
        return [encoding.ids for encoding in encodings]

    def decode(self, ids: Sequence[int]) -> str:
        """The text of token ids, special ones included."""
        return self.tokenizer.decode([int(i) for i in ids], skip_special_tokens=False)


def check_head(
    model: LanguageModel, ids: Int[np.ndarray, "b l"], *, tolerance: float | None = None
) -> float:
    """max|h·Wᵀ + b - logits| / max|logits| over `ids`.

    The default tolerance is 1e-4, or the model's `resolution` where that is more: the model's own
    logits are rounded to half of it.

    Raises:
      UserError: above `tolerance`: the hidden state, unembedding or bias is not the one the model
        predicts with, or it changes its logits afterwards (soft-cap, scale).
    """
    tolerance = max(1e-4, model.resolution) if tolerance is None else tolerance
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
    batch_size = min(batch_size, chunk_rows)  # more would only be filled up

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
