"""Programs compiled for TPUs that are not here, and what the compiler says of them.

The package libtpu (extra `tpu`) compiles for a topology that the machine does not have. HBM and
whether a program fits are the compiler's figures; FLOPs, traffic and collectives are counted in the
program (`hlo`); the time of a step is the roofline's: none of the three can be done sooner.
"""

import contextlib
import importlib.util
import os
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np
from jax.sharding import Mesh

from experiments.runtime.errors import UserError
from experiments.runtime.hlo import Program
from experiments.runtime.mesh import AXIS
from experiments.runtime.utilisation import PEAK_FLOPS

GIB = 2**30
MEGACORE = ("v4", "v5p")  # both cores of a chip are one device, as on a TPU VM


class Chip(NamedTuple):
    """HBM in GiB, its bytes a second, and bytes a second over all links of a chip, one way."""

    hbm_gib: float
    hbm_rate: float
    link_rate: float


# Google Cloud's data sheets, by JAX's name of the device.
CHIPS = {
    "TPU v4": Chip(32, 1.228e12, 3.0e11),
    "TPU v5 lite": Chip(16, 0.819e12, 2.0e11),
    "TPU v5": Chip(95, 2.765e12, 6.0e11),
    "TPU v6 lite": Chip(32, 1.640e12, 4.48e11),
}
EXAMPLES = "v5e:2x4, v4:2x2x1, v5p:2x2x1 or v6e:2x4"


def mesh_of(topology: str) -> Mesh:
    """The run's mesh over the chips of a topology such as v5e:2x4, which need not be here.

    Raises:
      UserError: libtpu is not installed, or it knows no such topology.
    """
    if importlib.util.find_spec("libtpu") is None:
        raise UserError(
            "compiling for a TPU needs libtpu: pip install 'repgeo[tpu]' (on any Linux machine)"
        )
    from jax.experimental import topologies

    # libtpu asks a TPU VM's metadata server what it runs on, unless told.
    os.environ.setdefault("TPU_SKIP_MDS_QUERY", "1")
    os.environ.setdefault("TPU_ACCELERATOR_TYPE", "v5litepod-8")
    os.environ.setdefault("TPU_WORKER_HOSTNAMES", "localhost")
    # One process at a time may hold chips; here none does.
    os.environ.setdefault("ALLOW_MULTIPLE_LIBTPU_LOAD", "1")
    cores = "megacore" if topology.split(":")[0] in MEGACORE else "default"
    try:
        found = topologies.get_topology_desc(
            platform="tpu", topology_name=topology, chip_config_name=cores
        )
    except Exception as error:  # whatever the plugin raises
        first = str(error).splitlines()[0]
        raise UserError(
            f"--topology={topology} is not known to libtpu ({first}); give {EXAMPLES}"
        ) from error
    return Mesh(np.array(found.devices), (AXIS,))


class Report(NamedTuple):
    """What the compiler made of a program for each chip; see `measured`."""

    fits: bool
    facts: dict[str, Any]


def measured(lower: Callable[[], Any], mesh: Mesh, model_flops: float) -> Report:
    """Compiles `lower()` for the chips of the mesh.

    `model_flops` is the useful arithmetic of all chips together. The facts: `hbm_gib` needed and
    `hbm_of_chip_gib`, and of what compiles `argument_gib`, `temporary_gib`, `tflop` (of products,
    a chip), `issued_tflop` (each as often as its precision takes it), `read_gb` from HBM or to it,
    `moved_gb` by each kind of collective and their number, `intensity` (FLOP a byte), `bound` (what
    the roofline's `step_ms` is spent on) and `mfu_bound`; always `compile_cpu_seconds`, tracing
    included.
    """
    device = mesh.devices.flat[0]
    chip, peak = CHIPS[device.device_kind], PEAK_FLOPS[device.device_kind]
    begun = time.process_time()
    facts: dict[str, Any] = {"chips": mesh.size, "chip": device.device_kind}
    try:
        with uncached():
            compiled = lower().compile()
    except jax.errors.JaxRuntimeError as error:
        needed = _needed(str(error))
        facts |= {"hbm_gib": needed, "hbm_of_chip_gib": chip.hbm_gib}
        return Report(False, facts | {"compile_cpu_seconds": time.process_time() - begun})
    seconds = time.process_time() - begun
    memory, work = compiled.memory_analysis(), Program(compiled.as_text()).work()
    held = memory.argument_size_in_bytes + memory.output_size_in_bytes
    held += memory.temp_size_in_bytes + memory.generated_code_size_in_bytes
    times = {
        "arithmetic": work.issued / peak,
        "memory": work.read / chip.hbm_rate,
        "links": sum(work.moved.values()) / chip.link_rate,
    }
    bound = max(times, key=lambda name: times[name])
    facts |= {
        "hbm_gib": (held - memory.alias_size_in_bytes) / GIB,
        "hbm_of_chip_gib": chip.hbm_gib,
        "argument_gib": memory.argument_size_in_bytes / GIB,
        "temporary_gib": memory.temp_size_in_bytes / GIB,
        "tflop": work.flops / 1e12,
        "issued_tflop": work.issued / 1e12,
        "read_gb": work.read / 1e9,
        "moved_gb": {kind: size / 1e9 for kind, size in work.moved.items()},
        "collectives": work.calls,
        "intensity": work.flops / max(work.read, 1),
        "bound": bound,
        "step_ms": 1e3 * times[bound],
        "mfu_bound": model_flops / (mesh.size * peak * times[bound]),
        "loops_known": work.loops,
        "compile_cpu_seconds": seconds,
    }
    return Report(True, facts)


@contextlib.contextmanager
def uncached() -> Iterator[None]:
    """Without JAX's persistent cache: no program for a TPU can be read back where there is none."""
    from jax.experimental.compilation_cache.compilation_cache import reset_cache

    before = jax.config.values["jax_enable_compilation_cache"]
    jax.config.update("jax_enable_compilation_cache", False)
    reset_cache()  # it is asked once whether there is one
    try:
        yield
    finally:
        jax.config.update("jax_enable_compilation_cache", before)
        reset_cache()


def _needed(message: str) -> float | None:
    """GiB that a program would take, from the compiler's refusal.

    Raises:
      UserError: it was refused for another reason.
    """
    found = re.search(r"[Uu]sed ([\d.]+)([KMGT]) of [\d.]+[KMGT]i?B? hbm", message)
    if found is None:
        if "RESOURCE_EXHAUSTED" in message:
            return None
        raise UserError(f"the compiler refuses the program: {message.splitlines()[0]}")
    return float(found[1]) * {"K": 2**10, "M": 2**20, "G": GIB, "T": 2**40}[found[2]] / GIB


COLUMNS: Sequence[str] = (
    "HBM GiB",
    "of",
    "TFLOP",
    "HBM GB moved",
    "link GB moved",
    "FLOP/byte",
    "step ms ≥",
    "bound by",
    "MFU ≤",
    "compile CPU s",
)


def row(report: Report) -> list[str]:
    """The report under `COLUMNS`, all a chip."""
    return row_of({"fits": report.fits, **report.facts})


def not_compiled(case: Mapping[str, Any]) -> list[str]:
    """Under `COLUMNS`, of a case of benchmarks/tpu_compile.py that came to no figures."""
    return [case["state"], *[""] * (len(COLUMNS) - 2), f"{case['cpu_seconds']:.0f}"]


def row_of(facts: Mapping[str, Any]) -> list[str]:
    """Recorded facts of a report under `COLUMNS`."""
    needed = "too much" if facts["hbm_gib"] is None else f"{facts['hbm_gib']:.2f}"
    first, last = [needed, f"{facts['hbm_of_chip_gib']:g}"], f"{facts['compile_cpu_seconds']:.0f}"
    if not facts["fits"]:
        return [*first, *("does not fit" if i == 0 else "" for i in range(7)), last]
    moved = sum(facts["moved_gb"].values())
    once = "" if facts["loops_known"] else " (some loops counted once)"
    middle = [f"{facts['tflop']:.3g}", f"{facts['read_gb']:.3g}", f"{moved:.3g}"]
    middle += [f"{facts['intensity']:.0f}", f"{facts['step_ms']:.3g}", facts["bound"] + once]
    return [*first, *middle, f"{facts['mfu_bound']:.0%}", last]
