"""Sentence embeddings: a model folder in, one vector a text out."""

import dataclasses
import functools
import pathlib
import shutil
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from experiments.data.texts.digests import file_digest, text_digest
from experiments.models.sentence import huggingface
from experiments.models.sentence import settings as sentence_settings
from experiments.models.sentence.bert import Encoder, EncoderConfig
from experiments.models.sentence.pooling import pool
from experiments.models.sentence.settings import Settings
from experiments.runtime.errors import UserError
from experiments.runtime.store import Store

_BUCKETS = (8, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512)


@dataclasses.dataclass(frozen=True)
class SentenceModel:
    """An encoder with its tokenizer.

    Attributes:
      settings: how a text becomes a vector, `max_length` always set.
      sha256: of model.safetensors.
    """

    settings: Settings
    family: str
    config: EncoderConfig
    params: huggingface.Params
    tokenizer: Any
    sha256: str


def load(folder: str | pathlib.Path, *, max_length: int | None = None) -> SentenceModel:
    """Reads config.json, model.safetensors and tokenizer.json, and sentence-transformers' settings.

    Without the latter the text is cut at the longest the model takes, pooled by the mean, and not
    normalised (`sentence_settings.read`). `max_length` stands before that of the files.

    Raises:
      UserError: for missing or damaged files, another family, or modules that are not supported.
    """
    folder = pathlib.Path(folder)
    if not folder.is_dir():
        raise UserError(f"there is no model folder {folder}")
    settings = sentence_settings.read(folder)
    encoder = settings.encoder
    family, config = huggingface.read_config(encoder)
    longest = config.max_tokens
    if max_length is None:
        max_length = min(settings.max_length or longest, longest)
    if not 3 <= max_length <= longest:
        raise UserError(f"max_length {max_length}: {folder} takes 3 to {longest} tokens")
    settings = dataclasses.replace(settings, max_length=max_length)
    whole, index = (encoder / f"model.safetensors{end}" for end in ("", ".index.json"))
    return SentenceModel(
        settings=settings,
        family=family,
        config=config,
        params=huggingface.read_params(encoder, family, config),
        tokenizer=_read_tokenizer(settings, config.vocab_size, max_length),
        sha256=file_digest(whole if whole.exists() else index),
    )


def save(folder: pathlib.Path, model: SentenceModel) -> None:
    """Writes `model` as a folder that `load` reads, with the settings of the one it came from."""
    folder.mkdir(parents=True, exist_ok=True)
    encoder = model.settings.encoder
    for name in ("config.json", "tokenizer.json", "tokenizer_config.json"):
        if (encoder / name).exists() and folder != encoder:
            shutil.copy2(encoder / name, folder / name)
    sentence_settings.write(folder, model.settings, model.config.hidden_size)
    huggingface.write_params(folder, model.family, model.params)


def _read_tokenizer(settings: Settings, vocab_size: int, max_length: int):
    import tokenizers

    path = settings.encoder / "tokenizer.json"
    if not path.exists():
        raise UserError(
            f"{path} does not exist: write it with transformers' "
            "AutoTokenizer.from_pretrained(FOLDER, use_fast=True).save_pretrained(FOLDER)"
        )
    try:
        tokenizer = tokenizers.Tokenizer.from_file(str(path))
    except Exception as error:
        # The binding raises plain Exception for malformed files.
        raise UserError(f"{path} cannot be read: {error}") from error
    if tokenizer.get_vocab_size() > vocab_size:
        raise UserError(
            f"{path} has {tokenizer.get_vocab_size()} tokens, but the model only {vocab_size}"
        )
    if settings.lower_case:
        own = [] if tokenizer.normalizer is None else [tokenizer.normalizer]
        first = tokenizers.normalizers.Lowercase()
        tokenizer.normalizer = tokenizers.normalizers.Sequence([first, *own])
    tokenizer.no_padding()
    side = "left" if settings.cut_left else "right"
    tokenizer.enable_truncation(max_length, direction=side)
    return tokenizer


def tokenise(model: SentenceModel, texts: Sequence[str]) -> list[list[int]]:
    """Token ids of each text after the model's prompt, special tokens included, cut to length."""
    return [e.ids for e in model.tokenizer.encode_batch([model.settings.prompt + t for t in texts])]


def pad(
    rows: Sequence[Sequence[int]], length: int, num_rows: int | None = None
) -> tuple[Int[np.ndarray, "b l"], Int[np.ndarray, "b l"]]:
    """Ids and mask of shape (`num_rows`, `length`); padding and rows beyond the last are zero."""
    ids = np.zeros((num_rows or len(rows), length), np.int32)
    mask = np.zeros_like(ids)
    for i, row in enumerate(rows):
        ids[i, : len(row)] = row
        mask[i, : len(row)] = 1
    return ids, mask


@functools.partial(jax.jit, static_argnames=("config", "normalise", "pooling"))
def embed(
    params: huggingface.Params,
    ids: Int[Array, "b l"],
    mask: Int[Array, "b l"],
    *,
    config: EncoderConfig,
    normalise: bool,
    pooling: tuple[str, ...] = ("mean",),
) -> Float[Array, "b p"]:
    """Pooled embeddings of tokenised texts, of unit length if `normalise`."""
    hidden = jnp.asarray(Encoder(config).apply({"params": params}, ids, mask))
    pooled = pool(hidden, mask, pooling)
    if not normalise:
        return pooled
    return pooled / jnp.maximum(jnp.linalg.norm(pooled, axis=1, keepdims=True), 1e-12)


def encode(
    model: SentenceModel,
    texts: Sequence[str],
    *,
    store: Store | None = None,
    batch_tokens: int = 4096,
    chunk_rows: int = 512,
    say: Callable[[int, int], None] = lambda done, total: None,
) -> Float[np.ndarray, "n d"]:
    """Embeddings of `texts` in their order.

    Texts are sorted by length and padded to one of a few lengths, so that few programs are
    compiled and little padding is computed. With `store`, finished rows are kept there and an
    interrupted call continues.

    Raises:
      UserError: for an empty list.
    """
    if not texts:
        raise UserError("no text to encode")
    rows = tokenise(model, texts)
    order = np.argsort([len(row) for row in rows], kind="stable")

    def compute(start: int, stop: int) -> dict[str, np.ndarray]:
        chosen = [rows[i] for i in order[start:stop]]
        return {"embedding": _encode_sorted(model, chosen, batch_tokens)}

    if store is None:
        parts = []
        for start in range(0, len(rows), chunk_rows):
            stop = min(start + chunk_rows, len(rows))
            parts.append(compute(start, stop)["embedding"])
            say(stop, len(rows))
        sorted_rows = np.concatenate(parts)
    else:
        inputs = {
            "model": model.sha256,
            "texts": text_digest(texts),
            "settings": dataclasses.asdict(model.settings) | {"encoder": ""},
            "dtype": "float32",
        }
        found = store.rows(inputs, len(rows), compute, chunk_rows=chunk_rows, say=say)
        sorted_rows = found["embedding"]
    result = np.empty_like(sorted_rows)
    result[order] = sorted_rows
    return result


def _encode_sorted(model: SentenceModel, rows: list[list[int]], batch_tokens: int) -> np.ndarray:
    """Embeddings of rows that are sorted by length."""
    settings = model.settings
    longest = settings.max_length or model.config.max_tokens
    buckets = [b for b in _BUCKETS if b < longest] + [longest]
    lengths = np.searchsorted(buckets, [len(row) for row in rows])
    parts = []
    for bucket in np.unique(lengths):
        length = buckets[bucket]
        members = np.flatnonzero(lengths == bucket)
        # A power of two, not more than are there need: at most log2 shapes a length.
        most = max(1, batch_tokens // length)
        size = 1 << min(most.bit_length() - 1, (len(members) - 1).bit_length())
        for start in range(0, len(members), size):
            chosen = [rows[i] for i in members[start : start + size]]
            ids, mask = pad(chosen, length, size)
            out = embed(
                model.params,
                ids,
                mask,
                config=model.config,
                normalise=settings.normalise,
                pooling=settings.pooling,
            )
            parts.append(np.asarray(out)[: len(chosen)])
    return np.concatenate(parts)


def static_embeddings(model: SentenceModel, texts: Sequence[str]) -> Float[np.ndarray, "n d"]:
    """Mean over a text's tokens of the model's input word vectors; not normalised.

    A space of high hubness. Special tokens are left out; a text without any other is zero.
    """
    table = np.asarray(model.params["word"]["embedding"])
    encodings = model.tokenizer.encode_batch(list(texts), add_special_tokens=False)
    means = [table[e.ids].mean(0) if e.ids else np.zeros(table.shape[1]) for e in encodings]
    return np.asarray(means, np.float32)
