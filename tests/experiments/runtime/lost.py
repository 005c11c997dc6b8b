"""One of two processes that train the toy for ever. A program:

python -m tests.experiments.runtime.lost PORT INDEX FOLDER DOING

DOING is what takes long in it: training, saving or evaluation. FOLDER/DOING appears once it does.
"""

import pathlib
import sys
import time

import jax

from experiments.runtime import distributed, peers
from experiments.runtime.checkpoint import Checkpointer
from experiments.runtime.loop import Schedule
from tests.experiments.runtime import toy


def slowly(folder: pathlib.Path, doing: str, what):
    """`what`, after the folder says, once a checkpoint is there, that it is about to be done."""
    calls, late = 0, {"training": 12, "saving": 2, "evaluation": 3}[doing]  # the last two each 5

    def slow(*args):
        nonlocal calls
        calls += 1
        if calls == late:
            (folder / doing).touch()
        time.sleep(0.5)
        return what(*args)

    return slow


if __name__ == "__main__":
    port, index, where, doing = sys.argv[1:]
    folder = pathlib.Path(where)
    evaluate = lambda state: {"loss": float(toy.jnp.mean(state.ema["w"] ** 2))}
    after_step = lambda step: time.sleep(0.02)
    if doing == "training":
        after_step = slowly(folder, doing, after_step)
    elif doing == "saving":
        Checkpointer._commit = slowly(folder, doing, Checkpointer._commit)
    else:
        evaluate = slowly(folder, doing, evaluate)
    plan = Schedule(10**6, 0, 5, 5)
    distributed.start(False, f"localhost:{port}", 2, int(index), patience=4)
    try:
        toy.run(folder / "run", schedule=plan, after_step=after_step, evaluate=evaluate)
    except jax.errors.JaxRuntimeError:
        peers.wait_for_verdict()
        raise
