"""Linear probes: what a linear map reads from an embedding, as regularised logistic regression."""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.linalg import cho_factor, cho_solve
from jaxtyping import Array, ArrayLike, Bool, Float, Int, Real

from distill.summaries import check_every_class
from repgeo import inputs
from similarity.checks import whole


class LinearProbe(NamedTuple):
    """A fitted probe; logits of features x are (x - centre) @ weights.T + centred_bias."""

    weights: Float[Array, "k m"]
    bias: Float[Array, " k"]
    """centred_bias - weights @ centre: logits are x @ weights.T + bias where |centre| is small."""
    centre: Float[Array, " m"]
    """Mean of the features the probe was fitted on."""
    centred_bias: Float[Array, " k"]
    gradient_norm: Float[Array, ""]
    """Largest entry of the gradient of the mean objective, at the returned point."""
    num_iterations: Int[Array, ""]
    converged: Bool[Array, ""]

    def logits(self, features: Real[ArrayLike, "n m"]) -> Float[Array, "n k"]:
        """The probe's logits, before softmax. An offset of the features costs no digits."""
        x = inputs.array("features", features, 2)
        if x.shape[1] != self.centre.shape[0]:
            raise ValueError(
                f"features have shape {x.shape}; accepted is (n, {self.centre.shape[0]}), the "
                "width that the probe was fitted on"
            )
        x = inputs.single("features", x - _like(x, self.centre)[None])
        return _affine(x, self.weights, self.centred_bias)


def fit_linear_probe(
    features: Real[ArrayLike, "n m"],
    labels: Int[ArrayLike, " n"],
    num_classes: int,
    *,
    inverse_penalty: Float[ArrayLike, ""] = 1.0,
    tolerance: Float[ArrayLike, ""] = 1e-5,
    max_iterations: int = 100,
) -> LinearProbe:
    """The minimiser of mean NLL + ‖W‖² / (2 C n), C = inverse_penalty, bias not penalised.

    The objective of scikit-learn's LogisticRegression(C) divided by C n; with two classes the
    penalty is doubled, since scikit-learn penalises their one difference of weights. Newton steps
    with backtracking; each is solved by conjugate gradients, preconditioned by the upper bound
    Xᵀ X / 2 on every class's curvature (Boehning 1992), so that badly scaled features cost few
    iterations. Stops when the largest entry of the gradient is at most `tolerance` (nats per unit
    of weight; scikit-learn's default is 1e-4) or no step lowers the objective in this precision;
    `converged` says which. Can be vmapped over many probes.

    Raises:
        ValueError: shapes do not fit, features are not finite, a label is outside
            0..num_classes-1, a class has no example, inverse_penalty is not finite and
            positive, tolerance not finite and at least 0, or num_classes or max_iterations no
            integer of at least 1.

    Examples:
        >>> x, labels = np.array([[0.0], [1.0], [4.0], [5.0]]), np.array([0, 0, 1, 1])
        >>> probe = distill.fit_linear_probe(x, labels, 2)
        >>> probe.logits(x).argmax(1).tolist(), bool(probe.converged)
        ([0, 0, 1, 1], True)
    """
    num_classes = whole("num_classes", num_classes, 1)
    max_iterations = whole("max_iterations", max_iterations, 1)
    inputs.number("tolerance", tolerance, 0, ends=True)
    given, classes = _checked(features, labels, num_classes, inverse_penalty)
    # The bias is free, so centring changes its value only, and keeps single precision's digits.
    centre = inputs.single("mean", given.mean(axis=0))
    x = inputs.single("features", given - _like(given, centre)[None])
    return _fit(x, classes, centre, inverse_penalty, tolerance, num_classes, max_iterations)


@jax.jit
def _affine(x: Array, weights: Array, bias: Array) -> Array:
    return jnp.matmul(x, weights.T, precision="highest") + bias[None]


@jax.jit(static_argnames=("num_classes", "limit"))
def _fit(
    x: Array,
    labels: Array,
    centre: Array,
    inverse_penalty: ArrayLike,
    tolerance: ArrayLike,
    num_classes: int,
    limit: int,
) -> LinearProbe:
    # Features of order one beside the column of ones; their weights are then larger by `unit`.
    x, power = inputs.scaled(x)
    n, dtype = x.shape[0], x.dtype
    x = jnp.concatenate([x, jnp.ones((n, 1), dtype)], axis=1)
    penalty = (2 if num_classes == 2 else 1) / (inverse_penalty * n)
    unit = jnp.full((1, x.shape[1]), jnp.ldexp(jnp.ones((), dtype), power)).at[:, -1].set(1)
    columns = jnp.full(unit.shape, penalty, dtype).at[:, -1].set(0) / unit**2
    problem = _Problem(x, labels, columns, unit)
    with jax.default_matmul_precision("highest"):
        end = _newton(problem, num_classes, tolerance, limit)
        weights, norm = (end.weights / unit)[:, :-1], jnp.abs(end.gradient * unit).max()
        free = end.weights[:, -1]
        bias = free - weights @ centre
    return LinearProbe(weights, bias, centre, free, norm, end.num_iterations, norm <= tolerance)


class _Problem(NamedTuple):
    """Centred inputs with a column of ones, labels, the penalty of each column, and its unit."""

    x: Float[Array, "n p"]
    labels: Int[Array, " n"]
    penalty: Float[Array, "1 p"]
    unit: Float[Array, "1 p"]


class _State(NamedTuple):
    weights: Float[Array, "k p"]
    value: Float[Array, ""]
    gradient: Float[Array, "k p"]
    num_iterations: Int[Array, ""]
    stuck: Bool[Array, ""]


def _objective(problem: _Problem, weights: Float[Array, "k p"]) -> Float[Array, ""]:
    log_probs = jax.nn.log_softmax(problem.x @ weights.T)
    nll = -jnp.take_along_axis(log_probs, problem.labels[:, None], axis=1).mean()
    return nll + 0.5 * (problem.penalty * weights**2).sum()


def _newton(
    problem: _Problem, num_classes: int, tolerance: Float[ArrayLike, ""], limit: int
) -> _State:
    """Newton's method from zero weights, each step lowering the objective up to rounding."""
    n, p = problem.x.shape
    value_and_grad = jax.value_and_grad(functools.partial(_objective, problem))
    bound = problem.x.T @ problem.x / (2 * n) + jnp.diag(problem.penalty[0])
    # The ridge only keeps the preconditioner positive definite for dependent features.
    ridge = 1e-6 * jnp.trace(bound) * jnp.eye(p, dtype=bound.dtype)
    factor = cho_factor(bound + ridge)

    def step(state: _State) -> _State:
        direction = _newton_direction(problem, factor, state)
        weights, exhausted = _backtrack(problem, state, direction)
        value, gradient = value_and_grad(weights)
        smaller = jnp.abs(gradient).max() < jnp.abs(state.gradient).max()
        worse = (value >= state.value) & ~smaller
        count = state.num_iterations + 1
        moved = _State(weights, value, gradient, count, exhausted | worse)
        # A step of rounding alone may raise the gradient: the end is the better of the two points.
        kept = state._replace(num_iterations=count, stuck=worse)
        return jax.tree.map(lambda old, new: jnp.where(worse, old, new), kept, moved)

    def unfinished(state: _State) -> Bool[Array, ""]:
        open_ = jnp.abs(state.gradient * problem.unit).max() > tolerance
        return open_ & (state.num_iterations < limit) & ~state.stuck

    start = jnp.zeros((num_classes, p), problem.x.dtype)
    zero = _State(start, *value_and_grad(start), jnp.asarray(0), jnp.asarray(False))
    return jax.lax.while_loop(unfinished, step, zero)


def _newton_direction(
    problem: _Problem, factor: tuple[Array, bool], state: _State
) -> Float[Array, "k p"]:
    probs = jax.nn.softmax(problem.x @ state.weights.T)

    def curvature(v: Float[Array, "k p"]) -> Float[Array, "k p"]:
        u = probs * (problem.x @ v.T)
        u = u - probs * u.sum(1, keepdims=True)
        return u.T @ problem.x / len(problem.x) + problem.penalty * v

    precondition = lambda v: cho_solve(factor, v.T).T
    solve = functools.partial(jax.scipy.sparse.linalg.cg, tol=0.1, maxiter=50, M=precondition)
    return solve(curvature, -state.gradient)[0]


def _backtrack(
    problem: _Problem, state: _State, direction: Float[Array, "k p"]
) -> tuple[Float[Array, "k p"], Bool[Array, ""]]:
    """The first of 1, 1/2, 1/4, ... along the direction that does not raise the objective."""
    slack = 8 * jnp.finfo(state.value.dtype).eps * jnp.abs(state.value)
    at = lambda size: state.weights + size * direction
    raised = lambda size: ~(_objective(problem, at(size)) <= state.value + slack)
    least = 2.0**-20
    size = jax.lax.while_loop(
        lambda size: raised(size) & (size > least), lambda size: size / 2, jnp.asarray(1.0)
    )
    return at(size.astype(direction.dtype)), size <= least


def _like(x: inputs.Checked, centre: Float[Array, " m"]) -> inputs.Checked:
    """The centre where x is, so that x - centre is formed in the precision of x."""
    on_host = isinstance(x, np.ndarray) and not inputs.is_traced(centre)
    return np.asarray(centre) if on_host else centre


def _checked(
    features: ArrayLike, labels: ArrayLike, num_classes: int, inverse_penalty: Float[ArrayLike, ""]
) -> tuple[inputs.Checked, Int[Array, " n"]]:
    shapes = inputs.read("features", features).shape, inputs.read("labels", labels).shape
    if len(shapes[0]) != 2 or shapes[1] != shapes[0][:1] or not shapes[0][0]:
        raise ValueError(
            "fit_linear_probe takes features of shape (n, m) and n labels, n >= 1. Got shapes "
            f"{shapes[0]} and {shapes[1]}."
        )
    inputs.number("inverse_penalty", inverse_penalty, 0)
    classes = inputs.labels("fit_linear_probe: labels", labels, num_classes)
    check_every_class("fit_linear_probe", classes, num_classes)
    return inputs.array("fit_linear_probe: features", features, 2, degree=2), classes
