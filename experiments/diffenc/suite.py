"""Trains and evaluates several models with several seeds, then compares them in one table.

python -m experiments.diffenc.suite --config=experiments/configs/diffenc/digits.py \
    --models=vdmv,nt,diffenc --seeds=2 --workdir=DIR [--config.key=value …]

Each run has its own folder DIR/<model>-seed<i>; the same command again resumes what is unfinished
and leaves alone what is finished. Runs of the first seed come first. After each, DIR receives
summary.json (with paired differences and tests), table.md and figures that set the finished runs
side by side; --record=FILE also receives the summary.
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

from experiments.diffenc.compare import compare
from experiments.runtime import cli
from experiments.runtime.errors import UserError
from experiments.runtime.manifest import write_json

OPTIONS = {
    "models": (str, "Models to train, separated by commas."),
    "seeds": (int, "Seeds of each model; default 2: seeds 0 and 1."),
    "first_seed": (int, "The first of them; default 0."),
    "jobs": (int, "Runs at a time, on disjoint cores; default: one for each core, at most 4."),
    "record": (str, "Also write the summary to this file."),
    "contrasts": (str, "Pairs to compare in the tables, as second/first,…; default: all pairs."),
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
        module = (sys.executable, "-u", "-m", "experiments.diffenc.train", "--then_evaluate")
        places = (f"--workdir={job.workdir}", f"--compile_cache={self.cache}")
        process = subprocess.Popen(
            [*module, *places, *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.running.add(process)
        if share:  # before it has started any thread; a hook in the child would fork JAX's threads
            os.sched_setaffinity(process.pid, share)
        assert process.stdout is not None
        for line in process.stdout:
            with self._print:
                print(f"[{job.name}] {line}", end="", flush=True)
        self.running.discard(process)
        code = process.wait()
        if (job.workdir / LAST).exists():
            job.finish(arguments)
        return code


class Suite(NamedTuple):
    """All runs of a suite, and where what they say together goes."""

    jobs: Sequence[Job]
    workdir: pathlib.Path
    record: str | None
    contrasts: Sequence[tuple[str, str]]

    def compare(self, finished: Sequence[Job]) -> str:
        """Writes the summary of the finished runs; returns its tables."""
        done = [job for job in self.jobs if job in finished]  # in the order of the suite
        return compare(
            {(job.model, job.seed): job.workdir for job in done},
            self.workdir,
            self.record,
            contrasts=self.contrasts,
            unfinished=[job.name for job in self.jobs if job not in finished],
        )

    def run(self, pool: Pool, size: int) -> list[Job]:
        """Runs all jobs, `size` at a time; returns those that failed."""
        finished: list[Job] = []
        lock = threading.Lock()

        def run(job: Job) -> int:
            code = pool.run(job)
            if code == 0 and not pool.stopped:
                with lock:
                    finished.append(job)
                    if len(finished) < len(self.jobs):
                        self.compare(finished)  # so that a finished seed is never lost
            return code

        with ThreadPoolExecutor(size) as threads:
            codes = list(threads.map(run, self.jobs))
        return [job for job, code in zip(self.jobs, codes, strict=True) if code]


def read_contrasts(given: str | None, models: Sequence[str]) -> list[tuple[str, str]]:
    """--contrasts=second/first,… as pairs. Raises `UserError` for what is not a pair of models."""
    pairs = [tuple(pair.split("/")) for pair in (given or "").split(",") if pair]
    for pair in pairs:
        if len(pair) != 2 or not set(pair) <= set(models) or pair[0] == pair[1]:
            raise UserError(
                f"--contrasts={given}: {'/'.join(pair)} is not a pair second/first of two of "
                f"--models={','.join(models)}"
            )
    return [(second, first) for second, first in pairs]


def main(
    models: str | None,
    seeds: int | None,
    first_seed: int | None,
    jobs: int | None,
    record: str | None,
    contrasts: str | None,
) -> int:
    workdir = cli.workdir()
    config_file = flags.FLAGS["config"].config_filename.split(":")[0]
    names = (models or "vdmv,nt,diffenc").split(",")
    todo = [
        Job(model, seed, workdir / f"{model.replace(':', '-')}-seed{seed}")
        for seed in range(first_seed or 0, (first_seed or 0) + (2 if seeds is None else seeds))
        for model in names
    ]
    if not todo:
        raise UserError(f"--seeds={seeds}: at least one seed is needed")
    overrides = [a for a in sys.argv[1:] if a.startswith("--config.")]
    size = jobs or min(4, os.cpu_count() or 1, len(todo))
    pool = Pool(size, config_file, overrides, workdir / "compile_cache")
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, pool.stop)
    suite = Suite(todo, workdir, record, read_contrasts(contrasts, names))
    failed = suite.run(pool, size)
    if pool.stopped:
        print("stopped; the same command resumes")
        return 0
    if failed:
        raise UserError(f"these runs failed, see above: {', '.join(job.name for job in failed)}")
    print(suite.compare(todo))
    return 0


if __name__ == "__main__":
    cli.run(main, options=OPTIONS)
