"""What a run was: its config, and whether a resumed run still agrees with it; its environment."""

import datetime
import pathlib
import platform
import shlex
import subprocess
import sys
from collections.abc import Iterable, Mapping
from importlib import metadata
from typing import Any

import jax

from experiments.runtime.errors import UserError, nearest
from experiments.runtime.files import plain, read_json

CONFIG, MANIFEST = "config.json", "manifest.json"
DIRTY = "-dirty"
# What git says of files that differ from the commit, but for those that runs and reports write.
WRITTEN = ("results", "docs", "README.md")
_ELSEWHERE = (":/", *(f":(top,exclude){path}" for path in WRITTEN))
CHANGED = ("status", "--porcelain", "--untracked-files=no", "--", *_ELSEWHERE)
PACKAGES = ("repgeo", "jax", "jaxlib", "flax", "optax", "orbax-checkpoint", "numpy")


def flatten(config: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """A nested mapping as {"a.b.c": value}."""
    flat: dict[str, Any] = {}
    for name, value in config.items():
        if isinstance(value, Mapping):
            flat |= flatten(value, f"{prefix}{name}.")
        else:
            flat[prefix + name] = value
    return flat


def config_changes(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    """Keys whose values differ, as {key: (old, new)}; a key that one side lacks counts as None."""
    before, after = flatten(old), flatten(new)
    keys = sorted(before.keys() | after.keys())
    return {k: (before.get(k), after.get(k)) for k in keys if before.get(k) != after.get(k)}


def check_config(
    workdir: pathlib.Path,
    config: Mapping[str, Any],
    allowed: Iterable[str] | None = (),
    fixed: Mapping[str, str] | None = None,
) -> dict[str, tuple[Any, Any]]:
    """What `allowed` changes of the config in `workdir`, as {key: (old, new)}; {} where none is.

    A key that the stored config lacks, as one of an older version does, counts as its default.

    Args:
      allowed: None where the command has no --allow_config_change that could be proposed.
      fixed: keys, or their first words, that no resumed run may change, and why.

    Raises:
      UserError: the folder belongs to a run with another config, and lists each difference; or
        `allowed` names a key that neither config has, or one of `fixed`.
    """
    path, proposed, allowed = workdir / CONFIG, allowed is not None, set(allowed or ())
    new = plain(config)
    old = read_json(path) if path.exists() else new
    known = flatten(new)
    for key in sorted(allowed - (known | flatten(old)).keys()):
        raise nearest(key, known, "key in --allow_config_change")
    there = flatten(old)
    changes = {k: v for k, v in config_changes(old, new).items() if k in there}
    refused = {k: v for k, v in changes.items() if k not in allowed}
    if refused:
        lines = "\n".join(f"  {k}: {a!r} -> {b!r}" for k, (a, b) in refused.items())
        name = f", or name the keys that may change: --allow_config_change={','.join(refused)}"
        raise UserError(
            f"{workdir} holds a run with another config:\n{lines}\n"
            f"Use another --workdir{name if proposed else ''}"
        )
    for key, (a, b) in changes.items():
        for word, why in (fixed or {}).items():
            if f"{key}.".startswith(f"{word}."):
                raise UserError(f"{key} cannot change from {a!r} to {b!r} in {workdir}: {why}")
    return changes


def check_study(workdir: pathlib.Path, study: str | None) -> None:
    """Raises `UserError` where the run in `workdir` is of another study, whatever may change."""
    path = workdir / MANIFEST
    before = read_json(path).get("study", study) if path.exists() else study
    if study and before != study:
        raise UserError(f"{workdir} holds a run of {before}, not of {study}; use another --workdir")


def check_data(workdir: pathlib.Path, digests: Mapping[str, str]) -> None:
    """Raises `UserError` where the run in `workdir` was made on other data of the same name."""
    path = workdir / MANIFEST
    before = read_json(path).get("digests", {}) if path.exists() else {}
    for name, digest in digests.items():
        if before.get(name, digest) != digest:
            raise UserError(
                f"{workdir} holds a run on other data: {name} had SHA-256 {before[name]}, now it "
                f"is {digest}. Give the data of that run, or use another --workdir"
            )


def origin(
    workdir: pathlib.Path, source: pathlib.Path | None, step: int | None
) -> dict[str, dict[str, Any]]:
    """What to say of the run `source` whose weights a new run in `workdir` starts from.

    {} where there is none, or a run in `workdir` already, which keeps what was said of it.

    Raises:
      UserError: the run in `workdir` did not start from `source`.
    """
    path = workdir / MANIFEST
    if source is None:
        return {}
    if not path.exists():
        return {"init_from": {"run": str(source), "step": step}}
    before = read_json(path).get("init_from")
    if before is None or pathlib.Path(before["run"]).resolve() != source.resolve():
        began = "weights of its own" if before is None else f"those of {before['run']}"
        raise UserError(
            f"--init_from={source}: {workdir} holds a run that began from {began}; leave it out to "
            "resume that run, or use another --workdir"
        )
    return {}


def environment() -> dict[str, Any]:
    """Command, day (UTC), commit, versions and devices of this process.

    And the precision of products, JAX's default or JAX_DEFAULT_MATMUL_PRECISION: by default a TPU
    takes float32 ones in bfloat16, and a GPU of today in TF32.
    """
    return {
        "command": shlex.join([*_program(), *sys.argv[1:]]),
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "commit": _commit(),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "packages": {name: _version(name) for name in PACKAGES},
        "devices": [f"{d.platform}:{d.device_kind}" for d in jax.devices()],
        "matmul_precision": jax.config.values["jax_default_matmul_precision"] or "default",
        "processes": jax.process_count(),
    }


PLACES = ("workdir", "record", "page", "torch_python")  # flags that name what only this machine has


def portable() -> dict[str, Any]:
    """`environment`, its command without this machine's folders."""
    kept, values = [], 0
    for word in sys.argv[1:]:
        flag = word.removeprefix("-").removeprefix("-") if word.startswith("-") else ""
        if values or flag.partition("=")[0] in (*PLACES, "json"):
            values = int(not values and flag in PLACES)  # a space for the =
        else:
            kept.append(word)
    return environment() | {"command": shlex.join([*_program(), *kept, "--workdir=DIR"])}


def _program() -> list[str]:
    """How this process was started: as `python -m MODULE`, `python FILE.py` or a command."""
    spec = getattr(sys.modules["__main__"], "__spec__", None)
    if spec:
        return ["python", "-m", spec.name.removesuffix(".__main__")]
    name = pathlib.Path(sys.argv[0]).name
    return ["python", name] if not name or name.endswith(".py") else [name]


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _commit() -> str | None:
    """The commit of this code, "-dirty" behind it where files of it differ; None outside a clone.

    What runs write does not count, or the first of several recorded runs would mark the others.
    """
    git = ["git", "-C", str(pathlib.Path(__file__).parent)]
    try:
        described, differs = (
            subprocess.run([*git, *words], capture_output=True, text=True, check=True).stdout
            for words in (("rev-parse", "--short=12", "HEAD"), CHANGED)
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return described.strip() + (DIRTY if differs else "")
