"""What a study found, as one JSON object, and what it was made by."""

from collections.abc import Mapping
from typing import Any

from experiments import moved

Record = Mapping[str, Any]
VERSIONED = ("repgeo", "jax", "numpy")
_WRAPPERS = ("results", "run")  # around what some benchmarks measured
_DEPTH = 2


def environment(record: Record) -> Record:
    """Command, commit and versions: nested in most records, flat in some older ones."""
    return record.get("environment", record)


def made_by(record: Record) -> dict[str, Record]:
    """Every statement of a command and a commit in a record, by the part that it is of.

    Studies have one, at the top or in `environment`: its part is "". Some benchmarks have one for
    each part of them. {} where a record says nothing.
    """
    found: dict[str, Record] = {}

    def look(value: Record, parts: tuple[str, ...]) -> None:
        own = environment(value)
        if "command" in own and "commit" in own:
            found[" ".join(parts)] = own
            return
        for name, inner in value.items():
            if isinstance(inner, Mapping) and len(parts) < _DEPTH:
                look(inner, parts if name in _WRAPPERS else (*parts, name))

    look(record, ())
    return found


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
