"""Trackers beside metrics.jsonl: TensorBoard and Weights & Biases, from the extra `track`."""

import hashlib
import importlib.util
import pathlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

from experiments.runtime.errors import UserError, nearest
from experiments.runtime.files import as_json

PACKAGES = {"tensorboard": "tensorboardX", "wandb": "wandb"}


class Sink(Protocol):
    """Where metrics go as well."""

    def rewind(self, step: int, *, dropped: bool) -> None:
        """The run goes on after `step`; whether it had been further before."""

    def write(self, step: int, split: str, values: Mapping[str, float]) -> None:
        """The values of a line of metrics.jsonl."""

    def close(self) -> None:
        """Nothing more comes."""


def check_trackers(names: Iterable[str]) -> None:
    """Raises `UserError` for a tracker that does not exist or whose package is missing."""
    for name in names:
        if name not in PACKAGES:
            raise nearest(name, PACKAGES, "tracker in --track")
        if importlib.util.find_spec(PACKAGES[name]) is None:
            raise UserError(
                f"--track={name} needs the package {PACKAGES[name]}, which is not installed: "
                "pip install 'repgeo[track]'"
            )


def make_sinks(
    names: Sequence[str], folder: pathlib.Path, config: Mapping[str, Any], run: str
) -> list[Sink]:
    """The trackers called `names`, for the metrics in `folder` of the run called `run`."""
    makers = {"tensorboard": _TensorBoard, "wandb": _Wandb}
    return [makers[name](folder, config, run) for name in names]


def run_id(workdir: pathlib.Path, config: Mapping[str, Any]) -> str:
    """A name that no run in another folder or of another config has."""
    text = f"{workdir.absolute()}\n{as_json(config)}"
    return f"{workdir.name}-{hashlib.sha256(text.encode()).hexdigest()[:16]}"


class _TensorBoard:
    def __init__(self, folder: pathlib.Path, config: Mapping[str, Any], run: str):
        del config, run
        self.folder, self._writer = folder / "tensorboard", None

    def rewind(self, step: int, *, dropped: bool) -> None:
        del dropped
        self._writer = self._opened(step)

    def _opened(self, step: int) -> Any:
        from tensorboardX import SummaryWriter  # pyright: ignore[reportMissingImports]

        # TensorBoard hides what was written from this step on.
        return SummaryWriter(str(self.folder), purge_step=step + 1)

    def write(self, step: int, split: str, values: Mapping[str, float]) -> None:
        self._writer = writer = self._writer or self._opened(0)
        for name, value in values.items():
            writer.add_scalar(f"{split}/{name}", value, step)
        writer.flush()

    def close(self) -> None:
        if self._writer is not None:
            self._writer.close()


class _Wandb:
    def __init__(self, folder: pathlib.Path, config: Mapping[str, Any], run: str):
        self.folder, self.config, self.name, self._run = folder, config, run, None

    def rewind(self, step: int, *, dropped: bool) -> None:
        self._run = self._opened(step, dropped=dropped)

    def _opened(self, step: int, *, dropped: bool) -> Any:
        import wandb  # pyright: ignore[reportMissingImports]

        where = {"id": self.name, "resume": "allow"}
        if dropped:  # W&B keeps what came before the step and forgets the rest
            where = {"resume_from": f"{self.name}?_step={step}"}
        return wandb.init(dir=str(self.folder), config=dict(self.config), **where)

    def write(self, step: int, split: str, values: Mapping[str, float]) -> None:
        self._run = run = self._run or self._opened(0, dropped=False)
        run.log({f"{split}/{name}": value for name, value in values.items()}, step=step)

    def close(self) -> None:
        if self._run is not None:
            self._run.finish()
