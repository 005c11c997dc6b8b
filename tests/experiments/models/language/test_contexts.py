"""Oracles: the text itself, decoded; counts by hand."""

import numpy as np
import pytest

from experiments.models import tiny
from experiments.models.language import contexts, lm
from experiments.runtime.errors import UserError

KWARGS = {"length": 4, "n": 3, "seed": 0, "special_tokens": False}


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return lm.load(f"gguf:{tiny.write_llama(tmp_path_factory.mktemp('m') / 'tiny.gguf')}")


def test_windows_and_their_answers_stand_in_the_text(model, tmp_path):
    path = tmp_path / "play.txt"
    path.write_text("to be or not to be, that is the question")
    found = contexts.make(f"text:{path}", model, **KWARGS)
    for ids, (answer,) in zip(found.ids, found.answers, strict=True):
        assert len(ids) == 4 and model.decode([*ids, answer]) in path.read_text()
    assert found.counts.sum() == found.facts["tokens"]
    # No merge of the tiny model joins a t to anything.
    assert found.counts[model.tokenise(["t"])[0][0]] == path.read_text().count("t")


def test_next_words_are_answered_by_one_token_or_not_at_all(model, tmp_path):
    path = tmp_path / "pile.txt"
    path.write_text("see the\the\nask a\tx\nwe saw\tcats\n")
    found = contexts.make(f"next_words:{path}", model, **KWARGS)
    he, x = (model.tokenise([word])[0][0] for word in ("he", "x"))
    np.testing.assert_array_equal(found.answers, [[he, -1], [x, -1], [-1, -1]])
    assert [model.decode(ids) for ids in found.ids] == ["see the", "ask a", "we saw"]
    assert found.counts.sum() == sum(
        map(len, model.tokenise(["see the he", "ask a x", "we saw cats"]))
    )


def test_malformed_and_short_files_are_clear_errors(model, tmp_path):
    path = tmp_path / "pile.txt"
    path.write_text("a\tb\nno tab\n")
    with pytest.raises(UserError, match="entry 2: not of the form"):
        contexts.make(f"next_words:{path}", model, **KWARGS)
    path.write_text("a\tb\n")
    with pytest.raises(UserError, match="1 contexts, fewer than the 3"):
        contexts.make(f"next_words:{path}", model, **KWARGS)
    with pytest.raises(UserError, match="special_tokens to False"):
        contexts.make("python", model, **(KWARGS | {"special_tokens": True}))
