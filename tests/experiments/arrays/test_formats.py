"""Files of arrays in every format. Oracle: what was written, bit for bit, and the file's size."""

import zipfile

import jax.numpy as jnp
import numpy as np
import pytest
from safetensors.numpy import save_file

from experiments import arrays
from experiments.runtime.errors import UserError

MATRIX = np.random.default_rng(0).normal(size=(5, 3))
HALF = MATRIX.astype(jnp.bfloat16)


def test_files_are_mapped_where_the_format_allows(tmp_path):
    np.save(tmp_path / "x.npy", MATRIX)
    save_file({"x": MATRIX}, tmp_path / "x.safetensors")
    for name in ("x.npy", "x.safetensors"):
        found = arrays.load_one(str(tmp_path / name))
        assert isinstance(found, np.memmap)
        np.testing.assert_array_equal(found, MATRIX)


@pytest.mark.parametrize("name", ["x.NPY", "x.Npz", "x.SafeTensors"])
def test_suffixes_may_be_capital(tmp_path, name):
    write = {".npy": np.save, ".npz": np.savez}.get((tmp_path / name).suffix.lower())
    with (tmp_path / name).open("wb") as file:
        if write:
            write(file, MATRIX)
    if not write:
        save_file({"x": MATRIX}, tmp_path / name)
    np.testing.assert_array_equal(arrays.read_matrix(str(tmp_path / name)), MATRIX)


def test_bfloat16_is_read_from_every_format(tmp_path):
    """NumPy writes its two bytes without a name."""
    np.save(tmp_path / "x.npy", HALF)
    np.savez(tmp_path / "x.npz", HALF)
    np.savez_compressed(tmp_path / "y.npz", HALF)
    save_file({"x": HALF}, tmp_path / "x.safetensors")
    for name in ("x.npy", "x.npz", "y.npz", "x.safetensors"):
        found = arrays.read_matrix(str(tmp_path / name))
        assert found.dtype == np.float32
        np.testing.assert_array_equal(found, HALF.astype(np.float32))


def test_column_order_and_byte_order_do_not_matter(tmp_path):
    np.save(tmp_path / "f.npy", np.asfortranarray(MATRIX))
    np.save(tmp_path / "big.npy", MATRIX.astype(">f8"))
    for name in ("f.npy", "big.npy"):
        found = arrays.read_matrix(str(tmp_path / name))
        assert found.dtype.isnative
        np.testing.assert_array_equal(found, MATRIX)


def test_an_array_of_objects_disturbs_no_other(tmp_path):
    np.savez(tmp_path / "x.npz", vectors=MATRIX, texts=np.array([{}, None], object))
    np.testing.assert_array_equal(arrays.read_matrix(f"{tmp_path}/x.npz:vectors"), MATRIX)
    np.testing.assert_array_equal(arrays.read_matrix(f"{tmp_path}/x.npz"), MATRIX)
    with pytest.raises(UserError, match="'texts' cannot be read: .*[Oo]bject"):
        arrays.load_one(f"{tmp_path}/x.npz:texts")


def claim(path, shape):
    """A .npy file whose header claims `shape` in place of (5, 3)."""
    np.save(path, MATRIX)
    data = path.read_bytes()
    old, new = b"(5, 3), }", f"{shape}, }}".encode()
    padded = old + b" " * (len(new) - len(old))
    assert data.count(padded) == 1
    path.write_bytes(data.replace(padded, new))
    return path


def test_declared_shapes_are_checked_against_the_size_of_the_file(tmp_path):
    claim(tmp_path / "x.npy", (5, 1 << 60))
    with pytest.raises(UserError, match="needs .* bytes, and 120 are there"):
        arrays.load(tmp_path / "x.npy")
    with zipfile.ZipFile(tmp_path / "x.npz", "w") as archive:
        archive.write(tmp_path / "x.npy", "x.npy")
    with pytest.raises(UserError, match="needs .* bytes, and 120 are there"):
        arrays.load(tmp_path / "x.npz")


@pytest.mark.parametrize("keep", [0, 5, 60, 180])
@pytest.mark.parametrize("suffix", [".npy", ".npz", ".safetensors"])
def test_truncated_files_are_one_clear_error(tmp_path, suffix, keep):
    whole, cut = tmp_path / f"x{suffix}", tmp_path / f"cut{suffix}"
    arrays.save(whole, {"a": MATRIX})
    cut.write_bytes(whole.read_bytes()[:keep])
    with pytest.raises(UserError, match="cannot be read"):
        arrays.load(cut)


@pytest.mark.parametrize(
    "name, message",
    [
        ("x.pt", "never read: save with safetensors"),
        ("x.pkl", "pickles run code"),
        ("x.bin", "binary=False"),
        ("x.safetensor", "Did you mean '.safetensors'"),
        ("x", "Accepted: .csv, .npy"),
        ("none.npy", "there is no file"),
        ("folder.npy", "folder.npy is a folder; a file is needed"),
    ],
)
def test_other_files_are_named_with_what_to_do(tmp_path, name, message):
    (tmp_path / "folder.npy").mkdir()
    with pytest.raises(UserError, match=message):
        arrays.load_one(str(tmp_path / name))
