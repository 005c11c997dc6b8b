"""Functions of models, bounds and patterns by their definitions, in float64 NumPy."""

import itertools
from fractions import Fraction

import numpy as np
from scipy.special import log_softmax, logsumexp

from tests.similarity import definitions as D


def log_partition(f, g):
    return logsumexp(f @ g.T, axis=1)


def clr(x):
    return x - x.mean(axis=1, keepdims=True)


def alignment(g, g2, label_set):
    return np.linalg.solve(D.displaced(g, label_set).T, D.displaced(g2, label_set).T)


def gram_cka(K, K2, debiased=False):
    sides = []
    for kernel in (K, K2):
        kernel = kernel - kernel.mean()
        kernel = kernel / np.abs(kernel).max()
        n = len(kernel)
        if debiased:
            off = kernel * (1 - np.eye(n))
            row = off.sum(axis=1, keepdims=True) / (n - 2)
            off = off - row - row.T + off.sum() / ((n - 1) * (n - 2))
            sides.append(off * (1 - np.eye(n)))
        else:
            H = np.eye(n) - 1 / n
            sides.append(H @ kernel @ H)
    a, b = sides
    return (a * b).sum() / np.linalg.norm(a) / np.linalg.norm(b)


def translate_to_cosine(W, i, j, c):
    a, b = W[i] - W.mean(axis=0), W[j] - W.mean(axis=0)
    d = b - a
    along = d / np.linalg.norm(d)
    axis = np.eye(len(d))[np.argmin(np.abs(along))]
    away = axis - axis @ along * along
    height = 0.5 * np.linalg.norm(d) * np.sqrt((1 + c) / (1 - c))
    return W - W.mean(axis=0) + height * away / np.linalg.norm(away) - 0.5 * (a + b)


def cosine_gaps(W):
    """1 - cos of every pair of rows, formed without cancellation; of a zero row it is 1."""
    u = D.directions(W)
    none = 1 - np.square(u).sum(axis=1).round()
    gaps = 0.5 * (D.squared_distances(u) + none[:, None] + none[None])
    return gaps + np.diag(np.full(len(W), np.inf))


def survives(W, i, j):
    """Whether W_j lies on the segments from W_i to all others."""
    for l in set(range(len(W))) - {i, j}:
        step, to = W[j] - W[i], W[l] - W[i]
        share = step @ to / max(to @ to, 1e-300)
        if not 0 <= share <= 1 + 1e-9 or np.linalg.norm(step - share * to) > 1e-9 * np.abs(W).max():
            return False
    return True


def audit(W, b):
    """Of `gauge.Audit` all but the indices: for these, 1 - cos of the nearest rows."""
    centred = D.centred(W)
    apart = np.sqrt(D.squared_distances(centred))
    total = np.sqrt(np.square(W[:, None] + W[None]).sum(axis=-1))
    flip = np.where(apart > 0, 0.5 * np.abs(total - apart), np.inf)
    boundary = np.where(apart > 0, (b[None] - b[:, None]) / np.where(apart > 0, apart, 1), 0)
    gaps = cosine_gaps(W)
    nearest = gaps.argmin(axis=1)
    return (
        *(D.cosines(W), D.cosines(centred), flip, np.sqrt(np.square(centred).sum(axis=1).mean())),
        *(apart == 0, apart, boundary, gaps.min(axis=1), cosine_gaps(centred).min(axis=1)),
        np.array([survives(centred, i, j) for i, j in enumerate(nearest)]),
    )


def sd(x):
    return x.std(ddof=1)


def table_entry(lp, lq, y, pivot):
    """The definition of term 1, and of term 3, for one label; of terms 2 and 4 when transposed."""
    psi, psi2 = sd(lp[:, y] - lp[:, pivot]), sd(lq[:, y] - lq[:, pivot])
    if min(psi, psi2) < 1e-9:
        return np.inf, np.inf, abs(psi - psi2)
    rest = sd(lp[:, y] / psi - lq[:, y] / psi2)
    fixed = sd(lp[:, pivot] / psi - lq[:, pivot] / psi2)
    return rest, fixed, abs(psi - psi2)


def llv(f, g, f2, g2, sets, reduce=max):
    """The published search, term by term: every pivot and left-out label, every input set."""
    lp, lq = log_softmax(f @ g.T, axis=1), log_softmax(f2 @ g2.T, axis=1)
    best = (np.inf, np.inf, 0, 1)
    for pivot, out in itertools.permutations(range(g.shape[0]), 2):
        kept = [y for y in range(g.shape[0]) if y not in (pivot, out)]
        entries = [table_entry(lp, lq, y, pivot) for y in kept]
        term = reduce([number for e in entries for number in e[:2]])
        if term < best[0] * (1 - 1e-12):
            best = term, reduce([e[2] for e in entries]), pivot, out
    inputs = []
    for row in sets:
        entries = [table_entry(lp[row].T, lq[row].T, x, 0) for x in range(1, len(row))]
        inputs.append((max(max(e[:2]) for e in entries), reduce([e[2] for e in entries])))
    chosen = int(np.argmin([t for t, _ in inputs]))
    return *best, *inputs[chosen], chosen


def cca_parts(f, g, f2):
    """(eigenvalues, correlations, residual) of ũ beside f'."""
    u = D.centred(f @ D.centred(g).T)
    m = g.shape[1]
    values = np.linalg.svd(u, compute_uv=False)[:m] ** 2 / len(f)
    rho = np.pad(D.correlations(u, f2), (0, m))[:m]
    b = D.basis(f2)[0]
    return values, rho, np.square(u - b @ (b.T @ u)).sum() / len(f)


def cca_below_residual(f, g, f2, g2):
    values, rho, residual = cca_parts(f, g, f2)
    return ((1 - rho**2) * values).sum(), residual


def mcca_above_logit(f, g, f2, g2):
    values, rho, _ = cca_parts(f, g, f2)
    d_sq, m = D.logit_distance_sq(f, g, f2, g2), g.shape[1]
    varies = values[-1] > 1e-6 * values[0]
    return 1 - d_sq / (m * values[-1]) if varies else -np.inf, rho.mean()


def logit_below_kl(p, q):
    """The right side is infinite where float32 does not reach it, and zero of equal rows."""
    divergence, tau = D.kl(p, q), np.exp(np.minimum(p, q)).min(axis=1)
    with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
        right = np.where(divergence > 0, np.float32(2 * divergence / tau), 0)
    return np.square(clr(p) - clr(q)).sum(axis=1), right


def label_gaps(f, g, f2, g2, sets):
    """The mean over label sets of E‖Lᵀf - L'ᵀf'‖²."""
    each = [f @ D.displaced(g, s) - f2 @ D.displaced(g2, s) for s in sets]
    return np.mean([np.square(e).sum(axis=1).mean() for e in each])


def least_singular(g, sets):
    return min(np.linalg.svd(D.displaced(g, s), compute_uv=False)[-1] for s in sets)


def concept_kl(W, f, g, f2, g2):
    g, g2 = D.centred(g), D.centred(g2)
    B = W @ np.linalg.pinv(g)
    p, q = (log_softmax(u, axis=1) for u in (f @ W.T, f2 @ (B @ g2).T))
    norm = np.linalg.norm(B, ord=2)
    return D.kl(p, q).mean(), 0.25 * norm**2 * D.logit_distance_sq(f, g, f2, g2)


def minors(W):
    """From an orthonormal basis by QR, where the library's is by singular vectors."""
    basis = D.directions(np.linalg.qr(W)[0])
    rows = itertools.combinations(range(len(W)), W.shape[1])
    values = np.array([np.linalg.det(basis[list(r)]) for r in rows])
    values = np.where(np.abs(values) > 1e-12, values, 0)
    return values * np.sign(values[np.flatnonzero(values)[0]])


def rational(W):
    return [[Fraction(x) for x in row] for row in W.tolist()]


def chirotope(W):
    """In rational numbers: signs of the maximal minors, the first non-zero one positive."""
    signs = []
    for a, b, c in itertools.combinations(W, 3):
        value = sum(
            a[i] * (b[(i + 1) % 3] * c[(i + 2) % 3] - b[(i + 2) % 3] * c[(i + 1) % 3])
            for i in range(3)
        )
        signs.append((value > 0) - (value < 0))
    first = next(s for s in signs if s)
    return np.array(signs) * first


def differences(W):
    return [[x - y for x, y in zip(*pair, strict=True)] for pair in itertools.combinations(W, 2)]


def orders(W, x):
    """The distinct ascending orders of labels at the rows of x; equal rows keep their order."""
    return np.unique(np.argsort((W - W[0]) @ x.T, axis=0, kind="stable").T, axis=0)


def orders_2d(W):
    """Over 10,000 directions of the plane: no cell of the cases is narrower than 2 of them."""
    angle = 2 * np.pi * (np.arange(10_000) + 0.37) / 10_000
    return orders(W, np.stack([np.cos(angle), np.sin(angle)], axis=1))
