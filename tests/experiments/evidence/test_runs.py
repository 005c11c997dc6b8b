"""Records made and verified by real processes in a toy repository. Oracle: its history."""

import contextlib
import json
import os
import signal
import sys

import pytest

from experiments import reproduce
from experiments.evidence import making, registry, runs, standing, verifying
from experiments.evidence.clone import Clone
from experiments.runtime.errors import UserError
from experiments.runtime.preemption import StopSignal
from tests.experiments.evidence.toy import ENTRY, Repository

FAILS = ENTRY._replace(name="toy/fails", commands=("experiments.toy --fails=yes",))


@pytest.fixture
def toy(tmp_path):
    return Repository(tmp_path)


def make(toy, *entries):
    return making.make(entries, Clone(toy.root), StopSignal(), lambda line: None)


def verify(toy, entry=ENTRY):
    return verifying.verify(entry, Clone(toy.root), StopSignal(), lambda line: None)


def test_a_failure_does_not_stop_the_others_and_records_do_not_make_the_code_dirty(toy):
    second = ENTRY._replace(name="toy/two", commands=(f"{ENTRY.commands[0]} --more=1",))
    failed = make(toy, ENTRY, FAILS, second)
    assert failed == {"toy/fails": "its command ended with code 1"}
    found = standing.states(toy.root, [ENTRY, second]).values()
    assert [state.word for state in found] == ["clean", "clean"]


def test_code_that_is_not_committed_makes_no_record(toy):
    toy.write("library/numbers.py", "def value():\n    return 2\n")
    with pytest.raises(UserError, match="committed code, and library/numbers.py differ"):
        make(toy, ENTRY)
    assert not (toy.root / "results").exists()


def test_nothing_begins_after_a_stop_signal(toy):
    stop = StopSignal()
    stop.received = "SIGTERM"
    assert "SIGTERM" in making.make([ENTRY], Clone(toy.root), stop, print)[ENTRY.name]
    assert not (toy.root / "results").exists()


def test_a_stop_signal_is_passed_on_to_the_command_that_runs(tmp_path):
    stop = StopSignal()
    stop.received = "SIGTERM"
    sleeps = [sys.executable, "-c", "import time; time.sleep(60)"]
    assert runs.run(sleeps, tmp_path, stop) == -signal.SIGTERM


def test_equal_numbers_verify_a_stale_record(toy):
    toy.record(toy.first)
    toy.change("1 / 3", "2 / 6")
    assert verify(toy) == (1, 0.0, "value", [])
    known = json.loads((toy.root / "results/verified.json").read_text())["toy/one"]
    assert known["commit"] == toy.first and known["numbers"] == 1
    assert standing.states(toy.root, [ENTRY])[ENTRY.name].word == "clean"
    assert toy.git("worktree", "list").count("\n") == 0  # what was checked out is gone
    with pytest.raises(UserError, match="is clean already"):
        verify(toy)


def test_another_number_does_not(toy):
    toy.record(toy.first)
    toy.change("1 / 3", "1 / 3 + 1e-6")
    with pytest.raises(UserError, match=r"value differs by 3.0e-06 relative.*--run makes it"):
        verify(toy)
    assert standing.states(toy.root, [ENTRY])[ENTRY.name].word == "stale"


def test_what_cannot_be_verified_is_said(toy, monkeypatch):
    toy.record(f"{toy.first}-dirty")
    with pytest.raises(UserError, match="toy/one is dirty: .*verified are records that are stale"):
        verify(toy)
    toy.record(toy.first)
    toy.change("1 / 3", "1 / 4")
    with pytest.raises(UserError, match="measures speed"):
        verify(toy, ENTRY._replace(smoke=()))
    with pytest.raises(UserError, match="ends with code 1: no luck today"):
        verify(toy, ENTRY._replace(smoke=("experiments.toy --fails=yes",)))
    monkeypatch.setattr(
        Clone, "checked_out", lambda clone, commit: contextlib.nullcontext(toy.root)
    )
    with pytest.raises(UserError, match=f"the code of {toy.first} was asked, that of "):
        verify(toy)


def test_records_are_compared_number_by_number():
    then = {"a": [1.0, "nan"], "b": {"c": 0, "seconds": 3}, "commit": 7, "name": "x", "on": True}
    assert verifying.compare(then, then) == (3, 0.0, "a[0]", [])
    off = verifying.compare(then, {"a": [1 + 2e-6, "nan"], "b": {"c": 0}, "new": 1})
    assert off.where == "a[0]" and "2.0e-06" in off.refusal()
    assert verifying.compare(then, {"a": [1.0, 5], "b": {"c": 0}}).refusal().startswith("a[1]")
    lost = verifying.compare(then, {"a": [1.0]})
    assert lost.lost == ["a[1]", "b.c"] and "2 of 3 numbers are gone" in lost.refusal()
    assert verifying.compare({}, then).refusal() == "its small form gives no number"
    assert not verifying.compare({"a": 1.0}, {"a": 1 + 5e-7}).refusal()


def test_the_command_lists_checks_and_makes(toy, monkeypatch, capsys):
    monkeypatch.setattr(reproduce, "ROOT", toy.root)
    monkeypatch.setattr(registry.named, "__defaults__", ((ENTRY,),))
    said = lambda *argv: (
        reproduce.main(**vars(reproduce.arguments(argv))),
        capsys.readouterr().out,
    )
    assert said() == (0, f"missing  {'toy/one':28} not run yet (no time)\n")
    assert said("--check")[0] == 0
    assert said("--run") == (0, "toy/one: no time\n1 of 1 made\n")
    toy.change("1 / 3", "1 / 4")
    code, text = said("--check", "toy/one")
    assert code == 1 and text.startswith("stale    toy/one") and "library/numbers.py" in text
    details = said("toy/one")[1]
    assert f"python -m {ENTRY.commands[0]}" in details
    assert "code: files 2 of experiments, 2 of library" in details


def test_packages_of_the_environment_come_after_those_of_the_clone(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", "elsewhere")
    paths = [sys.executable, "-c", "import os; print(os.environ['PYTHONPATH'])"]
    with (tmp_path / "log").open("w+") as log:
        assert runs.run(paths, tmp_path, StopSignal(), log) == 0
        log.seek(0)
        assert log.read().strip() == f"{tmp_path}{os.pathsep}elsewhere"
