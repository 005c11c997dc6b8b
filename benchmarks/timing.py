"""Seconds of compiled calls, and the memory that they take."""

import pathlib
import statistics
import time
from collections.abc import Callable
from typing import Any

import jax


def once(run: Callable[[], Any]) -> tuple[float, Any]:
    """Seconds of one run, and what it returned."""
    start = time.perf_counter()
    value = jax.block_until_ready(run())
    return time.perf_counter() - start, value


def seconds(run: Callable[[], Any], repeats: int) -> float:
    """Median seconds of `run`, once it has run to warm up."""
    return in_turns(repeats, run=run)["run"]


def in_turns(repeats: int, **runs: Callable[[], Any]) -> dict[str, float]:
    """Median seconds of each run, warm and measured in turns: another load slows all alike."""
    for run in runs.values():
        once(run)
    rounds = [{name: once(run)[0] for name, run in runs.items()} for _ in range(repeats)]
    return {name: statistics.median(times[name] for times in rounds) for name in runs}


def resident(field: str) -> float:
    """Megabytes of this process by the kernel's own count: field VmRSS, or VmHWM for the peak."""
    lines = pathlib.Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(field)) * 1024 / 1e6
