"""Trains and evaluates several models with several seeds, then compares them in one table.

python -m experiments.diffenc.suite --config=experiments/configs/diffenc/digits.py \
    --models=vdmv,nt,diffenc --seeds=2 --workdir=DIR [--config.key=value …]

Each run has its own folder DIR/<model>-seed<i>; the same command again resumes what is unfinished
and leaves alone what is finished. Runs of the first seed come first. After each, DIR receives
summary.json (with paired differences and tests), table.md and figures that set the finished runs
side by side; --record=FILE also receives the summary. An unfinished FILE of the same suite is
continued: runs that it holds, and whose folders are gone, are not made again.
"""

import os
import pathlib
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

from absl import flags

import experiments
from experiments.diffenc import earlier
from experiments.diffenc.compare import Row, compare
from experiments.diffenc.overrides import asked, check_runs, config_overrides
from experiments.runtime import cli, files, trackers
from experiments.runtime.errors import UserError
from experiments.runtime.preemption import INTERRUPTED, PARENT, SIGNALS, StopSignal
from experiments.runtime.workspace import opened

OPTIONS = {
    "models": (str, "Models to train, separated by commas."),
    "seeds": (int, "Seeds of each model; default 2: seeds 0 and 1."),
    "first_seed": (int, "The first of them; default 0."),
    "jobs": (int, "Runs at a time, on disjoint cores; default: one for each core, at most 4."),
    "record": (str, "Also write the summary to this file."),
    "contrasts": (str, "Pairs to compare in the tables, as second/first,…; default: all pairs."),
}
PATHS = (str(pathlib.Path(experiments.__file__).parents[1]), os.environ.get("PYTHONPATH"))
# What a run's environment says: where our packages are, and that it ends with its suite.
LAUNCHED = {"PYTHONPATH": os.pathsep.join(filter(None, PATHS)), PARENT: str(os.getpid())}
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

    @property
    def run(self) -> tuple[str, int]:
        return self.model, self.seed

    def is_finished(self, arguments: Sequence[str]) -> bool:
        """Whether `finish` has been called with these arguments."""
        path = self.workdir / FINISHED
        if not path.exists():
            return False
        try:
            return files.read_json(path)["arguments"] == list(arguments)
        except files.DamagedError:
            return False  # or a list, as earlier versions wrote: looking again costs little

    def finish(self, arguments: Sequence[str]) -> None:
        """Notes that the run of these arguments is trained, evaluated and sampled."""
        files.write_json(self.workdir / FINISHED, {"arguments": list(arguments)})


class Pool:
    """Runs jobs as processes, a few at a time, each on its own share of the cores."""

    def __init__(
        self, size: int, config_file: str, overrides: Sequence[str], shared: Sequence[str]
    ):
        self.config_file, self.overrides, self.shared = config_file, overrides, shared
        cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
        self.shares = [set(cores[i::size]) for i in range(size)]
        # A process of JAX takes three quarters of a GPU's memory at its start; here is one of many.
        self.memory = {"XLA_PYTHON_CLIENT_PREALLOCATE": "false"} if size > 1 else {}
        self.running: set[subprocess.Popen] = set()
        self.stopped = 0  # the number of the signal
        self._lock = threading.Lock()
        self._print = threading.Lock()

    def stop(self, number: int, frame: Any) -> None:
        """Passes a signal on: each run saves and ends."""
        self.stopped = number
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
        # Of this very package: where the command was started may have an experiments/ of its own.
        module = (sys.executable, "-P", "-u", "-m", "experiments.diffenc.train", "--then_evaluate")
        process = subprocess.Popen(
            [*module, f"--workdir={job.workdir}", *self.shared, *arguments],
            env=self.memory | os.environ | LAUNCHED,
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
    kept: Mapping[tuple[str, int], Row]  # of runs that are not to be made again

    def compare(self, finished: Sequence[Job]) -> str:
        """Writes the summary of the finished runs; returns its tables."""
        runs: dict[tuple[str, int], pathlib.Path | Row] = {}  # in the order of the suite
        for job in self.jobs:
            if job.run in self.kept:
                runs[job.run] = self.kept[job.run]
            elif job in finished:
                runs[job.run] = job.workdir
        return compare(
            runs,
            self.workdir,
            self.record,
            contrasts=self.contrasts,
            unfinished=[job.name for job in self.jobs if job.run not in runs],
        )

    def run(self, pool: Pool, size: int) -> list[Job]:
        """Runs all jobs but those kept, `size` at a time; returns those that failed."""
        todo = [job for job in self.jobs if job.run not in self.kept]
        finished: list[Job] = []
        lock = threading.Lock()

        def run(job: Job) -> int:
            code = pool.run(job)
            if code == 0 and not pool.stopped:
                with lock:
                    finished.append(job)
                    if len(finished) < len(todo):
                        self.compare(finished)  # so that a finished seed is never lost
            return code

        with ThreadPoolExecutor(size) as threads:
            codes = list(threads.map(run, todo))
        return [job for job, code in zip(todo, codes, strict=True) if code]


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
    config_file, _, word = cli.config_name().partition(":")
    if word:
        raise UserError(
            f"--config=…:{word}: a suite has its models from --models, each with its words; give "
            f"--config={config_file} --models={word}"
        )
    names = (models or "vdmv,nt,diffenc").split(",")
    overrides = config_overrides(sys.argv[1:])
    trackers.check_trackers(cli.trackers())
    first, number = first_seed or 0, 2 if seeds is None else seeds
    if number < 1 or first < 0 or (jobs is not None and jobs < 1):
        raise UserError(f"--seeds={number}, --first_seed={first}, --jobs={jobs}: at least 1, 0, 1")
    if record:
        files.check_target(pathlib.Path(record), "--record")
    todo = [
        Job(model, seed, workdir / f"{model.replace(':', '-')}-seed{seed}")
        for seed in range(first, first + number)
        for model in names
    ]
    check_runs(config_file, overrides, todo)
    gone = {job.run for job in todo if not job.workdir.exists()}
    kept = earlier.rows(pathlib.Path(record), gone, asked(sys.argv[1:]), asked) if record else {}
    if len(kept) == len(todo):
        raise UserError(f"{record} holds all of these runs, and their folders are gone")
    if kept:
        print(f"{len(kept)} of {len(todo)} runs are finished in {record}, their folders gone")
    suite = Suite(todo, workdir, record, read_contrasts(contrasts, names), kept)
    size = jobs or min(4, os.cpu_count() or 1, len(todo))
    pool = Pool(size, config_file, overrides, _shared(workdir))
    with StopSignal() as stop, opened(workdir, {}, stop, facts={"study": "diffenc.suite"}):
        for number in SIGNALS:
            if signal.getsignal(number) != signal.SIG_IGN:
                signal.signal(number, pool.stop)
        failed = suite.run(pool, size)
        if pool.stopped:
            print("unfinished: stopped by a signal; the same command continues")
            return INTERRUPTED if pool.stopped == signal.SIGINT else 0
        if failed:
            failures = ", ".join(job.name for job in failed)
            raise UserError(f"these runs failed, see above: {failures}")
        print(suite.compare(todo))
    return 0


def _shared(workdir: pathlib.Path) -> list[str]:
    """The other flags that every run of the suite gets."""
    given = {"track": cli.trackers(), "allow_config_change": cli.allowed_changes()}
    cache = flags.FLAGS.compile_cache or workdir / "compile_cache"
    lists = [f"--{name}={','.join(values)}" for name, values in given.items() if values]
    return [f"--compile_cache={cache}", *lists]


if __name__ == "__main__":
    cli.run(main, options=OPTIONS)
