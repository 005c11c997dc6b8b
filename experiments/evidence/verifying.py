"""A record whose code has changed since: do both states of the code still give equal numbers?"""

import math
import pathlib
import tempfile
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from experiments.evidence import runs, source
from experiments.evidence.clone import Clone
from experiments.evidence.making import Say, folder_of
from experiments.evidence.registry import Entry
from experiments.evidence.standing import (
    VERIFIED,
    as_of,
    code,
    commits_of,
    makers,
    place,
    state,
    verifications,
)
from experiments.reporting.record import Record, made_by
from experiments.runtime.errors import UserError
from experiments.runtime.files import write_record
from experiments.runtime.manifest import DIRTY
from experiments.runtime.preemption import StopSignal
from experiments.runtime.records import read

TOLERANCE = 1e-6  # relative
# By what and when a record was made, and how long that took; what it was asked is the command.
_ASIDE = {"command", "commit", "config", "date", "devices", "digest", "digests", "environment",
          "packages", "platform", "processes", "python", "seconds"}  # fmt: skip


class Agreement(NamedTuple):
    """How well two records agree.

    Attributes:
      numbers: how many of the first there are.
      largest: the largest relative difference, and where it is.
      lost: where numbers of the first have no counterpart.
    """

    numbers: int
    largest: float
    where: str
    lost: list[str]

    def refusal(self) -> str:
        """Why the code of now is not that of then; "" where it is as far as can be seen."""
        if not self.numbers:
            return "its small form gives no number"
        if self.lost:
            return f"{len(self.lost)} of {self.numbers:,} numbers are gone, as {self.lost[0]}"
        if not self.largest <= TOLERANCE:
            return (
                f"{self.where} differs by {self.largest:.1e} relative, the most of "
                f"{self.numbers:,} numbers, where {TOLERANCE:g} is accepted"
            )
        return ""


def verify(entry: Entry, clone: Clone, stop: StopSignal, say: Say) -> Agreement:
    """Runs a record's small form by the code of each of its commits and by today's, and compares.

    Where they agree, results/verified.json says so of today's code, which may be uncommitted.

    Raises:
      UserError: the record cannot be verified, or its numbers have changed.
    """
    commits = _commits(entry, clone)
    if lacks := runs.missing(entry._replace(commands=entry.smoke, packages=()), clone.root):
        raise UserError(f"{entry.name}: needs {'; '.join(lacks.values())}")
    today = source.digest(code(entry.commands, clone.now()))
    with tempfile.TemporaryDirectory(dir=folder_of(clone, "verify")) as kept:
        folder = pathlib.Path(kept)
        before = [_before(entry, commit, clone, folder, stop, say) for commit in commits]
        now = _small(entry, entry.smoke, clone.root, clone, folder / "now", stop, say)
    found = [compare(then, now) for then in before]
    for agreement in found:
        if why := agreement.refusal():
            raise UserError(f"{entry.name} is not verified: {why}; --run makes it again")
    agreement = max(found, key=lambda agreement: agreement.largest)
    known = {
        "commit": ", ".join(commits),
        "code": today,
        "command": " && ".join(f"python -m {command}" for command in entry.smoke),
        "largest_difference": agreement.largest,
        "numbers": agreement.numbers,
    }
    write_record(place(clone.root, VERIFIED), verifications(clone.root) | {entry.name: known})
    return agreement


def _before(entry, commit, clone, folder, stop, say) -> dict[str, Any]:
    """The record of the small form by the code of a commit."""
    with clone.checked_out(commit) as tree:
        old = [as_of(command, clone.at(commit)) for command in entry.smoke]
        then = _small(entry, old, tree, clone, folder / commit, stop, say)
        _check_commit(then, commit)
    return then


def _commits(entry: Entry, clone: Clone) -> list[str]:
    """The commits of a record that can be verified. Raises `UserError` for another."""
    word, reason = state(entry, clone, clone.now(), verifications(clone.root))
    if word == "clean":
        raise UserError(f"{entry.name} is clean already: {reason}")
    if word != "stale":
        raise UserError(
            f"{entry.name} is {word}: {reason}; verified are records that are stale, whose code a "
            "commit of this clone holds"
        )
    if not entry.smoke:
        raise UserError(
            f"{entry.name} measures speed, which no two runs share; only --run renews it"
        )
    return commits_of(makers(read(place(clone.root, entry.name))))


def _small(
    entry: Entry,
    commands: Sequence[str],
    tree: pathlib.Path,
    clone: Clone,
    folder: pathlib.Path,
    stop: StopSignal,
    say: Say,
) -> dict[str, Any]:
    """The record of the small form, run in `tree`.

    Raises:
      UserError: it fails.
    """
    values = {n: str((clone.root / v).resolve()) for n, v in runs.inputs(clone.root).items() if v}
    for command in commands:
        say(f"{entry.name}: python -m {command}, by the code of {folder.name}")
        words = runs.words(command, values | {"WORKDIR": str(folder)})
        with tempfile.TemporaryFile("w+") as log:
            exit_code = runs.run(words, tree, stop, log)
            log.seek(0)
            last = (log.read().strip().splitlines() or ["it says nothing"])[-1]
        if stop.received:
            raise UserError(f"{entry.name}: stopped by {stop.received}; nothing is verified")
        if exit_code:
            raise UserError(
                f"{entry.name} cannot be verified: its small form by the code of {folder.name} "
                f"ends with code {exit_code}: {last}"
            )
    return read(folder)


def _check_commit(record: Record, commit: str) -> None:
    """Raises `UserError` where other code than that of the commit was found by Python."""
    for own in made_by(record).values():
        if own["commit"].removesuffix(DIRTY) != commit:
            raise UserError(f"the code of {commit} was asked, that of {own['commit']} has run")


def compare(then: Any, now: Any) -> Agreement:
    """Every number of a record beside that of another; more numbers in the second do no harm."""
    before, after = (dict(_numbers(record)) for record in (then, now))
    lost = [name for name in before if name not in after]
    both = {name: _difference(before[name], after[name]) for name in before if name in after}
    where = max(both, key=lambda name: both[name], default="")
    return Agreement(len(before), both.get(where, 0.0), where, lost)


def _difference(a: float, b: float) -> float:
    """Relative difference of two numbers; 0 for equal ones, infinite ones and NaN among them."""
    if a == b or (math.isnan(a) and math.isnan(b)):
        return 0.0
    off = abs(a - b) / max(abs(a), abs(b))
    return off if math.isfinite(off) else math.inf


def _numbers(value: Any, name: str = "") -> Iterator[tuple[str, float]]:
    if isinstance(value, dict):
        for key, inner in value.items():
            if key not in _ASIDE and "seconds" not in key:
                yield from _numbers(inner, f"{name}.{key}".lstrip("."))
    elif isinstance(value, list):
        for i, inner in enumerate(value):
            yield from _numbers(inner, f"{name}[{i}]")
    elif type(value) in (int, float) or value in ("nan", "inf", "-inf"):  # which JSON lacks
        yield name, float(value)
