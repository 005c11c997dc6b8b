"""What a run was: config.json (and whether a resumed run still agrees) and manifest.json."""

import datetime
import json
import pathlib
import platform
import subprocess
import sys
from collections.abc import Iterable, Mapping
from importlib import metadata
from typing import Any

import jax

from experiments.runtime.distributed import is_lead
from experiments.runtime.errors import UserError, nearest

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


def claim_workdir(
    workdir: pathlib.Path, config: Mapping[str, Any], allowed: Iterable[str] = ()
) -> None:
    """Makes `workdir` this config's: writes config.json, or checks it against the one there.

    Raises:
      UserError: the folder belongs to a run with another config, and lists each difference; or
        `allowed` names a key that neither config has.
    """
    path = workdir / "config.json"
    new, allowed = json.loads(json.dumps(config)), set(allowed)
    known = flatten(new)
    for key in sorted(allowed):
        if path.exists() and key not in known | flatten(json.loads(path.read_text())):
            raise nearest(key, known, "key in --allow_config_change")
    if path.exists():
        changes = config_changes(json.loads(path.read_text()), new)
        refused = {k: v for k, v in changes.items() if k not in allowed}
        if refused:
            lines = "\n".join(f"  {k}: {a!r} -> {b!r}" for k, (a, b) in refused.items())
            raise UserError(
                f"{workdir} holds a run with another config:\n{lines}\n"
                "Use another --workdir, or name the keys that may change: "
                f"--allow_config_change={','.join(refused)}"
            )
    if is_lead():
        workdir.mkdir(parents=True, exist_ok=True)
        write_json(path, new)


def write_manifest(workdir: pathlib.Path, **facts: Any) -> None:
    """manifest.json: command, code and package versions, devices, and the given facts."""
    if is_lead():
        write_json(workdir / "manifest.json", environment() | facts)


def environment() -> dict[str, Any]:
    """Command, day (UTC), commit, versions and devices of this process."""
    return {
        "command": " ".join(["python", *_program(), *sys.argv[1:]]),
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "commit": _commit(),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "packages": {name: _version(name) for name in PACKAGES},
        "devices": [f"{d.platform}:{d.device_kind}" for d in jax.devices()],
        "processes": jax.process_count(),
    }


def _program() -> list[str]:
    """How this process was started: `-m package.module`, or the file's name."""
    spec = getattr(sys.modules["__main__"], "__spec__", None)
    return ["-m", spec.name] if spec else [pathlib.Path(sys.argv[0]).name]


def write_json(path: pathlib.Path, value: Any) -> None:
    """Writes JSON so that a crash leaves either the old file or the new one."""
    write_bytes(path, (json.dumps(value, indent=2, sort_keys=True) + "\n").encode())


def write_bytes(path: pathlib.Path, data: bytes) -> None:
    """Writes a file, and its folder, so that a crash leaves either the old file or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(path.name + ".tmp")
    temporary.write_bytes(data)
    temporary.replace(path)


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _commit() -> str | None:
    here = pathlib.Path(__file__).parent
    command = ["git", "-C", str(here), "describe", "--always", "--dirty", "--abbrev=12"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None
