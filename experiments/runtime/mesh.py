"""Devices as one mesh with a single axis, and the shardings that a run needs."""

from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from experiments.runtime.errors import UserError

AXIS = "data"
# Elements from which splitting a leaf saves more memory than gathering it costs in calls.
LARGE = 4096


def make_mesh(num_devices: int | None = None) -> Mesh:
    """A one-axis mesh over the first `num_devices` devices of all hosts (default: all)."""
    devices = jax.devices()
    count = len(devices) if num_devices is None else num_devices
    if not 1 <= count <= len(devices):
        raise UserError(f"asked for {count} devices, but this run has 1 to {len(devices)}")
    return Mesh(np.array(devices[:count]), (AXIS,))


def replicated(mesh: Mesh) -> NamedSharding:
    """Every device holds the whole array."""
    return NamedSharding(mesh, PartitionSpec())


def batch_sharding(mesh: Mesh) -> NamedSharding:
    """The leading axis is split over the devices."""
    return NamedSharding(mesh, PartitionSpec(AXIS))


def state_sharding(state: Any, mesh: Mesh, rule: str = "replicated") -> Any:
    """A sharding for each leaf of `state`.

    `rule` is "replicated" (data parallel), or "fsdp": each leaf of at least `LARGE` elements is
    split along its longest axis that the device count divides; all others are replicated.
    """
    if rule not in ("replicated", "fsdp"):
        raise UserError(f"sharding is {rule!r}; accepted: 'replicated', 'fsdp'")

    def choose(leaf):
        shape = np.shape(leaf)
        divisible = [axis for axis, size in enumerate(shape) if size and size % mesh.size == 0]
        if rule == "replicated" or not divisible or np.prod(shape) < LARGE:
            return replicated(mesh)
        longest = max(divisible, key=lambda axis: shape[axis])
        return NamedSharding(mesh, PartitionSpec(*([None] * longest), AXIS))

    return jax.tree.map(choose, state)
