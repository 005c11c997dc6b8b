"""The constructed models of arXiv:2506.03784: a KL that vanishes, and a bound that is not met."""

from typing import Any

import jax
import numpy as np

from experiments.closeness.config import Constructed
from experiments.closeness.pairs import measures
from similarity.constructions import permuted_directions, perturbed

LENGTHS = tuple(range(1, 21))


def kl_table(plan: Constructed, key: jax.Array) -> dict[str, list[float]]:
    """Table 1: measures of `permuted_directions` for unembeddings of each length, as columns."""
    k_draw, k_sets = jax.random.split(key)

    @jax.jit
    def row(rho: jax.Array) -> dict[str, jax.Array]:
        pair = permuted_directions(k_draw, rho, plan.per_label)
        return measures(*pair, k_sets, plan.num_sets)

    rows = [jax.device_get(row(float(rho))) for rho in LENGTHS]
    names = ("kl", "d_llv", "mcca_f", "d_svd_f", "d_svd_g", "d_logit")
    columns = {name: [_short(row[name]) for row in rows] for name in names}
    return {"rho": [float(rho) for rho in LENGTHS]} | columns


def perturbed_models(plan: Constructed, key: jax.Array) -> dict[str, dict[str, list[float]]]:
    """d_LLV and d_{f,g} of `perturbed` at each size, by number of labels."""
    steps = np.unique(np.linspace(1, 250, plan.perturbations).round().astype(int))
    results = {}
    for k in plan.labels:

        @jax.jit
        def one(step: jax.Array, k: int = k) -> dict[str, jax.Array]:
            k_draw, k_sets = jax.random.split(jax.random.fold_in(key, step))
            pair = perturbed(k_draw, k, step, per_label=plan.per_label)
            return measures(*pair, k_sets, plan.num_sets)

        rows = [jax.device_get(one(int(step))) for step in steps]
        names = ("d_llv", "t1", "t2", "d_fg", "d_svd_f", "d_svd_g")
        results[str(k)] = {name: [_short(row[name]) for row in rows] for name in names}
    return results


def _short(value: Any) -> float:
    return float(f"{float(value):.6g}")
