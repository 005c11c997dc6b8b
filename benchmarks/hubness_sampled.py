"""A million points in a file, of which some ask: speed against a matrix product, memory, estimates.

python -m benchmarks.hubness_sampled [--points=1000000] [--queries=20000] [--folder=/tmp]

Points are 384-dimensional clusters, made once in FOLDER. Written to
results/benchmarks/hubness_sampled.json: CPU seconds of the search and of as many products of its
tiles, taken before and after it in the same process; memory beyond the file (anonymous pages,
sampled); the skewness with its interval; and beside it what 10,000 sampled points say, which is
another quantity.
"""

import argparse
import pathlib
import threading
import time

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.timing import resident
from experiments.runtime.files import write_json
from experiments.runtime.manifest import environment
from hubness import k_occurrence, knn, measures, sampled
from hubness.search import blocks

WIDTH, K, CLUSTERS = 384, 10, 2000
RECORD = pathlib.Path("results/benchmarks/hubness_sampled.json")


def points(folder: pathlib.Path, n: int) -> np.ndarray:
    """n rows in clusters of unequal size, mapped from a file that is made where it is missing."""
    path = folder / f"points_{n}_{WIDTH}.npy"
    if not path.exists():
        r = np.random.default_rng(0)
        centres = r.normal(size=(CLUSTERS, WIDTH)).astype(np.float32)
        share = r.pareto(1.5, CLUSTERS) + 0.1
        made = np.lib.format.open_memmap(path, "w+", np.float32, (n, WIDTH))
        for start in range(0, n, 50_000):
            rows = min(50_000, n - start)
            own = r.choice(CLUSTERS, rows, p=share / share.sum())
            noise = r.standard_normal((rows, WIDTH), np.float32)
            made[start : start + rows] = centres[own] + noise
        made.flush()
    return np.load(path, mmap_mode="r")


def product_seconds(repeats: int = 12) -> float:
    """CPU seconds of one product of a block of queries and a tile of points."""
    q = jnp.ones((blocks.QUERY_ROWS, WIDTH))
    p = jnp.ones((blocks.POINT_COLUMNS, WIDTH))
    product = jax.jit(lambda q, p: q @ p.T)
    product(q, p).block_until_ready()
    begun = time.process_time()
    for _ in range(repeats):
        product(q, p).block_until_ready()
    return (time.process_time() - begun) / repeats


class Watched:
    """Peak of the anonymous memory of this process while it is open, in MB beyond that before."""

    def __enter__(self) -> "Watched":
        self.before, self.peak, self._end = resident("RssAnon"), 0.0, threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()
        return self

    def _watch(self) -> None:
        while not self._end.wait(0.05):
            self.peak = max(self.peak, resident("RssAnon") - self.before)

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()


def main(n: int, m: int, folder: pathlib.Path) -> None:
    x = points(folder, n)
    rows = sampled.draw(jax.random.key(0), n, m)
    sampled.knn(x[:70_000], K, np.arange(m))  # compiles: parts and queries have these shapes
    before = product_seconds()
    with Watched() as memory:
        begun, wall = time.process_time(), time.perf_counter()
        found = jax.block_until_ready(sampled.knn(x, K, rows))
        seconds, wall = time.process_time() - begun, time.perf_counter() - wall
    one = (before + product_seconds()) / 2
    ideal = one * (m / blocks.QUERY_ROWS) * (n / blocks.POINT_COLUMNS)
    some = np.asarray(x[np.sort(np.random.default_rng(0).choice(n, min(n, 10_000), False))])
    of_points = measures(k_occurrence(knn(some, K).index, len(some)), K)
    write_json(
        RECORD,
        {
            "points": n,
            "queries": m,
            "width": WIDTH,
            "cpu_seconds": seconds,
            "wall_seconds": wall,
            "share_of_gemm_rate": ideal / seconds,
            "gemm_gflops_per_cpu_second": 2e-9 * m * n * WIDTH / ideal,
            "peak_mb_beyond_file": memory.peak,
            "moments": sampled.moments(found.index, n)._asdict(),
            "sure_hubs": len(sampled.hubs(found.index, n).index),
            "skewness_of_10000_sampled_points": float(of_points.skewness),
            "environment": environment(),
        },
    )
    print(RECORD.read_text())


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--points", type=int, default=1_000_000)
    parser.add_argument("--queries", type=int, default=20_000)
    parser.add_argument("--folder", type=pathlib.Path, default=pathlib.Path("/tmp"))
    given = parser.parse_args()
    main(given.points, given.queries, given.folder)
