"""Batches that are a pure function of (seed, step), prefetched and laid out over the mesh."""

import functools
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding

from experiments.runtime.errors import UserError
from experiments.runtime.mesh import batch_sharding

Arrays = dict[str, np.ndarray]


@functools.lru_cache(maxsize=4)
def _epoch_order(seed: int, epoch: int, num_examples: int) -> np.ndarray:
    return np.random.default_rng((seed, epoch)).permutation(num_examples)


def batch_indices(seed: int, step: int, num_examples: int, batch_size: int) -> np.ndarray:
    """The examples of batch `step`: consecutive slices of one fresh permutation per epoch.

    A batch may cross from one epoch to the next, so that every example is seen equally often.
    """
    position = np.arange(step * batch_size, (step + 1) * batch_size, dtype=np.int64)
    epoch, offset = np.divmod(position, num_examples)
    indices = np.empty(batch_size, np.int64)
    for e in np.unique(epoch):
        indices[epoch == e] = _epoch_order(seed, int(e), num_examples)[offset[epoch == e]]
    return indices


def local_rows(sharding: NamedSharding, batch_size: int) -> np.ndarray:
    """The rows of a global batch that lie on this process's devices, ascending."""
    slices = sharding.addressable_devices_indices_map((batch_size,)).values()
    return np.unique(np.concatenate([np.arange(batch_size)[rows] for rows in slices]))


def check_batch_size(batch_size: int, mesh: Mesh, accumulate: int = 1) -> None:
    """Raises `UserError` where the devices cannot share each part of a batch equally."""
    least = mesh.size * accumulate
    if batch_size < 1 or accumulate < 1 or batch_size % least:
        parts = f" in {accumulate} parts" if accumulate != 1 else ""
        raise UserError(
            f"batch size {batch_size} cannot be split over {mesh.size} devices{parts}: "
            f"choose a positive multiple of {max(least, 1)}"
        )


def batches(
    take: Callable[[np.ndarray], Arrays],
    num_examples: int,
    *,
    seed: int,
    batch_size: int,
    mesh: Mesh,
    start: int = 0,
    stop: int | None = None,
    prefetch: int = 2,
) -> Iterator[dict[str, jax.Array]]:
    """Global batches for steps `start` to `stop`, each `take(indices)` sharded on its first axis.

    `take` is called in one background thread, at most `prefetch` steps ahead. Each process reads
    only the rows of its own devices.
    """
    check_batch_size(batch_size, mesh)
    sharding = batch_sharding(mesh)
    rows = local_rows(sharding, batch_size)

    def load(step: int) -> dict[str, jax.Array]:
        local = batch_indices(seed, step, num_examples, batch_size)[rows]
        return {
            name: jax.make_array_from_process_local_data(sharding, value)
            for name, value in take(local).items()
        }

    with ThreadPoolExecutor(1, thread_name_prefix="batches") as pool:
        pending: deque = deque()
        step = start
        try:
            while stop is None or step < stop or pending:
                while len(pending) < prefetch and (stop is None or step < stop):
                    pending.append(pool.submit(load, step))
                    step += 1
                yield pending.popleft().result()
        finally:
            for future in pending:
                future.cancel()
