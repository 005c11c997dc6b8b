"""metrics.jsonl: one JSON object a line, the source of truth for every table and plot."""

import json
import os
import pathlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from experiments.runtime.distributed import is_lead
from experiments.runtime.errors import UserError

TRACKERS = ("tensorboard", "wandb")
Sink = Callable[[int, str, Mapping[str, float]], None]


def read_metrics(path: str | os.PathLike) -> list[dict[str, Any]]:
    """All lines of a metrics file; a last line cut short by a crash is left out."""
    path = pathlib.Path(path)
    if not path.exists():
        return []
    records = []
    lines = path.read_text().split("\n")
    for number, line in enumerate(lines):
        if not line:
            continue
        try:
            records.append(json.loads(line))
        except json.JSONDecodeError as error:
            if number < len(lines) - 1:
                raise UserError(f"{path}, line {number + 1} is not JSON: {line[:80]!r}") from error
    return records


class MetricsWriter:
    """Appends to metrics.jsonl and passes the same values on to optional trackers.

    With several processes only the lead writes.
    """

    def __init__(self, path: str | os.PathLike, sinks: Sequence[Sink] = ()):
        self.path = pathlib.Path(path)
        self.sinks = tuple(sinks)
        self._file = self.path.open("a") if is_lead() else None

    def rewind(self, step: int) -> None:
        """Drops what was written after `step`, so that a resumed run repeats no line."""
        if self._file is None:
            return
        kept = [r for r in read_metrics(self.path) if r["step"] <= step]
        self._file.close()
        temporary = self.path.with_suffix(".tmp")
        temporary.write_text("".join(json.dumps(r) + "\n" for r in kept))
        temporary.replace(self.path)
        self._file = self.path.open("a")

    def write(self, step: int, split: str, values: Mapping[str, float]) -> None:
        """One line `{"step": …, "split": …, **values}`, on disk when this returns."""
        if self._file is None:
            return
        self._file.write(json.dumps({"step": step, "split": split, **values}) + "\n")
        self._file.flush()
        for sink in self.sinks:
            sink(step, split, values)

    def close(self) -> None:
        if self._file is not None:
            self._file.close()


def check_trackers(names: Iterable[str]) -> None:
    """Raises `UserError` for a tracker that does not exist."""
    for name in names:
        if name not in TRACKERS:
            raise UserError(f"--track={name} is unknown; accepted: {', '.join(TRACKERS)}")


def make_sinks(
    names: Sequence[str], workdir: pathlib.Path, config: Mapping[str, Any]
) -> list[Sink]:
    """Trackers by name: "tensorboard" (needs tensorboardX) and "wandb", both in extra `track`."""
    check_trackers(names)
    makers = {"tensorboard": _tensorboard, "wandb": _wandb}
    return [makers[name](workdir, config) for name in names] if is_lead() else []


def _tensorboard(workdir: pathlib.Path, config: Mapping[str, Any]) -> Sink:
    del config
    from tensorboardX import SummaryWriter  # pyright: ignore[reportMissingImports]

    writer = SummaryWriter(str(workdir / "tensorboard"))

    def write(step: int, split: str, values: Mapping[str, float]) -> None:
        for name, value in values.items():
            writer.add_scalar(f"{split}/{name}", value, step)
        writer.flush()

    return write


def _wandb(workdir: pathlib.Path, config: Mapping[str, Any]) -> Sink:
    import wandb  # pyright: ignore[reportMissingImports]

    run = wandb.init(dir=str(workdir), config=dict(config), resume="allow", id=workdir.name)

    def write(step: int, split: str, values: Mapping[str, float]) -> None:
        run.log({f"{split}/{name}": value for name, value in values.items()}, step=step)

    return write
