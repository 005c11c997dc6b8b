"""Makes records by their commands, from code that a commit holds."""

import pathlib
from collections.abc import Callable, Iterable

from experiments.evidence import runs, source
from experiments.evidence.clone import Clone
from experiments.evidence.registry import Entry
from experiments.evidence.standing import code, state, verifications
from experiments.runtime.errors import UserError
from experiments.runtime.preemption import StopSignal

Say = Callable[[str], None]
WORK = "work/evidence"  # ignored by git


def check_committed(clone: Clone) -> None:
    """Raises `UserError` where the code differs from the commit that a record would name."""
    if changed := clone.changed():
        more = f" and {len(changed) - 1} more" if changed[1:] else ""
        raise UserError(
            f"records are made from committed code, and {changed[0]}{more} differ from the commit; "
            "commit or stash the changes"
        )


def make(entries: Iterable[Entry], clone: Clone, stop: StopSignal, say: Say) -> dict[str, str]:
    """Makes records one after the other; returns those that were not made, and why.

    A record's folder below work/evidence is named after its code: the same command resumes there,
    and no part made by other code is taken over.

    Raises:
      UserError: the code is not committed.
    """
    check_committed(clone)
    failed: dict[str, str] = {}
    made: dict[tuple[str, ...], str] = {}  # one command may write several records
    for entry in entries:
        if stop.received:
            failed[entry.name] = f"stopped by {stop.received}; the same command continues"
        elif entry.commands in made:
            failed |= {entry.name: made[entry.commands]} if made[entry.commands] else {}
        else:
            say(f"{entry.name}: {entry.cost}")
            made[entry.commands] = why = _make(entry, clone, stop)
            if why:
                failed[entry.name] = why
                say(f"{entry.name}: {why}")
    return failed


def _make(entry: Entry, clone: Clone, stop: StopSignal) -> str:
    """Runs the commands of one record; returns why it was not made, "" where it was."""
    if lacks := runs.missing(entry, clone.root):
        return f"needs {'; '.join(lacks.values())}"
    folder = clone.root / WORK / source.digest(code(entry.commands, clone.now()))[:12] / entry.name
    folder.parent.mkdir(parents=True, exist_ok=True)
    own = {"WORKDIR": str(folder.relative_to(clone.root)), "RECORD": f"results/{entry.name}.json"}
    for command in entry.commands:
        words = runs.words(command, runs.inputs(clone.root) | own)
        if exit_code := runs.run(words, clone.root, stop):
            return f"its command ended with code {exit_code}"
        if stop.received:
            return f"stopped by {stop.received}; the same command continues"
    word, reason = state(entry, clone, clone.now(), verifications(clone.root))
    return "" if word == "clean" else f"its command ended well, but the record is {word}: {reason}"


def folder_of(clone: Clone, name: str) -> pathlib.Path:
    """A folder below work/evidence, which exists then."""
    folder = clone.root / WORK / name
    folder.mkdir(parents=True, exist_ok=True)
    return folder
