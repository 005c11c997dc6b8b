"""Whether the other processes of a run are alive: a lost one is named, and ends the rest.

Each process counts up in the store that the coordinator keeps, with what it is doing, and looks at
the others' counts. A collective operation with a process that has died or stopped would otherwise
wait for ever, or end in an abort of JAX's own.
"""

import atexit
import contextlib
import ctypes
import os
import signal
import sys
import threading
import time
from typing import Any

import jax

PATIENCE = 60.0  # seconds without a sign of life after which a process counts as lost; --patience
EVERY = 2.0
LOST = 3  # exit code of the survivors
DONE = "done"
_watch: "Watch | None" = None
_doing = "starting"


def note(doing: str) -> None:
    """Tells the others what this process does now, for the sentence that names it if it is lost."""
    global _doing
    _doing = doing


class Watch:
    """Two threads: one speaks to the store, which may block, and one looks at the clock."""

    def __init__(self, client: Any, index: int, size: int):
        self.client, self.index = client, index
        self.heard = dict.fromkeys((i for i in range(size) if i != index), time.monotonic())
        self.answered = time.monotonic()
        self._counts: dict[int, str] = {}
        self._end = threading.Event()
        self._lost = end
        self._looking = threading.Thread(target=self._look, name="peers", daemon=True)
        self._looking.start()
        threading.Thread(target=self._beat, name="alive", daemon=True).start()

    def _beat(self) -> None:
        count = 0
        while not self._end.is_set():
            count += 1
            try:
                self._tell(f"{count} {_doing}")
                for peer in self.heard:
                    self._hear(peer)
                self.answered = time.monotonic()
            except Exception:  # whatever the store says when its process is gone
                pass
            self._end.wait(min(EVERY, PATIENCE / 4))

    def _tell(self, text: str) -> None:
        self.client.key_value_set(f"repgeo/alive/{self.index}", text, allow_overwrite=True)

    def _hear(self, peer: int) -> None:
        try:
            found = self.client.key_value_try_get(f"repgeo/alive/{peer}")
        except Exception:  # it has not yet said anything; no answer at all shows in `answered`
            return
        if found != self._counts.get(peer) or found == DONE:
            self._counts[peer], self.heard[peer] = found, time.monotonic()

    def _look(self) -> None:
        while not self._end.wait(min(EVERY, PATIENCE / 4)):
            now = time.monotonic()
            silent = [i for i, at in self.heard.items() if now - at > PATIENCE]
            if self.index and now - self.answered > PATIENCE:
                silent = [0]  # it keeps the store
            if silent:
                self._lost(
                    f"process {silent[0]} has given no sign of life for {PATIENCE:.0f} seconds; "
                    f"it was last heard of {self.last(silent[0])}"
                )

    def last(self, peer: int) -> str:
        """What a process said last that it was doing."""
        return self._counts.get(peer, "0 starting").partition(" ")[2]

    def close(self) -> None:
        """Says that this process has ended as it should."""
        self._end.set()
        self._looking.join(2 * EVERY)
        with contextlib.suppress(Exception):  # the coordinator may have ended before
            self._tell(DONE)


def watch(client: Any) -> None:
    """Watches the other processes until this one ends."""
    global _watch
    if jax.process_index():
        # JAX aborts in a thread of C++, where handlers set by Python's signal module never run.
        ctypes.CDLL(None).signal(int(signal.SIGABRT), _aborted)
    _watch = Watch(client, jax.process_index(), jax.process_count())
    atexit.register(_watch.close)


@ctypes.CFUNCTYPE(None, ctypes.c_int)
def _aborted(number: int) -> None:
    """Ends this process in JAX's place, which aborts it where the store's process is gone."""
    del number
    last = "starting" if _watch is None else _watch.last(0)
    end(f"process 0 is gone, last heard of {last}")


def end(why: str) -> None:
    """Ends this process at once: leaving in order would wait for the one that is lost."""
    print(
        f"error: {why}: it was killed, or its host has stopped. This process ends too. Checkpoints "
        "that were complete are intact; the same command on every host continues from the newest.",
        file=sys.stderr,
        flush=True,
    )
    os._exit(LOST)


def wait_for_verdict() -> None:
    """After a failed collective operation: until the lost process is known, and no longer."""
    if _watch is not None:
        time.sleep(PATIENCE + 2 * EVERY + 1)
        _watch.close()
