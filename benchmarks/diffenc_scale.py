"""What sharding, recomputation and bfloat16 do to DiffEnc's training step, and the sampler's step.

python -m benchmarks.diffenc_scale [part ...]    parts: sharding, memory, saved, sampler

Counts of compiled programs: FLOPs, bytes that devices exchange, bytes that a device holds. They
are of fake CPU devices and say nothing about speed; `sampler` also times its step against one
matrix product in the same run. Writes results/benchmarks/diffenc_scale.json; a part that is not
run keeps its earlier figures.
"""

import math
import os
import re
import sys
from typing import Any

if __name__ == "__main__":
    # Before JAX starts. XLA's count of a CPU program is that of one device's share.
    os.environ["XLA_FLAGS"] = (
        os.environ.get("XLA_FLAGS", "") + " --xla_force_host_platform_device_count=8"
    )

import jax
import jax.numpy as jnp
import numpy as np
import optax

import diffenc
from benchmarks.diffenc_step import BATCH, LEVELS, SHAPE, Parts, batch, our_loss, record
from benchmarks.timing import in_turns
from experiments.diffenc.run import draw_noise, elbo_loss
from experiments.runtime.mesh import batch_sharding, make_mesh
from experiments.runtime.state import StateFactory
from experiments.runtime.step import make_step

COLLECTIVES = ("all-reduce", "all-gather", "reduce-scatter", "all-to-all", "collective-permute")
BYTES = {"f64": 8, "f32": 4, "s32": 4, "u32": 4, "bf16": 2, "f16": 2, "pred": 1, "u8": 1}


def moved_bytes(program: str) -> dict[str, int]:
    """Bytes of the results of each kind of collective in an HLO text, on one device."""
    total = dict.fromkeys(COLLECTIVES, 0)
    pattern = rf"= (.*?) ({'|'.join(COLLECTIVES)})(?:-start)?\("
    for result, kind in re.findall(pattern, program):
        for dtype, sizes in re.findall(r"(\w+)\[([\d,]*)\]", result):
            count = math.prod(int(n) for n in sizes.split(",") if n)
            total[kind] += BYTES[dtype] * count
    return {kind: count for kind, count in total.items() if count}


def compiled_step(name: str, shape: tuple[int, ...], num: int, devices: int, rule: str, **options):
    """The real training step of `experiments.diffenc.train`, compiled for abstract arguments."""
    model = diffenc.build(name, shape, LEVELS, unroll=True, **options)
    mesh, optimizer = make_mesh(devices), optax.adamw(2e-4, b1=0.9, b2=0.99)
    factory = StateFactory(model.init, optimizer, jax.random.key(0), mesh, rule)
    step = make_step(
        elbo_loss(model),
        optimizer,
        key=jax.random.key(1),
        ema_decay=0.9999,
        state=factory.abstract(),
        mesh=mesh,
        draw=draw_noise,
    )
    codes = jax.ShapeDtypeStruct((num, *shape), jnp.uint8, sharding=batch_sharding(mesh))
    label = jax.ShapeDtypeStruct((num,), jnp.int32, sharding=batch_sharding(mesh))
    return step.lower(factory.abstract(), {"codes": codes, "label": label}).compile()


def sharding(num: int = 32) -> dict[str, Any]:
    """One global batch on 1 and 8 devices: each device's FLOPs, bytes held and bytes exchanged."""
    found = {"batch": num}
    model = dict(width=64, num_layers=1, encoder_width=32)
    for label, devices, rule in (
        ("one_device", 1, "replicated"),
        ("eight_replicated", 8, "replicated"),
        ("eight_fsdp", 8, "fsdp"),
    ):
        compiled = compiled_step("diffenc-8-2", (16, 16, 3), num, devices, rule, **model)
        memory = compiled.memory_analysis()
        found[label] = {
            "gflop_per_device": compiled.cost_analysis()["flops"] / 1e9,
            "state_and_batch_mb": memory.argument_size_in_bytes / 1e6,
            "temporary_mb": memory.temp_size_in_bytes / 1e6,
            "moved_mb": {k: v / 1e6 for k, v in moved_bytes(compiled.as_text()).items()},
        }
    one = found["one_device"]["gflop_per_device"]
    for label in ("eight_replicated", "eight_fsdp"):
        found[label]["flop_share_of_one_device"] = found[label]["gflop_per_device"] / one
    return found


FORMS: dict[str, dict[str, Any]] = {
    "float32": {},
    "bfloat16": {"dtype": "bfloat16"},
    "remat": {"remat": True},
    "both": {"dtype": "bfloat16", "remat": True},
}


def loss_of(name: str, options: dict[str, Any]):
    """(loss of the parameters, their shapes) for the named model on one batch."""
    model = diffenc.build(name, SHAPE, LEVELS, unroll=False, **options)
    shapes = jax.eval_shape(model.init, jax.random.key(0))
    return lambda params: our_loss(model)(params, *batch())[0], shapes


def saved() -> dict[str, float]:
    """MB an image that DiffEnc-32-4's forward pass keeps for its backward pass.

    Without the parameters, and from shapes alone, whatever a compiler then makes of them.
    """
    found = {}
    for form, options in FORMS.items():
        loss, shapes = loss_of("diffenc-32-4", options)
        kept = jax.tree.leaves(jax.eval_shape(lambda p: jax.vjp(loss, p)[1], shapes))
        size = lambda arrays: sum(a.size * a.dtype.itemsize for a in arrays)
        found[form] = (size(kept) - size(jax.tree.leaves(shapes))) / BATCH / 1e6
    return found


def memory() -> dict[str, float]:
    """Temporary MB of the compiled loss and gradient of VDMv-8, 8 images.

    A CPU computes bfloat16 in float32, so that only `saved` shows what it spares.
    """
    found = {}
    for form, options in FORMS.items():
        loss, shapes = loss_of("vdmv-8", options)
        compiled = jax.jit(jax.value_and_grad(loss)).lower(shapes).compile()
        found[f"{form}_mb"] = compiled.memory_analysis().temp_size_in_bytes / 1e6
    return found


def sampler(num: int = 8, repeats: int = 15) -> dict[str, float]:
    """One step of the sampler: DiffEnc over VDM, over its model FLOPs, and over a matrix product.

    The timed network has one block of width 32 a side; FLOPs are those of the published sizes.
    """

    def step(name, **options):
        model = diffenc.build(name, SHAPE, LEVELS, unroll=True, **options)
        z = jnp.ones((num, *SHAPE))
        return model, lambda params: model.sample_step(params, z, 0.5, 0.49, z)

    def count(name):
        model, call = step(name)
        shapes = jax.eval_shape(model.init, jax.random.key(0))
        return jax.jit(call).lower(shapes).cost_analysis()["flops"] / num, model

    ours, model = count("diffenc-8-2")
    found = {
        "gflop_per_image": ours / 1e9,
        "over_vdm": ours / count("vdmv-8")[0],
        "model_flops_over_counted": diffenc.model_flops(model.options, SHAPE).sample_step / ours,
    }
    small, call = step("diffenc-8-2", width=32, num_layers=1)
    params, call = small.init(jax.random.key(0)), jax.jit(call)
    # The widest convolution as a matrix product: pixels x 9 channels x features.
    rows, inner, columns = num * np.prod(SHAPE[:2]), 9 * 64, 32
    a, b, product = jnp.ones((rows, inner)), jnp.ones((inner, columns)), jax.jit(jnp.matmul)
    seconds = in_turns(repeats, step=lambda: call(params), gemm=lambda: product(a, b))
    work = num * diffenc.model_flops(small.options, SHAPE).sample_step
    rate = 2 * rows * inner * columns / seconds["gemm"]
    return found | {"share_of_gemm_rate": float(work / seconds["step"] / rate)}


PARTS: Parts = {
    "sharding": sharding,
    "memory": memory,
    "saved": saved,
    "sampler": sampler,
}

if __name__ == "__main__":
    record("diffenc_scale", PARTS, sys.argv[1:])
