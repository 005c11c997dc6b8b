"""Every record of results/: its command, its cost, and whether it is what today's code gives.

python -m experiments.reproduce [NAME …] [--check | --run | --verify]

NAME is a record, as diffenc/digits, or a folder of them, as sbert; all without one. Alone it lists
them: clean; dirty, made by code that no commit holds; stale, made by code that has changed since;
partial, missing; unknown, where this clone lacks the commit. Of named ones also the commands.
  --check    lists those that are not clean; exit code 1 where one is dirty or stale.
  --run      makes those that are not clean by their commands, from committed code alone.
  --verify   runs a small form of each stale one by the code of its commit and by today's. Where all
             numbers agree to 1e-6, results/verified.json says so, and the record counts as clean.
"""

import argparse
import collections
import pathlib
import sys
from collections.abc import Mapping, Sequence

from experiments.evidence import runs
from experiments.evidence.clone import Clone
from experiments.evidence.making import make
from experiments.evidence.registry import Entry, named
from experiments.evidence.standing import REFUSED, State, code, states
from experiments.evidence.verifying import verify
from experiments.runtime import cli
from experiments.runtime.errors import UserError
from experiments.runtime.preemption import StopSignal

ROOT = pathlib.Path(__file__).parents[1]
TO_MAKE = ("dirty", "stale", "partial", "missing")  # of what is not named


def listed(entries: Sequence[Entry], found: Mapping[str, State], details: bool) -> str:
    """A line a record: state, name, reason, cost and what is not here.

    As details its commands, and how many files of which folders they depend on.
    """
    lines, now = [], Clone(ROOT).now()
    for entry in entries:
        state, lacks = found[entry.name], runs.missing(entry, ROOT)
        needs = f"; needs {', '.join(lacks)}" if lacks else ""
        lines.append(f"{state.word:8} {entry.name:28} {state.reason} ({entry.cost}{needs})")
        if details:
            folders = collections.Counter(p.split("/")[0] for p in code(entry.commands, now))
            files = ", ".join(f"{number} of {folder}" for folder, number in folders.items())
            lines += [f"    code: files {files}"]
            lines += [f"    needs {advice}" for advice in lacks.values()]
            lines += [f"    python -m {command}" for command in entry.commands]
    return "\n".join(lines)


def made(entries: Sequence[Entry]) -> int:
    """Makes records; what failed is summed up at the end."""
    with StopSignal() as stop:
        failed = make(entries, Clone(ROOT), stop, _say)
    for name, why in failed.items():
        _say(f"not made: {name}: {why}")
    _say(f"{len(entries) - len(failed)} of {len(entries)} made")
    return stop.exit_code if stop.received else int(bool(failed))


def verified(entries: Sequence[Entry]) -> int:
    """Verifies records; one that is not does not keep the others from it."""
    failed = 0
    with StopSignal() as stop:
        for entry in entries:
            try:
                found = verify(entry, Clone(ROOT), stop, _say)
                _say(
                    f"{entry.name} is verified: {found.numbers:,} numbers, the largest relative "
                    f"difference {found.largest:.1e}"
                )
            except UserError as error:
                failed += 1
                print(f"error: {error}", file=sys.stderr)
            if stop.received:
                return stop.exit_code
    return int(bool(failed))


def main(names: Sequence[str], check: bool, run: bool, verify: bool) -> int:
    entries = named(names)
    found = states(ROOT, entries)
    if run:
        return made([e for e in entries if found[e.name].word in TO_MAKE or names])
    if verify:
        asked = entries if names else [e for e in entries if found[e.name].word == "stale"]
        for entry in (e for e in asked if found[e.name].word == "clean"):
            _say(f"{entry.name} is clean already: {found[entry.name].reason}")
        return verified([e for e in asked if found[e.name].word != "clean"])
    if check:
        entries = [entry for entry in entries if found[entry.name].word != "clean"]
    _say(listed(entries, found, details=bool(names) and not check))
    return int(check and any(found[entry.name].word in REFUSED for entry in entries))


def _say(text: str) -> None:
    print(text, flush=True)


def arguments(argv: Sequence[str]) -> argparse.Namespace:
    """What the command was given."""
    parser = argparse.ArgumentParser(
        "python -m experiments.reproduce",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("names", nargs="*", metavar="NAME")
    way = parser.add_mutually_exclusive_group()
    for name in ("check", "run", "verify"):
        way.add_argument(f"--{name}", action="store_true")
    return parser.parse_args(argv)


if __name__ == "__main__":
    given = arguments(sys.argv[1:])
    cli.keep_output_from_stopping_runs()
    sys.exit(cli.guarded(lambda: main(**vars(given))))
