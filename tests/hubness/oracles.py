"""Reductions written from their papers on full float64 matrices, self at infinite distance."""

import numpy as np
from scipy import special, stats


def unit(a):
    return a / np.linalg.norm(a, axis=1, keepdims=True)


def pairwise(q, x, metric):
    q, x = q.astype(np.float64), x.astype(np.float64)
    if metric == "dot":
        return -q @ x.T
    if metric == "cosine":
        return 1 - unit(q) @ unit(x).T
    squares = ((q[:, None] - x[None]) ** 2).sum(-1)
    return np.sqrt(squares) if metric == "euclidean" else squares


class Case:
    """d: queries to points; dx: points to their references (themselves, or the queries)."""

    def __init__(self, x, q=None, metric="euclidean", two_domain=False, k=10):
        self.x, self.own, self.metric, self.k = x, q is None, metric, k
        self.q = x if q is None else q
        self.reference = self.q if two_domain else x
        self.d = pairwise(self.q, x, metric)
        self.dx = pairwise(x, self.reference, metric)
        if not two_domain:
            np.fill_diagonal(self.dx, np.inf)
        if self.own:
            self.d = self.dx.copy()

    def near(self, d):
        return np.argsort(d, axis=1, kind="stable")[:, : self.k]

    def local(self, statistic):
        """A statistic of the sorted k nearest distances of queries [m, 1] and points [1, n]."""
        rows = (np.sort(d, axis=1)[:, : self.k] for d in (self.d, self.dx))
        of_q, of_x = (statistic(r) for r in rows)
        return of_q[:, None], of_x[None]

    def moments(self):
        out = []
        for d in (self.d, self.dx):
            finite = np.isfinite(d)
            mean = np.mean(d, axis=1, where=finite)
            out.append((mean, np.std(d, axis=1, where=finite)))
        (mq, sq), (mx, sx) = out
        return (mq[:, None], sq[:, None]), (mx[None], sx[None])

    def bank(self, bank):
        """Distances of bank members to points; without a bank of the references, never to self."""
        return self.dx.T if bank is None else pairwise(bank, self.x, self.metric)


def local_scaling(c):
    r_q, r_x = c.local(lambda near: near[:, -1])
    return 1 - np.exp(-(c.d**2) / (r_q * r_x))


def nicdm(c):
    r_q, r_x = c.local(lambda near: near.mean(1))
    return c.d / np.sqrt(r_q * r_x)


def csls(c):
    r_q, r_x = c.local(lambda near: near.mean(1))
    return 2 * c.d - r_q - r_x


def dsl(c):
    q, x = c.q.astype(np.float64), c.x.astype(np.float64)
    h_q = ((q - x[c.near(c.d)].mean(1)) ** 2).sum(1)
    h_x = ((x - c.reference.astype(np.float64)[c.near(c.dx)].mean(1)) ** 2).sum(1)
    return c.d**2 - h_q[:, None] - h_x[None]


def dsg(c):
    q, x = c.q.astype(np.float64), c.x.astype(np.float64)
    mean = x.mean(0)
    return c.d**2 - ((x - mean) ** 2).sum(1)[None] - ((q - mean) ** 2).sum(1)[:, None]


def localized_centring(c, gamma=1.0):
    c = Case(c.x, None if c.own else c.q, "cosine", c.reference is not c.x, c.k)
    affinity = (unit(c.x.astype(float)) * unit(c.reference)[c.near(c.dx)].mean(1)).sum(1)
    affinity = affinity**gamma if (affinity >= 0).all() else affinity
    return c.d - 1 + affinity[None]


def inverted_softmax(c, bank=None, beta=20.0):
    return beta * c.d + special.logsumexp(-beta * c.bank(bank), axis=0)[None]


def dual_bank(c, bank=None, gallery_bank=None, beta=20.0):
    return inverted_softmax(c, bank, beta) + inverted_softmax(c, gallery_bank, beta)


def query_bank(c, bank=None, beta=20.0):
    popular = np.unique(c.bank(bank).argmin(1))
    active = np.isin(c.d.argmin(1), popular)
    return np.where(active[:, None], inverted_softmax(c, bank, beta), beta * c.d)


def nnn(c, bank=None, bank_k=128, weight=0.75):
    near = np.sort(c.bank(bank), axis=0)[:bank_k]
    return c.d - weight * near.mean(0)[None]


def mp_gauss(c):
    (mq, sq), (mx, sx) = c.moments()
    return 1 - stats.norm.sf(c.d, mq, sq) * stats.norm.sf(c.d, mx, sx)


def mp_gamma(c):
    product = 1.0
    for mean, sd in c.moments():
        product = product * stats.gamma.sf(c.d, (mean / sd) ** 2, scale=sd**2 / mean)
    return 1 - product


def mp_empiric(c):
    d, dx = (np.where(np.isinf(a), -np.inf, a) for a in (c.d, c.dx))
    farther = np.stack([((d[:, j, None] > d) & (dx.T[j] > d)) for j in range(len(c.x))]).sum(0)
    out = 1 - farther / len(c.x)
    return np.where(np.isinf(c.d), np.inf, out)


def mp_gauss_full(c):
    (mq, sq), (mx, sx) = c.moments()
    z_q = np.where(np.isinf(c.d), 0, c.d - mq)
    z_x = np.where(np.isinf(c.dx), 0, c.dx - mx.T)
    rho = unit(z_q) @ unit(z_x).T
    out = np.full(c.d.shape, np.inf)
    for i, j in np.argwhere(np.isfinite(c.d)):
        upper = [(mq[i, 0] - c.d[i, j]) / sq[i, 0], (mx[0, j] - c.d[i, j]) / sx[0, j]]
        law = stats.multivariate_normal(cov=[[1, rho[i, j]], [rho[i, j], 1]], allow_singular=True)
        out[i, j] = 1 - law.cdf(upper)
    return out


def members(c, d):
    out = np.zeros((len(d), len(c.x)))
    np.put_along_axis(out, c.near(d), 1, axis=1)
    return out


def snn(c):
    out = 1 - members(c, c.d) @ members(c, c.dx).T / c.k
    return np.where(np.isinf(c.d), np.inf, out)


def simhub(c):
    own = members(c, c.dx)
    weight = np.log(len(c.x) / np.maximum(own.sum(0), 1)) / (c.k * np.log(len(c.x)))
    out = 1 - (members(c, c.d) * weight) @ own.T
    return np.where(np.isinf(c.d), np.inf, out)


def rank_scores(x):
    """Normal scores of average ranks, on unit rows."""
    out = stats.norm.ppf((stats.rankdata(x, axis=0) - 0.5) / len(x))
    return unit_or_zero(out)


def white(x):
    """ZCA without directions below 1e-6 of the largest variance."""
    x = (x - x[0]) - (x - x[0]).mean(0)
    values, vectors = np.linalg.eigh(x.T @ x / len(x))
    scale = np.where(values > 1e-6 * values[-1], 1 / np.sqrt(np.maximum(values, 1e-300)), 0)
    return x @ (vectors * scale) @ vectors.T


def weighted(x):
    """Rows minus their mean by popularity; the first row taken off exactly."""
    rows = unit_or_zero(x)
    weight = np.maximum(rows @ rows.sum(0), 0)
    return (x - x[0]) - weight @ (x - x[0]) / weight.sum()


def by_rank(x, draws):
    """Sorted draws in the order of each column of x, on unit rows."""
    out = np.empty_like(x)
    for j in range(x.shape[1]):
        out[np.argsort(x[:, j], kind="stable"), j] = np.sort(draws[:, j])
    return unit(out)


def unit_or_zero(x):
    length = np.linalg.norm(x, axis=1, keepdims=True)
    return x / np.where(length > 0, length, 1)
