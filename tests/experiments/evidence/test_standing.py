"""The state of a record. Oracle: the history of a toy repository, written by each test."""

import pytest

from experiments.evidence import source, standing
from experiments.evidence.clone import Clone
from experiments.reporting.record import made_by
from experiments.runtime.files import write_record
from tests.experiments.evidence.toy import ENTRY, Repository


@pytest.fixture
def toy(tmp_path):
    return Repository(tmp_path)


def state(toy, entry=ENTRY):
    return standing.states(toy.root, [entry])[entry.name]


def test_a_record_of_this_code_is_clean(toy):
    assert state(toy) == ("missing", "not run yet")
    toy.record(toy.first)
    assert state(toy) == ("clean", f"commit {toy.first}")


def test_code_that_changed_makes_it_stale_and_names_the_file(toy):
    toy.record(toy.first)
    toy.change("1 / 3", "1 / 4")
    assert state(toy) == ("stale", f"changed since {toy.first}: library/numbers.py")


def test_a_file_that_no_figure_depends_on_may_change(toy):
    toy.record(toy.first)
    toy.change("1 / 3", "1 / 4")
    assert state(toy, ENTRY._replace(unused=("library/numbers.py",))).word == "clean"
    assert state(toy, ENTRY._replace(unused=("library/others.py",))).word == "stale"


def test_a_change_that_is_not_committed_counts_too(toy):
    toy.record(toy.first)
    toy.write("library/numbers.py", "def value():\n    return 2\n")
    assert state(toy).word == "stale"


def test_comments_and_files_that_it_does_not_need_leave_it_clean(toy):
    toy.record(toy.first)
    toy.change("  # not exactly", "")
    toy.change('"""A third."""', '"""One of three."""')
    toy.write("library/unused.py", "x = 1\n")
    toy.commit()
    assert state(toy).word == "clean"


def test_a_record_of_uncommitted_code_is_dirty(toy):
    toy.record(f"{toy.first}-dirty")
    assert state(toy) == ("dirty", f"made by uncommitted changes on {toy.first}")
    toy.record(None)
    assert state(toy).word == "dirty"
    toy.write("results/toy/one.json", "{}")
    assert state(toy) == ("dirty", "it names no commit")


def test_the_code_that_began_its_runs_counts_as_well(toy):
    now = toy.change("1 / 3", "1 / 4")
    run = lambda commit: {"model": "a", "seed": 1, "begun": {"commit": commit}}
    toy.record(now, rows=[run(now), {"model": "a", "seed": 0, "begun": {}}])
    assert state(toy) == ("clean", f"commit {now}")
    toy.record(now, rows=[run(toy.first)])
    both = ", ".join(sorted([now, toy.first]))
    assert state(toy) == ("stale", f"changed since {both}: library/numbers.py")
    for commit in (f"{now}-dirty", None):
        toy.record(now, rows=[run(commit)])
        assert state(toy).word == "dirty" and "a seed 1" in state(toy).reason


def test_an_unfinished_one_is_partial(toy):
    toy.record(toy.first, unfinished=["a seed 1", "b seed 1"])
    assert state(toy) == ("partial", "2 of its runs are not finished")
    toy.change("1 / 3", "1 / 4")
    assert state(toy).word == "stale"  # which weighs more


def test_one_of_parts_that_are_not_all_run_is_partial(toy):
    toy.record(toy.first)
    entries = len(standing.read(standing.place(toy.root, ENTRY.name)))
    assert state(toy, ENTRY._replace(parts=entries)).word == "clean"
    found = state(toy, ENTRY._replace(parts=entries + 3))
    assert found == ("partial", f"3 of its {entries + 3} parts are not run")


def test_a_commit_that_a_shallow_clone_lacks_is_said(toy, tmp_path_factory):
    toy.record(toy.first)
    toy.commit()
    toy.change("1 / 3", "1 / 4")
    there = tmp_path_factory.mktemp("shallow")
    toy.git("clone", "-q", "--depth=1", f"file://{toy.root}", str(there))
    found = standing.states(there, [ENTRY])[ENTRY.name]
    assert found.word == "unknown" and toy.first in found.reason
    assert found.word not in standing.REFUSED


def test_a_verified_one_is_clean_until_its_code_changes_again(toy):
    toy.record(toy.first)
    toy.change("1 / 3", "(1 / 3)  + 0")
    assert state(toy).word == "stale"
    code = source.digest(standing.code(ENTRY.commands, Clone(toy.root).now()))
    known = {ENTRY.name: {"commit": toy.first, "code": code, "numbers": 1}}
    write_record(standing.place(toy.root, standing.VERIFIED), known)
    assert state(toy) == ("clean", f"commit {toy.first}, verified on 1 numbers")
    toy.change("+ 0", "+ 1")
    assert state(toy).word == "stale"


def test_a_module_that_was_renamed_is_found_by_its_old_name(toy, monkeypatch):
    monkeypatch.setattr(standing, "MOVED", {"experiments.toy": "experiments.new"})
    toy.record(toy.first)
    toy.git("mv", "experiments/toy.py", "experiments/new.py")
    toy.commit()
    moved = ENTRY._replace(commands=("experiments.new --workdir=$WORKDIR",))
    reason = f"changed since {toy.first}: experiments/new.py, experiments/toy.py"
    assert state(toy, moved) == ("stale", reason)


def test_parts_of_a_benchmark_have_commits_of_their_own(toy):
    of = lambda commit: {"environment": {"command": "python -m experiments.toy", "commit": commit}}
    parts = {"memory": of(toy.first), "step": of("c0ffee-dirty")}
    assert made_by({"results": parts}) == {k: v["environment"] for k, v in parts.items()}
    assert standing.dirty_parts(made_by(parts)) == "made by uncommitted changes on c0ffee (step)"
    flat = {"command": "x", "commit": "c0ffee", "config": {}}
    assert made_by(flat) == {"": flat} and made_by({"config": {"a": {"b": {}}}}) == {}
