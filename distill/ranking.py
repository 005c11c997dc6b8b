"""Agreement of two models in the order of their labels, for ONE input; vmap for a batch."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Float, Int, Real

import similarity
from repgeo import inputs
from similarity.ranks import ordered


def pairwise_agreement(
    student: Real[ArrayLike, " k"], teacher: Real[ArrayLike, " k"]
) -> Float[Array, ""]:
    """Share of label pairs ordered as the teacher orders them, in [0, 1].

    Over pairs that the teacher does not tie; a tie of the student counts half. NaN if the teacher
    ties everything. O(k²).

    Raises:
        ValueError: not two vectors of one length k >= 2.
    """
    return _pairwise_agreement(*_orders("pairwise_agreement", student, teacher))


@jax.jit
def _pairwise_agreement(student: Array, teacher: Array) -> Array:
    s, t = _pair_signs(student), _pair_signs(teacher)
    return ((s * t + 1) / 2 * (t != 0)).sum() / (t != 0).sum()


def kendall_tau(student: Real[ArrayLike, " k"], teacher: Real[ArrayLike, " k"]) -> Float[Array, ""]:
    """Kendall's tau-b, (concordant - discordant) over untied pairs of each, in [-1, 1].

    NaN if either ties everything. O(k²).

    Raises:
        ValueError: not two vectors of one length k >= 2.
    """
    return _kendall_tau(*_orders("kendall_tau", student, teacher))


@jax.jit
def _kendall_tau(student: Array, teacher: Array) -> Array:
    s, t = _pair_signs(student), _pair_signs(teacher)
    return (s * t).sum() / jnp.sqrt((s != 0).sum() * 1.0 * (t != 0).sum())


def spearman_rho(
    student: Real[ArrayLike, " k"], teacher: Real[ArrayLike, " k"]
) -> Float[Array, ""]:
    """Spearman's rho: the correlation of average ranks, in [-1, 1]. NaN if either is constant.

    Raises:
        ValueError: not two vectors of one length k >= 2.
    """
    return similarity.spearman(*_pair("spearman_rho", student, teacher))


def ndcg(student: Real[ArrayLike, " k"], teacher: Real[ArrayLike, " k"]) -> Float[Array, ""]:
    """Discounted gain of the student's order over the teacher's own, in [0, 1].

    Gain is the teacher's (non-negative) value of a label, its probability; discount
    1 / log2(1 + position). Labels that a model ties share the mean discount of their positions,
    as in scikit-learn. NaN if the teacher is all zero.

    Raises:
        ValueError: not two vectors of one length k >= 2, or a negative value of the teacher.
    """
    student, teacher = _pair("ndcg", student, teacher)
    gain = inputs.single("teacher", teacher, scale=True)
    value, negative = _ndcg(ordered(student), ordered(teacher), gain)
    if inputs.surely(bool, negative):
        raise ValueError("ndcg: the teacher's values must not be negative; pass probabilities.")
    return value


@jax.jit
def _ndcg(student: Array, teacher: Array, gain: Array) -> tuple[Array, Array]:
    """The value, and whether a gain is negative."""
    of_student, of_teacher = _mean_discount(student), _mean_discount(teacher)
    return (gain * of_student).sum() / (gain * of_teacher).sum(), (gain < 0).any()


def _mean_discount(values: Float[Array, " k"]) -> Float[Array, " k"]:
    above, not_below = _positions(values)
    discounts = 1 / jnp.log2(jnp.arange(values.shape[0]) + 2.0)
    before = jnp.concatenate([jnp.zeros(1), jnp.cumsum(discounts)])
    return (before[not_below] - before[above]) / (not_below - above)


def _positions(values: Float[Array, " k"]) -> tuple[Int[Array, " k"], Int[Array, " k"]]:
    """For each entry, the number of larger entries and of larger or equal ones."""
    ascending, k = jnp.sort(values), values.shape[0]
    above = k - jnp.searchsorted(ascending, values, side="right")
    return above, k - jnp.searchsorted(ascending, values, side="left")


def _pair_signs(values: Float[Array, " k"]) -> Float[Array, "k k"]:
    return jnp.sign(values[:, None] - values[None, :])


def _orders(name: str, student: object, teacher: object) -> tuple[Array, Array]:
    student, teacher = _pair(name, student, teacher)
    return ordered(student), ordered(teacher)


def _pair(name: str, student: object, teacher: object) -> tuple[inputs.Checked, inputs.Checked]:
    student, teacher = inputs.array("student", student), inputs.array("teacher", teacher)
    shapes = student.shape, teacher.shape
    if len(shapes[0]) != 1 or shapes[0] != shapes[1] or shapes[0][0] < 2:
        raise ValueError(
            f"{name} takes one example's values over the same k >= 2 labels, two vectors of shape "
            f"(k,). Got shapes {shapes[0]} and {shapes[1]}; for a batch use jax.vmap({name})."
        )
    return student, teacher
