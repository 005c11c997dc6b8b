"""Reading a matrix to audit: one sentence for each that cannot be."""

import numpy as np
import pytest

from experiments.arrays import save
from experiments.label_cosine.audit import read_matrix
from experiments.runtime.errors import UserError

W = np.random.default_rng(0).normal(size=(6, 4))


def with_nan():
    w = W.copy()
    w[3, 1] = np.nan
    return w


@pytest.mark.parametrize(
    "matrix, bias, message",
    [
        (with_nan(), None, "1 rows are NaN or infinite, the first is 3"),
        (np.ones((6, 4)), None, "all 6 rows are equal"),
        (W[:2], None, "3 labels or more"),
        (W * (np.arange(len(W)) != 2)[:, None], None, "1 rows are zero, the first is 2,"),
        (W, np.zeros(5), r"shape \(5,\); accepted is \(6,\)"),
        (W, np.full(6, np.nan), "one finite number for each label"),
    ],
)
def test_matrices_that_cannot_be_audited_are_one_sentence(tmp_path, matrix, bias, message):
    save(tmp_path / "w.npz", {"w": matrix} | ({} if bias is None else {"b": bias}))
    bias_of = "" if bias is None else f"{tmp_path}/w.npz:b"
    with pytest.raises(UserError, match=message):
        read_matrix(f"{tmp_path}/w.npz:w", bias_of, 100, 0)


def test_every_format_of_arrays_is_read(tmp_path):
    np.savetxt(tmp_path / "w.csv", W, delimiter=",")
    found, bias = read_matrix(f"{tmp_path}/w.csv", "", 100, 0)
    np.testing.assert_allclose(found, W, rtol=1e-6)
    assert not bias.any()


def test_a_bias_may_be_the_one_column_of_a_table(tmp_path):
    b = np.arange(6.0)
    np.save(tmp_path / "w.npy", W)
    np.save(tmp_path / "b.npy", b[:, None])
    np.savetxt(tmp_path / "b.csv", b)
    for name in ("b.npy", "b.csv"):
        assert (read_matrix(f"{tmp_path}/w.npy", f"{tmp_path}/{name}", 100, 0)[1] == b).all()
