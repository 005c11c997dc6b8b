"""Whether a record still says what today's code would: clean, or why not."""

import json
import pathlib
import re
from collections.abc import Iterable, Mapping
from typing import Literal, NamedTuple

from experiments.evidence import source
from experiments.evidence.clone import Clone, Snapshot
from experiments.evidence.registry import RECORDS, Entry
from experiments.moved import MOVED
from experiments.reporting.record import Record, made_by
from experiments.runtime.manifest import DIRTY
from experiments.runtime.records import read

VERIFIED = "verified"  # results/verified.json
REFUSED = ("dirty", "stale")  # by a check
_CONFIG = re.compile(r"experiments/configs/[\w/]+\.py")


class State(NamedTuple):
    """What is to be thought of a record.

    Attributes:
      word: "clean"; "dirty" where no commit holds the code that made it; "stale" where that code
        has changed since; "partial" and "missing"; "unknown" where this clone lacks its commit.
    """

    word: Literal["clean", "dirty", "stale", "partial", "missing", "unknown"]
    reason: str


def states(root: pathlib.Path, entries: Iterable[Entry] = RECORDS) -> dict[str, State]:
    """The state of each record in the clone at `root`."""
    clone = Clone(root)
    now, verified = clone.now(), verifications(root)
    return {entry.name: state(entry, clone, now, verified) for entry in entries}


def state(entry: Entry, clone: Clone, now: Snapshot, verified: Mapping[str, Record]) -> State:
    """The state of one record beside the files of `now`."""
    path = place(clone.root, entry.name)
    if not path.exists():
        return State("missing", "not run yet")
    record = read(path)
    made = makers(record)
    if dirty := dirty_parts(made):
        return State("dirty", dirty)
    found = _of_code(entry, record, made, clone, now, verified)
    left = unfinished(entry, record)
    return State("partial", left) if left and found.word == "clean" else found


def unfinished(entry: Entry, record: Record) -> str:
    """Which share of a record is still to come, in words; "" where it is whole."""
    if runs := len(record.get("unfinished", ())):
        return f"{runs} of its runs are not finished"
    left = entry.parts - len(record)
    return f"{left} of its {entry.parts} parts are not run" if left > 0 else ""


def _of_code(
    entry: Entry,
    record: Record,
    made: Mapping[str, Record],
    clone: Clone,
    now: Snapshot,
    verified: Mapping[str, Record],
) -> State:
    """What the code of today says of a record that commits made."""
    today = code(entry.commands, now)
    known, commits = verified.get(entry.name, {}), commits_of(made)
    told = ", ".join(commits)
    if [known.get("commit"), known.get("code")] == [told, source.digest(today)]:
        return State("clean", f"commit {told}, verified on {known['numbers']:,} numbers")
    if absent := [commit for commit in commits if not clone.holds(commit)]:
        return State("unknown", f"commit {', '.join(absent)} is not in this clone (a shallow one?)")
    earlier = [code(entry.commands, clone.at(commit)) for commit in commits]
    changes = {p for then in earlier for p in then.keys() | today if then.get(p) != today.get(p)}
    if changes := changes - {*entry.unused}:
        return State("stale", f"changed since {told}: {_some(sorted(changes))}")
    return State("clean", f"commit {told}")


def makers(record: Record) -> dict[str, Record]:
    """`made_by`, and what began the runs that a record sets side by side, by their names."""
    rows = [row for row in record.get("rows", ()) if isinstance(row, dict) and row.get("begun")]
    begun = {f"{row['model']} seed {row['seed']}": row["begun"] for row in rows}
    return begun | made_by(record)


def commits_of(made: Mapping[str, Record]) -> list[str]:
    """The commits that `makers` names."""
    return sorted({own["commit"] for own in made.values()})


def place(root: pathlib.Path, name: str) -> pathlib.Path:
    """Where a record lies."""
    return root / "results" / f"{name}.json"


def verifications(root: pathlib.Path) -> dict[str, Record]:
    """What was verified, by record: commit, digest of the code, and how well numbers agreed."""
    path = place(root, VERIFIED)
    return json.loads(path.read_text()) if path.exists() else {}


def is_dirty(record: Record) -> bool:
    """Whether no commit holds the code that made a record, or a part of it."""
    return bool(dirty_parts(makers(record)))


def dirty_parts(made: Mapping[str, Record]) -> str:
    """Which parts were made by code that no commit holds, in words; "" where none was."""
    if not made:
        return "it names no commit"
    parts = {part: own["commit"] for part, own in made.items() if not _is_commit(own["commit"])}
    bases = ", ".join(sorted({str(c).removesuffix(DIRTY) for c in parts.values()}))
    of = f" ({', '.join(parts)})" if any(parts) and len(parts) < len(made) else ""
    return f"made by uncommitted changes on {bases}{of}" if parts else ""


def code(commands: Iterable[str], tree: source.Tree) -> dict[str, str]:
    """{path: digest} of what commands run, given as what follows `python -m`; {} where one is gone.

    In an older tree their modules may have older names.
    """
    starts: list[str] = []
    for command in commands:
        command = as_of(command, tree)
        if not (files := source.entry(command.split()[0], tree.paths)):
            return {}
        starts += [*files, *(path for path in _CONFIG.findall(command) if path in tree.paths)]
    return source.closure(starts, tree)


def as_of(command: str, tree: source.Tree) -> str:
    """A command by the name that its module has in a tree."""
    module, space, rest = command.partition(" ")
    names = [module, *(old for old, new in MOVED.items() if new == module)]
    return next((n for n in names if source.entry(n, tree.paths)), module) + space + rest


def _is_commit(text: str | None) -> bool:
    return bool(text) and not str(text).endswith(DIRTY)


def _some(paths: list[str], most: int = 3) -> str:
    more = f" and {len(paths) - most} more" if len(paths) > most else ""
    return ", ".join(paths[:most]) + more
