"""The command and the commit that a record keeps. Oracles: a shell's own reading of it, and git."""

import shlex
import subprocess
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


def test_a_record_written_anew_leaves_its_commit_clean_and_code_does_not(tmp_path):
    """A record is often written as its run goes; before, the second time said -dirty."""
    (tmp_path / "results").mkdir()
    code, record = tmp_path / "code.py", tmp_path / "results" / "a.json"
    page = tmp_path / "README.md"
    code.write_text("1"), record.write_text("1"), page.write_text("1")
    who = ["-c", "user.name=a", "-c", "user.email=a@b"]
    for words in (["init", "-q"], ["add", "."], [*who, "commit", "-qm", "first"]):
        subprocess.run(["git", "-C", tmp_path, *words], check=True)
    clean = manifest._commit(tmp_path)
    assert clean and len(clean) == 12
    record.write_text("2")
    page.write_text("a table of it")
    assert manifest._commit(tmp_path) == clean
    code.write_text("2")
    assert manifest._commit(tmp_path / "results") == f"{clean}-dirty"
