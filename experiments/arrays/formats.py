"""The formats that arrays are read from, one function each: what a file holds, not read yet."""

import json
import math
import os
import pathlib
import zipfile
from collections.abc import Callable
from typing import IO

import jax.numpy as jnp
import numpy as np

from experiments.arrays import tables, word2vec
from experiments.arrays.lazy import UNNAMED, Stored
from experiments.runtime import files
from experiments.runtime.errors import UserError, nearest

# Deflate packs at most 1,032 bytes into one: a member that claims more is damaged.
_DEFLATE_LIMIT = 1_100
_SAFETENSORS = {
    "BOOL": np.bool_,
    "U8": np.uint8,
    "I8": np.int8,
    "U16": np.uint16,
    "I16": np.int16,
    "U32": np.uint32,
    "I32": np.int32,
    "U64": np.uint64,
    "I64": np.int64,
    "F16": np.float16,
    "BF16": jnp.bfloat16,
    "F32": np.float32,
    "F64": np.float64,
    "F8_E4M3": jnp.float8_e4m3fn,
    "F8_E5M2": jnp.float8_e5m2,
}
_ADVICE = {
    ".bin": "word2vec's binary form is not read: save with save_word2vec_format(binary=False)",
    ".h5": "HDF5 is not read: save the matrix with numpy.save",
    ".pkl": "pickles run code and are never read: save the matrix with numpy.save",
    ".pt": "PyTorch's pickles run code and are never read: save with safetensors.torch.save_file",
}
_ADVICE |= {".pickle": _ADVICE[".pkl"], ".pth": _ADVICE[".pt"], ".hdf5": _ADVICE[".h5"]}


def stored(path: str | os.PathLike[str]) -> dict[str, Stored]:
    """The arrays of a file by name, by the format that its suffix names in either case.

    Raises:
      UserError: for a missing file, another format, or a file that is damaged.
    """
    path = pathlib.Path(path)
    suffix = path.suffix.lower()
    if suffix not in FORMATS and not path.is_dir():
        if suffix in _ADVICE:
            raise UserError(f"{path}: {_ADVICE[suffix]}")
        raise nearest(suffix, FORMATS, f"suffix of {path}")
    files.check_there(path)
    try:
        return FORMATS[suffix](path)
    except UserError:
        raise
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is no text in UTF-8: {error}; save it as UTF-8") from error
    except Exception as error:
        # Damage shows as ValueError, EOFError, BadZipFile, KeyError, ...
        raise UserError(
            f"{path} cannot be read as {suffix[1:]}, it is truncated or of another format: {error}"
        ) from error


def _npy(path: pathlib.Path) -> dict[str, Stored]:
    with path.open("rb") as file:
        shape, fortran, dtype = _header(file)
        offset = file.tell()
    _fits(shape, dtype, path.stat().st_size - offset)

    def read() -> np.ndarray:
        order = "F" if fortran else "C"
        return _mapped(path, dtype, offset, shape, order)

    return {UNNAMED: Stored(shape, dtype, read)}


def _npz(path: pathlib.Path) -> dict[str, Stored]:
    with zipfile.ZipFile(path) as archive:
        members = [info for info in archive.infolist() if info.filename.endswith(".npy")]
    return {info.filename.removesuffix(".npy"): _member(path, info) for info in members}


def _member(path: pathlib.Path, info: zipfile.ZipInfo) -> Stored:
    """One array of an archive; damage to it shows when it is read, not when another one is."""

    def read() -> np.ndarray:
        with zipfile.ZipFile(path) as archive, archive.open(info) as member:
            shape, _, dtype = _header(member)
            if info.file_size > _DEFLATE_LIMIT * max(info.compress_size, 1):
                raise ValueError(f"it claims {info.file_size:,} bytes of {info.compress_size:,}")
            _fits(shape, dtype, info.file_size - member.tell())
            member.seek(0)
            return _known(np.lib.format.read_array(member, allow_pickle=False))

    try:
        with zipfile.ZipFile(path) as archive, archive.open(info) as member:
            shape, _, dtype = _header(member)
    except Exception:
        # zipfile raises many types for damaged members.
        return Stored(None, None, read)
    return Stored(shape, dtype, read)


def _header(file: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype]:
    """Shape, whether the first axis varies fastest, and dtype of a .npy file."""
    version = np.lib.format.read_magic(file)
    if version == (1, 0):
        shape, fortran, dtype = np.lib.format.read_array_header_1_0(file)
    elif version == (2, 0):
        shape, fortran, dtype = np.lib.format.read_array_header_2_0(file)
    else:
        raise ValueError(f"version {version} of the format is for named fields, not for numbers")
    return shape, fortran, _bfloat16(dtype)


def _bfloat16(dtype: np.dtype) -> np.dtype:
    # NumPy writes bfloat16 as two bytes without a meaning; nothing else of two bytes is.
    return np.dtype(jnp.bfloat16) if dtype.str[1:] == "V2" and not dtype.names else dtype


def _known(array: np.ndarray) -> np.ndarray:
    return array.view(_bfloat16(array.dtype))


def _safetensors(path: pathlib.Path) -> dict[str, Stored]:
    import safetensors

    # The library checks names, dtypes and offsets against the file's size.
    with safetensors.safe_open(path, framework="numpy"):
        pass
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        header = json.loads(file.read(length))
    header.pop("__metadata__", None)
    return {name: _tensor(path, 8 + length, entry) for name, entry in header.items()}


def _tensor(path: pathlib.Path, start: int, entry: dict) -> Stored:
    shape, kind = tuple(entry["shape"]), entry["dtype"]
    dtype = np.dtype(_SAFETENSORS[kind]) if kind in _SAFETENSORS else None

    def read() -> np.ndarray:
        if dtype is None:
            raise ValueError(f"dtype {kind} is not read; store it as F32 or BF16")
        return _mapped(path, dtype, start + entry["data_offsets"][0], shape, "C")

    return Stored(shape, dtype, read)


def _fits(shape: tuple[int, ...], dtype: np.dtype, available: int) -> None:
    if dtype.hasobject:
        return
    needed = math.prod(shape) * dtype.itemsize
    if min(shape, default=0) < 0 or needed > available:
        raise ValueError(
            f"shape {shape} of {dtype} needs {needed:,} bytes, and {available:,} are there"
        )


def _mapped(
    path: pathlib.Path, dtype: np.dtype, offset: int, shape: tuple[int, ...], order: str
) -> np.ndarray:
    if dtype.hasobject:
        raise ValueError("it holds pickled objects, which are never read")
    if 0 in shape:
        return np.empty(shape, dtype)
    return np.memmap(path, dtype, "r", offset, shape, "F" if order == "F" else "C")


FORMATS: dict[str, Callable[[pathlib.Path], dict[str, Stored]]] = {
    ".csv": tables.csv,
    ".npy": _npy,
    ".npz": _npz,
    ".parquet": tables.parquet,
    ".safetensors": _safetensors,
    ".tsv": tables.tsv,
    ".txt": word2vec.read,
    ".vec": word2vec.read,
    ".w2v": word2vec.read,
}
SUFFIXES = tuple(FORMATS)
