"""Trains and evaluates several models with several seeds, then compares them in one table.

python -m experiments.suite_diffenc --config=experiments/configs/diffenc/digits.py \
    --models=vdmv,nt,diffenc --seeds=2 --workdir=DIR [--config.key=value …]

Each run has its own folder DIR/<model>-seed<i>; the same command again resumes what is unfinished
and leaves alone what is finished. DIR receives summary.json (with paired differences and tests),
table.md and figures that set the models side by side.
"""

import json
import os
import pathlib
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

from absl import flags

from experiments.diffusion.compare import compare
from experiments.runtime import cli
from experiments.runtime.errors import UserError
from experiments.runtime.manifest import write_json

OPTIONS = {
    "models": (str, "Models to train, separated by commas."),
    "seeds": (int, "Seeds 0 … seeds−1 of each model; default 2."),
    "jobs": (int, "Runs at a time, on disjoint cores; default: one for each core, at most 4."),
    "record": (str, "Also write the summary to this file."),
}
FINISHED = "finished.json"
LAST = "samples.npz"  # what a run writes last


class Job(NamedTuple):
    """One run: a model, a seed, and its folder."""

    model: str
    seed: int
    workdir: pathlib.Path

    @property
    def name(self) -> str:
        return f"{self.model} seed {self.seed}"

    def is_finished(self, arguments: Sequence[str]) -> bool:
        """Whether `finish` has been called with these arguments."""
        path = self.workdir / FINISHED
        return path.exists() and json.loads(path.read_text()) == list(arguments)

    def finish(self, arguments: Sequence[str]) -> None:
        """Notes that the run of these arguments is trained, evaluated and sampled."""
        write_json(self.workdir / FINISHED, list(arguments))


class Pool:
    """Runs jobs as processes, a few at a time, each on its own share of the cores."""

    def __init__(self, size: int, config_file: str, overrides: Sequence[str], cache: pathlib.Path):
        self.config_file, self.overrides, self.cache = config_file, overrides, cache
        cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
        self.shares = [set(cores[i::size]) for i in range(size)]
        self.running: set[subprocess.Popen] = set()
        self.stopped = False
        self._lock = threading.Lock()
        self._print = threading.Lock()

    def stop(self, number: int, frame: Any) -> None:
        """Passes a signal on: each run saves and ends."""
        self.stopped = True
        for process in list(self.running):
            process.send_signal(number)

    def run(self, job: Job) -> int:
        """Trains, evaluates and samples one job; returns its exit code."""
        with self._lock:
            share = self.shares.pop() if self.shares else set()
        try:
            return -1 if self.stopped else self._launch(job, share)
        finally:
            with self._lock:
                self.shares.append(share)

    def _launch(self, job: Job, share: set[int]) -> int:
        arguments = [
            f"--config={self.config_file}:{job.model}",
            f"--config.seed={job.seed}",
            *self.overrides,
        ]
        if job.is_finished(arguments):
            return 0
        (job.workdir / LAST).unlink(missing_ok=True)
        module = (sys.executable, "-u", "-m", "experiments.train_diffenc", "--then_evaluate")
        places = (f"--workdir={job.workdir}", f"--compile_cache={self.cache}")
        process = subprocess.Popen(
            [*module, *places, *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            preexec_fn=(lambda: os.sched_setaffinity(0, share)) if share else None,
        )
        self.running.add(process)
        assert process.stdout is not None
        for line in process.stdout:
            with self._print:
                print(f"[{job.name}] {line}", end="", flush=True)
        self.running.discard(process)
        code = process.wait()
        if (job.workdir / LAST).exists():
            job.finish(arguments)
        return code


def main(models: str | None, seeds: int | None, jobs: int | None, record: str | None) -> int:
    workdir = cli.workdir()
    config_file = flags.FLAGS["config"].config_filename.split(":")[0]
    names = (models or "vdmv,nt,diffenc").split(",")
    todo = [
        Job(model, seed, workdir / f"{model.replace(':', '-')}-seed{seed}")
        for model in names
        for seed in range(2 if seeds is None else seeds)
    ]
    if not todo:
        raise UserError(f"--seeds={seeds}: at least one seed is needed")
    overrides = [a for a in sys.argv[1:] if a.startswith("--config.")]
    size = jobs or min(4, os.cpu_count() or 1, len(todo))
    pool = Pool(size, config_file, overrides, workdir / "compile_cache")
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, pool.stop)
    # The dearest models come last in the list; starting with them evens out the cores.
    with ThreadPoolExecutor(size) as threads:
        codes = dict(zip(todo, reversed(list(threads.map(pool.run, reversed(todo)))), strict=True))
    if pool.stopped:
        print("stopped; the same command resumes")
        return 0
    failed = [job.name for job, code in codes.items() if code]
    if failed:
        raise UserError(f"these runs failed, see above: {', '.join(failed)}")
    print(compare({(j.model, j.seed): j.workdir for j in todo}, workdir, record))
    return 0


if __name__ == "__main__":
    cli.run(main, options=OPTIONS)
