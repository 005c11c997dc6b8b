"""The command and the commit that a record keeps. Oracles: a shell's own reading of it, and git."""

import shlex
import sys

import pytest

from experiments import moved
from experiments.runtime import manifest
from experiments.runtime.errors import UserError
from experiments.runtime.files import write_json
from tests.experiments.evidence.toy import Repository


def test_a_recorded_command_can_be_typed_again_and_names_no_folder_of_this_machine(monkeypatch):
    given = ["--config=a b.py:all", "--config.labels=(4, 6)", "--folder", "/x", "--seeds=2"]
    mine = ["--workdir", "/here/run", "--record", "/here/r.json", "--workdir=/here/run", "--json"]
    monkeypatch.setattr(sys, "argv", ["command", *mine[:4], *given, *mine[4:]])
    command = manifest.portable()["command"]
    assert shlex.split(command)[-len(given) - 1 :] == [*given, "--workdir=DIR"]
    assert "here" not in command and "json" not in command
    assert moved.current(command) == command
    assert shlex.split(manifest.environment()["command"])[-1] == "--json"


def test_a_run_keeps_what_was_said_of_the_weights_it_began_from(tmp_path):
    one, two, run = (tmp_path / name for name in ("one", "two", "run"))
    assert manifest.origin(run, None, None) == {}
    began = manifest.origin(run, one, 7)
    assert began == {"init_from": {"run": str(one), "step": 7}}
    run.mkdir()
    write_json(run / "manifest.json", began)
    assert manifest.origin(run, None, None) == manifest.origin(run, one / ".." / "one", 9) == {}
    with pytest.raises(UserError, match="/two: .*run holds a run that began from those of .*/one;"):
        manifest.origin(run, two, 7)
    write_json(run / "manifest.json", {})
    with pytest.raises(UserError, match="began from weights of its own; leave it out to resume"):
        manifest.origin(run, one, 7)


def test_a_commit_is_dirty_where_code_differs_and_not_where_results_do(tmp_path, monkeypatch):
    """A record written by one run would otherwise mark the next, and a README its report."""
    toy = Repository(tmp_path)
    monkeypatch.setattr(manifest, "__file__", str(tmp_path / "library" / "numbers.py"))
    toy.record(toy.first)
    toy.write("README.md", "")
    toy.commit()
    toy.record("another")
    toy.write("README.md", "a table")
    assert manifest.environment()["commit"] == toy.git("rev-parse", "--short=12", "HEAD")
    toy.write("library/numbers.py", "")
    assert manifest.environment()["commit"].endswith("-dirty")
    monkeypatch.setattr(manifest, "__file__", "/proc/none")
    assert manifest.environment()["commit"] is None
