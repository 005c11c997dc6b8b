"""Plain NumPy and scikit-learn forms of the published computations, for `benchmarks.similarity`.

They follow the order of operations of the papers' code (arXiv:2506.03784, arXiv:2602.15438):
loops over labels, sets and inputs where it loops, whole arrays where it has them.
"""

import warnings

import numpy as np


def log_likelihoods(f, g):
    """log p(y|x) as (k, n), one label at a time, then normalised."""
    u = np.empty((len(g), len(f)), f.dtype)
    for y, row in enumerate(g):
        u[y] = f @ row
    top = u.max(0, keepdims=True)
    return u - (np.log(np.exp(u - top).sum(0, keepdims=True)) + top)


def _terms(lp, lp0, lq, lq0, axis):
    """The numbers of terms 1 or 2 for all others against one pivot: rests, then pivots."""
    sd_p = np.sqrt(np.var(lp - lp0, axis=axis, ddof=1, keepdims=True))
    sd_q = np.sqrt(np.var(lq - lq0, axis=axis, ddof=1, keepdims=True))
    rest = np.sqrt(np.var(lp / sd_p - lq / sd_q, axis=axis, ddof=1))
    fixed = np.sqrt(np.var(lp0 / sd_p - lq0 / sd_q, axis=axis, ddof=1))
    return np.concatenate([rest, fixed])


def llv_terms(f, g, f2, g2, sets):
    """max t1 over the best pivot and left-out label, and t2 of the best input set."""
    lp, lq = log_likelihoods(f, g), log_likelihoods(f2, g2)
    k = len(g)
    table = np.empty((k, k - 1))
    positions = np.arange(2 * (k - 1))
    for pivot in range(k):
        rest = np.arange(k) != pivot
        values = _terms(lp[rest], lp[[pivot]], lq[rest], lq[[pivot]], 1)
        for out in range(k - 1):
            table[pivot, out] = values[~np.isin(positions, (out, out + k - 1))].max()
    t2 = 1.0
    for chosen in sets:
        pivot, rest = chosen[:1], chosen[1:]
        t2 = min(t2, _terms(lp[:, rest], lp[:, pivot], lq[:, rest], lq[:, pivot], 0).max())
    return table.min(), t2


APPLY = {
    # One copy of A for each input, as the published batched product makes.
    "copied": lambda A, f: np.repeat(A[None], len(f), axis=0) @ f[:, :, None],
    "broadcast": lambda A, f: A @ f[:, :, None],
    "gemm": lambda A, f: (f @ A.T)[:, :, None],
}


def d_rep_sq(f, g, f2, g2, sets, form):
    """E‖f - A f'‖² for each set, with A applied to the inputs in one of the forms of `APPLY`."""
    g, g2 = g - g.mean(0), g2 - g2.mean(0)
    values = []
    for chosen in sets:
        L, L2 = g[chosen[1:]] - g[chosen[0]], g2[chosen[1:]] - g2[chosen[0]]
        image = APPLY[form](np.linalg.inv(L) @ L2, f2)[..., 0]
        values.append(((f - image) ** 2).sum(1).mean())
    return np.array(values)


def mean_cca(f, f2):
    """Mean correlation of the score pairs of scikit-learn's CCA, by deflation."""
    from sklearn.cross_decomposition import CCA

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        scores = CCA(f.shape[1], max_iter=1000).fit(f, f2).transform(f, f2)
    pairs = zip(scores[0].T, scores[1].T, strict=True)
    return float(np.mean([np.corrcoef(a, b)[0, 1] for a, b in pairs]))


def logit_distance_sq(f, g, f2, g2):
    """E‖ũ - ũ'‖² from the logits of both models."""
    u, u2 = f @ g.T, f2 @ g2.T
    u -= u.mean(1, keepdims=True)
    u2 -= u2.mean(1, keepdims=True)
    return float(((u - u2) ** 2).sum(1).mean())
