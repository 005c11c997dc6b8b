"""What a practitioner is told. Oracles: scikit-learn's leave-one-out error, spaces known to us."""

import numpy as np
import pytest
from sklearn.neighbors import KNeighborsClassifier

from experiments.hubspaces import advice, made_up
from experiments.runtime.errors import UserError


@pytest.fixture(scope="module")
def hubby():
    """Independent normal rows in many dimensions, without classes to find."""
    x = np.random.default_rng(0).normal(size=(200, 64)).astype(np.float32)
    labels = np.arange(200) % 2
    return advice.advise(x, labels, metric="euclidean", max_points=10**6), x, labels


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


def test_strong_hubs_without_a_cost_are_said_to_be_that(hubby):
    text = advice.as_markdown(hubby[0])
    assert "Strong hubness" in text and "No reduction lowers the error measurably" in text
    assert "If hubs disturb" in text


def test_without_labels_the_fairest_is_named_but_no_better_neighbours(hubby):
    tried = [
        {k: v for k, v in row.items() if k not in ("error", "bad_rate", "p_value")}
        for row in hubby[0]["methods"]
    ]
    said = advice.verdict(tried, duplicates=3)
    fairest = min(tried, key=lambda row: row["robin_hood"])["method"]
    assert f"Use {fairest}" in said[-1] and "Without labels" in said[-1]
    assert "3 rows are exact duplicates" in said[1]


def test_a_reduction_that_helps_is_named_with_its_odds(hubby):
    tried = [dict(row) for row in hubby[0]["methods"]]
    tried[3] |= {"error": 0.01, "p_value": 1e-9}
    tried[4] |= {"error": 0.0, "p_value": 0.4}
    said = advice.verdict(tried, 0)[-1]
    assert said.startswith(f"Use {advice.TRIED[3]}: error 1.00 %") and "1.0e-09" in said


def test_a_low_dimensional_space_is_left_alone():
    """Two dimensions, the others constant; as many rows as above, so that nothing recompiles."""
    x = np.zeros((260, 64), np.float32)
    x[:, :2], _ = made_up.blobs(seed=0, n=260, d=2)
    found = advice.advise(x, None, metric="euclidean", max_points=200)
    assert found["num_rows"] == 260 and found["num_used"] == 200
    assert found["verdict"][0].startswith("Little hubness")
    assert "Leave the space as it is" in found["verdict"][-1]


def test_labels_are_numbered_in_sorted_order(tmp_path):
    (tmp_path / "l.txt").write_text("sport\narts\nsport\n")
    np.save(tmp_path / "l.npy", np.array([7, 3, 7]))
    for name in ("l.txt", "l.npy"):
        np.testing.assert_array_equal(advice.read_labels(str(tmp_path / name)), [1, 0, 1])


def test_bad_labels_and_too_few_rows_are_one_clear_error(tmp_path):
    np.save(tmp_path / "matrix.npy", np.ones((3, 2)))
    with pytest.raises(UserError, match=r"shape \(3, 2\); one label a row"):
        advice.read_labels(str(tmp_path / "matrix.npy"))
    with pytest.raises(UserError, match="No such file"):
        advice.read_labels(str(tmp_path / "none.txt"))
    x = np.zeros((30, 2), np.float32)
    options = dict(metric="euclidean", max_points=100)
    with pytest.raises(UserError, match="29 labels for 30 embeddings"):
        advice.advise(x, np.zeros(29, int), **options)
    with pytest.raises(UserError, match="21 embeddings are too few"):
        advice.advise(x[:21], None, **options)
