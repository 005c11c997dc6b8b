"""Oracles: what was saved, to the bit; and damage done by hand."""

import pathlib

import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from experiments.runtime import mesh
from experiments.runtime.checkpoint import Checkpointer
from experiments.runtime.errors import CheckpointError
from experiments.runtime.files import StorageError
from experiments.runtime.mesh import make_mesh
from experiments.runtime.state import StateFactory


def make_state(num_devices=8, sharding="replicated", seed=0):
    init = lambda key: {"w": jax.random.normal(key, (16, 8)), "b": {"bias": jnp.arange(3.0)}}
    key = jax.random.key(seed)
    return StateFactory(init, optax.adamw(1e-3), key, make_mesh(num_devices), sharding)()


@pytest.fixture
def saved(tmp_path):
    """A checkpointer over steps 5, 6, 7 whose states differ."""
    checkpointer = Checkpointer(tmp_path / "checkpoints")
    for step in (4, 5, 6, 7):
        checkpointer.save(step, make_state(seed=step), {"note": step})
    checkpointer.wait()
    yield checkpointer
    checkpointer.close()


def flip(path: pathlib.Path, position: int) -> None:
    data = bytearray(path.read_bytes())
    data[position % len(data)] ^= 0x10
    path.write_bytes(bytes(data))


def test_round_trip_is_exact_and_keeps_the_newest_three(saved):
    restored = saved.restore(make_state())
    assert saved.steps() == [5, 6, 7]
    assert (restored.step, restored.extra) == (7, {"note": 7})
    chex.assert_trees_all_equal(restored.state, make_state(seed=7))
    assert type(restored.state) is type(make_state())


def test_twenty_flipped_bytes_are_refused_twenty_times(saved, caplog):
    newest = saved.directory / "7"
    files = sorted(p for p in newest.rglob("*") if p.is_file() and p.stat().st_size)
    rng = np.random.default_rng(0)
    for _ in range(20):
        path = files[rng.integers(len(files))]
        whole, position = path.read_bytes(), int(rng.integers(path.stat().st_size))
        flip(path, position)
        caplog.clear()
        assert saved.restore(make_state()).step == 6
        assert "checkpoint 7" in caplog.text and "damaged" in caplog.text
        path.write_bytes(whole)
    assert saved.restore(make_state()).step == 7


@pytest.mark.parametrize("damage", ["truncate", "delete", "empty", "no digest", "stray file"])
def test_other_damage_falls_back_to_the_step_before(saved, damage):
    newest = saved.directory / "7"
    largest = max((p for p in newest.rglob("*") if p.is_file()), key=lambda p: p.stat().st_size)
    if damage == "truncate":
        largest.write_bytes(largest.read_bytes()[: largest.stat().st_size // 2])
    elif damage == "delete":
        largest.unlink()
    elif damage == "empty":
        for path in newest.rglob("*"):
            if path.is_file():
                path.write_bytes(b"")
    elif damage == "no digest":
        (newest / "DIGEST").unlink()
    else:
        (newest / "state" / "stray").write_text("x")
    restored = saved.restore(make_state())
    chex.assert_trees_all_equal(restored.state, make_state(seed=6))


def test_all_damaged_is_an_error_that_names_the_folder(saved):
    for step in saved.steps():
        flip(saved.directory / str(step) / "extra.json", 0)
    with pytest.raises(CheckpointError, match="checkpoints"):
        saved.restore(make_state())


def test_a_save_cut_short_is_ignored_and_cleared(saved):
    leftover = saved.directory / "tmp-8" / "state"
    leftover.mkdir(parents=True)
    (leftover / "half").write_text("x")
    again = Checkpointer(saved.directory)
    assert again.restore(make_state()).step == 7
    assert leftover.exists()  # it may be a save that another process is writing
    again.clear_leftovers()
    assert not leftover.exists()
    again.close()


def test_no_checkpoint_yet_is_none_but_an_asked_for_one_is_an_error(tmp_path):
    checkpointer = Checkpointer(tmp_path)
    assert checkpointer.restore(make_state()) is None
    with pytest.raises(CheckpointError, match="asked for 3"):
        checkpointer.restore(make_state(), step=3)
    checkpointer.close()


def test_a_failed_save_is_raised_and_the_last_good_one_stays(saved, monkeypatch):
    def full(self, *args, **kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(pathlib.Path, "write_text", full)
    saved.save(8, make_state(seed=8))
    with pytest.raises(StorageError, match="disk is full"):
        saved.wait()
    monkeypatch.undo()
    assert saved.restore(make_state()).step == 7


@pytest.mark.parametrize("before, after", [(1, 8), (8, 1)])
def test_layouts_follow_the_template(tmp_path, before, after, monkeypatch):
    monkeypatch.setattr(mesh, "LARGE", 1)
    checkpointer = Checkpointer(tmp_path)
    checkpointer.save(1, make_state(before))
    template = make_state(after, "fsdp", seed=3)
    restored = checkpointer.restore(template).state
    chex.assert_trees_all_equal(jax.device_get(restored), jax.device_get(make_state(before)))
    for got, want in zip(jax.tree.leaves(restored), jax.tree.leaves(template), strict=True):
        assert got.sharding.is_equivalent_to(want.sharding, got.ndim)
    checkpointer.close()
