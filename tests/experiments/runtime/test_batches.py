"""Oracles: counting, and NumPy's permutation."""

import jax
import numpy as np
import pytest

from experiments.runtime.batches import batch_indices, batches
from experiments.runtime.errors import UserError
from experiments.runtime.mesh import make_mesh


def test_each_epoch_is_one_permutation_also_across_batches():
    order = np.concatenate([batch_indices(3, step, 10, 4) for step in range(5)])
    for epoch in (0, 1):
        want = np.random.default_rng((3, epoch)).permutation(10)
        np.testing.assert_array_equal(order[10 * epoch : 10 * (epoch + 1)], want)


def test_indices_depend_on_seed_and_step_only():
    late = batch_indices(0, 1000, 50, 8)
    np.testing.assert_array_equal(late, batch_indices(0, 1000, 50, 8))
    assert (late != batch_indices(1, 1000, 50, 8)).any()


def test_a_batch_may_hold_the_whole_set_many_times():
    counts = np.bincount(batch_indices(0, 0, 3, 9), minlength=3)
    np.testing.assert_array_equal(counts, [3, 3, 3])


def test_the_stream_equals_the_function_and_is_laid_out_over_devices():
    take = lambda i: {"index": i.astype(np.int32)}
    mesh = make_mesh(8)
    stream = batches(take, 50, seed=0, batch_size=16, mesh=mesh, start=2, stop=6, prefetch=3)
    got = list(stream)
    assert len(got) == 4 and len(got[0]["index"].sharding.device_set) == 8
    for step, batch in enumerate(got, start=2):
        np.testing.assert_array_equal(batch["index"], batch_indices(0, step, 50, 16))


def test_an_error_while_reading_reaches_the_loop():
    def broken(indices):
        raise OSError("disk gone")

    stream = batches(broken, 50, seed=0, batch_size=8, mesh=make_mesh(1))
    with pytest.raises(OSError, match="disk gone"):
        next(stream)


@pytest.mark.parametrize("size", [0, 12])
def test_a_batch_that_devices_cannot_share_is_one_clear_error(size):
    with pytest.raises(UserError, match="multiple of 8"):
        next(batches(lambda i: {}, 50, seed=0, batch_size=size, mesh=make_mesh(8)))


def test_asking_for_more_devices_than_there_are_is_one_clear_error():
    with pytest.raises(UserError, match=f"1 to {len(jax.devices())}"):
        make_mesh(len(jax.devices()) + 1)
