"""Every promise of a run, for every study of the registry. Oracle: the same run, undisturbed.

Faults are put before each effect on a file (`files.before`); studies are toys (`toys.py`).
"""

import json
import os
import pathlib
import re
import shutil
import signal

import numpy as np
import pytest

from experiments.commands import STUDIES
from experiments.runtime import cli, files, study, trackers
from experiments.runtime.errors import NonFiniteError, UserError
from experiments.runtime.lock import Lock
from experiments.runtime.metrics import read_metrics
from experiments.runtime.preemption import Stopped, StopSignal
from tests.experiments import toys
from tests.experiments.faults import Killed, fault, numbers, run, throw, tree, watched, whole

TRAINED = [name for name in STUDIES if STUDIES[name].load().trains]


@pytest.fixture(params=STUDIES)
def toy(request, monkeypatch):
    return toys.make(request.param, monkeypatch)


@pytest.fixture(params=TRAINED)
def trained(request, monkeypatch):
    return toys.make(request.param, monkeypatch)


@pytest.fixture
def undisturbed(toy, tmp_path_factory):
    return whole(toy, tmp_path_factory)


def test_every_study_has_a_toy_and_every_command_a_line():
    assert set(toys.MAKERS) == set(STUDIES)
    assert all(command.line and not command.line.endswith(".") for command in STUDIES.values())


def test_a_refused_command_takes_no_folder(toy, tmp_path):
    with pytest.raises(UserError):
        run(toy, tmp_path / "run", toy.altered(toy.wrong))
    (tmp_path / "file").touch()
    for folder in (tmp_path / "file", tmp_path / "file" / "below", pathlib.Path("gs://bucket/run")):
        with pytest.raises(UserError, match="--workdir="):
            run(toy, folder)
    for name in ("run/config.json", "x.npy", "file/record.json"):
        with pytest.raises(UserError, match="--record=.*(; give|nothing can lie below)"):
            run(toy, tmp_path / "run", record=tmp_path / name)
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def test_a_second_writer_is_refused_and_told_of_the_first(toy, tmp_path):
    run(toy, tmp_path)
    lock = Lock(tmp_path)
    before = tree(tmp_path)
    with pytest.raises(UserError, match=rf"process {os.getpid()} on \S+ since \d{{4}}-"):
        run(toy, tmp_path)
    assert tree(tmp_path) == before
    lock.release()
    run(toy, tmp_path)
    assert not (tmp_path / "run.lock").exists()


def test_the_manifest_says_what_the_run_is_and_other_data_are_refused(toy, tmp_path):
    run(toy, tmp_path)
    manifest = files.read_json(tmp_path / "manifest.json")
    assert {"command", "commit", "packages", "digests", "study", "date"} <= manifest.keys()
    (name, digest), *_ = manifest["digests"].items()
    prepare = toy.study.prepare

    def other(config):
        prepared = prepare(config)
        object.__setattr__(prepared, "digests", {**prepared.digests, name: "0" * 64})
        return prepared

    before = tree(tmp_path)
    with pytest.raises(UserError, match=f"other data.*{digest}.*{'0' * 64}"):
        run(toy._replace(study=toy.study._replace(prepare=other)), tmp_path)
    with pytest.raises(UserError, match="holds a run of .*, not of another"):
        run(toy._replace(study=toy.study._replace(name="another")), tmp_path)
    assert tree(tmp_path) == before


def test_killed_again_and_again_it_ends_with_the_same_numbers(toy, undisturbed, tmp_path):
    for after in (1, 2, 3, 5, 8, 13, 21, 34, 55, 89):
        try:
            with fault(after, throw(Killed())):
                found, _ = run(toy, tmp_path)
            break
        except Killed:
            assert not list(tmp_path.rglob("*.tmp"))
    assert found == undisturbed[0]
    lines = lambda folder: {p.name: read_metrics(p) for p in sorted(folder.rglob("*.jsonl"))}
    assert lines(tmp_path) == lines(undisturbed[1])


def test_finished_work_is_not_done_again(toy, undisturbed, tmp_path):
    folder = shutil.copytree(undisturbed[1], tmp_path / "run")
    with watched(lambda *effect: None) as effects:
        found, said = run(toy, folder)
    written = {path.name for kind, path in effects}
    assert written <= {"manifest.json", "config.json", "record.json", "tables.md", "report.html",
                       "counts.npz"}  # fmt: skip
    assert found == undisturbed[0] and not [line for line in said if "again" in line]


def test_a_full_disk_ends_in_a_sentence_and_loses_nothing(toy, undisturbed, tmp_path):
    for after in (2, 3, 6, 11, 18):
        try:
            with fault(after, throw(OSError(28, "No space left on device"))):
                found, _ = run(toy, tmp_path)
        except files.StorageError as error:
            assert "disk is full" in str(error) and str(tmp_path) in str(error)
    found, _ = run(toy, tmp_path)
    assert found == undisturbed[0]


def test_a_vanished_folder_ends_in_a_sentence(toy, tmp_path):
    def vanish(prepared, space):
        shutil.rmtree(space.path)
        return toy.study.run(prepared, space)

    with pytest.raises(files.StorageError, match="vanished"):
        run(toy._replace(study=toy.study._replace(run=vanish)), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_flipped_byte_is_never_used(toy, undisturbed, tmp_path):
    folder, rng = tmp_path / "run", np.random.default_rng(0)
    shutil.copytree(undisturbed[1], folder)
    names = sorted(p for p in tree(folder) if p.suffix in (".json", ".jsonl", ".npz"))
    kinds = {p.name.split("-")[0]: p for p in names if "checkpoints" not in p.parts}
    saved = [p for p in tree(folder) if "state" in p.parts and "checkpoints" in p.parts]
    for name in [*kinds.values(), *saved[-1:]]:
        path = folder / name
        for position in rng.integers(path.stat().st_size, size=2):
            whole = tree(folder)
            data = bytearray(whole[name])
            data[position] ^= 1 << rng.integers(7)
            path.write_bytes(data)
            try:
                found, _ = run(toy, folder)
                assert found == undisturbed[0], name
            except UserError as error:
                assert re.search("damaged|other data|other config|\\.npz", str(error)), name
                assert tree(folder) == whole | {name: bytes(data)}
            for other, content in whole.items():
                (folder / other).write_bytes(content)


@pytest.mark.parametrize("name", ["SIGTERM", "SIGUSR1", "SIGHUP", "SIGINT"])
def test_a_signal_saves_and_the_rest_follows(toy, undisturbed, tmp_path, name, monkeypatch, capsys):
    ask(monkeypatch, tmp_path)
    send = lambda: os.kill(os.getpid(), getattr(signal, name))
    quiet = toy.study._replace(figures=lambda *a: {})
    before = signal.signal(getattr(signal, name), signal.SIG_DFL)  # as if not started by nohup
    with fault(3, send):
        code = study.command(quiet, toy.study.read(toy.config))
    signal.signal(getattr(signal, name), before)
    *_, last = capsys.readouterr().out.strip().split("\n")
    assert code == (130 if name == "SIGINT" else 0)
    assert last.startswith(f"unfinished: {name}") and str(tmp_path) in last
    assert not (tmp_path / "record.json").exists() and not (tmp_path / "run.lock").exists()
    assert run(toy, tmp_path)[0] == undisturbed[0]


def ask(monkeypatch, folder):
    """Flags as the command line would have set them."""
    for name, value in {"workdir": folder, "allowed_changes": [], "trackers": []}.items():
        monkeypatch.setattr(cli, name, lambda value=value: value)


def test_output_that_cannot_be_written_stops_nothing(toy, undisturbed, tmp_path, monkeypatch):
    ask(monkeypatch, tmp_path)
    reader, writer = os.pipe()
    os.close(reader)
    with open(writer, "w") as pipe:
        monkeypatch.setattr("sys.stdout", cli._Unbreakable(pipe))
        quiet = toy.study._replace(figures=lambda *a: {})
        assert study.command(quiet, toy.study.read(toy.config)) == 0
        monkeypatch.undo()
    assert numbers(files.read_json(tmp_path / "record.json")).keys() == undisturbed[0].keys()


def test_changes_are_refused_or_allowed_by_name(toy, undisturbed, tmp_path):
    shutil.copytree(undisturbed[1], tmp_path / "run")
    before, changed = tree(tmp_path), toy.altered(toy.change)
    with pytest.raises(UserError, match="--allow_config_change=" + next(iter(toy.change))):
        run(toy, tmp_path / "run", changed)
    if toy.fixed:  # even where it is allowed, and before anything is written
        with pytest.raises(UserError, match="cannot change"):
            run(toy, tmp_path / "run", toy.altered(toy.fixed), allowed=tuple(toy.fixed))
    assert tree(tmp_path) == before
    run(toy, tmp_path / "run", changed, allowed=tuple(toy.change))
    assert files.read_json(tmp_path / "run" / "config.json") == files.plain(changed)


def test_a_record_makes_its_folder_and_is_strict_json(toy, undisturbed, tmp_path, monkeypatch):
    shutil.copytree(undisturbed[1], tmp_path / "run")
    path = tmp_path / "new" / "folder" / "record.json"
    run(toy, tmp_path / "run", record=path)
    strict = json.loads(path.read_text(), parse_constant=pytest.fail)
    assert numbers(strict) == files.strict(undisturbed[0])
    assert "--workdir=DIR" in strict["environment"]["command"]


def test_json_is_all_that_goes_to_stdout(toy, undisturbed, tmp_path, monkeypatch, capsys):
    ask(monkeypatch, shutil.copytree(undisturbed[1], tmp_path / "run"))
    quiet = toy.study._replace(figures=lambda *a: {})
    assert study.command(quiet, toy.study.read(toy.config), json=True) == 0
    out, err = capsys.readouterr()
    assert numbers(json.loads(out)).keys() == undisturbed[0].keys() and "report:" in err


def test_trackers_see_every_line_or_are_refused(toy, tmp_path, monkeypatch):
    if not toy.study.trains:
        with pytest.raises(UserError, match="--track"):
            run(toy, tmp_path / "run", track=("tensorboard",))
        return
    seen = []

    class Sink:
        def rewind(self, step, *, dropped):
            seen.append((step, dropped))

        def write(self, step, split, values):
            seen.append((step, split))

        def close(self):
            seen.append("closed")

    monkeypatch.setattr(trackers, "check_trackers", lambda names: None)
    monkeypatch.setattr(trackers, "make_sinks", lambda names, *rest: [Sink() for _ in names])
    run(toy, tmp_path, track=("tensorboard",))
    lines = [r for p in tmp_path.rglob("metrics.jsonl") for r in read_metrics(p)]
    assert len(lines) == len([s for s in seen if s != "closed" and isinstance(s[1], str)])
    assert seen[-1] == "closed"


def test_values_that_are_not_finite_are_never_kept(trained, tmp_path, tmp_path_factory):
    expected, _ = whole(trained, tmp_path_factory)
    module, name = trained.step
    make, calls = getattr(module, name), []

    def poisoned(*args, **kwargs):
        step = make(*args, **kwargs)

        def call(*given):
            state, metrics = step(*given)
            calls.append(1)
            return state, metrics | ({"finite": np.float32(0)} if len(calls) == 2 else {})

        return call

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, name, poisoned)
        with pytest.raises(NonFiniteError, match="not finite at step 2.*nonfinite.json"):
            run(trained, tmp_path)
    assert not [p for p in tmp_path.rglob("checkpoints/2")]
    assert run(trained, tmp_path)[0] == expected


def test_the_checkpoint_before_the_newest_serves(trained, tmp_path, tmp_path_factory):
    """A byte of the newest is changed in a run that was stopped half-way."""
    expected, _ = whole(trained, tmp_path_factory)
    stop, saves = StopSignal(), []

    def after_two_saves(kind, path, number):
        saves.extend([path] if kind == "save" else [])
        if saves.count(path) == 2:
            stop.received = "SIGTERM"

    with watched(after_two_saves), pytest.raises(Stopped):
        run(trained, tmp_path, stop=stop)
    folder = max(tmp_path.rglob("checkpoints"), key=lambda p: p.stat().st_mtime)
    steps = sorted(int(p.name) for p in folder.iterdir())
    assert len(steps) >= 2
    largest = max((folder / str(steps[-1])).rglob("*"), key=lambda p: p.stat().st_size)
    data = bytearray(largest.read_bytes())
    data[len(data) // 2] ^= 1
    largest.write_bytes(data)
    assert run(trained, tmp_path)[0] == expected


def test_every_study_makes_a_page_of_its_own(toy, undisturbed, tmp_path):
    folder = shutil.copytree(undisturbed[1], tmp_path / "run")
    run(toy, folder, figures=True)
    page = (folder / "report.html").read_text()
    assert not re.search(r'(src|href)="(?!data:)', page) and "<img" in page
    order = ['class="verdict"', "<table>", "<img", "How this was made"]
    assert sorted(order, key=page.index) == order
