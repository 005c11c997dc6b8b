"""Oracles: splits worked out by hand from the published rules."""

import pytest

from experiments.models.language import bpe
from experiments.runtime.errors import UserError

TOKENS = ["<|end|>", *(chr(c) for c in range(33, 127)), "Ġ", "Ċ", "11", "111", "Ġ1", "ab", "!!"]
MERGES = ["Ġ 1", "1 1", "11 1", "a b", "! !"]


def tokens(text, split):
    built = bpe.build(TOKENS, MERGES, [3] + [1] * (len(TOKENS) - 1), split)
    return built.encode(text).tokens


@pytest.mark.parametrize(
    "split,expected",
    [
        # One number with the space before it, as in GPT-2.
        ("gpt-2", ["Ġ1", "111", "ab"]),
        # Every digit alone.
        ("smollm", ["Ġ", "1", "1", "1", "1", "ab"]),
        # Digits in threes, without the space.
        ("llama-bpe", ["Ġ", "111", "1", "ab"]),
    ],
)
def test_numbers_are_cut_as_the_split_says(split, expected):
    assert tokens(" 1111ab", split) == expected


def test_special_tokens_are_not_cut():
    assert tokens("ab<|end|>ab", "smollm") == ["ab", "<|end|>", "ab"]


def test_merges_do_not_cross_words():
    assert tokens("!!ab", "gpt-2") == ["!!", "ab"]


def test_another_split_is_an_error_with_the_nearest():
    with pytest.raises(UserError, match="Did you mean 'smollm'"):
        tokens("a", "smolm")


def test_merges_without_their_tokens_are_an_error():
    with pytest.raises(UserError, match="merge 'a b' does not fit"):
        bpe.build(["a", "b"], ["a b"], [1, 1], "gpt-2")
