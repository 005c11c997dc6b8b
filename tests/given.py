"""Arrays as people have them: the cases over which every library's functions are tried."""

from collections.abc import Callable

import jax.numpy as jnp
import ml_dtypes
import numpy as np


def read_only(x):
    x = x.copy()
    x.flags.writeable = False
    return x


def duplicated(x):
    x = x.copy()
    x[1 : len(x) // 3] = x[0]
    return x


# A float64 array with values of order one, as each of these.
CASES: dict[str, Callable[[np.ndarray], object]] = {
    "float64": lambda x: x,
    "float32": lambda x: x.astype(np.float32),
    "float32 of JAX": lambda x: jnp.asarray(x, jnp.float32),
    "float16": lambda x: x.astype(np.float16),
    "bfloat16": lambda x: x.astype(ml_dtypes.bfloat16),
    "bfloat16 of JAX": lambda x: jnp.asarray(x, jnp.bfloat16),
    "int16": lambda x: np.int16(np.round(1000 * x)),
    "int64 beyond 2³¹": lambda x: np.int64(np.round(x * 2**33)),
    "bool": lambda x: x > 0,
    "nested lists": lambda x: x.tolist(),
    "column-major": np.asfortranarray,
    "read-only": read_only,
    "strided": lambda x: np.repeat(x, 2, axis=0)[::2],
    "big-endian": lambda x: x.astype(">f8"),
    "duplicates": duplicated,
    "float64 + 1e3": lambda x: x + 1e3,
    "float64 + 1e6": lambda x: x + 1e6,
    "float64 + 1e8": lambda x: x + 1e8,
    **{f"float64 × {s:g}": (lambda x, s=s: s * x) for s in (1e-30, 1e-10, 1e10, 1e30)},
    **{
        f"float32 × {s:g}": (lambda x, s=s: np.float32(s) * x.astype(np.float32))
        for s in (1e-30, 1e30)
    },
}
HIDDEN = ("float64 + 1e6", "float64 + 1e8")
LARGE = ("float64 × 1e+10", "float64 × 1e+30", "float32 × 1e+30", "int64 beyond 2³¹")
SMALL = ("float64 × 1e-30", "float64 × 1e-10", "float32 × 1e-30")
OVERFLOW = ("float64 × 1e+30", "float32 × 1e+30")


def refused_well(refusal: ValueError) -> bool:
    """Whether a refusal is one sentence that says what is accepted or what to do."""
    text = str(refusal)
    return 40 < len(text) < 450 and any(word in text for word in ("accepted", ";", ":"))
