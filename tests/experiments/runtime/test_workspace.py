"""Signals, trackers, weights of another run, readers. Oracles: the toy of this folder, by hand."""

import contextlib
import os
import signal
import sys
import types

import jax
import numpy as np
import optax
import pytest

from experiments.diffenc.config import Train
from experiments.runtime import files, manifest, preemption, trackers, weights
from experiments.runtime.checkpoint import Checkpointer
from experiments.runtime.errors import CheckpointError, NonFiniteError, UserError
from experiments.runtime.loop import Schedule
from experiments.runtime.mesh import make_mesh
from experiments.runtime.metrics import MetricsWriter, read_metrics
from experiments.runtime.preemption import StopSignal
from experiments.runtime.settings import read
from experiments.runtime.state import StateFactory
from experiments.runtime.workspace import opened
from tests.experiments.runtime import toy


def test_the_first_signal_is_noted_and_only_a_second_interrupt_ends():
    with StopSignal() as stop:
        for number in (signal.SIGUSR1, signal.SIGUSR1, signal.SIGTERM, signal.SIGHUP):
            os.kill(os.getpid(), number)
        assert stop.received == "SIGUSR1" and stop and stop.exit_code == 0
    with StopSignal() as stop:
        os.kill(os.getpid(), signal.SIGINT)
        assert stop.exit_code == 130
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)


def test_a_run_ends_with_the_process_that_started_it(monkeypatch):
    """As the trainers of a suite that was killed."""
    monkeypatch.setenv(preemption.PARENT, str(os.getppid()))
    stop = StopSignal()
    assert not stop
    monkeypatch.setattr(preemption.os, "getppid", lambda: 1)
    assert stop and stop.exit_code == 0 and "what started it" in stop.cause


def test_a_hangup_that_is_ignored_stays_ignored():
    """As nohup leaves it."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with StopSignal() as stop:
            os.kill(os.getpid(), signal.SIGHUP)
            assert not stop
    finally:
        signal.signal(signal.SIGHUP, before)


def test_a_run_that_other_code_resumes_still_says_by_which_it_was_begun(tmp_path, monkeypatch):
    first = {"commit": "first", "devices": ["gpu:H200"]}
    for made in (first, {"commit": "second", "devices": ["cpu:cpu"]}, {"commit": "third"}):
        monkeypatch.setattr(manifest, "environment", lambda made=made: dict(made))
        with StopSignal() as stop, opened(tmp_path / "run", {}, stop, facts={"study": "toy"}):
            pass
    found = files.read_json(tmp_path / "run" / "manifest.json")
    assert found["commit"] == "third"
    assert found["begun"] == {"commit": "first", "devices": ["gpu:H200"]}


@pytest.mark.parametrize(
    "given",
    [{"num_steps": -5}, {"ema_decay": 1.5}, {"learning_rate": -1}, {"warmup_steps": -1},
     {"learning_rate": float("nan")}, {"learning_rate": float("inf")}, {"batch_size": 0},
     {"log_every": -1}],
)  # fmt: skip
def test_values_that_no_training_can_have(given):
    """Case C3."""
    with pytest.raises(UserError, match=f"train.{next(iter(given))}=.*; accepted is"):
        read(Train, given, "train.")


def test_an_interval_of_zero_means_never(tmp_path):
    """Case C3: it was a ZeroDivisionError after the compilation."""
    toy.run(tmp_path, schedule=Schedule(6, 0, 0, 0))
    assert read_metrics(tmp_path / "metrics.jsonl") == []
    assert [p.name for p in (tmp_path / "checkpoints").iterdir()] == ["6"]


def test_a_folder_of_another_study_is_no_run_to_continue(tmp_path):
    """Its record and page were replaced, as the refusal itself proposed."""
    with opened(tmp_path, {"a": 1}, StopSignal(), facts={"study": "one"}):
        pass
    other = opened(tmp_path, {"b": 1}, StopSignal(), allowed=("a",), facts={"study": "two"})
    with pytest.raises(UserError, match="holds a run of one, not of two; use another"), other:
        pass


@pytest.mark.parametrize(
    "folders",
    [
        ["--workdir=my run", "--record=r.json"],
        ["--workdir", "my run", "--record", "r.json", "--json"],
    ],
)
def test_the_command_of_a_record_has_no_folder_of_this_machine(monkeypatch, folders):
    main = types.SimpleNamespace(__spec__=types.SimpleNamespace(name="experiments.x.__main__"))
    monkeypatch.setitem(sys.modules, "__main__", main)
    monkeypatch.setattr(sys, "argv", ["x", "--config=a b.py", *folders, "--track=csv"])
    want = "python -m experiments.x '--config=a b.py' --track=csv --workdir=DIR"
    assert manifest.portable()["command"] == want


def test_a_run_does_not_go_back_to_fewer_steps(tmp_path):
    toy.run(tmp_path, schedule=Schedule(10, 4, 10, 5))
    with pytest.raises(UserError, match="at step 10 already, beyond the 6"):
        toy.run(tmp_path, schedule=Schedule(6, 4, 10, 5))


def test_parameters_that_an_update_makes_infinite_are_never_saved(tmp_path, monkeypatch):
    """Case R8: a finite loss and gradient, and a rate that is not."""
    rate = lambda step: jax.numpy.where(step == 5, jax.numpy.inf, 1e-2)
    monkeypatch.setattr(toy.optax, "adam", lambda _: optax.sgd(rate))
    with pytest.raises(NonFiniteError, match="updated parameter is not finite at step 6"):
        toy.run(tmp_path, schedule=Schedule(20, 4, 10, 3))
    assert sorted(int(p.name) for p in (tmp_path / "checkpoints").iterdir()) == [3]


def test_an_evaluation_that_is_not_finite_is_refused(tmp_path):
    with pytest.raises(NonFiniteError, match="evaluation is not finite at step 10.*loss"):
        toy.run(tmp_path, evaluate=lambda state: {"loss": float("nan"), "other": 1.0})


def state(seed=0, width=16):
    init = lambda key: {"w": jax.random.normal(key, (width,)), "b": jax.numpy.zeros(3)}
    return StateFactory(init, optax.adam(1e-3), jax.random.key(seed), make_mesh(1))


@pytest.fixture
def other(tmp_path):
    """A run whose newest state is of step 7 and seed 3."""
    with contextlib.closing(Checkpointer(tmp_path / "other" / "checkpoints")) as saved:
        saved.save(7, state(3)())
    return tmp_path / "other"


def test_weights_of_another_run_are_taken_where_they_fit(other, tmp_path):
    found = weights.read(other, state().abstract())
    borrowed = weights.Borrowed(state(), found)
    made, want = borrowed(), state(3)()
    np.testing.assert_array_equal(made.params["w"], want.params["w"])
    np.testing.assert_array_equal(made.ema["w"], want.ema["w"])
    assert int(made.step) == 0 and "took 4 of 4 leaves" in borrowed.report()
    wider = weights.Borrowed(state(width=5), weights.read(other, state(width=5).abstract()))
    np.testing.assert_array_equal(wider().params["w"], state(width=5)().params["w"])
    report = wider.report()
    assert "took 2 of 4 leaves: params/b, ema/b" in report.replace(
        "ema/b, params/b", "params/b, ema/b"
    )
    assert "params/w is (16,) float32 there and (5,) float32 here" in report


def test_weights_that_are_not_there_are_one_clear_error(other, tmp_path):
    with pytest.raises(UserError, match="holds no checkpoints"):
        weights.read(tmp_path / "nowhere", state().abstract())
    init = lambda key: {"other": jax.numpy.zeros(2)}
    strange = StateFactory(init, optax.sgd(1.0), jax.random.key(0), make_mesh(1))
    with pytest.raises(UserError, match="no leaf fits.*is not there"):
        weights.read(other, strange.abstract())


def test_other_shapes_are_refused_before_anything_is_written(tmp_path):
    """Case C5: the config was rewritten, then Orbax raised."""
    stop, run = StopSignal(), tmp_path / "run"
    with opened(run, {"width": 16}, stop) as space, space.checkpoints() as saved:
        saved.save(1, state()())
    before = {p: p.read_bytes() for p in run.rglob("*") if p.is_file()}
    layouts = {"": state(width=5).abstract}
    with (
        pytest.raises(CheckpointError, match=r"params/w: \(16,\) float32 there, \(5,\)"),
        opened(run, {"width": 5}, stop, allowed=["width"], layouts=layouts),
    ):
        pass
    assert {p: p.read_bytes() for p in run.rglob("*") if p.is_file()} == before


def test_a_reader_leaves_an_unfinished_save_alone(tmp_path):
    """Case C1: opening the checkpoints deleted what the trainer was writing."""
    toy.run(tmp_path, schedule=Schedule(5, 4, 10, 5))
    half = tmp_path / "checkpoints" / "tmp-8"
    half.mkdir()
    before = {p: p.stat().st_mtime for p in tmp_path.rglob("*")}
    with contextlib.closing(Checkpointer(tmp_path / "checkpoints")) as saved:
        assert saved.steps() == [5]
    assert {p: p.stat().st_mtime for p in tmp_path.rglob("*")} == before


def test_a_checkpoint_with_values_that_are_not_finite_is_passed_over(tmp_path, caplog):
    """As one that was saved before updates were checked."""
    with contextlib.closing(Checkpointer(tmp_path)) as saved:
        good = state()()
        saved.save(1, good)
        bad = good._replace(params={**good.params, "w": good.params["w"] * np.nan})
        saved.save(2, bad)
        assert saved.restore(state().abstract()).step == 1
    assert "NaN or infinite" in caplog.text


def test_a_missing_tracker_is_named_with_its_extra(monkeypatch):
    monkeypatch.setattr(trackers.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"--track=wandb needs the package wandb.*repgeo\[track\]"):
        trackers.check_trackers(["wandb"])


def test_runs_in_other_folders_or_of_other_configs_have_other_names(tmp_path):
    names = {
        trackers.run_id(tmp_path / folder / "x", config)
        for folder in ("a", "b")
        for config in ({"seed": 0}, {"seed": 1})
    }
    assert len(names) == 4


def test_trackers_forget_what_a_rewind_drops(tmp_path, monkeypatch):
    """Case T13, with stand-ins for both packages."""
    calls = []
    writer = types.SimpleNamespace(
        add_scalar=lambda *a: calls.append(a), flush=lambda: None, close=lambda: None
    )
    tensorboard = types.ModuleType("tensorboardX")
    tensorboard.SummaryWriter = lambda folder, purge_step: calls.append(purge_step) or writer
    run = types.SimpleNamespace(log=lambda *a, **k: calls.append((a, k)), finish=lambda: None)
    wandb = types.ModuleType("wandb")
    wandb.init = lambda **given: calls.append(given) or run
    monkeypatch.setitem(sys.modules, "tensorboardX", tensorboard)
    monkeypatch.setitem(sys.modules, "wandb", wandb)

    def write(rewind, steps):
        sinks = trackers.make_sinks(["tensorboard", "wandb"], tmp_path, {"a": 1}, "name")
        made = MetricsWriter(tmp_path / "metrics.jsonl", sinks)
        made.rewind(rewind)
        for step in steps:
            made.write(step, "train", {"loss": 1.0})
        made.close()

    write(0, [1, 2, 3])
    assert calls[0] == 1 and calls[1]["id"] == "name" and calls[1]["resume"] == "allow"
    calls.clear()
    write(2, [3])
    assert calls[0] == 3 and calls[1]["resume_from"] == "name?_step=2"
    assert calls[2] == ("train/loss", 1.0, 3)


def test_a_folder_that_was_made_for_nothing_is_taken_away(tmp_path, monkeypatch):
    def full(path, value):
        raise files.StorageError("full")

    monkeypatch.setattr(files, "write_json", full)
    with (
        pytest.raises(UserError, match="full"),
        opened(tmp_path / "new" / "run", {}, StopSignal()),
    ):
        pass
    assert list(tmp_path.iterdir()) == []
