"""What training the paper's models costs on accelerators, by arithmetic alone."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import diffenc
from experiments.reporting.markdown import Cell, Table, columns, render
from experiments.runtime.utilisation import PEAK_FLOPS

UTILISATION = 0.4  # assumed share of the peak; an open JAX diffusion trainer reports 0.3
DEVICES = {"TPU v5e": 8, "TPU v4": 4, "NVIDIA H100 80GB HBM3": 1}
SHAPE, LEVELS = (32, 32, 3), 256


class Reported(NamedTuple):
    """A published run: its length, seeds and total bits/dim as others quote it from the paper."""

    data: str
    steps: int
    seeds: int
    total: str


REPORTED = {
    "vdmv-8": Reported("cifar10", 2_000_000, 5, "2.783"),
    "diffenc-8-2": Reported("cifar10", 2_000_000, 5, "2.783"),
    "vdmv-32": Reported("cifar10", 8_000_000, 3, "2.641 ± 0.003"),
    "diffenc-32-4": Reported("cifar10", 8_000_000, 3, "2.620 ± 0.006"),
    "vdmv-32-imagenet": Reported("imagenet32_new", 1_500_000, 3, "3.46"),
    "diffenc-32-8-imagenet": Reported("imagenet32_new", 1_500_000, 3, "3.46"),
}


def hours(name: str, device: str, count: int, steps: int) -> float:
    """Hours for `steps` training steps on `count` devices at `UTILISATION` of their peak."""
    seconds = _batch(name) * _flops(name) / (UTILISATION * PEAK_FLOPS[device] * count)
    return seconds * steps / 3600


def reproduction_table() -> str:
    """A Markdown table of `REPORTED`: what one seed costs, and the figure that was published."""
    rows = []
    for name, run in REPORTED.items():
        total = run.steps * _batch(name) * _flops(name) / 1e18
        sizes = [f"{run.steps:,}", run.seeds, f"{total:.0f}"]
        rows.append([run.data, name, *sizes, *_hours(name, run.steps), run.total])
    header = ["data", "model", "steps", "seeds", "EFLOP a seed", *_machines()]
    return _markdown([*header, "published, bits/dim"], rows)


def sharding_table(record: Mapping[str, Any]) -> str:
    """A Markdown table of results/benchmarks/diffenc_scale.json: each device's share of a step."""
    labels = {
        "one_device": "1 device",
        "eight_replicated": "8 devices, replicated",
        "eight_fsdp": "8 devices, FSDP",
    }
    rows = []
    for name, label in labels.items():
        found = record["sharding"][name]
        share = found.get("flop_share_of_one_device", 1.0)
        sizes = f"{found['state_and_batch_mb']:.1f}", f"{found['temporary_mb']:.0f}"
        moved = sum(found["moved_mb"].values())
        flops = f"{found['gflop_per_device']:.2f}"
        rows.append([label, flops, f"{share:.4f}", *sizes, f"{moved:.1f}"])
    header = ["", "GFLOP a device", "share", "state and batch, MB", "temporary, MB"]
    return _markdown([*header, "exchanged, MB"], rows)


def _markdown(titles: Sequence[str], rows: Sequence[Sequence[Cell]]) -> str:
    return render(Table(columns(*titles), rows)) + "\n"


def _machines() -> list[str]:
    return [f"{count} × {device}" for device, count in DEVICES.items()]


def _hours(name: str, steps: int) -> list[str]:
    """Hours on each of `DEVICES`."""
    return [f"{hours(name, d, n, steps):.0f} h" for d, n in DEVICES.items()]


def _flops(name: str) -> float:
    options = diffenc.build(name, SHAPE, LEVELS).options
    return diffenc.model_flops(options, SHAPE).training


def _batch(name: str) -> int:
    return 256 if name.endswith("imagenet") else 128
