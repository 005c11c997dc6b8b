"""How many programs a first call compiles: one for what it computes, and one a device check."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import distill
import hubness
import similarity as S
from repgeo import inputs
from similarity import bounds
from tests import compilations

# Shapes that no other test has: what is compiled already would not be counted.
N, K, M = 23, 11, 3


def normal(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).normal(size=shape)


def log_probabilities(seed: int) -> np.ndarray:
    u = np.random.default_rng(seed).normal(size=(N, K))
    return (u - np.log(np.exp(u).sum(1, keepdims=True))).astype(np.float32)


P, Q = log_probabilities(1), log_probabilities(2)
MODELS = normal(N, M), normal(K, M), normal(N, M) + 1, normal(K, M) + 1
LABELS = np.arange(N) % K
# Eagerly these were 1, 1, 20, 26, 21, 12, 63, 6, 5, 15, 10, 23, 24 and 11 programs.
CALLS = {
    "inputs.single": (lambda: inputs.single("x", inputs.array("x", normal(N, M), 2)), 0),
    "inputs.labels": (lambda: inputs.labels("labels", LABELS, K), 0),
    "kl": (lambda: S.kl(P, Q), 2),
    "js": (lambda: S.js(P, Q), 2),
    "log_partition": (lambda: S.log_partition(*MODELS[:2]), 1),
    "apply_gauge": (lambda: S.apply_gauge(*MODELS[:2], np.eye(M), np.ones(M)), 2),
    "label_set_average": (lambda: bounds.label_set_average(*MODELS), 1),
    "mcca": (lambda: S.mcca(MODELS[0], MODELS[2]), 1),
    "mutual_knn": (lambda: S.mutual_knn(MODELS[0], MODELS[2], 5), 1),
    "spearman": (lambda: S.spearman(P[:, 0], Q[:, 0]), 1),
    "brier": (lambda: distill.brier(np.exp(P[0]), 1), 2),
    "macro_f1": (lambda: distill.macro_f1(LABELS, LABELS[::-1], K), 1),
    "kl_loss": (lambda: distill.kl_loss(P[0], Q[0]), 1),
    "k_occurrence": (lambda: hubness.k_occurrence(LABELS[:, None], K), 1),
}


@pytest.mark.parametrize("name", CALLS)
def test_a_first_call_compiles_few_programs(name):
    call, most = CALLS[name]
    before = compilations.number()
    jax.block_until_ready(call())
    assert compilations.number() - before <= most


def test_the_count_sees_an_eager_operation():
    """The planted error: one operation outside a program is one more."""
    x = inputs.single("x", normal(N, M + 7))
    before = compilations.number()
    jnp.square(x)
    assert compilations.number() - before == 1
