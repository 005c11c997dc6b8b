"""The command that a record keeps. Oracle: a shell's own reading of it."""

import shlex
import sys

from experiments import moved
from experiments.runtime import manifest


def test_a_recorded_command_can_be_typed_again_and_names_no_folder_of_this_machine(monkeypatch):
    given = ["--config=a b.py:all", "--config.labels=(4, 6)", "--folder", "/x", "--seeds=2"]
    mine = ["--workdir", "/here/run", "--record", "/here/r.json", "--workdir=/here/run", "--json"]
    monkeypatch.setattr(sys, "argv", ["command", *mine[:4], *given, *mine[4:]])
    command = manifest.portable()["command"]
    assert shlex.split(command)[-len(given) - 1 :] == [*given, "--workdir=DIR"]
    assert "here" not in command and "json" not in command
    assert moved.current(command) == command
    assert shlex.split(manifest.environment()["command"])[-1] == "--json"
