"""Every measure by its definition, in float64 NumPy and SciPy: the oracle of `test_accepts`."""

import numpy as np
from scipy.special import logsumexp
from scipy.stats import pearsonr, rankdata


def centred(x):
    x = x - x.mean(axis=0)
    return x - x.mean(axis=0)


def basis(x, rtol=1e-9):
    u, s, _ = np.linalg.svd(centred(x), full_matrices=False)
    return u[:, s > rtol * s[0]], s[s > rtol * s[0]]


def correlations(x, y):
    return np.linalg.svd(basis(x)[0].T @ basis(y)[0], compute_uv=False)


def mcca(x, y):
    return correlations(x, y).mean()


def svcca(x, y, threshold=0.99):
    kept = []
    for z in (x, y):
        u, s = basis(z)
        kept.append(u[:, : np.searchsorted(np.cumsum(s**2) / (s**2).sum(), threshold) + 1])
    return np.linalg.svd(kept[0].T @ kept[1], compute_uv=False).mean()


def pwcca(x, y):
    u, v = basis(x)[0], basis(y)[0]
    left, rho, _ = np.linalg.svd(u.T @ v, full_matrices=False)
    weights = np.abs((u @ left).T @ centred(x)).sum(axis=1)
    return weights @ rho / weights.sum()


def linear_regression_r2(x, y):
    return np.square(basis(y)[0].T @ centred(x)).sum() / np.square(centred(x)).sum()


def hsic(K, L, debiased):
    n = len(K)
    if not debiased:
        H = np.eye(n) - 1 / n
        return np.trace(K @ H @ L @ H)
    K, L = K * (1 - np.eye(n)), L * (1 - np.eye(n))
    total = (K * L.T).sum() + K.sum() * L.sum() / ((n - 1) * (n - 2))
    return total - 2 * (K @ L).sum() / (n - 2)


def unit_scale(x):
    return centred(x) / np.abs(centred(x)).max()


def cka(x, y, debiased=False):
    K, L = (z @ z.T for z in (unit_scale(x), unit_scale(y)))
    return hsic(K, L, debiased) / np.sqrt(hsic(K, K, debiased) * hsic(L, L, debiased))


def minibatch_cka(x, y, batches=2):
    K, L = ([z @ z.T for z in np.split(unit_scale(w), batches)] for w in (x, y))
    total = lambda a, b: sum(hsic(p, q, True) for p, q in zip(a, b, strict=True))
    return total(K, L) / np.sqrt(total(K, K) * total(L, L))


def nuclear(x):
    return np.linalg.svd(x, compute_uv=False).sum()


def procrustes(x, y):
    x, y = centred(x), centred(y)
    scale = max(np.abs(x).max(), np.abs(y).max())
    x, y = x / scale, y / scale
    square = (x**2).sum() + (y**2).sum() - 2 * nuclear(x.T @ y)
    return scale * np.sqrt(square / len(x))


def angular_procrustes(x, y):
    x, y = unit_scale(x), unit_scale(y)
    return np.arccos(min(nuclear(x.T @ y) / np.linalg.norm(x) / np.linalg.norm(y), 1))


def unit_columns(x):
    """Standardised columns, of length 1; zero where there is no variation."""
    largest = np.abs(x).max(axis=0)
    x = centred(x / np.where(largest > 0, largest, 1))
    largest = np.abs(x).max(axis=0)
    x = np.where(largest > 1e-15, x / np.where(largest > 0, largest, 1), 0)
    length = np.linalg.norm(x, axis=0)
    return x / np.where(length > 0, length, 1)


def d_svd(x, y):
    return 1 - nuclear(unit_columns(x).T @ unit_columns(y)) / np.sqrt(x.shape[1] * y.shape[1])


def directions(x):
    """Unit rows; zero where a row varies by nothing but rounding."""
    largest = np.abs(x).max(axis=1, keepdims=True)
    x = x / np.where(largest > 0, largest, 1)
    length = np.linalg.norm(x, axis=1, keepdims=True)
    return x / np.where(length > 0, length, 1)


def squared_distances(x):
    return np.square(x[:, None] - x[None]).sum(axis=-1)


def rsa(x, y, compare="spearman"):
    above = np.triu_indices(len(x), 1)
    sides = []
    for z in (x, y):
        rows = z - z.mean(axis=1, keepdims=True)
        rows = directions(np.where(np.ptp(z, axis=1, keepdims=True) > 0, rows, 0))
        still = 1 - np.square(rows).sum(axis=1).round()
        # 1 - u·v = ½‖u - v‖² of unit rows; of a row without direction it is 1.
        apart = squared_distances(rows) + still[:, None] + still[None]
        sides.append(apart[above])
    if compare == "spearman":
        # Equal dissimilarities tie, whatever their rounding in double precision.
        sides = [rankdata((side / side.max()).round(12)) for side in sides]
    return pearsonr(*sides)[0]


def neighbour_masks(x, y, k):
    masks = []
    for z in (x, y):
        apart = squared_distances(directions(z)) + np.diag(np.full(len(z), np.inf))
        mask = np.zeros(apart.shape, bool)
        np.put_along_axis(mask, np.argsort(apart, axis=1, kind="stable")[:, :k], True, axis=1)
        masks.append(mask)
    return masks


def mutual_knn(x, y, k=10):
    a, b = neighbour_masks(x, y, k)
    return (a & b).sum() / k / len(x)


def neighbour_jaccard(x, y, k=10):
    a, b = neighbour_masks(x, y, k)
    return ((a & b).sum(axis=1) / (a | b).sum(axis=1)).mean()


def cknna(x, y, k=10):
    a, b = neighbour_masks(x, y, k)
    K, L = (directions(z) @ directions(z).T for z in (x, y))
    both = a & b
    own = hsic(a * K, a * K, True) * hsic(b * L, b * L, True)
    return hsic(both * K, both * L, True) / np.sqrt(own)


def log_probs(f, g):
    u = f @ (g - g.mean(axis=0)).T
    return u - logsumexp(u, axis=1, keepdims=True)


def kl(p, q):
    return (np.exp(p) * (p - q)).sum(axis=1)


def js(p, q):
    r = np.logaddexp(p, q) - np.log(2)
    return 0.5 * (kl(p, r) + kl(q, r))


def total_variation(p, q):
    return 0.5 * np.abs(np.exp(p) - np.exp(q)).sum(axis=1)


def agreement(p, q):
    return p.argmax(axis=1) == q.argmax(axis=1)


def logit_distance_sq(f, g, f2, g2):
    delta = f @ (g - g.mean(axis=0)).T - f2 @ (g2 - g2.mean(axis=0)).T
    return np.square(delta).sum(axis=1).mean()


def logit_distance(f, g, f2, g2):
    return np.sqrt(logit_distance_sq(f, g, f2, g2))


def displaced(g, label_set):
    return (g[label_set[1:]] - g[label_set[0]]).T


def d_rep(f, g, f2, g2, sets):
    values = []
    for label_set in sets:
        if np.linalg.matrix_rank(displaced(g, label_set)) < g.shape[1]:
            return np.inf
        A = np.linalg.solve(displaced(g, label_set).T, displaced(g2, label_set).T)
        values.append(np.square(f - f2 @ A.T).sum(axis=1).mean())
    return np.mean(values)


def max_d_svd(f, g, f2, g2, sets):
    return max(d_svd(f @ displaced(g, s), f2 @ displaced(g2, s)) for s in sets)


def d_svd_labels(f, g, f2, g2, input_set):
    return d_svd(g @ displaced(f, input_set), g2 @ displaced(f2, input_set))


def cosines(g):
    g = g / np.where(np.abs(g).max(axis=1) > 0, np.abs(g).max(axis=1), 1)[:, None]
    length = np.linalg.norm(g, axis=1, keepdims=True)
    g = g / np.where(length > 0, length, 1)
    return g @ g.T


def logit_distance_from_logits(u, u2):
    delta = u - u2
    delta = delta - delta.mean(axis=1, keepdims=True)
    return np.sqrt(np.square(delta).sum(axis=1).mean())
