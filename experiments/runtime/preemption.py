"""SIGTERM and SIGINT as a flag that the loop polls, so that a stopped run saves first."""

import signal
from types import FrameType

import jax

from experiments.runtime import distributed


class StopSignal:
    """A context in which the first SIGTERM or SIGINT only sets `received`; a second one ends.

    True once a signal has come. With several processes it turns true at the same poll in all of
    them, whichever was signalled: they must poll equally often, and the answer to one poll is read
    at the next, so that no host waits for it.
    """

    def __init__(self) -> None:
        self.received: str | None = None
        self._previous: dict[int, object] = {}
        self._asked: jax.Array | None = None
        self._agreed = False

    def __enter__(self) -> "StopSignal":
        for number in (signal.SIGTERM, signal.SIGINT):
            self._previous[number] = signal.signal(number, self._handle)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._previous.items():
            # None stands for a handler that was not set from Python, as jax.distributed's.
            signal.signal(number, signal.SIG_DFL if handler is None else handler)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        del frame
        if self.received:
            raise KeyboardInterrupt
        self.received = signal.Signals(number).name

    def __bool__(self) -> bool:
        if jax.process_count() == 1:
            return self.received is not None
        if not self._agreed:
            asked, self._asked = self._asked, distributed.maximum(self.received is not None)
            self._agreed = asked is not None and bool(int(asked))
        return self._agreed
