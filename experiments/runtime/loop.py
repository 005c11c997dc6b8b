"""The training loop: step, log, evaluate, save, stop."""

import dataclasses
import pathlib
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import jax

from experiments.runtime.checkpoint import Checkpointer
from experiments.runtime.distributed import is_lead
from experiments.runtime.errors import NonFiniteError
from experiments.runtime.manifest import write_json
from experiments.runtime.metrics import MetricsWriter
from experiments.runtime.preemption import StopSignal
from experiments.runtime.progress import Progress
from experiments.runtime.state import StateFactory, TrainState
from experiments.runtime.step import Step


class Interrupted(Exception):
    """Raised by an evaluation that noticed a stop signal; the loop saves and ends."""


@dataclasses.dataclass(frozen=True)
class Schedule:
    """When the loop does what, in steps."""

    num_steps: int
    log_every: int
    eval_every: int
    save_every: int


@dataclasses.dataclass
class Window:
    """Sums of the training metrics since the last line; saved, so that a resumed line is equal."""

    sums: dict[str, float] = dataclasses.field(default_factory=dict)
    count: int = 0

    def add(self, values: Mapping[str, float]) -> None:
        for name, value in values.items():
            self.sums[name] = self.sums.get(name, 0.0) + value
        self.count += 1

    def take_mean(self) -> dict[str, float]:
        mean = {name: total / self.count for name, total in self.sums.items()}
        self.sums, self.count = {}, 0
        return mean


def saved_with(window: Window, evaluated: bool) -> dict[str, Any]:
    """What a checkpoint holds beside the state, for `Loop.resume`."""
    return {"window": dataclasses.asdict(window), "evaluated": evaluated}


class Loop:
    """Runs `train_step` over `batches` from a state; everything that lasts goes under `workdir`.

    Metrics are fetched one step late, so that the host never waits for the step just sent.
    """

    def __init__(
        self,
        train_step: Step,
        schedule: Schedule,
        *,
        workdir: pathlib.Path,
        writer: MetricsWriter,
        checkpointer: Checkpointer,
        progress: Progress,
        evaluate: Callable[[TrainState], dict[str, float]] | None = None,
        describe_batch: Callable[[int], Any] = lambda step: None,
        say: Callable[[str], None] = lambda line: print(line, flush=True),
    ):
        self.train_step, self.schedule, self.workdir = train_step, schedule, workdir
        self.writer, self.checkpointer, self.progress = writer, checkpointer, progress
        self.evaluate, self.describe_batch = evaluate, describe_batch
        self.say = say if is_lead() else lambda line: None
        self.window = Window()
        self.evaluated = True
        self._saved: tuple[int, bool] | None = None
        self._late: tuple[int, dict[str, jax.Array]] | None = None

    def resume(self, create: StateFactory) -> tuple[TrainState, int]:
        """The state and step to start from: the newest intact checkpoint, or a new state at 0."""
        restored = self.checkpointer.restore(create.abstract())
        if restored is None:
            self.writer.rewind(0)
            return create(), 0
        self.window = Window(**restored.extra["window"])
        self.evaluated = restored.extra["evaluated"]
        self._saved = (restored.step, self.evaluated)
        self.writer.rewind(restored.step)
        self.say(f"resumed at step {restored.step:,}")
        if restored.step >= self.schedule.num_steps:
            self.say(f"training is complete: it ends at step {self.schedule.num_steps:,}")
        return restored.state, restored.step

    def run(
        self, state: TrainState, start: int, batches: Iterable[Any], stop: StopSignal
    ) -> tuple[TrainState, int]:
        """Trains to the schedule's end or a stop signal; returns the state and the step reached."""
        step, plan = start, self.schedule
        self.progress.start(step)
        try:
            if not self.evaluated and not stop:
                self._evaluate(step, state)
            for batch in batches:
                if stop or step >= plan.num_steps:
                    break
                state, metrics = self.train_step(state, batch)
                step += 1
                if step == start + 1:
                    self.progress.start(step)  # the first call has compiled; rates leave that out
                self._fetch()
                self._late = (step, metrics)
                self._after_step(step, state)
        except Interrupted:
            pass
        if self._saved != (step, self.evaluated):
            self._save(step, state)
        self.checkpointer.wait()
        if stop:
            cause = stop.received or "a signal to another process"
            self.say(f"{cause}: saved at step {step:,}; the same command resumes")
        return state, step

    def _after_step(self, step: int, state: TrainState) -> None:
        plan = self.schedule
        last = step == plan.num_steps
        if step % plan.log_every == 0 or last:
            self._fetch()
            mean = self.window.take_mean()
            self.writer.write(step, "train", mean)
            line, speed = self.progress.line(step, mean)
            self.say(line)
            if speed:
                self.writer.write(step, "speed", speed)
        if self.evaluate and (step % plan.eval_every == 0 or last):
            self._evaluate(step, state)
        if step % plan.save_every == 0:
            self._save(step, state)

    def _fetch(self) -> None:
        """Takes in the metrics of the step before the one in flight, and checks them."""
        if self._late is None:
            return
        step, metrics = self._late
        self._late = None
        values = {name: float(value) for name, value in jax.device_get(metrics).items()}
        if not values.pop("finite", 1.0):
            self._refuse(step, values)
        self.window.add(values)

    def _refuse(self, step: int, values: dict[str, float]) -> None:
        self.checkpointer.wait()
        batch = self.describe_batch(step - 1)
        report = self.workdir / "nonfinite.json"
        printable = {name: str(value) for name, value in values.items()}
        if is_lead():
            write_json(report, {"step": step, "metrics": printable, "batch": batch})
        raise NonFiniteError(
            f"loss or gradient is not finite at step {step}: {printable}. {report} names "
            f"the batch; checkpoints up to step {self.checkpointer.steps()[-1:]} are intact. "
            "Lower the learning rate or set gradient clipping, in another --workdir."
        )

    def _evaluate(self, step: int, state: TrainState) -> None:
        assert self.evaluate is not None
        self.evaluated = False
        values = self.evaluate(state)
        self.evaluated = True
        self.writer.write(step, "test", values)
        self.say(f"step {step:,} test  " + "  ".join(f"{k} {v:.4g}" for k, v in values.items()))
        self.progress.start(step)

    def _save(self, step: int, state: TrainState) -> None:
        self._fetch()
        self.checkpointer.save(step, state, saved_with(self.window, self.evaluated))
        self._saved = (step, self.evaluated)
