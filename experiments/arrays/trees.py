"""Any pytree as a set of named arrays in a file: .npz, .npy or .safetensors.

A pytree is stored flat, the name of a leaf being its path joined by "/": {"mlp": {"w": w}} has the
one array "mlp/w", a list's items are "0", "1", …
"""

import os
import pathlib
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from experiments.arrays.lazy import UNNAMED
from experiments.arrays.references import load
from experiments.runtime.errors import UserError

_WRITTEN = (".npz", ".npy", ".safetensors")


def flatten(tree: Any) -> dict[str, np.ndarray]:
    """The leaves of a pytree by name. Raises `UserError` for a key that holds "/" or a bad leaf."""
    named: dict[str, np.ndarray] = {}
    for path, leaf in jax.tree_util.tree_flatten_with_path(tree)[0]:
        words = [_word(entry) for entry in path]
        if any("/" in word for word in words):
            raise UserError(f"a key of the tree holds '/', which joins keys in names: {words}")
        if isinstance(leaf, jax.Array) and jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key):
            raise UserError(f"{'/'.join(words)} is a random key; store jax.random.key_data of it")
        name = "/".join(words) or UNNAMED
        if name in named:
            raise UserError(f"two leaves of the tree are named {name!r}; rename one of the keys")
        named[name] = np.asarray(leaf)
    return named


def save(path: str | os.PathLike[str], tree: Any) -> None:
    """Writes the leaves of a pytree; the file's suffix is its format. Atomic: whole or not at all.

    A .npy file holds one array.
    """
    path = pathlib.Path(path)
    named = flatten(tree)
    _check_suffix(path)
    temporary = path.with_name(f".{path.name}.tmp{path.suffix}")
    if path.suffix == ".npz":
        # The stub takes any name for allow_pickle.
        np.savez(temporary, **named)  # pyright: ignore[reportArgumentType]
    elif path.suffix == ".safetensors":
        from safetensors.numpy import save_file

        save_file({name: np.asarray(a, order="C") for name, a in named.items()}, temporary)
    elif len(named) == 1:
        np.save(temporary, next(iter(named.values())))
    else:
        raise UserError(f"{path} can hold one array, not {len(named)}; use .npz or .safetensors")
    temporary.replace(path)


def load_like(path: str | os.PathLike[str], example: Any) -> Any:
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


def _check_suffix(path: pathlib.Path) -> None:
    if path.suffix not in _WRITTEN:
        raise UserError(f"{path} has suffix {path.suffix!r}; accepted are {', '.join(_WRITTEN)}")


def _word(entry: Any) -> str:
    """One step of a path: a dict's key, a sequence's index or a named tuple's field."""
    for attribute in ("key", "idx", "name"):
        if hasattr(entry, attribute):
            return str(getattr(entry, attribute))
    return str(entry)
