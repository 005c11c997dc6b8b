"""Oracles: small files written by the test; sizes of the real ones in ../shared/data."""

import csv
import gzip
import pathlib

import numpy as np
import pytest

from experiments.data.texts import corpora, sources
from experiments.runtime.errors import UserError

SHARED = pathlib.Path(__file__).parents[5] / "shared" / "data"


def shared(name):
    if not (SHARED / name).exists():
        pytest.skip(f"no {name} in ../shared/data")
    return SHARED / name


def write_csv(path, rows):
    with (gzip.open if path.suffix == ".gz" else open)(path, "wt", newline="") as file:
        csv.writer(file).writerows(rows)
    return path


@pytest.mark.parametrize("name", ["a.csv", "a.csv.gz"])
@pytest.mark.parametrize("header", [[], [["Class Index", "Title", "Description"]]])
def test_ag_news_joins_title_and_description(tmp_path, name, header):
    rows = [["3", 'Oil, "again"', r"up\to $50"], ["1", "Title", ""]]
    found = sources.ag_news(write_csv(tmp_path / name, header + rows))
    assert found.texts == ('Oil, "again" up to $50', "Title")
    np.testing.assert_array_equal(found.labels, [2, 0])
    assert found.classes[2] == "Business" and len(found.sha256) == 64


def test_a_backslash_of_ag_news_is_the_whole_escape(tmp_path):
    """An n after it is the next word's first letter."""
    path = write_csv(tmp_path / "a.csv", [["1", r"social\network", r"new\\next"]])
    assert sources.ag_news(path).texts == ("social network new  next",)
    assert corpora.load(f"ag_news:{path}").documents == ("social network new  next",)


def test_yahoo_answers_joins_question_and_answer(tmp_path):
    rows = [["10", "Why?", "", r"Because.\nReally."], ["1", "a", "b", "c"]]
    found = sources.yahoo_answers(write_csv(tmp_path / "y.csv", rows))
    assert found.texts == ("Why? Because. Really.", "a b c")
    np.testing.assert_array_equal(found.labels, [9, 0])


@pytest.mark.parametrize(
    "rows,message",
    [
        ([["5", "a", "b"]], "row 1: class '5' is not one of 1 to 4"),
        ([["Class", "a", "b"], ["1", "a", "b"], ["2", "a"]], "row 3: 2 columns; AG News has 3"),
        ([], "has no AG News rows"),
    ],
)
def test_malformed_rows_are_located(tmp_path, rows, message):
    with pytest.raises(UserError, match=message):
        sources.ag_news(write_csv(tmp_path / "a.csv", rows))


def test_files_that_cannot_be_read(tmp_path):
    with pytest.raises(UserError, match="no file"):
        sources.read_text(tmp_path / "none.txt")
    (tmp_path / "a.txt").write_bytes(b"ab\xff")
    with pytest.raises(UserError, match="not UTF-8"):
        sources.read_text(tmp_path / "a.txt")
    (tmp_path / "a.gz").write_bytes(gzip.compress(b"text" * 100)[:-10])
    with pytest.raises(UserError, match="truncated"):
        sources.read_text(tmp_path / "a.gz")
    with pytest.raises(UserError, match="has no text"):
        (tmp_path / "b.txt").write_text(" \n\n")
        sources.text_lines(tmp_path / "b.txt")


def test_sts_reads_scores_and_ordinary_quotes(tmp_path):
    path = tmp_path / "sts.csv"
    path.write_text('g\tf\ty\t1\t2.5\tHe said "x\tB\textra\n\ng\tf\ty\t2\t5.0\ta\tb\n')
    found = sources.sts_benchmark(path)
    assert found.first == ('He said "x', "a") and found.second == ("B", "b")
    np.testing.assert_array_equal(found.score, np.array([2.5, 5], np.float32))


@pytest.mark.parametrize(
    "line,message",
    [("a\tb\tc", "3 columns"), ("g\tf\ty\t1\t5.5\ta\tb", "'5.5'"), ("g\tf\ty\t1\tx\ta\tb", "'x'")],
)
def test_malformed_pairs_are_located(tmp_path, line, message):
    path = tmp_path / "sts.csv"
    path.write_text(f"g\tf\ty\t1\t2.5\ta\tb\n{line}\n")
    with pytest.raises(UserError, match=f"line 2: .*{message}"):
        sources.sts_benchmark(path)


@pytest.mark.parametrize("split,pairs", [("train", 5749), ("dev", 1500), ("test", 1379)])
def test_the_real_sts_benchmark_has_its_published_size(split, pairs):
    found = sources.sts_benchmark(shared(f"stsbenchmark_{split}.csv.gz"))
    assert len(found.first) == len(found.second) == len(found.score) == pairs


def test_the_real_ag_news_has_its_published_size():
    found = sources.load(f"ag_news:{shared('ag_news_test.csv.gz')}")
    np.testing.assert_array_equal(np.bincount(found.labels), [1900] * 4)


def test_newsgroups_come_from_scikit_learn(monkeypatch):
    import sklearn.datasets

    def fetch(*, data_home, subset, remove):
        assert (data_home, subset) == ("cache", "train")
        assert remove == ("headers", "footers", "quotes")
        names = ["a", "b"]
        return sklearn.utils.Bunch(data=["x", "y"], target=[1, 0], target_names=names)

    monkeypatch.setattr(sklearn.datasets, "fetch_20newsgroups", fetch)
    found = sources.load("newsgroups:cache", split="train")
    assert found.texts == ("x", "y") and found.classes == ("a", "b")
    np.testing.assert_array_equal(found.labels, [1, 0])

    def offline(**_):
        raise OSError("no network")

    monkeypatch.setattr(sklearn.datasets, "fetch_20newsgroups", offline)
    with pytest.raises(UserError, match="newsgroups:DIR"):
        sources.newsgroups("test")
    with pytest.raises(UserError, match="Did you mean 'train'"):
        sources.newsgroups("trian")


def test_a_stratified_sample_keeps_class_shares():
    labels = np.repeat([0, 1, 2], [100, 50, 10]).astype(np.int32)
    whole = sources.Texts("t", tuple(map(str, range(160))), labels, ("a", "b", "c"), "")
    part = sources.stratified_sample(whole, 0.1)
    np.testing.assert_array_equal(np.bincount(part.labels), [10, 5, 1])
    assert all(labels[int(t)] == y for t, y in zip(part.texts, part.labels, strict=True))
    with pytest.raises(UserError, match="0 < fraction < 1"):
        sources.stratified_sample(whole, 1.5)


def test_yahoo_small_is_a_tenth_of_the_file(tmp_path):
    rows = [[str(1 + i // 20), f"question {i}", "", "answer"] for i in range(200)]
    path = write_csv(tmp_path / "y.csv", rows)
    small = sources.load(f"yahoo_small:{path}")
    np.testing.assert_array_equal(np.bincount(small.labels), [2] * 10)
    want = sources.stratified_sample(sources.load(f"yahoo:{path}"), 0.1)
    assert small.texts == want.texts


def test_names_are_checked(tmp_path):
    with pytest.raises(UserError, match="Did you mean 'ag_news'"):
        sources.load("agnews:x")
    with pytest.raises(UserError, match="'yahoo:FILE'"):
        sources.load("yahoo")
