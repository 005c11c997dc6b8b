"""Speed of one GPU: neighbours, token search and the published training steps, against the card's
own matrix products and, where it is installed, torch on the same card.

python -m benchmarks.gpu [part ...]    parts: ceilings, neighbours, tokens, and each of STEPS

Times are medians after compilation, and every ratio comes from one run. Searches take float32
products in full on both sides, without TF32. The steps are those of experiments.diffenc.train at
the published batch, on random images, in the precision that JAX takes by default. Writes
results/benchmarks/gpu.json after each part; one that is not run keeps its earlier figures.
"""

import dataclasses
import functools
import os
import runpy
import sys
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import diffenc
import hubness
from benchmarks.diffenc_step import record
from benchmarks.hubness import K, gemms, points
from benchmarks.timing import in_turns, once, seconds
from experiments import data
from experiments.diffenc.compile import changed, lowered
from experiments.diffenc.config import Config
from experiments.diffenc.run import Run, make_run
from experiments.runtime import settings
from experiments.runtime.mesh import batch_sharding, replicated
from experiments.runtime.utilisation import peak_flops
from hubness import tokens

# JAX would take most of the card at its start, and torch is to have its share.
os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
CONFIG = "experiments/configs/diffenc/cifar10.py"
STEPS = (
    "vdmv-8 bfloat16",
    "diffenc-8-2 bfloat16",
    "diffenc-32-4 bfloat16",
    "vdmv-32 bfloat16",
    "vdmv-8 float32",
    "diffenc-8-2 float32",
)
TOGETHER = 10  # steps between two looks at the clock
TORCH_ROWS = 2_048  # queries that torch takes at once
PRODUCTS = {
    "float32": (jnp.float32, "highest"),
    "float32_by_default": (jnp.float32, "default"),
    "bfloat16": (jnp.bfloat16, "default"),
}


def product_rate(kind: str, size: int = 8_192) -> float:
    """FLOP/s of a large square matrix product."""
    dtype, precision = PRODUCTS[kind]
    a, b = (jax.random.normal(jax.random.key(i), (size, size), dtype) for i in range(2))
    product = jax.jit(lambda a, b: jnp.matmul(a, b, precision=precision))
    return 2 * size**3 / seconds(lambda: product(a, b), 10)


def ceilings() -> dict[str, float]:
    """TFLOP/s of matrix products, and the rate of a copy, bytes read and written."""
    x = jnp.ones(2**30, jnp.float32)
    negate = jax.jit(jnp.negative)
    found = {f"tflops_{kind}": product_rate(kind) / 1e12 for kind in PRODUCTS}
    return found | {"copy_tb_a_second": 2 * x.nbytes / seconds(lambda: negate(x), 10) / 1e12}


def torch_top(
    q: np.ndarray, p: np.ndarray, bias: np.ndarray, k: int
) -> dict[str, Callable[[], Any]]:
    """The k largest q·p + bias of each row of q, by torch on this card; nothing without torch."""
    try:
        import torch
    except ImportError:
        print("torch is not installed: left out", flush=True)
        return {}
    if not torch.cuda.is_available():
        print("torch sees no GPU: left out", flush=True)
        return {}
    queries, columns, added = (torch.from_numpy(a).cuda() for a in (q, p, bias))

    def run():
        found = [torch.topk(rows @ columns.T + added, k)[1] for rows in queries.split(TORCH_ROWS)]
        index = torch.cat(found)
        torch.cuda.synchronize()
        return index

    return {"torch": run}


def compared(flops: float, took: dict[str, float], rate: float) -> dict[str, float]:
    """Shares of the rate of a product, and what torch takes of our time."""
    found = {f"share_of_product_rate_{name}": flops / time / rate for name, time in took.items()}
    ratio = {"torch_over_ours": took["torch"] / took["ours"]} if "torch" in took else {}
    return {"ms": 1e3 * took["ours"]} | ratio | found


def neighbours() -> dict[str, Any]:
    """Exact neighbours of 10,000 and 100,000 rows, and Gaussian mutual proximity of the first."""
    rate, out = product_rate("float32"), {}
    for n, d in ((10_000, 384), (100_000, 384)):
        x = points(n, d)
        there = jnp.asarray(x)
        peer = torch_top(x, x, -0.5 * np.square(x).sum(1), K + 1)
        ours = lambda: hubness.knn(there, K).index
        took = in_turns(5, ours=ours, gemm=gemms(n, d), **peer)
        found = compared(2 * n * n * d, took, rate)
        if peer:  # each row is its own first there
            theirs = np.sort(peer["torch"]().cpu().numpy()[:, 1:])
            found["same"] = float((np.sort(np.asarray(ours())) == theirs).mean())
        out[f"n={n} d={d} k={K}"] = found
    x = jnp.asarray(points(10_000))
    took = seconds(lambda: hubness.reduced_knn(x, K, "mp_gauss").index, 3)
    return out | {"mp_gauss n=10000 d=384 k=10": {"ms": 1e3 * took}}


def token_search() -> dict[str, Any]:
    """The best tokens of many contexts, for the tokens of SmolLM2-135M and of Gemma 3 270M."""
    rate, out, r = product_rate("float32"), {}, np.random.default_rng(0)
    for n, vocabulary, d in ((4_000, 49_152, 576), (4_000, 262_144, 640)):
        h, w = (r.standard_normal((size, d), np.float32) for size in (n, vocabulary))
        h_there, w_there = jnp.asarray(h), jnp.asarray(w)
        peer = torch_top(h, w, np.zeros(vocabulary, np.float32), K)
        ours = lambda: tokens.top_tokens(h_there, w_there, K).index
        stats = lambda: tokens.top_tokens(h_there, w_there, K, with_stats=True)
        took = in_turns(5, ours=ours, with_stats=stats, **peer)
        found = compared(2 * n * vocabulary * d, took, rate)
        if peer:
            found["same"] = float((np.asarray(ours()) == peer["torch"]().cpu().numpy()).mean())
        out[f"contexts={n} tokens={vocabulary} d={d} k={K}"] = found
    return out


def published_run(name: str, dtype: str) -> Run:
    """The run of a published model."""
    config = settings.read(Config, runpy.run_path(CONFIG)["get_config"](name).to_dict())
    config = changed(config, {"model.options.dtype": dtype})
    return make_run(config, data.read(dataclasses.replace(config.data, smoke=True)))


def training_step(case: str) -> dict[str, float]:
    """What the compiled training step of a published model takes of time and memory."""
    run = published_run(*case.split())
    compiling, step = once(lambda: lowered(run).compile())
    size, r = run.config.train.batch_size, np.random.default_rng(0)
    images = {
        "codes": r.integers(0, run.source.levels, (size, *run.source.shape)).astype(np.uint8),
        "label": r.integers(0, 10, size).astype(np.int32),
    }
    batch = jax.device_put(images, batch_sharding(run.mesh))
    key = jax.device_put(jax.random.key_data(run.key), replicated(run.mesh))
    state = [run.state_factory()()]

    def some():
        for _ in range(TOGETHER):
            state[0], metrics = step(key, state[0], batch)
        return metrics

    took = seconds(some, 5) / TOGETHER
    flops = diffenc.model_flops(run.model.options, run.model.shape).training * size
    return {
        "batch": size,
        "ms": 1e3 * took,
        "model_tflop": flops / 1e12,
        "mfu": flops / took / (peak_flops() or np.nan),
        "share_of_bfloat16_product_rate": flops / took / product_rate("bfloat16"),
        "temporary_gib": step.memory_analysis().temp_size_in_bytes / 2**30,
        "compile_seconds": compiling,
    }


PARTS = {
    "ceilings": ceilings,
    "neighbours": neighbours,
    "tokens": token_search,
    **{case: functools.partial(training_step, case) for case in STEPS},
}

if __name__ == "__main__":
    if jax.default_backend() != "gpu":
        raise SystemExit(f"this measures a GPU, and JAX sees none here: {jax.devices()}")
    record("gpu", PARTS, sys.argv[1:])
