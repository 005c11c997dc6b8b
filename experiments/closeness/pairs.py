"""Every measure and bound over all pairs of a stack of models, in one compiled program."""

import functools
import warnings
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

import similarity as S

Values = dict[str, jax.Array]


def measures(
    f: jax.Array, g: jax.Array, f2: jax.Array, g2: jax.Array, key: jax.Array, num_sets: int
) -> Values:
    """The distances of one pair of models over the same inputs and labels."""
    log_p, log_q = S.log_probs(f, g), S.log_probs(f2, g2)
    llv = S.llv_distance(f, g, f2, g2, key=key, num_sets=num_sets)
    svd_f = S.max_d_svd(f, g, f2, g2, llv.pivot, llv.leave_out)
    svd_g = S.d_svd_labels(f, g, f2, g2, llv.input_set)
    return {
        "kl": S.kl(log_p, log_q).mean(),
        "kl_reverse": S.kl(log_q, log_p).mean(),
        "agreement": S.agreement(log_p, log_q).mean(),
        "d_llv": llv.d,
        "t1": llv.t1,
        "t2": llv.t2,
        "d_svd_f": svd_f,
        "d_svd_g": svd_g,
        "d_fg": jnp.maximum(svd_f, svd_g),
        "d_logit": S.logit_distance(f, g, f2, g2),
        "mcca_f": S.mcca(f, f2),
        "mcca_g": _mcca_of_labels(g, g2),
        "cka_f": S.cka(f, f2),
    }


def all_pairs(
    fs: np.ndarray, gs: np.ndarray, key: jax.Array, num_sets: int
) -> dict[str, np.ndarray]:
    """`measures` of every pair i < j, with the indices as "first" and "second".

    Of k labels and m dimensions with k <= 2m some canonical correlations of g are 1 for any
    models; `floor_mcca_g` is the least mean they allow.
    """
    first, second = np.triu_indices(len(fs), 1)
    keys = jax.random.split(key, len(first))
    one = functools.partial(_pair, num_sets)
    values = _over_pairs(one)(fs, gs, first, second, keys)
    k, m = gs.shape[1:]
    floor = S.trivial_correlations(k, m, m) / m
    return {name: np.asarray(value) for name, value in values.items()} | {
        "first": first,
        "second": second,
        "floor_mcca_g": np.full(len(first), floor),
    }


def _mcca_of_labels(g: jax.Array, g2: jax.Array) -> jax.Array:
    """m_CCA of g; with few labels some correlations are 1 for any models, see `floor_mcca_g`."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*canonical correlations are 1")
        return S.mcca(g, g2)


def _pair(num_sets: int, fs, gs, i, j, key) -> Values:
    return measures(fs[i], gs[i], fs[j], gs[j], key, num_sets)


def _over_pairs(one: Callable[..., Values]) -> Callable[..., Values]:
    @jax.jit
    def run(fs, gs, first, second, keys):
        return jax.lax.map(lambda each: one(fs, gs, *each), (first, second, keys))

    return run
