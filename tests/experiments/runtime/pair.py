"""One of two processes that train the toy together. A program:

python -m tests.experiments.runtime.pair PORT INDEX FOLDER

Trains FOLDER/whole to its end, FOLDER/sharded likewise with FSDP, and FOLDER/stopped until process
1 alone is signalled at step 7, then resumes that; writes what it read and reached to
FOLDER/INDEX.json, and the lead the final states to FOLDER/*.npz. Then both look for neighbours.
With `alone` as INDEX, one process trains FOLDER/alone to its end, for comparison.
"""

import json
import os
import pathlib
import signal
import sys
import traceback

import jax
import numpy as np
from jax.experimental import multihost_utils

import hubness
from experiments.runtime import distributed, mesh
from tests.experiments.runtime import toy


def main(port: str, index: str, folder: pathlib.Path) -> None:
    if index == "alone":
        return np.savez(folder / "alone.npz", *jax.tree.leaves(toy.run(folder / "alone")[0]))
    distributed.start(False, f"localhost:{port}", 2, int(index))
    read: list[list[int]] = []
    plain = toy.take

    def recording(indices):
        read.append(indices.tolist())
        return plain(indices)

    def signalled(step):
        if step == 7 and index == "1":
            os.kill(os.getpid(), signal.SIGTERM)

    toy.take = recording
    states = {"whole": toy.run(folder / "whole")[0]}
    toy.take = plain
    _, reached = toy.run(folder / "stopped", after_step=signalled)
    multihost_utils.sync_global_devices("saved")  # the lead names a checkpoint once it is complete
    saved = sorted(int(p.name) for p in (folder / "stopped" / "checkpoints").iterdir())
    states["stopped"] = toy.run(folder / "stopped")[0]
    mesh.LARGE = 1
    states["sharded"] = toy.run(folder / "sharded", sharding="fsdp")[0]
    assert not states["sharded"].params["w"].is_fully_addressable
    assert not states["sharded"].params["w"].is_fully_replicated
    for name, state in states.items():
        leaves = multihost_utils.process_allgather(jax.tree.leaves(state), tiled=True)
        if index == "0":
            np.savez(folder / f"{name}.npz", *leaves)
    nearest(folder, index)
    facts = {"read": read, "reached": reached, "saved": saved, "devices": jax.device_count()}
    (folder / f"{index}.json").write_text(json.dumps(facts))


def nearest(folder: pathlib.Path, index: str) -> None:
    """Neighbours over the devices of both processes, points in a ring and queries shared out."""
    over = mesh.make_mesh()
    found = {
        "ring": hubness.knn(POINTS, 10, mesh=over, ring=True),
        "mp_gauss": hubness.reduced_knn(POINTS, 10, "mp_gauss", mesh=over),
    }
    whole = {n: multihost_utils.process_allgather(f.index, tiled=True) for n, f in found.items()}
    if index == "0":
        np.savez(folder / "nearest.npz", **whole)


POINTS = np.random.default_rng(0).normal(size=(203, 12)).astype(np.float32)

if __name__ == "__main__":
    try:
        main(sys.argv[1], sys.argv[2], pathlib.Path(sys.argv[3]))
    except BaseException:
        traceback.print_exc()
        os._exit(1)  # or jax.distributed waits minutes at exit for the other process
