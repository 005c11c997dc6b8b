"""Finished parts of a long computation, kept on disk with the digests of what they came from.

A part is an .npz file with a header: the SHA-256 of its inputs and that of its content. One whose
inputs are others, or that is damaged, is computed again, and that is said.
"""

import json
import pathlib
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from experiments.runtime import files
from experiments.runtime.distributed import from_lead, is_lead
from experiments.runtime.errors import UserError
from experiments.runtime.files import digest_of, plain

Part = dict[str, Any]
HEADER = "part"


class Store:
    """The parts below `folder`.

    `check` is called before a part is computed and `guard` before it is written; both may raise.
    `say` tells what is computed again.
    """

    def __init__(
        self,
        folder: pathlib.Path,
        say: Callable[[str], None] = lambda line: None,
        check: Callable[[], None] = lambda: None,
        guard: Callable[[], None] = lambda: None,
    ):
        self.folder, self.say, self.check, self.guard = folder, say, check, guard

    def at(self, name: str) -> "Store":
        """The store below a folder of this one."""
        return Store(self.folder / name, self.say, self.check, self.guard)

    def part(self, name: str, inputs: Any, compute: Callable[[], Mapping[str, Any]]) -> Part:
        """`compute()`, or what it gave before for equal `inputs`: arrays, and values as JSON.

        Of several processes all must ask; the lead looks and writes, and all compute together.

        Args:
          name: the file below the folder, without its suffix.
          inputs: all that the part depends on, as `files.digest_of` reads it.
        """
        path, wanted = self.folder / f"{name}.npz", digest_of(inputs)
        found = self._find(path, wanted) if is_lead() else None
        if not from_lead(found is not None):
            self.check()
            made = compute()
            return self.put(name, inputs, made) if is_lead() else _normal(made)
        return _read(path)[1] if found is None else found

    def put(self, name: str, inputs: Any, part: Mapping[str, Any]) -> Part:
        """Writes a part, whatever was there; returns it as it comes back from its file."""
        self.guard()
        found = _normal(part)
        _write(self.folder / f"{name}.npz", digest_of(inputs), found)
        return found

    def read(self, name: str) -> Part:
        """A finished part. Raises `UserError` where there is none, or it is damaged."""
        try:
            return _read(self.folder / f"{name}.npz")[1]
        except FileNotFoundError as error:
            raise UserError(
                f"{self.folder / name}.npz is missing; run the same command again"
            ) from error

    def _find(self, path: pathlib.Path, wanted: str) -> Part | None:
        try:
            inputs, part = _read(path)
        except FileNotFoundError:
            return None
        except files.DamagedError:
            self.say(f"{path.name} is damaged and is computed again")
            return None
        if inputs != wanted:
            self.say(f"{path.name} was computed from other inputs and is computed again")
            return None
        return part

    def rows(
        self,
        inputs: Mapping[str, Any],
        num_rows: int,
        compute: Callable[[int, int], Mapping[str, np.ndarray]],
        *,
        chunk_rows: int,
        say: Callable[[int, int], None] = lambda done, total: None,
    ) -> dict[str, np.ndarray]:
        """Rows 0 to `num_rows` of `compute(start, stop)`, in parts of `chunk_rows` rows.

        `say(done, total)` is called before the first part that is computed, with the rows that
        were there, and after every one.
        """
        key = {**inputs, "num_rows": num_rows, "chunk_rows": chunk_rows}
        parts: list[Part] = []
        begun = False
        for start in range(0, num_rows, chunk_rows):
            stop = min(start + chunk_rows, num_rows)

            def made(start: int = start, stop: int = stop) -> Mapping[str, np.ndarray]:
                nonlocal begun
                if not begun:
                    begun = True
                    say(start, num_rows)
                return compute(start, stop)

            parts.append(self.part(f"rows-{start:09d}", {**key, "start": start}, made))
            if begun:
                say(stop, num_rows)
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _normal(part: Mapping[str, Any]) -> Part:
    """A part as it comes back from its file."""
    return {n: np.asarray(v) if _is_array(v) else plain(v) for n, v in part.items()}


def _is_array(value: Any) -> bool:
    return hasattr(value, "dtype") and hasattr(value, "shape")


def save(path: pathlib.Path, part: Mapping[str, Any]) -> None:
    """Writes arrays, and values as JSON, to an .npz file with their digest; compressed."""
    _write(path, "", _normal(part), np.savez_compressed)


def load(path: pathlib.Path) -> Part:
    """What `save` wrote; a file of an earlier version, which has no digest, as it is.

    Raises:
      UserError: there is no such file, or it is damaged.
    """
    try:
        return _read(path, older=True)[1]
    except FileNotFoundError as error:
        raise UserError(f"{path} is missing") from error


def _write(path: pathlib.Path, inputs: str, part: Part, how: Callable = np.savez) -> None:
    arrays = {name: value for name, value in part.items() if isinstance(value, np.ndarray)}
    values = {name: value for name, value in part.items() if name not in arrays}
    header = {"inputs": inputs, "content": digest_of(part), "values": values}
    entries = arrays | {HEADER: np.asarray(json.dumps(header))}
    files.write(path, lambda file: how(file, **entries))


def _read(path: pathlib.Path, *, older: bool = False) -> tuple[str, Part]:
    """Digest of the inputs, and the part. Raises `DamagedError`, or `FileNotFoundError`."""
    # NumPy leaves a damaged archive open, so the file is opened here.
    with path.open("rb") as raw:
        try:
            with np.load(raw, allow_pickle=False) as stored:
                arrays = {name: stored[name] for name in stored.files}
            if older and HEADER not in arrays:
                return "", arrays
            header = json.loads(str(arrays.pop(HEADER)))
            part = arrays | header["values"]
            if digest_of(part) != header["content"]:
                raise ValueError("its digest does not match")
            return header["inputs"], part
        except Exception as error:
            # Damage shows as ValueError, KeyError, EOFError, BadZipFile, zlib.error, ...
            raise files.damaged(path, str(error)) from error
