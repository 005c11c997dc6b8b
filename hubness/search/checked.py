"""What a search is given: rows checked once, and the precision that they need.

float32 rows, and float64 rows that float32 holds exactly, are searched in float32. Other float64
rows, and magnitudes whose squares float32 does not hold, are searched in float64, so that neither
an offset nor a scale changes an answer that does not depend on it; what comes back is float32.
"""

import contextlib
from collections.abc import Callable
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import AxisType, Mesh, NamedSharding
from jaxtyping import Array, Float

from hubness.search import blocks, pairwise, shards
from repgeo import inputs

Given = Any
"""What a caller passes as an array: `repgeo.inputs.array` reads it, or refuses it."""
Checked = np.ndarray | Array
T = TypeVar("T")
# Of the largest magnitude: squares of differences between neighbours fit float32 in between.
LEAST, MOST = 2.0**-40, 2.0**60
LEAST_DOUBLE, MOST_DOUBLE = 2.0**-450, 2.0**480  # the same of float64
COSINES = ("cosine", "csls")
# float32 blurs unit vectors by 2⁻²⁴; 1 − cos below this, of angles below 2⁻⁸, lacks digits.
CLOSE = 2.0**-17
SAMPLE = 256  # rows
TINY, MAX = float(np.finfo(np.float32).tiny), float(np.finfo(np.float32).max)


def rows(x: Given, name: str = "x", *, half: bool = False) -> Checked:
    """x as rows of float32 or float64, all digits kept; `half`: those of JAX may stay narrower.

    Raises:
        ValueError: not a matrix of finite real numbers.
    """
    return inputs.array(name, _unstated(x), 2, half=half)


def _unstated(x: Given) -> Given:
    """x on a mesh whose axes ask for no statement of sharding, as those of `jax.make_mesh` do."""
    held = x.sharding if isinstance(x, jax.Array) and not inputs.is_traced(x) else None
    if not isinstance(held, NamedSharding) or not isinstance(held.mesh, Mesh):
        return x
    if AxisType.Explicit not in held.mesh.axis_types:
        return x
    return jax.device_put(x, NamedSharding(shards.unstated(held.mesh), held.spec))


def queries(q: Given, x: Checked, name: str = "queries") -> Checked:
    """Rows that are compared with x.

    Raises:
        ValueError: not a matrix of finite real numbers, or not as wide as x.
    """
    q = rows(q, name)
    if q.shape[1] != x.shape[1]:
        raise ValueError(
            f"{name} of shape {q.shape} and points of shape {x.shape} differ in width "
            f"({q.shape[1]} and {x.shape[1]}); both must be rows of the same space."
        )
    return q


def precisely(
    run: Callable[..., T], *arrays: Checked | None, ranged: bool = True, metric: str = ""
) -> T:
    """run(*arrays) with all arrays in the precision that they need; floats come back as float32.

    Directions, of which a `metric` of cosines is, need more than magnitudes where all are alike.

    Raises:
        ValueError: results beyond the range of float32, or with `ranged` all below it; or double
            precision is needed over a mesh while something else is traced.
    """
    given = [a for a in arrays if a is not None]
    double = jnp.result_type(float) == np.float64
    if double or inputs.is_traced(*given):
        return run(*_alike(arrays))
    if not any(needs_double(a) or metric in COSINES and is_blurred(a) for a in given):
        return run(*_alike(arrays))
    try:
        with _evaluated(), jax.enable_x64(True):
            found = run(*_alike(arrays, np.float64))
            return jax.tree.map(lambda a: _single(a, ranged), found)
    except NameError as error:  # of an axis: what is evaluated while tracing knows no mesh
        raise ValueError(
            "rows that need double precision cannot be shared out over a mesh inside jax.jit: "
            "search them outside, drop the mesh, or enable JAX's x64 mode"
        ) from error


def _evaluated() -> contextlib.AbstractContextManager[object]:
    """Known arrays are computed with though something else is traced; elsewhere they are anyway,
    and what a mesh shares out would not know its axes."""
    tracing = inputs.is_traced(jnp.zeros(()))
    return jax.ensure_compile_time_eval() if tracing else contextlib.nullcontext()


def _alike(arrays: tuple[Checked | None, ...], dtype=None) -> list[Array | None]:
    """All arrays in one dtype, by default the widest that JAX keeps; half precision as it is."""
    if dtype is None:
        widest = jnp.result_type(jnp.float32, *(a for a in arrays if a is not None))
        of = lambda a: a.dtype if a.dtype.itemsize < 4 else widest
    else:
        of = lambda a: dtype
    return [None if a is None else jnp.asarray(a.astype(of(a)), of(a)) for a in arrays]


def needs_double(x: Checked) -> bool:
    with jax.ensure_compile_time_eval():  # known, though something else may be traced
        top = float(abs(x).max())
    if top > MOST or 0 < top < LEAST:
        return True
    return x.dtype == np.float64 and not np.array_equal(x.astype(np.float32), x)


def is_blurred(x: Checked) -> bool:
    """Whether more than 1 row in 100 has others so near it that float32 blurs their cosines.

    Asked of a sample of rows against all; of rows on several devices against each other.
    """
    if x.ndim != 2 or len(x) < 2:
        return False
    with jax.ensure_compile_time_eval():
        if isinstance(x, jax.Array) and len(x.sharding.device_set) > 1:
            x = x[:: max(1, len(x) // 1_024)]
        return float(_share_close(jnp.asarray(x, jnp.float32))) > 0.01


@jax.jit
def _share_close(x: Float[Array, "n d"]) -> Float[Array, ""]:
    """The share of sampled rows with two others, not equal to them, within `CLOSE`."""
    n, d = x.shape
    rows = jnp.arange(min(n, SAMPLE)) * (n // min(n, SAMPLE))
    scale = pairwise.inverse_norms(x)
    # By its mark a row is told from its copies, which are no matter of precision.
    weight = jax.random.normal(jax.random.key(0), (1, d))
    marked = lambda rows, _: jnp.sum(pairwise.take(x, rows) * weight, axis=1)
    mark = blocks.map_rows(marked, n, pairwise.SQUARE_ROWS, even=False)
    q = x[rows] * scale[rows, None]

    def step(count, tile, ids, valid):
        points, scale, marks = tile
        near = pairwise.products(q, points * scale[:, None]) > 1 - CLOSE
        near &= valid[None] & (marks[None] != mark[rows, None])
        return count + near.sum(axis=1)

    none = jnp.zeros(len(rows), jnp.int32)
    count = blocks.fold_points(step, none, (x, scale, mark), n)
    return jnp.mean(count >= min(2, n - 1))


def _single(a: Array, ranged: bool) -> Array:
    """a in float32 if it is float64; indices in int32, as no index of ours exceeds it."""
    if a.dtype != np.float64:
        return a.astype(np.int32) if a.dtype == np.int64 else a
    top = float(jnp.max(jnp.abs(a), initial=0))
    if np.isfinite(top) and (top > MAX or ranged and 0 < top < TINY):
        raise ValueError(
            f"values up to {top:.1e} come out, outside the range of float32, 1e-38 to 3e38; "
            "rescale the rows, use metric='euclidean' or 'cosine', or enable JAX's x64 mode"
        )
    return a.astype(np.float32)


def metric(name: str, *arrays: Checked | None, accepted: tuple[str, ...] = pairwise.METRICS):
    """ValueError for an unknown metric, zero rows under cosine, or squares beyond float64."""
    if name not in accepted:
        raise ValueError(f"metric {name!r} is not known here; use one of {', '.join(accepted)}.")
    if name in COSINES:
        directions(*arrays)
    else:
        squarable(*arrays)


def squarable(*arrays: Checked | None, of: str = "rows") -> None:
    """ValueError for magnitudes whose squares float64 does not hold."""
    known = [a for a in arrays if a is not None and not inputs.is_traced(a)]
    if not any(a.dtype == np.float64 for a in known):
        return
    with jax.ensure_compile_time_eval():
        top = max(float(abs(a).max()) for a in known)
    if top > MOST_DOUBLE or 0 < top < LEAST_DOUBLE:
        raise ValueError(
            f"{of} hold magnitudes up to {top:.1e}, whose squares float64 does not hold; accepted "
            f"are {LEAST_DOUBLE:.0e} to {MOST_DOUBLE:.0e}: rescale all of them"
        )


def directions(*arrays: Checked | None) -> None:
    """ValueError for rows that are zero."""
    for x in arrays:
        if x is None or inputs.is_traced(x):
            continue
        with jax.ensure_compile_time_eval():
            zero = ~np.asarray((x != 0).any(axis=1))
        if zero.any():
            raise ValueError(
                f"{int(zero.sum())} rows are zero, the first is row {int(np.argmax(zero))}: they "
                'have no direction, so no cosine. Drop them or use metric="euclidean".'
            )


def block_size(value: int | None) -> None:
    """ValueError unless None or at least 1."""
    if value is not None:
        inputs.count("block_size", value, 2**31 - 1, of="queries")


def exclude_self(flag: bool | None, n: int, num_queries: int | None) -> bool:
    """Whether row i is kept from its own neighbours: by default where x is its own query.

    Raises:
        ValueError: asked for where there are not as many queries as points.
    """
    if flag is None:
        return num_queries is None
    if flag and num_queries not in (None, n):
        raise ValueError(
            f"exclude_self=True takes query i for row i of x, but there are {num_queries} queries "
            f"and {n} rows. Pass queries=None, or exclude_self=False."
        )
    return flag
