"""Checks of what callers pass in: shapes always, values where they are concrete.

Under tracing the values are unknown, so only shapes and types are checked there.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array


def check_batch(shape: tuple[int, ...], **arrays: Array) -> None:
    """ValueError unless every array is [batch, *shape] with the same batch."""
    num = {name: array.shape[:1] for name, array in arrays.items()}
    first = next(iter(num.values()))
    for name, array in arrays.items():
        if array.ndim != len(shape) + 1 or array.shape != (*first, *shape):
            expected = ", ".join(map(str, ("batch", *shape)))
            raise ValueError(
                f"{name} has shape {array.shape}; expected [{expected}] with one batch for all of "
                f"{', '.join(arrays)} (got {[*num.values()]})"
            )


def check_times(t: Array, num: int) -> None:
    """ValueError unless there is one time in [0, 1] per example."""
    if t.shape != (num,):
        raise ValueError(f"t has shape {t.shape}; one time per example is needed: ({num},)")
    if (span := value_range(t)) and not 0 <= span[0] <= span[1] <= 1:
        raise ValueError(f"times must lie in [0, 1]; got {span[0]} to {span[1]}")


def check_codes(codes: Array, levels: int) -> None:
    """ValueError unless the codes are integers in [0, levels)."""
    if not jnp.issubdtype(codes.dtype, jnp.integer):
        raise ValueError(f"codes must be integers in [0, {levels}), not {codes.dtype}")
    if (span := value_range(codes)) and not 0 <= span[0] <= span[1] < levels:
        raise ValueError(
            f"codes range from {span[0]} to {span[1]}; they must lie in [0, {levels}): "
            "rescale them or build the model with more levels"
        )


def class_scalars(conditioning, num: int, num_classes: int | None) -> Array | None:
    """The networks' scalar input [num], the raw class index; None for unconditional models.

    ValueError where the model and the conditioning do not belong together.
    """
    if num_classes is None:
        if conditioning is not None:
            raise ValueError("conditioning was given to a model built without num_classes")
        return None
    if conditioning is None:
        raise ValueError(
            f"the model has num_classes={num_classes}: pass conditioning, one class each"
        )
    classes = jnp.asarray(conditioning)
    if classes.shape != (num,) or not jnp.issubdtype(classes.dtype, jnp.integer):
        raise ValueError(
            f"conditioning is {classes.dtype} of shape {classes.shape}; expected integers ({num},)"
        )
    if (span := value_range(classes)) and not 0 <= span[0] <= span[1] < num_classes:
        raise ValueError(
            f"conditioning ranges from {span[0]} to {span[1]}; it must lie in [0, {num_classes})"
        )
    return classes.astype(jnp.result_type(float))


def value_range(array: Array) -> tuple | None:
    """Smallest and largest value; None where they are not known (under tracing) or do not exist."""
    if isinstance(array, jax.core.Tracer) or not array.size:
        return None
    # NumPy, because inside a trace JAX would stage even operations on known values.
    values = np.asarray(array)
    return values.min(), values.max()
