"""Agreement of two models in the order of their labels, for one input; vmap for a batch."""

import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Float


def pairwise_agreement(
    student: Float[ArrayLike, " k"], teacher: Float[ArrayLike, " k"]
) -> Float[Array, ""]:
    """Share of label pairs ordered as the teacher orders them, in [0, 1].

    Over pairs that the teacher does not tie; a tie of the student counts half. NaN if the teacher
    ties everything. O(k^2).

    Raises:
        ValueError: not two vectors of one length k >= 2.
    """
    s, t = _pair_signs("pairwise_agreement", student, teacher)
    ordered = (t != 0).sum()
    return ((s * t + 1) / 2 * (t != 0)).sum() / ordered


def kendall_tau(
    student: Float[ArrayLike, " k"], teacher: Float[ArrayLike, " k"]
) -> Float[Array, ""]:
    """Kendall's tau-b, (concordant - discordant) over untied pairs of each, in [-1, 1].

    NaN if either ties everything. O(k^2).

    Raises:
        ValueError: not two vectors of one length k >= 2.
    """
    s, t = _pair_signs("kendall_tau", student, teacher)
    return (s * t).sum() / jnp.sqrt((s != 0).sum() * 1.0 * (t != 0).sum())


def spearman_rho(
    student: Float[ArrayLike, " k"], teacher: Float[ArrayLike, " k"]
) -> Float[Array, ""]:
    """Spearman's rho: the correlation of average ranks, in [-1, 1]. NaN if either is constant.

    Raises:
        ValueError: not two vectors of one length k >= 2.
    """
    _check_pair("spearman_rho", student, teacher)
    s, t = (r - r.mean() for r in (_average_rank(student), _average_rank(teacher)))
    return (s * t).sum() / jnp.sqrt((s * s).sum() * (t * t).sum())


def ndcg(student: Float[ArrayLike, " k"], teacher: Float[ArrayLike, " k"]) -> Float[Array, ""]:
    """Discounted gain of the student's order over the teacher's own, in [0, 1].

    Gain is the teacher's (non-negative) value of a label, its probability; discount
    1 / log2(1 + position). Labels that a model ties share the mean discount of their positions,
    as in scikit-learn. NaN if the teacher is all zero.

    Raises:
        ValueError: not two vectors of one length k >= 2.
    """
    _check_pair("ndcg", student, teacher)
    gain = jnp.asarray(teacher)
    return (gain * _mean_discount(student)).sum() / (gain * _mean_discount(teacher)).sum()


def _positions(values: Float[ArrayLike, " k"]):
    """For each entry, the number of larger entries and of larger or equal ones."""
    ascending = jnp.sort(jnp.asarray(values))
    above = len(ascending) - jnp.searchsorted(ascending, jnp.asarray(values), side="right")
    not_below = len(ascending) - jnp.searchsorted(ascending, jnp.asarray(values), side="left")
    return above, not_below


def _average_rank(values: Float[ArrayLike, " k"]) -> Float[Array, " k"]:
    above, not_below = _positions(values)
    return (above + not_below + 1) / 2


def _mean_discount(values: Float[ArrayLike, " k"]) -> Float[Array, " k"]:
    above, not_below = _positions(values)
    discounts = 1 / jnp.log2(jnp.arange(len(above)) + 2.0)
    before = jnp.concatenate([jnp.zeros(1), jnp.cumsum(discounts)])
    return (before[not_below] - before[above]) / (not_below - above)


def _pair_signs(name: str, student, teacher):
    _check_pair(name, student, teacher)
    sign = lambda u: jnp.sign(u[:, None] - u[None, :])
    return sign(jnp.asarray(student)), sign(jnp.asarray(teacher))


def _check_pair(name: str, student, teacher) -> None:
    shapes = jnp.shape(student), jnp.shape(teacher)
    if len(shapes[0]) != 1 or shapes[0] != shapes[1] or shapes[0][0] < 2:
        raise ValueError(
            f"{name} takes one example's values over the same k >= 2 labels, two vectors of shape "
            f"(k,). Got shapes {shapes[0]} and {shapes[1]}; for a batch use jax.vmap({name})."
        )
