"""A million points in a file, of which some ask: speed against a matrix product, memory, estimates.

python -m benchmarks.hubness_sampled PART [--points=N] [--queries=20000] [--folder=/tmp]

PART is `sampled` (1,000,000 points), `growth` (a quarter of them, half and all, a fifth of the
queries) or `exact` (200,000 points in memory, all ask, and beside the truth what the sampled
estimate makes of QUERIES of them); one a process, since memory that one has freed would hide the
peak of another. Points are 384-dimensional clusters, made once in FOLDER. Written to
results/benchmarks/hubness_sampled.json: CPU seconds of the search and of as many products of its
tiles, taken before and after it in the same process; memory beyond the file or the points
(anonymous pages, sampled); the skewness with its interval; and beside it what 10,000 sampled points
say, which is another quantity.
"""

import argparse
import json
import pathlib
import threading
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.timing import resident
from experiments.runtime.files import write_record
from experiments.runtime.manifest import environment
from hubness import k_occurrence, knn, measures, sampled
from hubness.search import blocks
from hubness.search.knn import Neighbors, search

WIDTH, K, CLUSTERS, FEW = 384, 10, 2000, 10_000
MEASURES = ("skewness", "robin_hood", "antihub_rate")
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


class Search(NamedTuple):
    """What a search found, and what it took of CPU seconds, those of its products, and memory."""

    index: np.ndarray
    figures: dict[str, Any]


def measured(find: Callable[[], Neighbors], m: int, n: int) -> Search:
    """A search of m queries among n points, once compiled."""
    before = product_seconds()
    with Watched() as memory:
        begun, wall = time.process_time(), time.perf_counter()
        found = jax.block_until_ready(find())
        seconds, wall = time.process_time() - begun, time.perf_counter() - wall
    ideal = (before + product_seconds()) / 2
    ideal *= (m / blocks.QUERY_ROWS) * (n / blocks.POINT_COLUMNS)
    figures = {
        "points": n,
        "queries": m,
        "width": WIDTH,
        "cpu_seconds": seconds,
        "wall_seconds": wall,
        "share_of_gemm_rate": ideal / seconds,
        "gemm_gflops_per_cpu_second": 2e-9 * m * n * WIDTH / ideal,
        "peak_extra_mb": memory.peak,
    }
    return Search(np.asarray(found.index), figures)


def of_few_points(x: np.ndarray, draws: int = 5) -> dict[str, list[float]]:
    """Measures of 10,000 sampled points among themselves, of some draws."""
    found: dict[str, list[float]] = {name: [] for name in MEASURES}
    for seed in range(draws):
        rows = np.random.default_rng(seed).choice(len(x), min(len(x), FEW), replace=False)
        some = np.asarray(x[np.sort(rows)])
        of_some = measures(k_occurrence(knn(some, K).index, len(some)), K)
        for name, values in found.items():
            values.append(float(getattr(of_some, name)))
    return found


def sampled_queries(n: int, m: int, folder: pathlib.Path) -> dict[str, Any]:
    """m sampled rows among all n of a file."""
    x = points(folder, n)
    sampled.knn(x[:70_000], K, np.arange(m))  # compiles: parts and queries have these shapes
    rows = sampled.draw(jax.random.key(0), n, m)
    index, figures = measured(lambda: sampled.knn(x, K, rows), m, n)
    return figures | {
        "moments": sampled.moments(index, n)._asdict(),
        "sure_hubs": len(sampled.hubs(index, n).index),
        "of_10000_sampled_points": of_few_points(x),
    }


def growth(n: int, m: int, folder: pathlib.Path) -> dict[str, Any]:
    """A fifth of the queries among a quarter of the points, half and all."""
    x, m = points(folder, n), m // 5
    sampled.knn(x[:70_000], K, np.arange(m))
    runs = []
    for size in (n // 4, n // 2, n):
        rows = sampled.draw(jax.random.key(0), size, m)
        runs.append(measured(lambda: sampled.knn(x[:size], K, rows), m, size).figures)  # noqa: B023, called at once
    sizes, took = ([run[name] for run in runs] for name in ("points", "cpu_seconds"))
    return {"runs": runs, "exponent": float(np.polyfit(np.log(sizes), np.log(took), 1)[0])}


def exact(n: int, m: int, folder: pathlib.Path) -> dict[str, Any]:
    """All n rows among themselves, in memory, and what m of them would have told."""
    x = jax.block_until_ready(jnp.array(points(folder, n)))
    find = jax.jit(lambda x: search(x, x, K, "euclidean", True)).lower(x).compile()
    index, figures = measured(lambda: find(x), n, n)
    truth = measures(k_occurrence(index, n), K)
    asked = index[sampled.draw(jax.random.key(0), n, m)]
    return figures | {
        "points_mb": x.nbytes / 1e6,
        "truth": {name: float(getattr(truth, name)) for name in MEASURES},
        "sampled_queries": m,
        "moments": sampled.moments(asked, n)._asdict(),
        "of_10000_sampled_points": of_few_points(np.asarray(x)),
    }


PARTS = {"sampled": sampled_queries, "growth": growth, "exact": exact}
SIZES = {"sampled": 1_000_000, "growth": 1_000_000, "exact": 200_000}


def main(part: str, n: int, m: int, folder: pathlib.Path) -> None:
    command = f"python -m benchmarks.hubness_sampled {part} --points={n} --queries={m}"
    figures = PARTS[part](n, m, folder) | {"environment": environment() | {"command": command}}
    print(json.dumps(figures, indent=2))
    earlier = json.loads(RECORD.read_text()) if RECORD.exists() else {}
    write_record(RECORD, earlier | {part: figures})


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("part", choices=PARTS)
    parser.add_argument("--points", type=int)
    parser.add_argument("--queries", type=int, default=20_000)
    parser.add_argument("--folder", type=pathlib.Path, default=pathlib.Path("/tmp"))
    given = parser.parse_args()
    main(given.part, given.points or SIZES[given.part], given.queries, given.folder)
