"""Speed and memory of `similarity` against plain forms of the published computations.

python -m benchmarks.similarity [--cases llv,d_rep,…] [--repeats 11] [--small]

Both sides run in this process, on the same threads, after compilation; medians. Where the plain
side is extrapolated from a slice, the result says so. Writes results/benchmarks/similarity.json
(not with --small, which only shows that everything runs).
"""

import argparse
import dataclasses
import pathlib
import statistics
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from scipy.special import rel_entr

import similarity as S
from benchmarks import similarity_published as published
from benchmarks.timing import once, seconds
from experiments.closeness.config import Model
from experiments.closeness.networks import make_model
from experiments.closeness.task import radial
from experiments.closeness.training import label_loss
from experiments.distill.population import Plan, PopulationFactory, make_epoch, members
from experiments.runtime.files import write_record
from experiments.runtime.manifest import environment

OUTPUT = pathlib.Path(__file__).parents[1] / "results" / "benchmarks" / "similarity.json"
Result = dict[str, Any]


def gemm(rows: int, inner: int, columns: int, repeats: int) -> float:
    """Seconds of one single-precision matrix product on the same threads."""
    a, b = jnp.ones((rows, inner)), jnp.ones((inner, columns))
    product = jax.jit(jnp.matmul)
    return seconds(lambda: product(a, b), repeats)


def temporary_bytes(run: Callable[..., Any], *arrays: Any) -> int:
    """Temporaries of the compiled program, without its arguments and results."""
    compiled = jax.jit(run).lower(*arrays).compile()
    return compiled.memory_analysis().temp_size_in_bytes


def models(n: int, k: int, m: int, noise: float = 0.3) -> tuple[np.ndarray, ...]:
    """Two related random models in single precision."""
    r = np.random.default_rng(0)
    f, g, d, e = (r.standard_normal(s, np.float32) for s in ((n, m), (k, m), (n, m), (k, m)))
    return f, g, f + np.float32(noise) * d, g + np.float32(noise) * e


def llv(repeats: int, small: bool) -> Result:
    """d_LLV with 200 input sets against the published search."""
    n, k, m, num = (500, 20, 2, 20) if small else (10_000, 100, 2, 200)
    pair = models(n, k, m)
    sets = np.random.default_rng(1).choice(n, (num, m + 1), replace=False)
    ours = seconds(lambda: S.llv_distance(*pair, input_sets=sets), repeats)
    plain, (t1, t2) = once(lambda: published.llv_terms(*pair, sets))
    got = S.llv_distance(*pair, input_sets=sets)
    return {
        "size": f"n={n} k={k} m={m} sets={num}",
        "ratio": plain / ours,
        "goal": 200,
        "agreement": float(max(abs(got.t1 - t1), abs(min(got.t2, 1.0) - t2))),
        "gemms": ours / (2 * gemm(n, m, k, repeats)),
    }


def d_rep(repeats: int, small: bool) -> Result:
    """d_rep in the CIFAR-100 setting against the published loop over sets.

    The published batched product copies A for every input. A loop that broadcasts it, and one that
    applies it by a single product, are timed beside it. No loop computes singular values.
    """
    n, k, m, num, slice_ = (500, 20, 5, 200, 20) if small else (10_000, 100, 50, 20_000, 40)
    pair = models(n, k, m)
    sets = np.asarray(S.sets.sample_label_sets(jax.random.key(0), k, m, num))
    ours, with_values = (
        seconds(lambda v=v: S.d_rep(*pair, label_sets=sets, singular_values=v).d_sq, repeats)
        for v in (False, True)
    )
    loops, values = {}, {}
    for form in published.APPLY:
        loops[form], values[form] = once(lambda f=form: published.d_rep_sq(*pair, sets[:slice_], f))
    got = np.asarray(S.d_rep(*pair, label_sets=sets[:slice_]).per_set)
    scale = num / slice_
    return {
        "size": f"n={n} k={k} m={m} sets={num}",
        "ratio": loops["copied"] * scale / ours,
        "goal": 300,
        "extrapolated": f"plain side from {slice_} of {num} sets",
        "ratio_with_singular_values": loops["copied"] * scale / with_values,
        "ratio_to_broadcasting_loop": loops["broadcast"] * scale / ours,
        "ratio_to_one_gemm_a_set": loops["gemm"] * scale / ours,
        "agreement": float(np.max(np.abs(got / values["copied"] - 1))),
        "inverses": ours / (num / 512 * _inverses(m, repeats)),
    }


def _inverses(m: int, repeats: int) -> float:
    """512 inverses of the kernel's own block, m × m, by LAPACK alone."""
    r = np.random.default_rng(0)
    a = jnp.asarray(r.standard_normal((512, m, m), np.float32))
    inverse = jax.jit(jnp.linalg.inv)
    return seconds(lambda: inverse(a), repeats)


def mcca(repeats: int, small: bool) -> Result:
    """Mean canonical correlation against scikit-learn's deflation."""
    n, m = (500, 5) if small else (10_000, 50)
    f, _, f2, _ = models(n, 2, m, noise=1.0)
    ours = seconds(lambda: S.mcca(f, f2), repeats)
    plain, value = once(lambda: published.mean_cca(f, f2))
    return {
        "size": f"n={n} m={m}",
        "ratio": plain / ours,
        "goal": 500,
        "agreement": abs(float(S.mcca(f, f2)) - value),
        "gemms": ours / gemm(2 * m, n, 2 * m, repeats),
    }


def logit(repeats: int, small: bool) -> Result:
    """Squared logit distance of large heads against the route over logits."""
    n, k, m, slice_ = (600, 700, 16, 100) if small else (50_000, 50_000, 512, 1_000)
    pair = f, g, f2, g2 = models(n, k, m)
    ours = seconds(lambda: S.logit_distance_sq(*pair), repeats)
    part = f[:slice_], g, f2[:slice_], g2
    plain, value = once(lambda: published.logit_distance_sq(*part))
    exact = published.logit_distance_sq(*(x.astype(np.float64) for x in part))
    got = float(S.squared_logit_distances(*pair)[:slice_].mean())
    near = f, g, f + np.float32(1e-5) * f2, g
    near_exact = _exact_when_g_is_shared(near)
    arguments = 4 * sum(x.size for x in pair)
    temporary = temporary_bytes(S.logit_distance_sq, *pair)
    return {
        "size": f"n={n} k={k} m={m}",
        "ratio": plain * (n / slice_) / ours,
        "goal": 10,
        "extrapolated": f"plain side from {slice_} of {n} inputs",
        "relative_error": abs(got / exact - 1),
        "relative_error_plain": abs(value / exact - 1),
        "relative_error_at_distance_1e-5": abs(float(S.logit_distance_sq(*near)) / near_exact - 1),
        "bytes": arguments + temporary,
        "bytes_goal": 2_000_000_000,
        "gemms": ours / gemm(n, 2 * m, 2 * m, repeats),
    }


def _exact_when_g_is_shared(pair: tuple[np.ndarray, ...]) -> float:
    """E‖(f - f') g̃ᵀ‖² in double precision, through Grams, which do not cancel there."""
    f, g, f2, _ = (x.astype(np.float64) for x in pair)
    d, g = f - f2, g - g.mean(0)
    return float(((d.T @ d) * (g.T @ g)).sum() / len(f))


def divergences(repeats: int, small: bool) -> Result:
    """KL and Jensen-Shannon divergence of each input against SciPy's `rel_entr`."""
    n, k, m = (500, 20, 5) if small else (10_000, 1_000, 50)
    f, g, f2, g2 = models(n, k, m)
    log_p, log_q = (np.asarray(S.log_probs(*model)) for model in ((f, g / m), (f2, g2 / m)))

    def kl(log_p: np.ndarray, log_q: np.ndarray) -> np.ndarray:
        return rel_entr(np.exp(log_p), np.exp(log_q)).sum(1)

    def js(log_p: np.ndarray, log_q: np.ndarray) -> np.ndarray:
        p, q = np.exp(log_p), np.exp(log_q)
        middle = (p + q) / 2
        return (rel_entr(p, middle) + rel_entr(q, middle)).sum(1) / 2

    result: Result = {"size": f"n={n} k={k}"}
    for name, ours, plain in (("kl", S.kl, kl), ("js", S.js, js)):
        time = seconds(lambda run=ours: run(log_p, log_q), repeats)
        plain_time, value = once(lambda run=plain: run(log_p, log_q))
        result[f"ratio_{name}"] = plain_time / time
        result[f"agreement_{name}"] = float(np.max(np.abs(ours(log_p, log_q) / value - 1)))
    return result


def memory(repeats: int, small: bool) -> Result:
    """Temporaries with ten times the sets: what grows is only the result kept for each."""
    del repeats
    n, k, m, num = (200, 20, 3, 512) if small else (10_000, 100, 10, 5_120)
    pair = models(n, k, m)
    kernels: dict[str, tuple[Callable[..., Any], int]] = {
        "d_rep": (lambda sets, *p: S.d_rep(*p, label_sets=sets).d_sq, m + 1),
        "max_d_svd": (lambda sets, *p: S.max_d_svd(*p, 0, 1, label_sets=sets), m + 1),
        "llv_distance": (lambda sets, *p: S.llv_distance(*p, input_sets=sets).d, m + 1),
    }
    growth = {}
    for name, (run, width) in kernels.items():
        few, many = (
            temporary_bytes(run, jax.ShapeDtypeStruct((count, width), np.int32), *pair)
            for count in (num, 10 * num)
        )
        growth[name] = {"bytes": few, "bytes_more_a_set": (many - few) / (9 * num)}
    return {"size": f"n={n} k={k} m={m} sets={num}, {10 * num}", **growth}


def training(repeats: int, small: bool) -> Result:
    """Seeds trained in one program against one seed alone: cost, compilation and equality."""
    seeds, width, num_train = (3, 8, 640) if small else (20, 64, 20_000)
    task = radial(4, num_train, 100, 0)
    model = make_model(Model(embedding="mlp"), width, 4, images=False)
    plan = Plan(epochs=96, batch_size=128, learning_rate=1e-4, gamma=1.0, held_epochs=0)
    data = {"x": task.x, "label": task.label}
    steps = -(-num_train // 128)
    every = members(model, jax.random.key(0), 1, seeds, 1)
    results = {}
    last = {}
    for name, group in {
        "single": dataclasses.replace(every, keys=every.keys[-1:], teacher=every.teacher[-1:]),
        "one_program": every,
        "one_program_vmapped": dataclasses.replace(every, together=seeds),
    }.items():
        factory = PopulationFactory(group, task.x)
        epoch = make_epoch(group, plan, label_loss, data, 1.0)
        start, state = once(factory)
        first, (state, _) = once(lambda: epoch(state, 0))
        last[name] = jax.tree.map(lambda v: np.asarray(v[-1]), state.variables)
        times = []
        for index in range(1, repeats + 1):
            taken, (state, _) = once(lambda: epoch(state, index))
            times.append(taken)
        typical = statistics.median(times)
        per_step = typical / (steps * group.size)
        results[name] = {"per_seed_step": per_step, "compile": start + first - typical}
    alone = results["single"]
    return {
        "size": f"seeds={seeds} width={width} steps={steps}",
        "goal": 1.25,
        **{
            name: {
                "cost_of_a_seed_step_to_single": one["per_seed_step"] / alone["per_seed_step"],
                "compile_to_one_each": one["compile"] / (seeds * alone["compile"]),
                "largest_difference_to_single": _largest_difference(last[name], last["single"]),
            }
            for name, one in results.items()
            if name != "single"
        },
    }


def _largest_difference(a: Any, b: Any) -> float:
    return float(max(jax.tree.leaves(jax.tree.map(lambda x, y: np.abs(x - y).max(), a, b))))


CASES = {
    "llv": llv,
    "d_rep": d_rep,
    "mcca": mcca,
    "logit": logit,
    "divergences": divergences,
    "memory": memory,
    "training": training,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", default=",".join(CASES))
    parser.add_argument("--repeats", type=int, default=11)
    parser.add_argument("--small", action="store_true")
    options = parser.parse_args()
    results = {}
    for name in options.cases.split(","):
        results[name] = CASES[name](options.repeats, options.small)
        print(name)
        for key, value in results[name].items():
            print(f"  {key}: {value:.4g}" if isinstance(value, float) else f"  {key}: {value}")
    if not options.small:
        OUTPUT.parent.mkdir(parents=True, exist_ok=True)
        write_record(OUTPUT, {"environment": environment(), "results": results})


if __name__ == "__main__":
    main()
