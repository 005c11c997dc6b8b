"""One of two processes that train the toy for ever. A program:

python -m tests.experiments.runtime.lost PORT INDEX FOLDER
"""

import pathlib
import sys
import time

import jax

from experiments.runtime import distributed, peers
from experiments.runtime.loop import Schedule
from tests.experiments.runtime import toy

if __name__ == "__main__":
    port, index, folder = sys.argv[1:]
    peers.PATIENCE = 4.0
    distributed.start(False, f"localhost:{port}", 2, int(index))
    try:
        toy.run(
            pathlib.Path(folder),
            schedule=Schedule(10**6, 0, 0, 10),
            after_step=lambda step: time.sleep(0.02),
        )
    except jax.errors.JaxRuntimeError:
        peers.wait_for_verdict()
        raise
