"""Distillation objectives: how far a student's logits are from its teacher's.

The three losses are those of "Logit distance bounds representational similarity"
(arXiv:2602.15438). Each takes the logits of ONE example; vmap for a batch, then take the mean.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Float, Int

import similarity

Objective = Callable[[Float[Array, " k"], Float[Array, " k"]], Float[Array, ""]]


def kl_loss(
    student_logits: Float[ArrayLike, " k"],
    teacher_logits: Float[ArrayLike, " k"],
    *,
    temperature: float = 1.0,
) -> Float[Array, ""]:
    """T^2 KL(softmax(teacher / T) || softmax(student / T)) in nats, in [0, inf].

    The paper uses T = 1; the factor T^2 keeps the size of the gradient as T grows (Hinton et al.,
    arXiv:1503.02531). A label that the teacher gives probability 0 contributes q(y); where only
    the student does, the loss is inf. Precision near equality is that of `similarity.kl`.

    Raises:
        ValueError: the inputs are not two vectors of one length, or temperature is not positive.
    """
    _check_logits("kl_loss", student_logits, teacher_logits)
    if temperature <= 0:
        raise ValueError(f"kl_loss: temperature must be positive, got {temperature}.")
    log_q = jax.nn.log_softmax(jnp.asarray(student_logits) / temperature)
    log_p = jax.nn.log_softmax(jnp.asarray(teacher_logits) / temperature)
    return temperature**2 * similarity.kl(log_p, log_q)


def l1_logit_loss(
    student_logits: Float[ArrayLike, " k"],
    teacher_logits: Float[ArrayLike, " k"],
    *,
    centre: bool = False,
) -> Float[Array, ""]:
    """Mean over labels of |student - teacher|, in logits, in [0, inf).

    With `centre`, both logits first lose their mean over labels, as log-probabilities see them.
    The published objective compares raw logits. Its gradient at equality is 0.

    Raises:
        ValueError: the inputs are not two vectors of one length.
    """
    delta = _difference("l1_logit_loss", student_logits, teacher_logits, centre)
    # jnp.abs has gradient 1 at 0; sign(0) is 0.
    return (delta * jax.lax.stop_gradient(jnp.sign(delta))).mean()


def l2_logit_loss(
    student_logits: Float[ArrayLike, " k"],
    teacher_logits: Float[ArrayLike, " k"],
    *,
    centre: bool = False,
) -> Float[Array, ""]:
    """Sum over labels of (student - teacher)^2, in squared logits, in [0, inf).

    Raw (as published) it is the centred loss plus k * mean(student - teacher)^2. With `centre`
    its mean over inputs is the squared logit distance d_logit^2 itself.

    Raises:
        ValueError: the inputs are not two vectors of one length.
    """
    return jnp.square(_difference("l2_logit_loss", student_logits, teacher_logits, centre)).sum()


def with_label_loss(objective: Objective, weight: float) -> Callable[..., Float[Array, ""]]:
    """The loss (1 - weight) * objective(student, teacher) + weight * cross-entropy(student, label).

    Returns a function of one example's (student_logits, teacher_logits, label), in the units of
    the objective; the paper's setting is weight 0.

    Raises:
        ValueError: weight is outside [0, 1].
    """
    if not 0 <= weight <= 1:
        raise ValueError(f"with_label_loss: weight must be in [0, 1], got {weight}.")

    def loss(
        student_logits: Float[ArrayLike, " k"],
        teacher_logits: Float[ArrayLike, " k"],
        label: Int[ArrayLike, ""],
    ) -> Float[Array, ""]:
        distance = objective(student_logits, teacher_logits)
        if weight == 0:
            return distance
        cross_entropy = -jax.nn.log_softmax(jnp.asarray(student_logits))[label]
        return (1 - weight) * distance + weight * cross_entropy

    return loss


def _difference(name: str, student_logits, teacher_logits, centre: bool) -> Float[Array, " k"]:
    _check_logits(name, student_logits, teacher_logits)
    delta = jnp.asarray(student_logits) - jnp.asarray(teacher_logits)
    return delta - delta.mean() if centre else delta


def _check_logits(name: str, student_logits, teacher_logits) -> None:
    shapes = jnp.shape(student_logits), jnp.shape(teacher_logits)
    if len(shapes[0]) != 1 or shapes[0] != shapes[1] or shapes[0][0] == 0:
        raise ValueError(
            f"{name} takes the logits of one example, student and teacher over the same labels: "
            f"two vectors of shape (k,). Got shapes {shapes[0]} and {shapes[1]}; for a batch use "
            f"jax.vmap({name})."
        )
