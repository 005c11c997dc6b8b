"""Two processes of four fake devices each. Oracle: one process with eight."""

import contextlib
import json
import subprocess
import sys
import time

import jax
import numpy as np
import pytest

import hubness
from experiments.runtime import distributed
from experiments.runtime.batches import batch_indices
from experiments.runtime.errors import UserError
from experiments.runtime.metrics import read_metrics
from tests.experiments.runtime import toy
from tests.experiments.runtime.pair import POINTS
from tests.two_processes import environment, free_port


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    """The folder of two processes that trained together and of one that did alone, and what each
    of the two reports."""
    folder = tmp_path_factory.mktemp("pair")
    command = [sys.executable, "-m", "tests.experiments.runtime.pair", str(free_port())]
    with contextlib.ExitStack() as stack:
        names = {"0": 4, "1": 4, "alone": 8}
        files = {name: stack.enter_context((folder / f"{name}.err").open("w")) for name in names}
        processes = [
            stack.enter_context(
                subprocess.Popen(
                    [*command, name, str(folder)], env=environment(devices), stderr=files[name]
                )
            )
            for name, devices in names.items()
        ]
        wait_for(processes, 300)
    errors = [(folder / f"{name}.err").read_text() for name in names]
    assert [process.returncode for process in processes] == [0, 0, 0], "\n".join(errors)
    return folder, [json.loads((folder / f"{i}.json").read_text()) for i in range(2)]


def wait_for(processes, seconds):
    """Until all have ended; at the first that fails, or after `seconds`, the others are killed."""
    deadline = time.monotonic() + seconds
    while any(process.poll() is None for process in processes):
        if any(process.returncode for process in processes) or time.monotonic() > deadline:
            for process in processes:  # one that failed leaves the other waiting
                process.kill()
        time.sleep(0.05)


@pytest.fixture(scope="module")
def alone(pair):
    """Leaves and metrics of the same training in one process."""
    leaves = list(np.load(pair[0] / "alone.npz").values())
    return leaves, read_metrics(pair[0] / "alone" / "metrics.jsonl")


def trees(leaves):
    """Counts, parameters, their average and moments, each as one vector: single small elements, so
    the mean gradient of a bias, sums that cancel, differ by 2e-6 of themselves."""
    step, bias, w, ema_bias, ema_w, count, *moments = map(np.atleast_1d, leaves)
    pairs = [(bias, w), (ema_bias, ema_w), moments[:2], moments[2:]]
    return [step, count, *map(np.concatenate, pairs)]


@pytest.mark.parametrize("name", ["whole", "sharded", "stopped"])
def test_two_processes_equal_one(pair, alone, name):
    leaves = list(np.load(pair[0] / f"{name}.npz").values())
    assert pair[1][0]["devices"] == 8
    for got, want in zip(trees(leaves), trees(alone[0]), strict=True):
        assert np.linalg.norm(got - want) <= 1e-6 * np.linalg.norm(want)  # measured 1e-7
    records = read_metrics(pair[0] / name / "metrics.jsonl")
    for got, want in zip(records, alone[1], strict=True):
        assert got.pop("split") == want["split"]
        numbers = {name: value for name, value in want.items() if name != "split"}
        assert got == pytest.approx(numbers, rel=1e-6)


def test_each_process_reads_its_own_rows_and_together_they_read_the_batch(pair):
    first, second = (facts["read"] for facts in pair[1])
    assert len(first) == len(second) == toy.SCHEDULE.num_steps
    for step, (a, b) in enumerate(zip(first, second, strict=True)):
        assert len(a) == len(b) == toy.BATCH // 2
        np.testing.assert_array_equal([*a, *b], batch_indices(0, step, toy.NUM, toy.BATCH))


def test_a_signal_to_one_process_stops_and_saves_both_at_one_step(pair):
    reached = [facts["reached"] for facts in pair[1]]
    # Asked at the poll after step 7, answered at the next.
    assert reached == [8, 8]
    assert [facts["saved"] for facts in pair[1]] == [[5, 8], [5, 8]]


def test_neighbours_over_two_processes_are_those_of_one(pair):
    found = np.load(pair[0] / "nearest.npz")
    np.testing.assert_array_equal(found["ring"], hubness.knn(POINTS, 10).index)
    want = np.asarray(hubness.reduced_knn(POINTS, 10, "mp_gauss").index)
    assert (found["mp_gauss"] == want).mean() >= 0.9995


@pytest.mark.parametrize(
    "flags, message",
    [
        (("localhost:1", 2, None), "belong together"),
        ((None, None, 0), "belong together"),
        (("localhost:1", 2, 2), "0 to 1"),
    ],
)
def test_flags_that_do_not_fit_are_one_clear_error(flags, message):
    with pytest.raises(UserError, match=message):
        distributed.start(False, *flags)


def test_without_flags_one_process_runs_alone():
    distributed.start(False, None, None, None)
    assert jax.process_count() == 1 and distributed.is_lead()
    assert distributed.from_lead(7) == 7 and int(distributed.maximum(3)) == 3
