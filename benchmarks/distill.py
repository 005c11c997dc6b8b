"""Speed and memory of distill's kernels and of training many seeds in one program.

python -m benchmarks.distill [part ...]        parts: heads, seeds, probes, ranking; default all

Each kernel against the plain form, or a peer library, in the same run: medians after compile.
Also against one matrix product of the kernel's own block shape. Writes
results/benchmarks/distill.json; a part that is not run keeps its earlier figures.
"""

import json
import pathlib
import statistics
import sys
from collections.abc import Callable
from typing import Any

import jax
import numpy as np

import distill
from benchmarks.timing import once, seconds
from experiments.distill.population import Plan, PopulationFactory, make_epoch, members
from experiments.runtime.manifest import environment, write_json

RESULT = pathlib.Path(__file__).parents[1] / "results" / "benchmarks" / "distill.json"
REPEATS = 5


def heads(batch: int, m: int = 512, k: int = 50_000) -> dict[str, float]:
    """Value and gradient of the L2 loss from heads, against the same through logits.

    Through logits is run on a quarter of the labels and taken four times, since a batch of 16,384
    would need 6.6 GB; its memory is that of the whole program, compiled and not run.
    """
    key = jax.random.key(0)
    f, f2 = jax.random.normal(key, (2, batch, m))
    g, g2 = jax.random.normal(key, (2, k, m))

    def through(f, g, f2, g2):
        return jax.vmap(distill.l2_logit_loss)(f @ g.T, f2 @ g2.T).mean()

    def compiled(fn, *args):
        return jax.jit(jax.value_and_grad(fn, (0, 1))).lower(*args).compile()

    quarter = (f, g[: k // 4], f2, g2[: k // 4])
    from_heads = compiled(distill.l2_logit_loss_from_heads, f, g, f2, g2)
    whole, part = compiled(through, f, g, f2, g2), compiled(through, *quarter)
    temporary = lambda c: c.memory_analysis().temp_size_in_bytes
    ours = seconds(lambda: from_heads(f, g, f2, g2), REPEATS)
    theirs = 4 * seconds(lambda: part(*quarter), repeats=3)
    return {
        "speed_ratio": theirs / ours,
        "memory_ratio": temporary(whole) / temporary(from_heads),
        "temporary_mb": temporary(from_heads) / 1e6,
        "temporary_mb_through_logits": temporary(whole) / 1e6,
        "flop_ratio": 8 * batch * k / (10 * (batch + k) * m),
        "share_of_gemm_rate": 10 * (batch + k) * m**2 / ours / _gemm_rate(2048, m),
    }


def _gemm_rate(rows: int, m: int) -> float:
    """Operations a second of (rows, m)^T (rows, m), the heads form's own block product."""
    x = jax.random.normal(jax.random.key(1), (rows, m))
    product = jax.jit(lambda x: x.T @ x)
    return 2 * rows * m**2 / seconds(lambda: product(x), repeats=50)


def seeds(teachers: int = 5, each: int = 5, steps: int = 10, rounds: int = 3) -> dict[str, float]:
    """All 5 x 5 students of the published spiral setting in one program, against one alone.

    `mapped` takes models one after another, the default on CPU; `vmapped` all at once. The three
    take turns, as many steps of the one model as of all, and ratios are medians over the rounds.
    """
    num = teachers * each
    forms = {"single": (1, 1, 1), "mapped": (teachers, each, 1), "vmapped": (teachers, each, num)}
    runs = {name: _students(*form, steps) for name, form in forms.items()}
    result: dict[str, float] = {"seeds": num}
    finals = {}
    for name, train in runs.items():
        first, finals[name] = train()
        result[f"first_epoch_seconds_{name}"] = first
    taken: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(rounds):
        for name, train in runs.items():
            epochs = num if name == "single" else 1
            taken[name].append(sum(train()[0] for _ in range(epochs)))
    for name in ("mapped", "vmapped"):
        ratios = [a / b for a, b in zip(taken[name], taken["single"], strict=True)]
        result[f"cost_per_seed_step_{name}"] = statistics.median(ratios)
        gaps = jax.tree.map(lambda a, b: np.abs(a[:1] - b).max(), finals[name], finals["single"])
        result[f"difference_from_single_{name}"] = float(max(jax.tree.leaves(gaps)))
    return result


def _students(
    teachers: int, each: int, together: int, steps: int
) -> Callable[[], tuple[float, Any]]:
    """Trains one more epoch of `steps` batches at each call: (seconds, variables on the host)."""
    rng = np.random.default_rng(0)
    data = {
        "x": rng.normal(size=(512 * steps, 2)).astype(np.float32),
        "label": rng.integers(0, 7, 512 * steps).astype(np.int32),
        "teacher_logits": rng.normal(size=(5, 512 * steps, 7)).astype(np.float32),
    }
    model = distill.Classifier(distill.MLP(dim=2), 7)
    plan = Plan(epochs=100, batch_size=512, learning_rate=1e-3, gamma=0.995, held_epochs=0)
    loss = lambda outputs, example: distill.l2_logit_loss(outputs[1], example["teacher_logits"])
    group = members(model, jax.random.key(0), teachers, each, together)
    epoch = make_epoch(group, plan, loss, data, 1.0)
    state = [PopulationFactory(group, data["x"])(), 0]

    def train() -> tuple[float, Any]:
        taken, (state[0], _) = once(lambda: epoch(*state))
        state[1] += 1
        return taken, jax.device_get(state[0].variables)

    return train


def probes(n: int = 3500, m: int = 10, classes: int = 28) -> dict[str, float]:
    """A probe of 28 concepts on 10 dimensions, against scikit-learn's LogisticRegression."""
    from sklearn.linear_model import LogisticRegression

    rng = np.random.default_rng(0)
    labels = np.arange(n) % classes
    x = (rng.normal(size=(classes, m))[labels] + rng.normal(size=(n, m))).astype(np.float32)
    fit = jax.jit(distill.fit_linear_probe, static_argnums=2)
    ours = seconds(lambda: fit(x, labels, classes), REPEATS)
    probe = fit(x, labels, classes)
    estimator = LogisticRegression(tol=1e-5, max_iter=1000)
    theirs = seconds(lambda: estimator.fit(x, labels).coef_, repeats=3)
    accuracy = float((np.asarray(probe.logits(x)).argmax(1) == labels).mean())
    return {
        "speed_ratio": theirs / ours,
        "accuracy": accuracy,
        "accuracy_of_peer": float(estimator.score(x, labels)),
        "gradient_norm": float(probe.gradient_norm),
    }


def ranking(n: int = 200, k: int = 33) -> dict[str, float]:
    """Kendall, Spearman and NDCG of 200 x 33 rows, against SciPy and scikit-learn row by row."""
    from scipy import stats
    from sklearn.metrics import ndcg_score

    student, teacher = np.random.default_rng(0).dirichlet(np.ones(k), (2, n)).astype(np.float32)

    @jax.jit
    def ours(student, teacher):
        measures = (distill.kendall_tau, distill.spearman_rho, distill.ndcg)
        return [jax.vmap(measure)(student, teacher).mean() for measure in measures]

    def theirs():
        rows = list(zip(student, teacher, strict=True))
        tau = np.mean([stats.kendalltau(s, t).statistic for s, t in rows])
        rho = np.mean([stats.spearmanr(s, t).statistic for s, t in rows])
        return tau, rho, ndcg_score(teacher, student)

    gap = np.abs(np.array(ours(student, teacher)) - np.array(theirs())).max()
    ratio = seconds(theirs, repeats=3) / seconds(lambda: ours(student, teacher), REPEATS)
    return {"speed_ratio": ratio, "difference": float(gap)}


PARTS: dict[str, Callable[[], dict[str, Any]]] = {
    "heads": lambda: {
        "batch_4096": heads(4096),
        "batch_16384": heads(16_384),
    },
    "seeds": seeds,
    "probes": probes,
    "ranking": ranking,
}


def main(names: list[str]) -> None:
    results = json.loads(RESULT.read_text()) if RESULT.exists() else {}
    RESULT.parent.mkdir(parents=True, exist_ok=True)
    # Once: the first part's figures, written down, would make the others' commit "dirty".
    here = environment()
    for name in names or list(PARTS):
        measured = jax.tree.map(lambda v: float(f"{v:.3g}"), PARTS[name]())
        command = {"command": f"python -m benchmarks.distill {name}"}
        results[name] = measured | {"environment": here | command}
        print(name, json.dumps(measured, indent=2), flush=True)
        write_json(RESULT, results)


if __name__ == "__main__":
    unknown = set(sys.argv[1:]) - set(PARTS)
    if unknown:
        sys.exit(f"unknown part {', '.join(sorted(unknown))}; accepted: {', '.join(PARTS)}")
    main(sys.argv[1:])
