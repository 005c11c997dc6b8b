"""Speed and memory of `hubness` against scikit-learn, the algorithms of scikit-hubness, and, where
they are installed, faiss and torch.

python -m benchmarks.hubness [--cases measures,mp_gauss,mp_empiric,large,growth] [--small]

Both sides run in this process on the same threads, after compilation; medians. Where the plain
side is extrapolated from some rows, the result says so. Writes results/benchmarks/hubness.json
(not with --small, which only shows that everything runs); a case not run keeps its earlier figures.
"""

import argparse
import gc
import json
import pathlib
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from scipy import stats
from sklearn.neighbors import NearestNeighbors

import hubness
from benchmarks import hubness_published as published
from benchmarks.timing import in_turns, once, resident, seconds
from experiments.runtime.files import write_record
from experiments.runtime.manifest import environment
from hubness.search import blocks, pairwise

OUTPUT = pathlib.Path(__file__).parents[1] / "results" / "benchmarks" / "hubness.json"
Result = dict[str, Any]
K = 10


def points(n: int, d: int = 384) -> np.ndarray:
    """Independent normal rows: strong hubs, no duplicates."""
    return np.random.default_rng(0).standard_normal((n, d), np.float32)


def gemms(n: int, d: int) -> Callable[[], Any]:
    """Runs the matrix products of a self search alone, block by block."""
    number, rows = blocks.split(n, blocks.QUERY_ROWS)
    tiles, columns = blocks.split(n, blocks.POINT_COLUMNS)
    q, p = jnp.ones((rows, d)), jnp.ones((columns, d))

    def run():
        for _ in range(number * tiles):
            jax.block_until_ready(_product(q, p))

    return run


_product = jax.jit(pairwise.products)


def hub_measures(x: jax.Array, method: str | None = None) -> hubness.Measures:
    """All measures at k = 10 before or after a reduction."""
    found = hubness.reduced_knn(x, K, method) if method else hubness.knn(x, K)
    return hubness.measures(hubness.k_occurrence(found.index, len(x)), K)


def sklearn_measures(x: np.ndarray) -> dict[str, float]:
    """The same measures of brute-force neighbours, in NumPy."""
    index = NearestNeighbors(n_neighbors=K, algorithm="brute").fit(x).kneighbors()[1]
    return published.measures(np.bincount(index.ravel(), minlength=len(x)))


def faiss_knn(x: np.ndarray) -> Callable[[], Any] | None:
    """Exact neighbours by faiss's flat index; None without faiss."""
    try:
        import faiss
    except ImportError:
        return None

    def run():
        index = faiss.IndexFlatL2(x.shape[1])
        index.add(x)
        return index.search(x, K + 1)

    return run


def torch_knn(x: np.ndarray) -> Callable[[], Any] | None:
    """Exact neighbours by blocks of products and torch.topk; None without torch."""
    try:
        import torch
    except ImportError:
        return None
    points = torch.from_numpy(x)

    def run():
        half = (points * points).sum(1) / 2
        blocks = [torch.topk(q @ points.T - half, K + 1) for q in points.split(1_024)]
        return torch.cat([found.indices for found in blocks])

    return run


PEERS = {"faiss": faiss_knn, "torch": torch_knn}


def installed_peers(x: np.ndarray) -> dict[str, Callable[[], Any]]:
    """The searches of the peers that are installed; a line for each that is not."""
    found = {name: make(x) for name, make in PEERS.items()}
    for name in [name for name, run in found.items() if run is None]:
        print(f"{name} is not installed: left out", flush=True)
    return {name: run for name, run in found.items() if run is not None}


def measures(repeats: int, small: bool) -> Result:
    """kNN and all measures against scikit-learn's brute force and the same measures; kNN alone
    against faiss and torch, where these are installed."""
    n, d = (1_000, 64) if small else (10_000, 384)
    x = points(n, d)
    on_device = jnp.asarray(x)
    peers = installed_peers(x)
    took = in_turns(
        repeats,
        gemm=gemms(n, d),
        ours=lambda: hub_measures(on_device),
        knn=lambda: hubness.knn(on_device, K),
        theirs=lambda: sklearn_measures(x),
        **peers,
    )
    want, got = sklearn_measures(x), hub_measures(on_device)._asdict()
    return {
        "size": f"n={n} d={d} k={K}",
        "ratio": took["theirs"] / took["ours"],
        "goal": 2,
        "gemm_rate": took["gemm"] / took["ours"],
        "gemm_rate_goal": 0.7,
        "gemm_rate_of_knn_alone": took["gemm"] / took["knn"],
        **{f"ratio_of_knn_to_{name}": took[name] / took["knn"] for name in peers},
        "agreement": max(abs(float(got[name]) - value) for name, value in want.items()),
    }


def mp_gauss(repeats: int, small: bool) -> Result:
    """Exact Gaussian mutual proximity against scikit-hubness's on 100 candidates."""
    n, d, candidates = (1_000, 64, 50) if small else (10_000, 384, 100)
    x = points(n, d)
    on_device = jnp.asarray(x)
    took = in_turns(
        min(repeats, 3),
        gemm=gemms(n, d),
        ours=lambda: hubness.reduced_knn(on_device, K, "mp_gauss"),
        theirs=lambda: published.mp_normal(x, candidates),
    )
    after = hub_measures(on_device, "mp_gauss")
    counts = np.bincount(published.mp_normal(x, candidates)[:, :K].ravel(), minlength=n)
    return {
        "size": f"n={n} d={d} k={K}",
        "ratio": took["theirs"] / took["ours"],
        "goal": 1,
        "gemms": took["ours"] / took["gemm"],
        "skewness_ours": float(after.skewness),
        "skewness_theirs": float(stats.skew(counts)),
    }


def mp_empiric(repeats: int, small: bool) -> Result:
    """Exact counts for 100 candidates against the set algorithm on its graph of 100."""
    n, d, candidates, rows = (1_000, 64, 50, 20) if small else (10_000, 384, 100, 200)
    x = points(n, d)
    on_device = jnp.asarray(x)
    ask = lambda: hubness.reduced_knn(on_device, K, "mp_empiric", num_candidates=candidates)
    took = in_turns(min(repeats, 3), gemm=gemms(n, d), ours=ask)
    graph = NearestNeighbors(n_neighbors=candidates + 1, algorithm="brute").fit(x).kneighbors(x)
    theirs = once(lambda: published.mp_empiric(*graph, rows))[0] * n / rows
    return {
        "size": f"n={n} d={d} k={K} candidates={candidates}",
        "ratio": theirs / took["ours"],
        "goal": 10,
        "extrapolated": f"set algorithm from {rows} of {n} rows, its graph not counted",
        "gemms": took["ours"] / took["gemm"],
        "agreement": _empiric_agreement(x[:300], ask),
    }


def _empiric_agreement(x: np.ndarray, _) -> float:
    """Largest difference of values from the cubic definition, on 300 points."""
    d = np.sqrt(((x[:, None].astype(np.float64) - x) ** 2).sum(-1))
    np.fill_diagonal(d, -np.inf)
    found = hubness.reduced_knn(x, K, "mp_empiric")
    worst = 0.0
    for q, (row, values) in enumerate(zip(*map(np.asarray, found[::-1]), strict=True)):
        both = (d[q] > d[q, row][:, None]) & (d[row] > d[q, row][:, None])
        worst = max(worst, float(np.abs(1 - both.sum(1) / len(x) - values).max()))
    return worst


def large(repeats: int, small: bool) -> Result:
    """N_10 and Gaussian mutual proximity of 100,000 points: peak memory of fresh processes."""
    del repeats
    n = 5_000 if small else 100_000
    out: Result = {"size": f"n={n} d=384 k={K}", "goal_mb": 300}
    for method in ("knn", "mp_gauss"):
        command = [sys.executable, "-m", "benchmarks.hubness", "--child", method, "--n", str(n)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        extra, took, products, skewness = map(float, done.stdout.split())
        out[method] = {
            "peak_extra_mb": extra,
            "gemms": took / products,
            "seconds_per_gemm": products,
            "skewness": skewness,
        }
    return out


def child(method: str, n: int) -> None:
    """Prints peak extra MB, seconds, seconds of its products alone, and the skewness found."""
    x = jax.block_until_ready(jnp.asarray(points(n)))
    gc.collect()  # NumPy's copies of the points, which would hide as much of the peak
    before = resident("VmRSS")
    pathlib.Path("/proc/self/clear_refs").write_text("5")  # forget the peak so far
    took, found = once(lambda: hub_measures(x, None if method == "knn" else method))
    peak = resident("VmHWM")
    print(peak - before, took, once(gemms(n, 384))[0], float(found.skewness))


def growth(repeats: int, small: bool) -> Result:
    """Seconds at four sizes, and the exponent of n that fits them."""
    sizes = (500, 1_000, 1_500, 2_000) if small else (2_500, 5_000, 10_000, 20_000)
    out: Result = {"sizes": list(sizes), "d": 384}
    for method in (None, "mp_gauss", "mp_empiric"):
        took = []
        for n in sizes:
            x = jnp.asarray(points(n))
            took.append(seconds(lambda: hub_measures(x, method), min(repeats, 3)))
        slope = float(np.polyfit(np.log(sizes), np.log(took), 1)[0])
        relative = [t / took[0] for t in took]
        out[method or "knn"] = {"exponent": slope, "relative_seconds": relative}
    return out


CASES = {f.__name__: f for f in (measures, mp_gauss, mp_empiric, large, growth)}


def main() -> None:
    """Runs the cases, prints and writes their ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", default=",".join(CASES))
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--small", action="store_true")
    parser.add_argument("--child")
    parser.add_argument("--n", type=int)
    args = parser.parse_args()
    if args.child:
        child(args.child, args.n)
        return
    results = json.loads(OUTPUT.read_text())["results"] if OUTPUT.exists() else {}
    for name in args.cases.split(","):
        measured = CASES[name](args.repeats, args.small)
        print(name, measured, flush=True)
        results[name] = measured | {"environment": environment()}
        if not args.small:
            write_record(OUTPUT, {"results": results})


if __name__ == "__main__":
    main()
