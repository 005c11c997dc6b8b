"""References as matrices and labels. Oracles: NumPy's own conversions; the errors promised."""

import resource

import numpy as np
import pytest

from experiments import arrays
from experiments.runtime.errors import UserError

MATRIX = np.random.default_rng(0).normal(size=(4, 3))


def test_references_name_a_file_and_an_array():
    assert arrays.split_reference("a.npz:x") == ("a.npz", "x")
    assert arrays.split_reference("d.npy.d/a.NPZ") == ("d.npy.d/a.NPZ", "")
    assert arrays.split_reference("a.safetensors:model/0:w") == ("a.safetensors", "model/0:w")


def test_which_of_several_arrays_is_the_matrix(tmp_path):
    path = str(tmp_path / "x.npz")
    np.savez(path, ids=np.arange(4), embeddings=MATRIX, other=MATRIX + 1)
    np.testing.assert_array_equal(arrays.read_matrix(path), MATRIX)
    np.testing.assert_array_equal(arrays.read_matrix(f"{path}:other"), MATRIX + 1)
    np.savez(path, ids=np.arange(4), x=MATRIX)
    np.testing.assert_array_equal(arrays.read_matrix(path), MATRIX)
    np.savez(path, x=MATRIX, y=MATRIX)
    with pytest.raises(UserError, match=r"holds x, y: give one as .*x.npz:NAME"):
        arrays.read_matrix(path)


@pytest.mark.parametrize(
    "dtype, kept",
    [
        (np.float64, np.float64),
        (np.float32, np.float32),
        (np.float16, np.float32),
        (np.int8, np.float32),
        (np.uint16, np.float32),
        (np.int32, np.float64),
        (np.int64, np.float64),
    ],
)
def test_numbers_are_converted_without_loss(tmp_path, dtype, kept):
    largest = 1 << 53 if np.dtype(dtype).kind in "iu" else 1000
    x = np.array([[1, 2], [3, min(largest, np.iinfo(dtype).max if largest > 1000 else 1000)]])
    np.save(tmp_path / "x.npy", x.astype(dtype))
    found = arrays.read_matrix(str(tmp_path / "x.npy"))
    assert found.dtype == kept
    np.testing.assert_array_equal(found, x)


@pytest.mark.parametrize(
    "array, message",
    [
        (np.array([[1.0, 2], [np.nan, 3], [4, np.inf]]), "2 rows are NaN .* the first is 1"),
        (np.full((2, 2), 1e39), "infinite in float32"),
        (np.zeros(3), "matrix of numbers"),
        (np.zeros((0, 3)), "matrix of numbers"),
        (np.zeros((2, 2), complex), "real numbers, not complex128"),
        (np.array([["a"]]), "real numbers"),
        (np.zeros((2, 2), bool), "real numbers, not bool"),
        (np.array([[1 << 54, 0], [1, 1]]), "beyond 2\\*\\*53"),
    ],
)
def test_matrices_that_cannot_be_used_say_why(tmp_path, array, message):
    np.save(tmp_path / "x.npy", array)
    with pytest.raises(UserError, match=message):
        arrays.read_matrix(str(tmp_path / "x.npy"))


def test_a_large_file_in_half_precision_costs_its_result_only(tmp_path):
    """80 MB of float16: twice that for float32, and blocks of 64 MB."""
    x = np.zeros((200_000, 200), np.float16)
    np.save(tmp_path / "x.npy", x)
    del x
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    found = arrays.read_matrix(str(tmp_path / "x.npy"))
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024
    assert grown < found.nbytes + 2.5 * (1 << 26)


def test_labels_are_numbered_in_sorted_order(tmp_path):
    (tmp_path / "l.txt").write_text("sport\narts\nsport\n")
    np.save(tmp_path / "l.npy", np.array([7, 3, 7]))
    np.savez(tmp_path / "l.npz", embeddings=MATRIX, topic=np.array(["b", "a", "b"]))
    for name in ("l.txt", "l.npy", "l.npz", "l.npz:topic"):
        np.testing.assert_array_equal(arrays.read_labels(str(tmp_path / name)), [1, 0, 1])


@pytest.mark.parametrize(
    "name, write, message",
    [
        (
            "matrix.npy",
            lambda p: np.save(p, np.ones((3, 2))),
            "matrix.npy holds no vector; labels are",
        ),
        ("none.txt", lambda p: None, "there is no file"),
        ("folder.txt", lambda p: p.mkdir(), "folder.txt is a folder; a file is needed"),
        (
            "blank.txt",
            lambda p: p.write_text("a\n\nb\n"),
            "1 are empty, the first is that of row 1",
        ),
        ("nan.npy", lambda p: np.save(p, np.array([1.0, np.nan])), "1 are NaN"),
        ("objects.npy", lambda p: np.save(p, np.array([{}, None])), "pickled"),
        ("bytes.txt", lambda p: p.write_bytes(b"\xff\xfe"), "lines of a text file"),
        ("two.npz", lambda p: np.savez(p, a=[1], b=[2]), "one of a, b: give .*:NAME"),
    ],
)
def test_bad_label_files_are_one_clear_error(tmp_path, name, write, message):
    write(tmp_path / name)
    with pytest.raises(UserError, match=message):
        arrays.read_labels(str(tmp_path / name))
