"""The folder of a run: one object that carries every effect of a run.

Its lock, what the run is (config.json, manifest.json), metrics, checkpoints, finished parts, the
stop signal, and what is printed.
"""

import contextlib
import functools
import pathlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from experiments.runtime import files, manifest, trackers
from experiments.runtime.checkpoint import Checkpointer
from experiments.runtime.distributed import from_lead, is_lead
from experiments.runtime.errors import UserError
from experiments.runtime.lock import Lock
from experiments.runtime.metrics import MetricsWriter
from experiments.runtime.preemption import Stopped, StopSignal
from experiments.runtime.state import Factory, State
from experiments.runtime.store import Store
from experiments.runtime.weights import Borrowed, Weights

Say = Callable[[str], None]
CHECKPOINTS, METRICS = "checkpoints", "metrics.jsonl"


class Workspace:
    """The folder `path` of a run that this process writes; `at` gives one of its folders.

    Use `opened`. Processes other than the lead take part in checkpoints and write nothing else.
    """

    def __init__(
        self,
        path: pathlib.Path,
        stop: StopSignal,
        *,
        lock: Lock | None = None,
        track: Sequence[str] = (),
        say: Say = lambda line: print(line, flush=True),
        config: Mapping[str, Any] | None = None,
        run_id: str = "",
        weights: Weights | None = None,
    ):
        self.path, self.stop, self.track = path, stop, tuple(track)
        self.say = say if is_lead() else lambda line: None
        self.config, self.run_id = config or {}, run_id
        self.weights, self._lock = weights, lock

    def at(self, name: str) -> "Workspace":
        """The folder `name` of this one, written under the same lock."""
        return Workspace(
            self.path / name,
            self.stop,
            lock=self._lock,
            track=self.track,
            say=lambda line: self.say(f"[{name}] {line}"),
            config=self.config,
            run_id=f"{self.run_id}-{name}",
        )

    def check(self) -> None:
        """Raises `Stopped` after a signal."""
        if self.stop:
            raise Stopped

    def guard(self) -> None:
        """Called before each effect: raises `StorageError` where the folder is no longer ours."""
        if self._lock is not None:
            self._lock.check()

    @property
    def store(self) -> Store:
        """The finished parts of this folder."""
        return Store(self.path, self.say, self.check, self.guard)

    def part(
        self, name: str, inputs: Any, compute: Callable[[], Mapping[str, Any]]
    ) -> dict[str, Any]:
        """`compute()`, kept in this folder; see `Store.part`."""
        return self.store.part(name, inputs, compute)

    def starting(self, factory: Factory[State]) -> Factory[State]:
        """`factory`, or with --init_from one that takes another run's weights."""
        return factory if self.weights is None else Borrowed(factory, self.weights)

    @contextlib.contextmanager
    def metrics(self, name: str = METRICS) -> Iterator[MetricsWriter]:
        """The writer of a metrics file; that of `METRICS` passes its lines on to the trackers."""
        sinks = []
        if name == METRICS and is_lead():
            sinks = trackers.make_sinks(self.track, self.path, self.config, self.run_id)
        writer = MetricsWriter(self.path / name, sinks, lead=is_lead(), guard=self.guard)
        try:
            yield writer
        finally:
            writer.close()

    @contextlib.contextmanager
    def checkpoints(self, keep: int = 2) -> Iterator[Checkpointer]:
        """The checkpoints of this folder, for writing."""
        checkpointer = Checkpointer(self.path / CHECKPOINTS, keep, self.guard)
        if is_lead():
            checkpointer.clear_leftovers()
        try:
            yield checkpointer
        finally:
            checkpointer.close()

    def set_aside(self, why: str) -> None:
        """Renames this folder of the run, so that its work starts anew and nothing is lost."""
        if not self.path.exists() or not is_lead():
            return
        number = 1
        while (aside := self.path.with_name(f"{self.path.name}.old{number}")).exists():
            number += 1
        self.guard()
        with files.explained(self.path):
            files.before("write", self.path)
            self.path.rename(aside)
        self.say(f"{why}: it starts anew, and what was there is in {aside.name}")

    def put(self, path: pathlib.Path, content: bytes | str) -> None:
        """Writes a file at `path`, which lies in this folder."""
        if is_lead():
            self.guard()
            files.write(path, content)

    def write_json(self, name: str, value: Mapping[str, Any]) -> pathlib.Path:
        """Writes a JSON object with its digest; returns its path."""
        if is_lead():
            self.guard()
            files.write_json(self.path / name, value)
        return self.path / name

    def write_arrays(self, name: str, arrays: Mapping[str, np.ndarray]) -> pathlib.Path:
        """Writes an .npz file; returns its path."""
        if is_lead():
            self.guard()
            files.write(self.path / name, functools.partial(np.savez_compressed, **arrays))
        return self.path / name


@contextlib.contextmanager
def opened(
    path: pathlib.Path,
    config: Mapping[str, Any],
    stop: StopSignal,
    *,
    allowed: Sequence[str] | None = (),
    fixed: Mapping[str, str] | None = None,
    digests: Mapping[str, str] | None = None,
    facts: Mapping[str, Any] | None = None,
    layouts: Mapping[str, Callable[[], Any]] | None = None,
    track: Sequence[str] = (),
    weights: Weights | None = None,
    say: Say = lambda line: print(line, flush=True),
) -> Iterator[Workspace]:
    """Takes the folder for a run of `config`, and gives it up at the end.

    Everything that can be refused is refused before anything is written; a folder made for a run
    that is refused is removed.

    Args:
      allowed, fixed: config keys that may and may not change in a resumed run.
      digests: SHA-256 of the data by name; a resumed run must have the same.
      facts: what manifest.json says beside the environment.
      layouts: by folder, what makes the abstract state that its checkpoints must fit.

    Raises:
      UserError: the folder belongs to another run, or to one that is being written.
    """
    made = [p for p in (path, *path.parents) if not p.exists()]
    refusal: UserError | None = None
    lock = name = None
    if is_lead():
        try:
            with files.explained(path):
                path.mkdir(parents=True, exist_ok=True)
            lock = Lock(path)
            name = _claim(path, config, allowed, fixed, digests or {}, facts or {}, layouts or {})
        except BaseException as error:
            if lock is not None:
                lock.release()
            for folder in made:
                with contextlib.suppress(OSError):
                    folder.rmdir()
            if not isinstance(error, UserError):
                raise
            refusal = error
    if from_lead(int(refusal is not None)):
        raise refusal or UserError("process 0 refused the folder; see what it says")
    workspace = Workspace(
        path,
        stop,
        lock=lock,
        track=track,
        say=say,
        config=config,
        run_id=name or "",
        weights=weights,
    )
    try:
        yield workspace
    finally:
        if lock is not None:
            lock.release()


def _claim(path, config, allowed, fixed, digests, facts, layouts) -> str:
    """Checks that the run may be this one, and writes what it is; returns its name for trackers."""
    manifest.check_study(path, facts.get("study"))
    changes = manifest.check_config(path, config, allowed, fixed)
    manifest.check_data(path, digests)
    for folder, abstract in layouts.items() if changes else ():
        checkpointer = Checkpointer(path / folder / CHECKPOINTS)
        try:
            checkpointer.check_layout(abstract())
        finally:
            checkpointer.close()
    there = path / manifest.MANIFEST
    before = files.read_json(there) if there.exists() else {}
    name = before.get("run", trackers.run_id(path, config))
    origin = {k: before[k] for k in ("init_from",) if k in before}
    digests = before.get("digests", {}) | dict(digests)
    stated = {"run": name, "digests": digests}
    now = manifest.environment()
    begun = before.get("begun") or {k: v for k, v in (before or now).items() if k in now}
    files.write_json(there, now | {"begun": begun} | origin | stated | facts)
    files.write_json(path / manifest.CONFIG, files.plain(config))
    return name
