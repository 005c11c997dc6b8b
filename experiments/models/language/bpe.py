"""Byte-level BPE tokenizers from the vocabulary and merges of a model file."""

from collections.abc import Sequence

from experiments.runtime.errors import UserError, nearest

_LLAMA3 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
# Names of GGUF's tokenizer.ggml.pre: how text is cut before the merges are applied.
LLAMA3_SPLITS = ("llama-bpe", "llama-v3", "llama3")
SPLITS = ("gpt-2", *LLAMA3_SPLITS, "smollm")
# Values of GGUF's tokenizer.ggml.token_type.
_CONTROL, _USER_DEFINED = 3, 4


def build(tokens: Sequence[str], merges: Sequence[str], types: Sequence[int], split: str):
    """A `tokenizers.Tokenizer` with ids in the order of `tokens`.

    Raises:
      UserError: for a `split` that is not implemented, or merges that make no token.
    """
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

    if split not in SPLITS:
        raise nearest(split, SPLITS, "tokenizer split (tokenizer.ggml.pre)")
    pairs = [(left, right) for left, _, right in (merge.partition(" ") for merge in merges)]
    vocab = {token: i for i, token in enumerate(tokens)}
    for pair in pairs:
        # The binding panics, beyond `except Exception`, on merges that do not fit.
        if not {*pair, "".join(pair)} <= vocab.keys():
            raise UserError(f"the tokenizer's merge {' '.join(pair)!r} does not fit its tokens")
    # Llama 3 takes a whole word that is in the vocabulary before any merge.
    model = models.BPE(vocab=vocab, merges=pairs, ignore_merges=split in LLAMA3_SPLITS)
    tokenizer = Tokenizer(model)
    tokenizer.pre_tokenizer = _pre_tokenizer(pre_tokenizers, split)
    tokenizer.decoder = decoders.ByteLevel()
    special = [t for t, kind in zip(tokens, types, strict=True) if kind == _CONTROL]
    defined = [t for t, kind in zip(tokens, types, strict=True) if kind == _USER_DEFINED]
    tokenizer.add_special_tokens([AddedToken(t, special=True, normalized=False) for t in special])
    tokenizer.add_tokens([AddedToken(t, normalized=False) for t in defined])
    return tokenizer


def _pre_tokenizer(pre_tokenizers, split: str):
    from tokenizers import Regex

    if split in LLAMA3_SPLITS:
        first = pre_tokenizers.Split(Regex(_LLAMA3), "isolated")
        return pre_tokenizers.Sequence(
            [first, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]
        )
    byte_level = pre_tokenizers.ByteLevel(add_prefix_space=False)
    if split == "gpt-2":
        return byte_level
    return pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True), byte_level])
