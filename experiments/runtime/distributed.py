"""Several processes as one run: how they join, and how they agree on one value."""

import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jax.experimental import multihost_utils

from experiments.runtime import peers
from experiments.runtime.errors import UserError
from experiments.runtime.mesh import batch_sharding, make_mesh, replicated

# Flags of an entry point that can run in several processes, passed on to `start`.
OPTIONS = {
    "multihost": (bool, "Join the other processes, found by JAX: TPU pod slice, Slurm, MPI, k8s."),
    "coordinator": (str, "HOST:PORT of process 0, to join processes that JAX does not find."),
    "num_processes": (int, "How many processes there are; with --coordinator."),
    "process_index": (int, "Which of them this is, from 0; with --coordinator."),
    "patience": (int, "Seconds after which a silent process counts as lost; default 60."),
}


def start(
    multihost: bool,
    coordinator: str | None,
    num_processes: int | None,
    process_index: int | None,
    patience: int | None = None,
) -> None:
    """Joins the processes of one run; nothing happens where no flag asks for it.

    Must come before anything that touches a device.

    Raises:
      UserError: the flags do not fit together, or the other processes are not found.
    """
    given = (coordinator, num_processes, process_index)
    if patience is not None:
        if patience < 1:
            raise UserError(f"--patience={patience}; accepted: 1 second or more")
        peers.PATIENCE = float(patience)
    if not multihost and given == (None, None, None):
        return
    if given != (None, None, None):
        _check(coordinator, num_processes, process_index)
    try:
        # Processes watch each other, and say which one is lost before JAX ends all by an abort.
        jax.distributed.initialize(
            coordinator,
            num_processes,
            process_index,
            heartbeat_timeout_seconds=round(10 * peers.PATIENCE),
        )
    except (RuntimeError, ValueError) as error:
        raise UserError(
            f"the processes could not join: {error}\nGive each process --coordinator=HOST:PORT, "
            "--num_processes and --process_index."
        ) from error
    from jax._src import distributed  # the store has no public name

    peers.watch(distributed.global_state.client)


def _check(coordinator: str | None, num_processes: int | None, process_index: int | None) -> None:
    if coordinator is None or num_processes is None or process_index is None:
        raise UserError(
            "--coordinator, --num_processes and --process_index belong together; given: "
            f"{coordinator}, {num_processes}, {process_index}"
        )
    if not 0 <= process_index < num_processes:
        raise UserError(
            f"--process_index={process_index} must lie in 0 to {num_processes - 1}, as "
            f"--num_processes={num_processes}"
        )


def is_lead() -> bool:
    """Whether this is the process that writes files and prints."""
    return jax.process_index() == 0


def maximum(value: int) -> jax.Array:
    """The largest of the values that the processes give. All of them must call.

    Returns at once; reading the result waits for the slowest process.
    """
    mine = np.full(jax.local_device_count(), value, np.int32)
    sharding, largest = _compiled_maximum()
    return largest(jax.make_array_from_process_local_data(sharding, mine))


@functools.cache
def _compiled_maximum():
    mesh = make_mesh()
    return batch_sharding(mesh), jax.jit(jnp.max, out_shardings=replicated(mesh))


def shared_rows(compute: Callable[[np.ndarray], np.ndarray], num: int) -> np.ndarray:
    """compute(numbers of rows) of rows 0 to num, a share in each process; whole in all of them."""
    count = jax.process_count()
    if count == 1:
        return compute(np.arange(num))
    share = -(-num // count)
    first = jax.process_index() * share
    mine = compute(np.minimum(np.arange(first, first + share), num - 1))
    return np.asarray(multihost_utils.process_allgather(mine, tiled=True))[:num]


def from_lead(value: int) -> int:
    """The value that the lead gives, in every process. All of them must call."""
    if jax.process_count() == 1:
        return value
    return int(maximum(value if is_lead() else np.iinfo(np.int32).min))
