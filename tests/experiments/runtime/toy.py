"""A training run of milliseconds: least squares with noise in the loss. Also a program:

python -m tests.experiments.runtime.toy WORKDIR [exit_at]
"""

import contextlib
import os
import pathlib
import signal
import sys
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
import optax

from experiments.runtime.batches import batch_indices, batches
from experiments.runtime.checkpoint import Checkpointer
from experiments.runtime.loop import Loop, Schedule
from experiments.runtime.mesh import make_mesh
from experiments.runtime.preemption import Stopped, StopSignal
from experiments.runtime.progress import Progress
from experiments.runtime.state import StateFactory, TrainState
from experiments.runtime.step import make_step
from experiments.runtime.workspace import opened

NUM, WIDTH, BATCH = 50, 16, 8
SCHEDULE = Schedule(num_steps=20, log_every=4, eval_every=10, save_every=5)
_rng = np.random.default_rng(0)
X = _rng.normal(size=(NUM, WIDTH)).astype(np.float32)
Y = _rng.normal(size=(NUM,)).astype(np.float32)


def take(indices: np.ndarray) -> dict[str, np.ndarray]:
    return {"x": X[indices], "y": Y[indices], "index": indices.astype(np.int32)}


def loss(params, batch, key):
    noise = 0.1 * jax.random.normal(key, batch["y"].shape)
    residual = batch["x"] @ params["w"] + params["bias"] - batch["y"] + noise
    return {"loss": residual**2}


def init(key):
    return {"w": 0.1 * jax.random.normal(key, (WIDTH,)), "bias": jnp.zeros(())}


def run(
    workdir: pathlib.Path,
    *,
    schedule: Schedule = SCHEDULE,
    num_devices: int = 8,
    loss: Callable = loss,
    after_step: Callable[[int], None] = lambda step: None,
    evaluate: Callable[[TrainState], dict[str, float]] | None = None,
    checkpointer: Callable[[pathlib.Path], Checkpointer] = Checkpointer,
    sharding: str = "replicated",
    accumulate: int = 1,
) -> tuple[TrainState, int]:
    """Trains in `workdir`, resuming what is there; `after_step` sees each step that was sent.

    Returns the state, None after a stop signal, and the step reached.
    """
    mesh = make_mesh(num_devices)
    optimizer = optax.adam(1e-2)
    factory = StateFactory(init, optimizer, jax.random.key(1), mesh, sharding)
    step = make_step(
        loss,
        optimizer,
        key=jax.random.key(2),
        ema_decay=0.9,
        state=factory.abstract(),
        mesh=mesh,
        accumulate=accumulate,
    )

    reached = 0

    def watched(state, batch):
        nonlocal reached
        with jax.transfer_guard("disallow"):  # a step moves nothing between host and device
            out = step(state, batch)
        reached = int(out[0].step)
        after_step(reached)
        return out

    with (
        StopSignal() as stop,
        opened(workdir, {}, stop, say=lambda line: None) as space,
        space.metrics() as writer,
        contextlib.closing(checkpointer(workdir / "checkpoints")) as saved,
    ):
        saved.clear_leftovers()
        loop = Loop(
            watched,
            schedule,
            workspace=space,
            writer=writer,
            checkpointer=saved,
            progress=Progress(schedule.num_steps, BATCH),
            evaluate=evaluate or (lambda s: {"loss": float(jnp.mean((X @ s.ema["w"] - Y) ** 2))}),
            describe_batch=lambda s: batch_indices(0, s, NUM, BATCH).tolist(),
        )
        state, reached = loop.resume(factory)
        stream = batches(
            take,
            NUM,
            seed=0,
            batch_size=BATCH,
            mesh=mesh,
            start=reached,
            stop=schedule.num_steps,
        )
        try:
            return loop.run(state, reached, stream), reached
        except Stopped:
            return None, reached


class ExitingCheckpointer(Checkpointer):
    """Ends the process, as kill −9 does, at a phase of the save of step 10."""

    def __init__(self, directory: pathlib.Path, phase: str):
        super().__init__(directory)
        self.phase = phase

    def save(self, step, state, extra=None):
        if step == 10 and self.phase == "before":
            os._exit(9)
        super().save(step, state, extra)
        if step == 10 and self.phase == "written":
            self.wait()
            os._exit(9)

    def _commit(self, step, folder, extra):
        if step == 10 and self.phase == "during":
            os._exit(9)
        super()._commit(step, folder, extra)


if __name__ == "__main__":
    folder = pathlib.Path(sys.argv[1])
    phase = sys.argv[2] if len(sys.argv) > 2 else ""
    kwargs = {}
    if phase in ("before", "during", "written"):
        kwargs["checkpointer"] = lambda path: ExitingCheckpointer(path, phase)
    elif phase == "sigterm":
        kwargs["after_step"] = lambda step: (
            os.kill(os.getpid(), signal.SIGTERM) if step == 7 else None
        )
    elif phase == "evaluate":
        kwargs["evaluate"] = lambda state: os._exit(9)
    elif phase:
        at = int(phase)
        kwargs["after_step"] = lambda step: os._exit(9) if step == at else None
    run(folder, **kwargs)
