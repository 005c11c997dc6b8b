"""Oracles: the arrays written, and the errors promised."""

import numpy as np
import pytest
from safetensors.numpy import save_file

from experiments.models.language import states
from experiments.runtime.errors import UserError

RNG = np.random.default_rng(0)
ARRAYS = {
    "hidden": RNG.normal(size=(5, 3)).astype(np.float32),
    "unembedding": RNG.normal(size=(7, 3)).astype(np.float32),
    "bias": RNG.normal(size=7).astype(np.float32),
    "next_token": np.arange(5),
    "counts": np.arange(7),
}


@pytest.mark.parametrize("kind", ["npz", "safetensors"])
def test_files_are_read(tmp_path, kind):
    path = tmp_path / f"s.{kind}"
    tokens = {"tokens": np.array(list("abcdefg"))} if kind == "npz" else {}
    if kind == "npz":
        np.savez(path, **ARRAYS, **tokens)
    else:
        save_file(ARRAYS, path)
    found = states.read(kind, path)
    for name, array in ARRAYS.items():
        np.testing.assert_array_equal(getattr(found, name), array)
    assert found.tokens == (tuple("abcdefg") if tokens else None)
    assert found.name == "s" and len(found.sha256) == 64


def with_nan():
    hidden = ARRAYS["hidden"].copy()
    hidden[[1, 3], 0] = np.nan, np.inf
    return hidden


@pytest.mark.parametrize(
    "change,message",
    [
        ({"unembedding": np.zeros((7, 4))}, "hidden states of width 3, .* unembedding of width 4"),
        ({"hidden": with_nan()}, "2 of 5 rows of the hidden states .* first is row 1"),
        ({"hidden": np.zeros(3)}, "must be matrices"),
        ({"bias": np.zeros(6)}, "bias of shape"),
        ({"next_token": np.zeros(4, int)}, "next_token has shape"),
        ({"hiden": np.zeros(4)}, "Did you mean 'hidden'"),
    ],
)
def test_other_arrays_are_one_clear_error(tmp_path, change, message):
    np.savez(tmp_path / "s.npz", **(ARRAYS | change))
    with pytest.raises(UserError, match=message):
        states.read("npz", tmp_path / "s.npz")


def test_damaged_pickled_and_missing_files(tmp_path):
    np.savez(tmp_path / "s.npz", **ARRAYS)
    data = (tmp_path / "s.npz").read_bytes()
    (tmp_path / "cut.npz").write_bytes(data[:200])
    np.savez(tmp_path / "pickled.npz", hidden=np.array([{}], dtype=object))
    np.savez(tmp_path / "part.npz", hidden=ARRAYS["hidden"])
    for name, message in [
        ("cut.npz", "truncated"),
        ("pickled.npz", "pickled"),
        ("none.npz", "no file"),
        ("part.npz", "no array 'unembedding'"),
    ]:
        with pytest.raises(UserError, match=message):
            states.read("npz", tmp_path / name)
