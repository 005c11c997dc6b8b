"""The progress of a computation over rows, as a line now and then."""

import sys
import time
from collections.abc import Callable
from typing import TextIO

from experiments.runtime.progress import duration


def line(
    label: str, *, every_seconds: float = 10.0, out: TextIO | None = None
) -> Callable[[int, int], None]:
    """A function of (rows done, rows in all) that writes rate and remaining time to `out`.

    On a terminal one bar is redrawn; elsewhere a new line comes at most each `every_seconds`, and
    at the end. The first call is the starting point: rows done before it do not count in the rate.
    """
    stream = out or sys.stderr
    terminal = stream.isatty()
    first: tuple[int, float] | None = None
    last_written = -every_seconds

    def say(done: int, total: int) -> None:
        nonlocal first, last_written
        now = time.perf_counter()
        if first is None:
            first = (done, now)
        if done < total and now - last_written < (0.1 if terminal else every_seconds):
            return
        last_written = now
        rate = (done - first[0]) / (now - first[1]) if now > first[1] else 0.0
        text = f"{label}: {done:,}/{total:,}"
        if rate:
            text += f"  {rate:,.1f} rows/s  ETA {duration((total - done) / rate)}"
        if terminal:
            filled = round(24 * done / max(total, 1))
            text = f"\r[{'#' * filled}{'.' * (24 - filled)}] {text}\033[K"
        print(text, end="\n" if done == total or not terminal else "", file=stream, flush=True)

    return say
