"""Commands of records as child processes: all of a record, or its small form."""

import contextlib
import importlib.util
import os
import pathlib
import re
import shlex
import signal
import string
import subprocess
import sys
from collections.abc import Mapping, Sequence
from typing import IO

from experiments.evidence.registry import INPUTS, Entry
from experiments.runtime.preemption import StopSignal

_VARIABLE = re.compile(r"\$(\w+)")


def inputs(root: pathlib.Path) -> dict[str, str]:
    """The values of `INPUTS`: of the environment, else their defaults below `root`."""
    return {name: os.environ.get(name) or known.default for name, known in INPUTS.items()}


def missing(entry: Entry, root: pathlib.Path) -> dict[str, str]:
    """What a record needs and is not here: its name, and what to do about it."""
    found, given = {}, inputs(root)
    used = [name for command in entry.commands for name in _VARIABLE.findall(command)]
    for name in dict.fromkeys(used):
        known = INPUTS.get(name)
        if known and not (given[name] and (root / given[name] / known.holds).exists()):
            found[name] = f"the {known.what}: set {name}=PATH"
    for package in entry.packages:
        if importlib.util.find_spec(package.replace("-", "_")) is None:
            found[package] = f"the package {package}: pip install {package}"
    return found


def words(command: str, values: Mapping[str, str]) -> list[str]:
    """A command of the registry as arguments of this Python, its variables filled in."""
    filled = string.Template(command).substitute(
        {name: shlex.quote(value) for name, value in values.items()}
    )
    return [sys.executable, "-u", "-m", *shlex.split(filled)]


def run(
    command: Sequence[str], folder: pathlib.Path, stop: StopSignal, log: IO[str] | None = None
) -> int:
    """The exit code of a command run in `folder`, with the packages that lie there.

    A stop signal is passed on, and the command ends in its own way.
    """
    first = os.pathsep.join(filter(None, (str(folder), os.environ.get("PYTHONPATH"))))
    child = subprocess.Popen(
        command,
        cwd=folder,
        env=os.environ | {"PYTHONPATH": first},
        stdout=log,
        stderr=None if log is None else subprocess.STDOUT,
    )
    told = False
    while True:
        with contextlib.suppress(subprocess.TimeoutExpired):
            return child.wait(timeout=0.5)
        if stop.received and not told:
            told = True
            child.send_signal(signal.SIGTERM)
