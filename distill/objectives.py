"""Distillation objectives: how far a student's logits are from its teacher's.

The three losses are those of "Logit distance bounds representational similarity"
(arXiv:2602.15438). Each takes the logits of ONE example; vmap for a batch, then take the mean.
Logits in half precision are promoted to float32 before any sum or logarithm.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float, Int, Real

import similarity
from repgeo import inputs

# Beyond, T² or logits / T overflow or vanish, or differences of logits / T are mostly rounding.
_TEMPERATURES = 1e-6, 1e3

Objective = Callable[[ArrayLike, ArrayLike], Float[Array, ""]]


def kl_loss(
    student_logits: Real[ArrayLike, " k"],
    teacher_logits: Real[ArrayLike, " k"],
    *,
    temperature: float = 1.0,
) -> Float[Array, ""]:
    """T² KL(softmax(teacher / T) ‖ softmax(student / T)) in nats, in [0, ∞].

    The paper uses T = 1; the factor T² keeps the size of the gradient as T grows (Hinton et al.,
    arXiv:1503.02531). A label that the teacher gives probability 0 contributes q(y); where only
    the student does, the loss is ∞. Precision near equality is that of `similarity.kl`.

    Raises:
        ValueError: the inputs are not two vectors of one length, or temperature is outside
            [1e-6, 1000], where float32 would lose the loss.

    Examples:
        >>> round(float(distill.kl_loss(np.array([0.0, 1.0]), np.array([5.0, 6.0]))), 4)
        0.0
        >>> round(float(distill.kl_loss(np.array([0.0, 1.0]), np.array([1.0, 0.0]))), 4)
        0.4621
    """
    student, teacher = _logits("kl_loss", student_logits, teacher_logits, logarithms=True)
    least, most = _TEMPERATURES
    known = inputs.array("kl_loss: temperature", temperature, 0)
    if inputs.surely(lambda t: (t < least) | (t > most), known):
        raise ValueError(
            f"kl_loss: temperature must be positive, from {least} to {most:.0f}, got {temperature}."
        )
    log_q, log_p = (_log_softmax(u, temperature) for u in (student, teacher))
    return temperature**2 * similarity.kl(log_p, log_q)


def l1_logit_loss(
    student_logits: Real[ArrayLike, " k"],
    teacher_logits: Real[ArrayLike, " k"],
    *,
    centre: bool = False,
) -> Float[Array, ""]:
    """Mean over labels of |student - teacher|, in logits, in [0, ∞).

    With `centre`, both logits first lose their mean over labels, as log-probabilities see them.
    The published objective compares raw logits. Its gradient at equality is 0.

    Raises:
        ValueError: the inputs are not two vectors of one length.
    """
    delta = _difference("l1_logit_loss", student_logits, teacher_logits, centre)
    # jnp.abs has gradient 1 at 0; sign(0) is 0.
    return (delta * jax.lax.stop_gradient(jnp.sign(delta))).mean()


def l2_logit_loss(
    student_logits: Real[ArrayLike, " k"],
    teacher_logits: Real[ArrayLike, " k"],
    *,
    centre: bool = False,
) -> Float[Array, ""]:
    """Sum over labels of (student - teacher)², in squared logits, in [0, ∞).

    Raw (as published) it is the centred loss plus k mean(student - teacher)². With `centre` its
    mean over inputs is the squared logit distance d_logit² itself.

    Raises:
        ValueError: the inputs are not two vectors of one length, or their differences are so large
            or small that squares overflow or vanish.

    Examples:
        >>> float(distill.l2_logit_loss(np.array([0.0, 1.0]), np.array([5.0, 6.0])))
        50.0
        >>> float(distill.l2_logit_loss(np.array([0.0, 1.0]), np.array([5.0, 6.0]), centre=True))
        0.0
    """
    delta = _difference("l2_logit_loss", student_logits, teacher_logits, centre, degree=2)
    return jnp.square(delta).sum()


def with_label_loss(objective: Objective, weight: float) -> Callable[..., Float[Array, ""]]:
    """The loss (1 - weight) objective(student, teacher) + weight cross-entropy(student, label).

    Returns a function of one example's (student_logits, teacher_logits, label), in the units of
    the objective; the paper's setting is weight 0. It refuses a label outside 0..k-1 where the
    label is known, that is, not while tracing.

    Raises:
        ValueError: weight is outside [0, 1].
    """
    if inputs.surely(lambda w: not 0 <= w <= 1, weight):
        raise ValueError(f"with_label_loss: weight must be in [0, 1], got {weight}.")

    def loss(
        student_logits: Real[ArrayLike, " k"],
        teacher_logits: Real[ArrayLike, " k"],
        label: Int[ArrayLike, ""],
    ) -> Float[Array, ""]:
        distance = objective(student_logits, teacher_logits)
        if inputs.surely(lambda w: w == 0, weight):
            return distance
        logits = inputs.array("student_logits", student_logits, 1, logarithms=True)
        at = inputs.labels("label", label, logits.shape[0], ndim=0)
        return (1 - weight) * distance - weight * _log_softmax(logits)[at]

    return loss


def _log_softmax(logits: inputs.Checked, temperature: float = 1.0) -> Float[Array, " k"]:
    """Log-probabilities; the shift of logits on the host goes in the precision they have."""
    if isinstance(logits, np.ndarray):
        logits = logits - logits.max()
    logits = inputs.single("logits", logits)
    return jax.nn.log_softmax(logits / temperature)


def _difference(
    name: str, student: object, teacher: object, centre: bool, degree: int = 1
) -> Float[Array, " k"]:
    """student - teacher, formed in the precision given."""
    student, teacher = _logits(name, student, teacher)
    delta = student - teacher
    delta = inputs.array(
        "student - teacher", delta - delta.mean() if centre else delta, degree=degree
    )
    delta = inputs.single("delta", delta)
    return delta


def _logits(
    name: str, student: object, teacher: object, *, logarithms: bool = False
) -> tuple[inputs.Checked, inputs.Checked]:
    pair = [
        x if hasattr(x, "shape") else inputs.array(f"{name}: logits", x) for x in (student, teacher)
    ]
    shapes = [getattr(x, "shape", ()) for x in pair]
    if len(shapes[0]) != 1 or shapes[0] != shapes[1] or shapes[0][0] == 0:
        raise ValueError(
            f"{name} takes the logits of one example, student and teacher over the same labels: "
            f"two vectors of shape (k,). Got shapes {shapes[0]} and {shapes[1]}; for a batch use "
            f"jax.vmap({name})."
        )
    student = inputs.array("student_logits", pair[0], 1, logarithms=logarithms)
    teacher = inputs.array("teacher_logits", pair[1], 1, logarithms=logarithms)
    if inputs.surely(lambda s, t: (s.max() == -np.inf) | (t.max() == -np.inf), student, teacher):
        raise ValueError(f"{name}: all logits are -inf; at least one label needs a probability.")
    return student, teacher
