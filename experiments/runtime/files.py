"""Every file of a run: written whole or not at all, verified when it is read back.

A JSON file ends in the SHA-256 of all bytes before it, under the key "digest". Files of runs made
before that have none and are read as they are.
"""

import contextlib
import errno
import hashlib
import json
import math
import os
import pathlib
import re
import tempfile
from collections.abc import Callable, Iterator, Mapping
from typing import Any, BinaryIO

import numpy as np

from experiments.runtime.errors import UserError

SEAL = "digest"
_BEFORE, _AFTER = f'  "{SEAL}": "', '"\n}'
_HEX = 64
REASONS = {
    errno.ENOSPC: "the disk is full; free some space",
    errno.EDQUOT: "the disk quota is used up; free some space",
    errno.EROFS: "the file system is read-only; use another folder",
    errno.EACCES: "writing is not permitted; use another folder or change its permissions",
    errno.EPERM: "writing is not permitted; use another folder or change its permissions",
    errno.ENOTDIR: "a part of this path is a file; give a folder",
    errno.ENOENT: "the file or its folder is missing or has vanished",
}


class DamagedError(UserError):
    """A file is not as it was written."""


class StorageError(UserError):
    """The file system refused; what was finished before is kept."""


def reason(error: OSError) -> str:
    """One sentence: the path, what is wrong with it, what to change."""
    cause = REASONS.get(error.errno or 0, error.strerror or str(error))
    return cause if error.filename is None else f"{error.filename}: {cause}"


@contextlib.contextmanager
def explained(path: pathlib.Path) -> Iterator[None]:
    """Turns an `OSError` into a `StorageError` that names `path`."""
    try:
        yield
    except OSError as error:
        if error.filename is None:
            error.filename = str(path)
        raise StorageError(
            f"{reason(error)}. What was finished before is kept; the same command continues from it"
        ) from error


MOUNTS = {"gs": "gcsfuse --implicit-dirs", "s3": "mount-s3"}  # commands that mount a bucket


def folder(given: str | os.PathLike, flag: str = "--workdir") -> pathlib.Path:
    """`given` as a local folder that exists or could be made. The one place that reads prefixes.

    Raises:
      UserError: a remote prefix, a file, or a path below a file or below a read-only folder.
    """
    text = os.fspath(given)
    if remote := re.match(r"([a-zA-Z][a-zA-Z0-9+.-]+):/+([^/]*)/?(.*)", text):
        kind, bucket, rest = remote.groups()  # pathlib makes one slash of two
        how = f" ({MOUNTS[kind]} {bucket} /mnt/{bucket})" if kind in MOUNTS else ""
        raise UserError(
            f"{flag}={text}: remote folders are not supported; mount the bucket as a folder on "
            f"every host{how} and give {flag}=/mnt/{bucket}/{rest}"
        )
    path = pathlib.Path(text)
    if path.exists() and not path.is_dir():
        raise UserError(f"{flag}={path} is a file; give the folder that holds the run")
    check_target(path, flag)
    return path


def check_target(path: pathlib.Path, flag: str) -> None:
    """Raises `UserError` where nothing can be written at `path`, whose folders may be missing."""
    there = next(p for p in (path, *path.absolute().parents) if p.exists())
    if there != path and not there.is_dir():
        raise UserError(f"{flag}={path}: {there} is a file, so nothing can lie below it")
    try:
        if there.is_dir():  # permissions do not say it: nothing can be made in /proc, say
            tempfile.TemporaryFile(dir=there).close()
        writable = os.access(there, os.W_OK)
    except OSError:
        writable = False
    if not writable:
        raise UserError(f"{flag}={path}: nothing can be written in {there}; give another place")


def check_there(path: pathlib.Path) -> None:
    """Raises `UserError` where `path` is no file that can be read."""
    if path.is_dir():
        raise UserError(f"{path} is a folder; a file is needed")
    if not path.is_file():
        raise UserError(f"there is no file {path}")


def check_file(path: pathlib.Path, flag: str, suffix: str) -> None:
    """Raises `UserError` where no file of that suffix can be written at `path`.

    A file of another suffix could be the user's data, which would be lost.
    """
    if path.is_dir():
        raise UserError(f"{flag}={path} is a folder; give a {suffix} file")
    if path.suffix.lower() != suffix:
        raise UserError(f"{flag}={path} is no {suffix} file; give a name that ends in {suffix}")
    check_target(path, flag)


def before(kind: str, path: pathlib.Path) -> None:
    """Called before each effect on a file ("write", "append", "commit"). Tests put faults here."""
    del kind, path


def write(path: pathlib.Path, fill: bytes | str | Callable[[BinaryIO], object]) -> None:
    """Writes a file so that a crash leaves either the old one or the new one.

    `fill` is the content, or a function that writes it to an open binary file.
    """
    with explained(path):
        before("write", path)
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
        try:
            with temporary.open("wb") as file:
                if callable(fill):
                    fill(file)
                else:
                    file.write(fill.encode() if isinstance(fill, str) else fill)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise


def append(path: pathlib.Path, file: BinaryIO, line: str) -> None:
    """Appends a line to an open file; it has left this process when this returns."""
    with explained(path):
        before("append", path)
        file.write(line.encode())
        file.flush()


def plain(value: Any) -> Any:
    """`value` as it comes back from JSON: mappings, lists, strings, numbers, booleans, None."""
    if isinstance(value, Mapping):
        return {str(name): plain(v) for name, v in value.items()}
    if isinstance(value, list | tuple):
        return [plain(v) for v in value]
    if isinstance(value, np.ndarray | np.generic):
        return plain(value.tolist())
    return value


def strict(value: Any) -> Any:
    """`plain(value)`, with NaN and infinities, which JSON lacks, as strings."""
    value = plain(value)
    if isinstance(value, dict):
        return {name: strict(v) for name, v in value.items()}
    if isinstance(value, list):
        return [strict(v) for v in value]
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value


def as_json(value: Any) -> str:
    """JSON text of `strict(value)`, keys in order."""
    return json.dumps(strict(value), indent=2, sort_keys=True, allow_nan=False) + "\n"


def write_json(path: pathlib.Path, value: Mapping[str, Any]) -> None:
    """Writes a JSON object with its digest."""
    if SEAL in value:
        raise ValueError(f"{path.name}: the key {SEAL!r} is reserved")
    body = as_json(value).removesuffix("}\n").removesuffix("\n")
    body += ("\n" if body == "{" else ",\n") + _BEFORE
    write(path, f"{body}{hashlib.sha256(body.encode()).hexdigest()}{_AFTER}\n")


def write_record(path: pathlib.Path, value: Any) -> None:
    """Writes JSON that is published, and so holds nothing else."""
    write(path, as_json(value))


def read_json(path: pathlib.Path) -> dict[str, Any]:
    """What `write_json` wrote.

    Raises:
      DamagedError: the file is empty, cut, changed, or no JSON object.
      UserError: there is none.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError as error:
        raise UserError(f"{path} is missing") from error
    except OSError as error:
        raise StorageError(reason(error)) from error
    try:
        text = data.decode()
        if not _is_intact(text):
            raise ValueError("its digest does not match")
        value = json.loads(text)
        if not isinstance(value, dict):
            raise ValueError("no JSON object")
    except ValueError as error:
        raise damaged(path, f"{error}" if data else "it is empty") from error
    value.pop(SEAL, None)
    return value


def damaged(path: pathlib.Path, why: str) -> DamagedError:
    """The error for a file that is not as it was written."""
    return DamagedError(
        f"{path} is damaged or was changed by hand ({why}); it is not used. Restore it from a "
        "backup, or start again with another --workdir"
    )


def _is_intact(text: str) -> bool:
    """Whether the digest at the end, if there is one, is that of the text before it."""
    text, length = text.removesuffix("\n"), len(_BEFORE) + _HEX + len(_AFTER)
    start, tail = len(text) - length, text[-length:]
    if likeness(tail, _BEFORE, _AFTER) < 0.7:
        return True  # written before there were digests
    body = text[:start] + _BEFORE
    return text == f"{body}{hashlib.sha256(body.encode()).hexdigest()}{_AFTER}"


def likeness(text: str, start: str, end: str) -> float:
    """Share of the characters of `start` and `end` that stand there in `text`.

    Near 1 but below it: a seal with a changed byte, which must not pass for a file without one.
    """
    same = sum(a == b for a, b in zip(text, start, strict=False))
    same += sum(a == b for a, b in zip(reversed(text), reversed(end), strict=False))
    return same / (len(start) + len(end))


def digest_of(value: Any) -> str:
    """SHA-256 of nested mappings, lists, strings, numbers and arrays; keys in any order."""
    sha = hashlib.sha256()
    _feed(sha.update, value)
    return sha.hexdigest()


def _feed(update: Callable[[bytes], None], value: Any) -> None:
    if isinstance(value, Mapping):
        update(b"{%d" % len(value))
        for name in sorted(value):
            _feed(update, name)
            _feed(update, value[name])
    elif isinstance(value, list | tuple):
        update(b"[%d" % len(value))
        for item in value:
            _feed(update, item)
    elif hasattr(value, "dtype") and getattr(value, "shape", ()) != ():
        array = np.asarray(value)
        update(f"a{array.dtype.str}{array.shape}".encode())
        update(np.ascontiguousarray(array).tobytes())
    else:
        text = json.dumps(plain(value)).encode("utf-8", "surrogatepass")
        update(b"j%d " % len(text) + text)
