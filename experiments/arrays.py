"""Named arrays in files: .npz, .npy and .safetensors, and any pytree as a set of them.

A pytree is stored flat, the name of a leaf being its path joined by "/": {"mlp": {"w": w}} has the
one array "mlp/w", a list's items are "0", "1", …
"""

import os
import pathlib
from typing import Any

import jax
import numpy as np

from experiments.runtime.errors import UserError, nearest

SUFFIXES = (".npz", ".npy", ".safetensors")
# The name of the one array of a .npy file.
UNNAMED = "array"


def flatten(tree: Any) -> dict[str, np.ndarray]:
    """The leaves of a pytree by name. Raises `UserError` for a key that holds "/" or a bad leaf."""
    named: dict[str, np.ndarray] = {}
    for path, leaf in jax.tree_util.tree_flatten_with_path(tree)[0]:
        words = [_word(entry) for entry in path]
        if any("/" in word for word in words):
            raise UserError(f"a key of the tree holds '/', which joins keys in names: {words}")
        if isinstance(leaf, jax.Array) and jax.dtypes.issubdtype(leaf.dtype, jax.dtypes.prng_key):
            raise UserError(f"{'/'.join(words)} is a random key; store jax.random.key_data of it")
        name = "/".join(words) or UNNAMED
        if name in named:
            raise UserError(f"two leaves of the tree are named {name!r}; rename one of the keys")
        named[name] = np.asarray(leaf)
    return named


def save(path: str | os.PathLike, tree: Any) -> None:
    """Writes the leaves of a pytree; the file's suffix is its format. Atomic: whole or not at all.

    A .npy file holds one array.
    """
    path = pathlib.Path(path)
    named = flatten(tree)
    _check_suffix(path)
    temporary = path.with_name(f".{path.name}.tmp{path.suffix}")
    if path.suffix == ".npz":
        np.savez(temporary, **named)  # pyright: ignore[reportArgumentType]
    elif path.suffix == ".safetensors":
        from safetensors.numpy import save_file

        save_file({name: np.asarray(a, order="C") for name, a in named.items()}, temporary)
    elif len(named) == 1:
        np.save(temporary, *named.values())
    else:
        raise UserError(f"{path} can hold one array, not {len(named)}; use .npz or .safetensors")
    temporary.replace(path)


def load(path: str | os.PathLike) -> dict[str, np.ndarray]:
    """All arrays of a file by name. Raises `UserError` for a file that cannot be read as one."""
    path = pathlib.Path(path)
    _check_suffix(path)
    try:
        if path.suffix == ".npz":
            with np.load(path, allow_pickle=False) as stored:
                return dict(stored)
        if path.suffix == ".npy":
            return {UNNAMED: np.load(path, allow_pickle=False)}
        from safetensors.numpy import load_file

        return load_file(path)
    except FileNotFoundError as error:
        raise UserError(f"there is no file {path}") from error
    except Exception as error:
        raise UserError(f"{path} cannot be read as {path.suffix[1:]}: {error}") from error


def load_like(path: str | os.PathLike, example: Any) -> Any:
    """The file's arrays in the structure of `example`, with its shapes; dtypes are the file's.

    Raises:
      UserError: a name is missing or left over, or a shape differs.
    """
    stored, wanted = load(path), flatten(example)
    missing, extra = sorted(wanted.keys() - stored.keys()), sorted(stored.keys() - wanted.keys())
    if missing or extra:
        raise UserError(
            f"{path} does not hold this tree: missing {missing[:5]}, left over {extra[:5]}"
        )
    for name, array in wanted.items():
        if stored[name].shape != array.shape:
            raise UserError(
                f"{name} has shape {stored[name].shape} in {path}; accepted is {array.shape}"
            )
    return jax.tree.unflatten(jax.tree.structure(example), [stored[name] for name in wanted])


def load_one(reference: str) -> np.ndarray:
    """The array FILE:NAME, or the only one of FILE."""
    path, name = split_reference(reference)
    stored = load(path)
    if name:
        if name not in stored:
            raise nearest(name, stored, f"array in {path}")
        return stored[name]
    if len(stored) != 1:
        raise UserError(f"{path} holds {', '.join(sorted(stored))}: give one as {path}:NAME")
    return next(iter(stored.values()))


def split_reference(reference: str) -> tuple[str, str]:
    """FILE:NAME as (FILE, NAME); the name may be empty."""
    for suffix in SUFFIXES:
        path, found, rest = reference.partition(suffix)
        if found and (not rest or rest.startswith(":")):
            return path + suffix, rest[1:]
    raise UserError(f"{reference!r} names no file in one of the formats {', '.join(SUFFIXES)}")


def _check_suffix(path: pathlib.Path) -> None:
    if path.suffix not in SUFFIXES:
        raise UserError(f"{path} has suffix {path.suffix!r}; accepted are {', '.join(SUFFIXES)}")


def _word(entry: Any) -> str:
    """One step of a path: a dict's key, a sequence's index or a named tuple's field."""
    for attribute in ("key", "idx", "name"):
        if hasattr(entry, attribute):
            return str(getattr(entry, attribute))
    return str(entry)
