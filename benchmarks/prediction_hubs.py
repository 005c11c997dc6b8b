"""Speed and memory of `hubness.tokens` against the published scheme for prediction hubs.

python -m benchmarks.prediction_hubs [--repeats 5] [--small]

4,000 contexts, 49,152 tokens, width 576 (the size of SmolLM2-135M), k = 10. The published scheme
(batched matrix-vector products, softmax, a full argsort of 1 − p, one pass over all neighbours for
every token) is run on a slice of the same arrays in this process and extrapolated. Writes
results/benchmarks/prediction_hubs.json (not with --small, which only shows that everything runs).
"""

import argparse
import pathlib
import sys
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.timing import once, resident, seconds
from experiments.runtime.files import write_record
from experiments.runtime.manifest import environment
from hubness import k_occurrence, tokens
from hubness.search import blocks, pairwise
from hubness.tokens.search import _local, _Options

OUTPUT = pathlib.Path(__file__).parents[1] / "results" / "benchmarks" / "prediction_hubs.json"
K = 10


def published(h: np.ndarray, w: np.ndarray, rows: int, counted: int) -> tuple[float, np.ndarray]:
    """Seconds of the published scheme for all contexts, and neighbours of the first rows."""
    n, vocabulary = len(h), len(w)

    def search():
        logits = np.matmul(w[None], h[:rows, :, None])[:, :, 0]
        p = np.exp(logits - logits.max(1, keepdims=True))
        p /= p.sum(1, keepdims=True)
        return np.argsort(np.maximum(1 - p, 0), axis=1)[:, :K]

    searched, index = once(search)
    stored = np.tile(index, (-(-n // rows), 1))[:n].astype(np.float32)
    took = once(lambda: [(stored == token).sum() for token in range(counted)])[0]
    return searched * n / rows + took * vocabulary / counted, index


def gemm(n: int, vocabulary: int, d: int, repeats: int) -> float:
    """Seconds of the matrix products alone, in the kernel's own blocks."""
    number, rows = blocks.split(n, blocks.QUERY_ROWS)
    tiles, columns = blocks.split(vocabulary, blocks.POINT_COLUMNS)
    product = jax.jit(pairwise.products)
    h, w = jnp.ones((rows, d)), jnp.ones((columns, d))
    return number * tiles * seconds(lambda: product(h, w), 3 * repeats)


def peak_extra_mb(h: jax.Array, w: jax.Array) -> float:
    """Growth of this process's peak memory over one compiled call, by the kernel's own count."""
    jax.block_until_ready(tokens.top_tokens(h, w, K, with_stats=True))
    before = resident("VmRSS")
    pathlib.Path("/proc/self/clear_refs").write_text("5")  # forget the peak so far
    jax.block_until_ready(tokens.top_tokens(h, w, K, with_stats=True))
    return resident("VmHWM") - before


def compiled_mb(n: int, vocabulary: int, d: int) -> float:
    """Temporaries of the compiled program for n contexts."""
    shapes = [jax.ShapeDtypeStruct(s, np.float32) for s in ((n, d), (vocabulary, d), (vocabulary,))]
    options = _Options(K, "dot", with_stats=True, exclude_self=False, block_size=None)
    compiled = _local.lower(*shapes, 0, 0, options).compile()
    return compiled.memory_analysis().temp_size_in_bytes / 1e6


def run(repeats: int, small: bool) -> dict[str, Any]:
    """Ratios to the published scheme and to the matrix products alone."""
    n, vocabulary, d = (200, 3_000, 64) if small else (4_000, 49_152, 576)
    rows, counted = (20, 20) if small else (128, 200)
    r = np.random.default_rng(0)
    h, w = (r.standard_normal((size, d), np.float32) for size in (n, vocabulary))
    h_device, w_device = jnp.asarray(h), jnp.asarray(w)

    def counts(**options):
        top = tokens.top_tokens(h_device, w_device, K, **options)
        return k_occurrence(top.index, vocabulary), top

    extra = peak_extra_mb(h_device, w_device)
    alone = seconds(counts, repeats)
    with_stats = seconds(lambda: counts(with_stats=True), repeats)
    theirs, index = published(h, w, rows, counted)
    products = gemm(n, vocabulary, d, repeats)
    ours = np.asarray(counts()[1].index)[:rows]
    return {
        "size": f"contexts={n} tokens={vocabulary} d={d} k={K}",
        "ratio": theirs / alone,
        "goal": 20,
        "extrapolated": f"published scheme from {rows} contexts, its counts from {counted} tokens",
        "same_neighbours": float((ours == index).mean()),
        "gemm_rate": products / alone,
        "gemm_rate_goal": 0.5,
        "gemm_rate_with_stats": products / with_stats,
        "gemm_rate_with_stats_goal": 0.35,
        "peak_extra_mb": extra,
        "peak_extra_goal_mb": 400,
        "compiled_temporaries_mb": {
            str(many): compiled_mb(many, vocabulary, d) for many in (n, 10 * n)
        },
    }


def main() -> None:
    """Runs, prints and writes the ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--small", action="store_true")
    args = parser.parse_args()
    results = run(args.repeats, args.small)
    print(results)
    if not args.small:
        write_record(
            OUTPUT, {"environment": environment(), "argv": sys.argv[1:], "results": results}
        )


if __name__ == "__main__":
    main()
