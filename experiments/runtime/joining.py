"""How the processes of a run join: who does not come is named, where JAX would end in an abort.

JAX waits in C++ for all processes, and where one is missing writes its number to stderr and aborts.
What it writes is read here when it does, and said in a sentence.
"""

import contextlib
import ctypes
import functools
import os
import re
import signal
import sys
import tempfile
from collections.abc import Iterator

import jax
from jax._src import distributed  # has no public way to say how long its service waits

WITHIN = 300  # seconds; hosts of a pod do not start at once
MISSING = 3  # exit code, as where a process is lost
LATER = 15  # seconds that the service, which knows who is missing, answers before a client gives up
_said = ""
_read = lambda: ""


def join(
    coordinator: str | None,
    num_processes: int | None,
    process_index: int | None,
    *,
    heartbeat: int,
    within: int = WITHIN,
) -> None:
    """`jax.distributed.initialize`; this process ends if not all join within so many seconds.

    Raises:
      RuntimeError, ValueError: JAX finds no other processes, or cannot join them.
    """
    global _said
    _said = f"after {within} seconds"
    module = distributed._jax
    serve = module.get_distributed_runtime_service
    # Aborts are of C++, where handlers set by Python's signal module never run.
    of_signal = ctypes.CDLL(None).signal
    module.get_distributed_runtime_service = functools.partial(
        serve, cluster_register_timeout=within
    )
    of_signal(int(signal.SIGABRT), _aborted)
    try:
        with _captured():
            jax.distributed.initialize(
                coordinator,
                num_processes,
                process_index,
                initialization_timeout=within + LATER,
                heartbeat_timeout_seconds=heartbeat,
            )
    finally:
        module.get_distributed_runtime_service = serve
        of_signal(int(signal.SIGABRT), None)


def missing(log: str) -> str:
    """Who did not join, from what JAX wrote before it aborted."""
    found = re.search(r"Some timed out task names:\s*\n((?:\d+\s+)+)", log)
    if found is None:
        return "not all processes have joined; process 0 knows which, unless it is missing itself"
    names = sorted(found[1].split(), key=int)
    if len(names) == 1:
        return f"process {names[0]} has not joined"
    return f"processes {', '.join(names)} have not joined"


@contextlib.contextmanager
def _captured() -> Iterator[None]:
    """What is written to stderr goes to a file, and on to stderr at the end."""
    global _read
    sys.stderr.flush()
    with tempfile.TemporaryFile() as file:
        own = os.dup(2)
        os.dup2(file.fileno(), 2)

        def restored() -> str:
            os.dup2(own, 2)
            file.seek(0)
            return file.read().decode(errors="replace")

        _read = restored
        try:
            yield
        finally:
            log = restored()
            os.close(own)
            sys.stderr.write(log)


@ctypes.CFUNCTYPE(None, ctypes.c_int)
def _aborted(number: int) -> None:
    del number
    print(
        f"error: {missing(_read())} {_said}. This process ends too; start the same command on "
        "every host again.",
        file=sys.stderr,
        flush=True,
    )
    os._exit(MISSING)
