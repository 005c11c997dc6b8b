"""What a study found, as one JSON object: read from anywhere, with what it was made by."""

import json
import math
import pathlib
from collections.abc import Mapping
from typing import Any

from experiments.runtime import moved
from experiments.runtime.errors import UserError

Record = Mapping[str, Any]
# The newest name first; the others are those of runs made before there was one.
NAMES = ("record.json", "summary.json", "result.json", "compare.json", "advice.json", "eval.json")
VERSIONED = ("repgeo", "jax", "numpy")


def read(path: pathlib.Path) -> dict[str, Any]:
    """The record in a file, or in the folder of a run.

    Raises:
      UserError: there is none, or it is not a JSON object.
    """
    if path.is_dir():
        found = [path / name for name in NAMES if (path / name).exists()]
        if not found:
            raise UserError(f"{path} holds no record; looked for {', '.join(NAMES)}")
        path = found[0]
    try:
        record = json.loads(path.read_bytes())
    except FileNotFoundError as error:
        raise UserError(f"{path} has not been recorded") from error
    except (OSError, ValueError) as error:
        raise UserError(f"{path} is not a readable record: {error}") from error
    if not isinstance(record, dict):
        raise UserError(f"{path} is no record: it holds a {type(record).__name__}, not an object")
    return record


def to_json(record: Record) -> str:
    """The record as strict JSON for scripts; nan and inf, which JSON lacks, as strings."""
    return json.dumps(_finite(record), indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def _finite(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _finite(v) for key, v in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(v) for v in value]
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value


def environment(record: Record) -> Record:
    """Command, commit and versions: nested in most records, flat in some older ones."""
    return record.get("environment", record)


def source(record: Record, lead: str = "Command") -> str:
    """One sentence for below a table: the command, the commit and JAX's version."""
    made = environment(record)
    versions = f"commit {made['commit']}, jax {made['packages']['jax']}"
    return f"{lead}: `{moved.current(made['command'])}`, {versions}."


def facts(record: Record) -> dict[str, str]:
    """By what the record was made, as far as it is known: command, date, versions, commit."""
    made = environment(record)
    packages = made.get("packages", {})
    versions = {name: packages.get(name) for name in VERSIONED} | {"python": made.get("python")}
    known = {
        "command": moved.current(made.get("command") or ""),
        "date": made.get("date"),
        "versions": ", ".join(f"{name} {version}" for name, version in versions.items() if version),
        "devices": ", ".join(dict.fromkeys(made.get("devices", []))),
        "commit": made.get("commit"),
    }
    return {name: str(value) for name, value in known.items() if value}


def direction(low: float | None, high: float | None) -> str:
    """What an interval of a difference allows to say: "higher", "lower" or "uncertain"."""
    if low is not None and low > 0:
        return "higher"
    return "lower" if high is not None and high < 0 else "uncertain"
