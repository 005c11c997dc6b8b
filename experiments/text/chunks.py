"""Row blocks of a long computation kept on disk, so that an interrupted run continues."""

import hashlib
import json
import os
import pathlib
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

from experiments.runtime.errors import UserError

Arrays = dict[str, np.ndarray]


def text_digest(texts: Iterable[str]) -> str:
    """SHA-256 of a list of texts; depends on their order and on where one ends."""
    digest = hashlib.sha256()
    for text in texts:
        data = text.encode("utf-8", "surrogatepass")
        digest.update(len(data).to_bytes(8, "little") + data)
    return digest.hexdigest()


def array_digest(*arrays: np.ndarray) -> str:
    """SHA-256 of arrays with their shapes and dtypes."""
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(f"{array.dtype.str}{array.shape}".encode())
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def file_digest(path: pathlib.Path) -> str:
    """SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def compute_in_chunks(
    folder: pathlib.Path,
    key: Mapping[str, Any],
    num_rows: int,
    compute: Callable[[int, int], Arrays],
    *,
    chunk_rows: int,
    say: Callable[[int, int], None] = lambda done, total: None,
) -> Arrays:
    """Rows 0 to `num_rows` of `compute(start, stop)`, from `folder` where they are there already.

    Each chunk is one npz file, written under another name first, with the SHA-256 of its arrays in
    key.json's neighbour chunks.jsonl; a chunk that is missing, unreadable or of another digest is
    computed again. `say(done, total)` is called after every chunk, and once at the start with the
    rows found on disk.

    Args:
      key: what the rows depend on, as JSON values; `folder` serves one key only.
      compute: a dict of arrays with `stop - start` rows each; the same names every time.

    Raises:
      UserError: where `folder` holds chunks of another key.
    """
    folder.mkdir(parents=True, exist_ok=True)
    full_key = json.loads(json.dumps({**key, "num_rows": num_rows, "chunk_rows": chunk_rows}))
    _check_key(folder, full_key)
    digests = _read_digests(folder / "chunks.jsonl")
    starts = range(0, num_rows, chunk_rows)
    chunks = {start: _read_chunk(_path(folder, start), digests.get(start)) for start in starts}
    done = sum(len(next(iter(c.values()))) for c in chunks.values() if c is not None)
    say(done, num_rows)
    for start in starts:
        if chunks[start] is None:
            stop = min(start + chunk_rows, num_rows)
            chunks[start] = compute(start, stop)
            _write_chunk(folder, start, chunks[start])
            done += stop - start
            say(done, num_rows)
    parts = [chunk for chunk in chunks.values() if chunk is not None]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _path(folder: pathlib.Path, start: int) -> pathlib.Path:
    return folder / f"rows-{start:09d}.npz"


def _check_key(folder: pathlib.Path, key: dict[str, Any]) -> None:
    path = folder / "key.json"
    if not path.exists():
        temporary = path.with_suffix(".tmp")
        temporary.write_text(json.dumps(key, indent=2, sort_keys=True) + "\n")
        os.replace(temporary, path)
        return
    found = json.loads(path.read_text())
    if found != key:
        changed = sorted(k for k in found.keys() | key.keys() if found.get(k) != key.get(k))
        was = {k: found.get(k) for k in changed}
        now = {k: key.get(k) for k in changed}
        raise UserError(
            f"{folder} holds the rows of another computation: {was} there, {now} asked for. "
            "Use another --workdir, or delete that folder."
        )


def _read_digests(path: pathlib.Path) -> dict[int, str]:
    digests = {}
    for line in path.read_text().splitlines() if path.exists() else []:
        try:
            entry = json.loads(line)
            digests[entry["start"]] = entry["sha256"]
        except (ValueError, KeyError):
            # A line cut off by a kill: its chunk is computed again.
            continue
    return digests


def _read_chunk(path: pathlib.Path, digest: str | None) -> Arrays | None:
    if digest is None or not path.exists():
        return None
    try:
        # Opened here: NumPy leaves a file that is no archive open.
        with path.open("rb") as raw, np.load(raw, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
    except Exception:
        # NumPy raises many types for damaged archives, zlib.error and BadZipFile among them.
        return None
    return arrays if _chunk_digest(arrays) == digest else None


def _chunk_digest(arrays: Arrays) -> str:
    return array_digest(*(arrays[name] for name in sorted(arrays)))


def _write_chunk(folder: pathlib.Path, start: int, arrays: Arrays) -> None:
    path = _path(folder, start)
    temporary = path.with_suffix(".tmp.npz")
    np.savez(temporary, **arrays)
    os.replace(temporary, path)
    with (folder / "chunks.jsonl").open("a") as file:
        line = json.dumps({"start": start, "sha256": _chunk_digest(arrays)})
        # After a cut-off line, ours must still begin a new one.
        file.write(("\n" if file.tell() else "") + line)
