"""What a practitioner is told. Oracles: scikit-learn's leave-one-out error, spaces known to us."""

import numpy as np
import pytest
from sklearn.neighbors import KNeighborsClassifier

from experiments.hubness import advice, synthetic, verdict
from experiments.runtime.errors import UserError


@pytest.fixture(scope="module")
def hubby():
    """Independent normal rows in many dimensions, without classes to find."""
    x = np.random.default_rng(0).normal(size=(200, 64)).astype(np.float32)
    labels = np.arange(200) % 2
    return advice.advise(x, labels, metric="euclidean", max_queries=10**6), x, labels


def test_error_is_that_of_leaving_one_out(hubby):
    found, x, labels = hubby
    keep = ~np.eye(len(x), dtype=bool)
    right = [
        KNeighborsClassifier(10).fit(x[k], labels[k]).predict(x[~k])[0] == label
        for k, label in zip(keep, labels, strict=True)
    ]
    plain = found["methods"][0]
    assert plain["method"] == "none" and plain["slowdown"] == 1
    assert plain["error"] == pytest.approx(1 - np.mean(right))
    assert [row["method"] for row in found["methods"]] == list(advice.TRIED)


def test_hubs_are_rows_of_the_file_and_their_share_of_wrong_neighbours_is_counted(hubby):
    found, x, labels = hubby
    d = np.linalg.norm(x[:, None].astype(float) - x[None], axis=2)
    np.fill_diagonal(d, np.inf)
    near = np.argsort(d, axis=1)[:, :10]
    counts = np.bincount(near.ravel(), minlength=len(x))
    order = np.argsort(-counts, kind="stable")[:5]
    assert found["hubs"] == [(i, counts[i]) for i in order]
    np.testing.assert_array_equal(found["counts"]["none"], counts)
    wrong = labels[near] != labels[:, None]
    plain = found["methods"][0]
    assert plain["bad_by_hubs"] == pytest.approx((counts >= 20)[near][wrong].mean())
    assert plain["hub_rate"] == pytest.approx((counts >= 20).mean())
    assert found["error_of_largest_class"] == 0.5


def test_a_low_dimensional_space_is_left_alone():
    """Two dimensions, the others constant; as many rows as above, so that nothing recompiles."""
    x = np.zeros((200, 64), np.float32)
    x[:, :2], _ = synthetic.blobs(seed=0, n=200, d=2)
    found = advice.advise(x, None, metric="euclidean", max_queries=200)
    assert found["num_rows"] == 200
    assert found["recommended"] == "none"
    said = [verdict.verdict(found), *verdict.meaning(found)]
    assert said[0].startswith("Little hubness") and "Leave the space as it is" in said[-1]


def test_a_method_that_cannot_be_is_left_out_and_said(hubby, monkeypatch):
    """Rows in pairs about the centre, two of them at it: once centred, these have no direction."""
    _, x, labels = hubby
    x = np.where(x > 0, 3, 1).astype(np.float32)
    x[100:] = 4 - x[:100]
    x[[0, 100]] = 2
    monkeypatch.setattr(advice, "TRIED", ("none", "centre"))
    found = advice.advise(x, labels, metric="cosine", max_queries=200)
    assert list(found["left_out"]) == ["centre"] and "no cosine" in found["left_out"]["centre"]
    names = [row["method"] for row in found["methods"]]
    assert "centre" not in names and "`centre` was left out" in verdict.meaning(found)[-1]


ROWS = np.arange(60, dtype=np.float32).reshape(30, 2) + 1


@pytest.mark.parametrize(
    "x, labels, message",
    [
        (ROWS, np.zeros(29, int), "29 labels for 30 embeddings"),
        (ROWS[:21], None, "21 embeddings are too few"),
        (ROWS, np.zeros(30, int), "all labels are the same"),
        (ROWS, np.arange(30), "30 of 30 rows are the only one of their label"),
        (ROWS * (np.arange(30) != 7)[:, None], None, "1 rows are zero, the first is row 7"),
        (np.ones((30, 2), np.float32), None, "only 1 of 30 rows differ"),
    ],
)
def test_bad_rows_and_labels_are_one_clear_error(x, labels, message):
    with pytest.raises(UserError, match=message):
        advice.advise(x, labels, metric="cosine", max_queries=100)
