"""Pairs of models with known answers, and the two synthetic data sets of the papers.

Angles, lengths and counts are those of the published scripts; draws come from explicit keys.
A: https://arxiv.org/abs/2506.03784, B: https://arxiv.org/abs/2602.15438.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float, Int, Key, Real

from repgeo import inputs

# A permutation of seven even directions without circular correlation: Σ exp i(θ_j - θ_π(j)) =
# Σ exp i(θ_j + θ_π(j)) = 0, so that every canonical correlation of the directions is 0.
UNCORRELATED = (5, 0, 2, 4, 6, 1, 3)
# Step of the perturbation of `perturbed` for each number of labels (A, figure 2).
PERTURBATION_STEP = {4: 0.005, 5: 0.004, 6: 0.004, 10: 0.0025, 18: 0.002}


class ModelPair(NamedTuple):
    """Two models over the same inputs and labels."""

    f: Float[Array, "n m"]
    g: Float[Array, "k m"]
    f2: Float[Array, "n m"]
    g2: Float[Array, "k m"]


def polar(angle: Real[ArrayLike, "*n"], length: Real[ArrayLike, "*#n"]) -> Float[Array, "*n 2"]:
    """Points of the plane from angles in radians and lengths, formed in the precision given."""
    angle, length = inputs.array("angle", angle), inputs.array("length", length)
    xp = inputs.module(angle)
    at = (inputs.single("direction", axis) for axis in (xp.cos(angle), xp.sin(angle)))
    return jnp.stack([inputs.single("length", length) * x for x in at], axis=-1)


def permuted_directions(
    key: Key[Array, ""], rho: float | int | Float[Array, ""], per_label: int = 500
) -> ModelPair:
    """KL → 0 as rho grows, yet m_CCA(f) ≈ m_CCA(g) = 0: table 1 of A, theorem 3.1.

    Seven labels at even angles, unembeddings of length rho, embeddings of length about 2 within
    π/64 of their label's direction; the second model permutes the directions. Known: d_logit =
    5.312 rho, d_LLV 1.317 for every rho, mean KL 0.887 at rho = 3 and 1e-4 at 18.
    """
    return _permuted_directions(key, inputs.single("rho", inputs.array("rho", rho, 0)), per_label)


@jax.jit(static_argnames=("per_label",))
def _permuted_directions(key: Array, rho: Array, per_label: int) -> ModelPair:
    k_angle, k_length = jax.random.split(key)
    labels = jnp.repeat(jnp.arange(7), per_label)
    directions = 2 * jnp.pi * jnp.arange(7) / 7
    permuted = directions[jnp.asarray(UNCORRELATED)]
    offset = jax.random.uniform(k_angle, labels.shape, minval=-jnp.pi / 64, maxval=jnp.pi / 64)
    length = jnp.abs(0.01 * jax.random.normal(k_length, labels.shape)) + 2
    return ModelPair(
        polar(directions[labels] + offset, length),
        polar(directions, jnp.full(7, rho)),
        polar(permuted[labels] + offset, length),
        polar(permuted, jnp.full(7, rho)),
    )


def perturbed(
    key: Key[Array, ""],
    k: int,
    step: int | Int[Array, ""],
    nu: float | None = None,
    per_label: int = 500,
) -> ModelPair:
    """f' = f + step·ν·N(0, 1), g' = g, of an even classifier: the constructed models of A.

    Unembeddings of length 20 at even angles, embeddings of length about 5; step = 1 … 250.
    """
    k = inputs.count("k", k, 2**31 - 1, of="labels")
    if nu is None and k not in PERTURBATION_STEP:
        raise ValueError(
            f"the paper has no nu for k={k} labels; give nu, or k in {[*PERTURBATION_STEP]}"
        )
    return _perturbed(key, k, step, PERTURBATION_STEP[k] if nu is None else nu, per_label)


@jax.jit(static_argnames=("k", "per_label"))
def _perturbed(key: Array, k: int, step: Array, nu: Array, per_label: int) -> ModelPair:
    k_angle, k_length, k_noise = jax.random.split(key, 3)
    directions = 2 * jnp.pi * jnp.arange(k) / k
    labels = jnp.repeat(jnp.arange(k), per_label)
    offset = jax.random.uniform(k_angle, labels.shape, minval=-jnp.pi / 64, maxval=jnp.pi / 64)
    length = jnp.abs(0.01 * jax.random.normal(k_length, labels.shape)) + 5
    f, g = polar(directions[labels] + offset, length), polar(directions, jnp.full(k, 20.0))
    return ModelPair(f, g, f + step * nu * jax.random.normal(k_noise, f.shape), g)


@jax.jit(static_argnames=("per_label",))
def rotated_apart(key: Key[Array, ""], per_label: int = 100) -> ModelPair:
    """m_CCA = 1 on embeddings and on unembeddings, and no prediction in common (B).

    f turned by +π/4 and g by -π/4. Known: mean KL 36.1 and 38.3, d_logit 89.9, d_rep 7.13.
    """
    directions = jnp.asarray([0, 2, 4, 5, 7]) * jnp.pi / 4
    centres = polar(jnp.repeat(directions, per_label), jnp.full(5 * per_label, 5.0))
    f = centres + 0.5 * jax.random.normal(key, centres.shape)
    turn = jnp.asarray([[1.0, 1.0], [-1.0, 1.0]]) / jnp.sqrt(2.0)
    g = polar(directions, jnp.full(5, 8.0))
    return ModelPair(f, g, f @ turn, g @ turn.T)


@jax.jit(static_argnames=("per_label",))
def swapped_neighbours(key: Key[Array, ""], per_label: int = 500) -> ModelPair:
    """Equal embeddings and a small KL, but unembeddings that no linear map relates (B).

    Known: mean KL 0.00455 either way, m_CCA(g) 0.674, d_logit 25.93, d_rep 3.19, agreement ½.
    """
    k_angle, k_length = jax.random.split(key)
    g = polar(jnp.asarray([0, 1, 2, 3, 10, 16, 20, 26]) * jnp.pi / 16, jnp.full(8, 5.5))
    near = jnp.repeat(jnp.asarray([0, 1, 2, 3, 13, 13, 23, 23]) * jnp.pi / 16, per_label)
    offset = jax.random.uniform(k_angle, near.shape, minval=-jnp.pi / 256, maxval=jnp.pi / 256)
    f = polar(near + offset, jnp.abs(jax.random.normal(k_length, near.shape)) + 2)
    return ModelPair(f, g, f, g[jnp.asarray([0, 1, 2, 3, 5, 4, 7, 6])])


class ThreeModels(NamedTuple):
    """Embeddings and unembeddings of three models of equal likelihood."""

    fs: Float[Array, "3 n 2"]
    gs: Float[Array, "3 4 2"]


@jax.jit(static_argnames=("per_label",))
def equal_likelihoods(key: Key[Array, ""], per_label: int = 1000) -> ThreeModels:
    """Three models with negative log-likelihood below 1e-7 and differing representations.

    Nielsen et al., UniReps 2024. Known: m_CCA(f) .480 (1, 2), .433 (1, 3); m_CCA(g) .948 (1, 2).
    """
    k_angle, k_length = jax.random.split(key)
    labels = jnp.repeat(jnp.arange(4), per_label)
    angles = jnp.stack(
        [
            jnp.arange(4) * jnp.pi / 16,
            jnp.arange(4) * jnp.pi / 2,
            jnp.asarray([0.0, jnp.pi / 3, jnp.pi, 3 * jnp.pi / 2]),
        ]
    )
    offset = jax.random.uniform(k_angle, labels.shape, minval=-jnp.pi / 128, maxval=jnp.pi / 128)
    length = jnp.abs(jax.random.normal(k_length, labels.shape)) + 1
    spread = jnp.asarray([1.0, 16.0, 16.0])[:, None] * offset[None, :]
    fs = polar(angles[:, labels] + spread, jnp.broadcast_to(length[None, :], spread.shape))
    lengths = jnp.asarray([1100.0, 25.0, 100.0])[:, None]
    return ThreeModels(fs, polar(angles, jnp.broadcast_to(lengths, angles.shape)))


def radial_labels(x: Real[ArrayLike, "n 2"], k: int) -> Int[Array, " n"]:
    """⌊θ k/π⌋ for the angle θ ∈ [0, π] of the line through x: antipodal wedges share a label."""
    x, k = inputs.array("x", x, 2), inputs.count("k", k, 2**31 - 1, of="labels")
    xp = inputs.module(x)
    upper = xp.where(x[:, 1:] < 0, -x, x)
    angle = xp.arctan2(upper[:, 1], upper[:, 0])
    return jnp.asarray(xp.clip(xp.floor(angle * k / xp.pi), 0, k - 1)).astype(jnp.int32)


@jax.jit(static_argnames=("n", "k"))
def radial(key: Key[Array, ""], n: int, k: int) -> tuple[Float[Array, "n 2"], Int[Array, " n"]]:
    """n points of N(0, 9 I) in the plane, labelled by `radial_labels` (A, section 5)."""
    x = 3 * jax.random.normal(key, (n, 2))
    return x, radial_labels(x, k)


@jax.jit(static_argnames=("per_arm",))
def spiral(
    key: Key[Array, ""], per_arm: int = 1000
) -> tuple[Float[Array, "n 2"], Int[Array, " n"]]:
    """28 spiral arms of seven labels, four arms each, radii 1 to 10 (B, synthetic data).

    Arm b holds points of radius j and angle π j/70 + 2πb/28 + s π/28, s ~ U(-¾, ¾). Each run of
    seven arms begins with label 0; the others are permuted.
    """
    k_order, k_jitter = jax.random.split(key)
    orders = jax.vmap(lambda k: jax.random.permutation(k, jnp.arange(1, 7)))(
        jax.random.split(k_order, 4)
    )
    labels = jnp.concatenate([jnp.zeros((4, 1), jnp.int32), orders], axis=1).reshape(-1)
    radius = jnp.linspace(1.0, 10.0, per_arm)[None, :]
    arm = jnp.arange(28)[:, None]
    jitter = jax.random.uniform(k_jitter, (28, per_arm), minval=-0.75, maxval=0.75)
    angle = jnp.pi * radius / 70 + 2 * jnp.pi * arm / 28 + jitter * jnp.pi / 28
    points = polar(angle, jnp.broadcast_to(radius, angle.shape))
    return points.reshape(-1, 2), jnp.repeat(labels, per_arm)


# The paper on cosines between label representations, https://arxiv.org/abs/2603.29488.


def centred_cosines() -> Float[np.ndarray, "5 2"]:
    """Rows that sum to zero, and still: cosine -.588 ever top-2 together, cosine .8 never.

    cos(0,1) = .3243, cos(1,2) = -.5882, cos(2,4) = .8. The pairs of labels that are the two most
    likely for some input are {01, 04, 12, 23, 34}.
    """
    return np.array([(1.4, -1.0), (1.4, 1.0), (-0.9, 0.3), (-1.0, 0.0), (-0.9, -0.3)])


def fixed_length_cosines() -> Float[np.ndarray, "6 2"]:
    """Unit rows that sum to zero: cosine -.805 ever top-2 together, cosine +.805 never.

    cos(0,1) = -.805 and {0, 1} are the two most likely for some input; cos(1,3) = .805 and {1, 3}
    for none, since row 5 lies between them.
    """
    high = (1 - 0.95**2) ** 0.5
    return np.array(
        [(0.95, high), (-0.95, high), (0.95, -high), (-0.95, -high), (1.0, 0.0), (-1.0, 0.0)]
    )


def row_lengths() -> tuple[Float[np.ndarray, "7 2"], Float[np.ndarray, "7 2"]]:
    """Two matrices of equal cosines; label 2 is an argmax of the first and never of the second."""
    angle = np.array([0, 1, 2, 3, 4, 5, 7]) * np.pi / 4
    even = 5 * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    short = even.copy()
    short[2] *= 2 / 5
    return even, short


def equal_signs_other_ranks() -> tuple[Float[np.ndarray, "5 3"], Float[np.ndarray, "5 3"]]:
    """Two matrices of equal chirotope, hence equal sign patterns, with different rankings."""
    a = [(-0.8, 1.0), (0.8, 1.0), (0.55, -0.5), (-1.0, -1.0), (1.0, -1.0)]
    b = [(-1.0, 1.0), (1.0, 1.0), (0.35, -0.5), (-0.8, -1.0), (0.8, -1.0)]
    one = np.ones((5, 1))
    return np.hstack([a, one]), np.hstack([b, one])
