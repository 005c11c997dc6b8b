"""Signals as a flag that long work polls, so that a stopped run saves first."""

import os
import signal
from collections.abc import Callable
from types import FrameType
from typing import Any

import jax

from experiments.runtime import distributed

# Slurm warns by SIGUSR1, a closed terminal by SIGHUP.
SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1, signal.SIGHUP)
# Names the process that started this one, without which it is to stop.
PARENT = "REPGEO_PARENT"
INTERRUPTED = 130  # exit code of SIGINT, as shells have it

Handler = Callable[[int, FrameType | None], Any] | int | None  # as `signal.signal` returns it


class Stopped(Exception):
    """Raised where work ends because of a signal; what was finished is kept."""


class StopSignal:
    """A context in which the first signal of `SIGNALS` only sets `received`.

    SIGTERM or SIGINT a second time ends the process. A SIGHUP that was ignored at the start, as
    under nohup, stays ignored.

    True once a signal has come, or the process that `PARENT` names is gone. With several processes
    it turns true at the same poll in all of them, whichever was signalled: they must poll equally
    often, and the answer to one poll is read at the next, so that no host waits for it.
    """

    def __init__(self) -> None:
        self.received: str | None = None
        self._previous: dict[int, Handler] = {}
        self._asked: jax.Array | None = None
        self._agreed = False
        self._parent = os.environ.get(PARENT)

    def __enter__(self) -> "StopSignal":
        for number in SIGNALS:
            if number == signal.SIGHUP and signal.getsignal(number) == signal.SIG_IGN:
                continue
            self._previous[number] = signal.signal(number, self._handle)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._previous.items():
            # None stands for a handler that was not set from Python, as jax.distributed's.
            signal.signal(number, signal.SIG_DFL if handler is None else handler)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        del frame
        name = signal.Signals(number).name
        if self.received == name and number in (signal.SIGTERM, signal.SIGINT):
            raise KeyboardInterrupt
        self.received = self.received or name

    def __bool__(self) -> bool:
        if self._parent not in (None, str(os.getppid())):
            self.received = self.received or "the end of what started it"
        if jax.process_count() == 1:
            return self.received is not None
        if not self._agreed:
            asked, self._asked = self._asked, distributed.maximum(self.received is not None)
            self._agreed = asked is not None and bool(int(asked))
        return self._agreed

    @property
    def cause(self) -> str:
        """What stopped this run."""
        return self.received or "a signal to another process"

    @property
    def exit_code(self) -> int:
        """The code of a process that saved and ended: 130 after SIGINT, else 0."""
        return INTERRUPTED if self.received == "SIGINT" else 0
