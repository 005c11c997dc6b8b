"""A profile of a few early steps."""

import pathlib

import jax

from experiments.runtime.step import Step

FIRST, LAST = 5, 9  # after compilation; few enough to open quickly


def profiled(step: Step, folder: pathlib.Path) -> Step:
    """`step`, whose calls FIRST to LAST of this process are traced into `folder`.

    The trace opens in Perfetto, or in TensorBoard with the profile plug-in.
    """
    calls = 0

    def call(state, batch):
        nonlocal calls
        calls += 1
        if calls == FIRST:
            jax.block_until_ready(state)
            jax.profiler.start_trace(folder)
        result = step(state, batch)
        if calls == LAST:
            jax.block_until_ready(result)
            jax.profiler.stop_trace()
        return result

    return call
