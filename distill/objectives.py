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

from repgeo import inputs
from similarity.distribution import kl_sums

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
    return _kl_loss(_shifted(student), _shifted(teacher), temperature)


@jax.jit
def _kl_loss(student: Array, teacher: Array, temperature: Array | float) -> Array:
    log_q, log_p = (jax.nn.log_softmax(u / temperature) for u in (student, teacher))
    return temperature**2 * kl_sums(log_p, log_q)


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
    return _l1(_difference("l1_logit_loss", student_logits, teacher_logits, centre))


@jax.jit
def _l1(delta: Array) -> Array:
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
    return _l2(_difference("l2_logit_loss", student_logits, teacher_logits, centre, degree=2))


@jax.jit
def _l2(delta: Array) -> Array:
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
        return _mixed(distance, _shifted(logits), at, weight)

    return loss


@jax.jit
def _mixed(distance: Array, logits: Array, label: Array, weight: Array | float) -> Array:
    return (1 - weight) * distance - weight * jax.nn.log_softmax(logits)[label]


def _shifted(logits: inputs.Checked) -> Float[Array, " k"]:
    """Logits for a softmax; their shift on the host goes in the precision they have."""
    if isinstance(logits, np.ndarray):
        logits = logits - logits.max()
    return inputs.single("logits", logits)


def _difference(
    name: str, student: object, teacher: object, centre: bool, degree: int = 1
) -> Float[Array, " k"]:
    """student - teacher, formed in the precision given."""
    student, teacher = _logits(name, student, teacher)
    on_host = isinstance(student, np.ndarray) and isinstance(teacher, np.ndarray)
    delta = (_delta if on_host else _delta_on_device)(student, teacher, centre)
    return inputs.single("delta", inputs.array("student - teacher", delta, degree=degree))


def _delta(student: inputs.Checked, teacher: inputs.Checked, centre: bool) -> inputs.Checked:
    delta = student - teacher
    return delta - delta.mean() if centre else delta


_delta_on_device = jax.jit(_delta, static_argnames=("centre",))


def _logits(
    name: str, student: object, teacher: object, *, logarithms: bool = False
) -> tuple[inputs.Checked, inputs.Checked]:
    pair = [inputs.read(f"{name}: logits", x) for x in (student, teacher)]
    shapes = [x.shape for x in pair]
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
