"""The training loop: step, log, evaluate, save, stop."""

import dataclasses
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Generic

import jax

from experiments.runtime import peers
from experiments.runtime.checkpoint import Checkpointer
from experiments.runtime.errors import NonFiniteError, UserError
from experiments.runtime.metrics import MetricsWriter, check_finite
from experiments.runtime.preemption import Stopped
from experiments.runtime.progress import Progress
from experiments.runtime.state import Factory, State
from experiments.runtime.weights import Borrowed
from experiments.runtime.workspace import Workspace


@dataclasses.dataclass(frozen=True)
class Schedule:
    """When the loop does what, in steps, and after the last step; 0 means never.

    The last state is always saved, and so is one that a signal stops.
    """

    num_steps: int
    log_every: int
    eval_every: int
    save_every: int


def is_due(step: int, every: int) -> bool:
    """Whether something done each `every` steps is done after `step`; 0 means never."""
    return every > 0 and step % every == 0


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


class Loop(Generic[State]):
    """Runs `train_step` over `batches` from a state; everything that lasts goes to `workspace`.

    `evaluate` may raise `Stopped` where it notices a stop signal; the loop saves and ends.
    Metrics are fetched one step late, so that the host never waits for the step just sent.
    """

    def __init__(
        self,
        train_step: Callable[[State, Any], tuple[State, dict[str, jax.Array]]],
        schedule: Schedule,
        *,
        workspace: Workspace,
        writer: MetricsWriter,
        checkpointer: Checkpointer,
        progress: Progress,
        evaluate: Callable[[State], Mapping[str, float | None]] | None = None,
        describe_batch: Callable[[int], Any] = lambda step: None,
    ):
        self.train_step, self.schedule, self.workspace = train_step, schedule, workspace
        self.writer, self.checkpointer, self.progress = writer, checkpointer, progress
        self.evaluate, self.describe_batch = evaluate, describe_batch
        self.say = workspace.say
        self.window = Window()
        self.evaluated = True
        self._saved: tuple[int, bool] | None = None
        self._late: tuple[int, dict[str, jax.Array]] | None = None

    def resume(self, create: Factory[State]) -> tuple[State, int]:
        """The state and step to start from: the newest intact checkpoint, or a new state at 0.

        Raises:
          UserError: the state there is of a step beyond the schedule's end.
        """
        restored = self.checkpointer.restore(create.abstract())
        if restored is None:
            self.writer.rewind(0)
            state = create()
            if isinstance(create, Borrowed):
                self.say(create.report())
                self._save(0, state)  # a restart must not need the other run again
            return state, 0
        if restored.step > self.schedule.num_steps:
            raise UserError(
                f"{self.workspace.path} is at step {restored.step:,} already, beyond the "
                f"{self.schedule.num_steps:,} asked for; use another --workdir"
            )
        self.window = Window(**restored.extra["window"])
        self.evaluated = restored.extra["evaluated"]
        self._saved = (restored.step, self.evaluated)
        self.writer.rewind(restored.step)
        self.say(f"resumed at step {restored.step:,}")
        if restored.step == self.schedule.num_steps:
            self.say(f"training is complete: it ends at step {self.schedule.num_steps:,}")
        return restored.state, restored.step

    def run(self, state: State, start: int, batches: Iterable[Any]) -> State:
        """Trains to the schedule's end; returns the state.

        Raises:
          Stopped: after a stop signal, when the state is saved.
        """
        step, plan, stop = start, self.schedule, self.workspace.stop
        self.progress.start(step)
        try:
            if not self.evaluated and not stop:
                self._evaluate(step, state)
            for batch in batches:
                if stop or step >= plan.num_steps:
                    break
                peers.note(f"in step {step + 1:,}")
                state, metrics = self.train_step(state, batch)
                step += 1
                if step == start + 1:
                    self.progress.start(step)  # the first call has compiled; rates leave that out
                self._fetch()
                self._late = (step, metrics)
                self._after_step(step, state)
        except Stopped:
            pass
        if self._saved != (step, self.evaluated):
            self._save(step, state)
        self.checkpointer.wait()
        if step < plan.num_steps or not self.evaluated:
            self.say(f"{stop.cause}: saved at step {step:,}")
            raise Stopped
        return state

    def _after_step(self, step: int, state: State) -> None:
        plan = self.schedule
        last = step == plan.num_steps
        if is_due(step, plan.log_every) or (last and plan.log_every):
            self._fetch()
            mean = self.window.take_mean()
            self.writer.write(step, "train", mean)
            line, speed = self.progress.line(step, mean)
            self.say(line)
            if speed:
                self.writer.write(step, "speed", speed)
        if self.evaluate and (is_due(step, plan.eval_every) or (last and plan.eval_every)):
            self._evaluate(step, state)
        if is_due(step, plan.save_every):
            self._save(step, state)

    def _fetch(self) -> None:
        """Takes in the metrics of the step before the one in flight, and checks them."""
        if self._late is None:
            return
        step, metrics = self._late
        self._late = None
        values = {name: float(value) for name, value in jax.device_get(metrics).items()}
        if not values.pop("finite", 1.0):
            self._refuse(step, values, "loss, gradient or an updated parameter")
        self.window.add(values)

    def _refuse(self, step: int, values: Mapping[str, Any], what: str) -> None:
        self.checkpointer.wait()
        printable = {name: str(value) for name, value in values.items()}
        facts = {"step": step, "metrics": printable, "batch": self.describe_batch(step - 1)}
        report = self.workspace.write_json("nonfinite.json", facts)
        raise NonFiniteError(
            f"{what} is not finite at step {step}: {printable}. {report} names the batch; "
            f"checkpoints up to step {self.checkpointer.steps()[-1:]} are intact. Lower the "
            "learning rate or set gradient clipping, in another --workdir."
        )

    def _evaluate(self, step: int, state: State) -> None:
        assert self.evaluate is not None
        self.evaluated = False
        peers.note(f"in the evaluation after step {step:,}")
        values = self.evaluate(state)
        if bad := check_finite(values):
            self._refuse(step, {name: values[name] for name in bad}, "the evaluation")
        self.evaluated = True
        self.writer.write(step, "test", values)
        figures = [f"{k} {v:.4g}" for k, v in values.items() if v is not None]
        self.say(f"step {step:,} test  " + "  ".join(figures))
        self.progress.start(step)

    def _save(self, step: int, state: State) -> None:
        self._fetch()
        peers.note(f"in the save of step {step:,}")
        self.checkpointer.save(step, state, saved_with(self.window, self.evaluated))
        self._saved = (step, self.evaluated)
