"""Files of named arrays. Oracle: what was written, bit for bit."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from experiments import arrays
from experiments.runtime.errors import UserError


class Pair(NamedTuple):
    f: np.ndarray
    g: np.ndarray


@pytest.fixture
def tree():
    r = np.random.default_rng(0)
    return {
        "models": [Pair(r.normal(size=(3, 2)), np.arange(4)), {"b": jnp.ones(2, jnp.bfloat16)}],
        "step": jnp.int32(7),
    }


NAMES = {"models/0/f", "models/0/g", "models/1/b", "step"}


def test_names_are_paths(tree):
    assert set(arrays.flatten(tree)) == NAMES
    assert set(arrays.flatten(np.ones(2))) == {"array"}


@pytest.mark.parametrize("suffix", [".npz", ".safetensors"])
def test_a_tree_comes_back_bit_for_bit(tree, suffix, tmp_path):
    path = tmp_path / f"tree{suffix}"
    if suffix == ".npz":
        tree["models"][1]["b"] = np.float16([1, 2])
    arrays.save(path, tree)
    back = arrays.load_like(path, tree)
    assert jax.tree.structure(back) == jax.tree.structure(tree)
    for got, want in zip(jax.tree.leaves(back), jax.tree.leaves(tree), strict=True):
        want = np.asarray(want)
        assert got.dtype == want.dtype and got.tobytes() == want.tobytes()
    assert list(tmp_path.iterdir()) == [path]


def test_an_optimiser_state_is_a_tree_too(tmp_path):
    state = optax.adam(1e-3).init({"w": jnp.ones((2, 3))})
    arrays.save(tmp_path / "state.safetensors", state)
    back = arrays.load_like(tmp_path / "state.safetensors", state)
    assert jax.tree.structure(back) == jax.tree.structure(state)


def test_one_array(tmp_path):
    x = np.arange(6.0).reshape(2, 3)
    arrays.save(tmp_path / "x.npy", x)
    np.testing.assert_array_equal(arrays.load_one(str(tmp_path / "x.npy")), x)
    arrays.save(tmp_path / "two.npz", {"x": x, "y": 2 * x})
    np.testing.assert_array_equal(arrays.load_one(f"{tmp_path}/two.npz:y"), 2 * x)


class TestErrors:
    def test_references(self, tmp_path):
        arrays.save(tmp_path / "two.npz", {"first": np.ones(1), "second": np.ones(1)})
        with pytest.raises(UserError, match="holds first, second: give one as"):
            arrays.load_one(str(tmp_path / "two.npz"))
        with pytest.raises(UserError, match="Did you mean 'second'"):
            arrays.load_one(f"{tmp_path}/two.npz:secund")
        with pytest.raises(UserError, match="never read: save with safetensors"):
            arrays.load_one("model.pt")
        with pytest.raises(UserError, match="Did you mean '.npy'"):
            arrays.load_one("model.npyy")

    def test_files(self, tmp_path):
        with pytest.raises(UserError, match="there is no file"):
            arrays.load(tmp_path / "absent.npz")
        (tmp_path / "broken.safetensors").write_bytes(b"not one")
        with pytest.raises(UserError, match="cannot be read as safetensors"):
            arrays.load(tmp_path / "broken.safetensors")
        with pytest.raises(UserError, match="suffix '.pt'"):
            arrays.save(tmp_path / "model.pt", {"a": np.ones(1)})
        with pytest.raises(UserError, match="one array, not 2"):
            arrays.save(tmp_path / "x.npy", [np.ones(1), np.ones(1)])

    def test_trees(self, tree, tmp_path):
        with pytest.raises(UserError, match="'/'"):
            arrays.flatten({"a/b": np.ones(1)})
        with pytest.raises(UserError, match="random key"):
            arrays.flatten({"key": jax.random.key(0)})
        path = tmp_path / "tree.npz"
        arrays.save(path, {"a": np.ones(2)})
        with pytest.raises(UserError, match=r"missing \['b'\], left over \['a'\]"):
            arrays.load_like(path, {"b": np.ones(2)})
        with pytest.raises(UserError, match=r"shape \(2,\).*accepted is \(3,\)"):
            arrays.load_like(path, {"a": np.ones(3)})
