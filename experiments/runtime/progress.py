"""The progress line: where a run is, how fast it goes, and when it ends."""

import time
from collections.abc import Mapping


def duration(seconds: float) -> str:
    """Hours, minutes and seconds as 1:02:03, or 2:03 below an hour."""
    minutes, second = divmod(round(seconds), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02d}:{second:02d}" if hours else f"{minute}:{second:02d}"


class Progress:
    """Formats one line per log point, with rates since the line before it.

    With `flops` per example and the devices' `peak` FLOP/s it also gives their quotient, the MFU.
    """

    def __init__(
        self,
        num_steps: int,
        batch_size: int,
        unit: str = "examples",
        *,
        flops: float | None = None,
        peak: float | None = None,
    ):
        self.num_steps = num_steps
        self.batch_size = batch_size
        self.unit = unit
        self.peak_rate = peak / flops if flops and peak else None
        self._last: tuple[int, float] | None = None

    def start(self, step: int) -> None:
        self._last = (step, time.perf_counter())

    def line(self, step: int, values: Mapping[str, float]) -> tuple[str, dict[str, float]]:
        """The line, and where the peak is known {"mfu": share of it} for the metrics."""
        now = time.perf_counter()
        last_step, last_time = self._last or (step, now)
        self._last = (step, now)
        parts = [f"step {step:,}/{self.num_steps:,}"]
        parts += [f"{name} {value:.4g}" for name, value in values.items()]
        speed: dict[str, float] = {}
        if step > last_step and now > last_time:
            per_step = (now - last_time) / (step - last_step)
            rate = self.batch_size / per_step
            parts += [f"{per_step * 1e3:.3g} ms/step", f"{rate:,.0f} {self.unit}/s"]
            if self.peak_rate:
                speed = {"mfu": rate / self.peak_rate}
                parts.append(f"MFU {speed['mfu']:.1%}")
            parts.append(f"ETA {duration(per_step * (self.num_steps - step))}")
        return "  ".join(parts), speed
