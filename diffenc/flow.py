"""The probability-flow ODE of the generative process, its samples and its likelihood.

The reverse process with the marginals of q drifts by an amount that holds E[x_t | z] twice, once
in its score; the ODE with the same marginals holds it once,

    dz/dγ = ½ [α² z − α x̂] − counterterm σ² α x̂,

reading the prediction x̂ as E[x_t | z], and minus the counterterm's shift as the encoder's slope
E[dx_t/dγ | z]. With an optimal denoiser both readings are exact for the identity and for the
nt encoder, and the ODE has the marginals of q. For a learned encoder they are approximations of the
*samples'* distribution only: the ODE is a generative model of its own, and its likelihood below is
exact. Song et al. 2020, https://arxiv.org/abs/2011.13456; solved by diffrax (extra `ode`).
"""

from collections.abc import Callable
from typing import Literal

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Key, Shaped

from diffenc import checks, noising, process_checks
from diffenc.elbo import Decoder, per_example_sum
from diffenc.noising import per_example
from diffenc.process import Process

# How the divergence is taken: not at all, exactly (D reverse passes an evaluation), or as the mean
# of p · J p over probes p with E[p pᵀ] = I (Hutchinson), one reverse pass each.
Trace = Literal["none", "exact"] | Float[Array, "probes b *shape"]


def velocity(
    process: Process, z: Float[ArrayLike, "b *shape"], gamma: Float[ArrayLike, "*level"]
) -> Float[Array, "b *shape"]:
    """dz/dγ of the probability-flow ODE, at one level or at one for each example.

    The marginals, and so the ODE, do not depend on the volatility of the process.

    Raises:
        ValueError: z or γ of another kind or shape.
    """
    (z,) = process_checks.data(process, z=z)
    return _velocity(process, z, checks.level(gamma, len(z)))


def _velocity(process: Process, z: Array, gamma: Array) -> Array:
    output = process.denoiser(z, gamma)
    weight = per_example(process.counterterm_at(gamma), z)
    s = noising.sigma(per_example(gamma, z))
    away = process.prediction.flow(output, z, gamma)
    return 0.5 * away - weight * s**2 * process.prediction.scaled_x_hat(output, z, gamma)


def transport(
    process: Process,
    z: Float[ArrayLike, "b *shape"],
    start: Float[ArrayLike, ""],
    stop: Float[ArrayLike, ""],
    *,
    trace: Trace = "none",
    tolerance: float = 1e-5,
) -> tuple[Float[Array, "b *shape"], Float[Array, " b"]]:
    """(z at level `stop`, the integral of the divergence on the way), from z at level `start`.

    The integral is ln |det dz_stop/dz_start|, in nats per example, and 0 for trace "none". From
    γ_1 down to γ_0 this turns noise into samples of z_0. Solved by Tsitouras' 5(4) method with
    adaptive steps; `tolerance`, relative and absolute, bounds the error a step of the batch's root
    mean square.

    Raises:
        ImportError: diffrax is not installed.
        ValueError: z or a level of another kind or shape, an unknown trace, or a tolerance that is
            not positive.
    """
    import diffrax

    (data,) = process_checks.data(process, z=z)
    start, stop = process_checks.scalar("start", start), process_checks.scalar("stop", stop)
    process_checks.positive("tolerance", tolerance)
    trace = process_checks.trace(trace, data.shape)

    def field(gamma: Array, state: tuple[Array, Array], args: None) -> tuple[Array, Array]:
        levels = jnp.full((len(data),), gamma, data.dtype)
        return _with_divergence(lambda z: _velocity(process, z, levels), state[0], trace)

    solution = diffrax.diffeqsolve(
        diffrax.ODETerm(field),  # pyright: ignore[reportArgumentType]
        diffrax.Tsit5(),
        start,
        stop,
        dt0=None,
        y0=(data, jnp.zeros((len(data),), data.dtype)),
        stepsize_controller=diffrax.PIDController(rtol=tolerance, atol=tolerance),
    )
    assert solution.ys is not None
    end, log_det = solution.ys
    return end[0], log_det[0]


def _with_divergence(flow: Callable[[Array], Array], z: Array, trace: Trace) -> tuple[Array, Array]:
    if isinstance(trace, str) and trace == "none":
        return flow(z), jnp.zeros((len(z),), z.dtype)
    value, pull = jax.vjp(flow, z)
    along = lambda probe: per_example_sum(pull(probe)[0] * probe)
    if isinstance(trace, str):
        size = z[0].size
        unit = lambda i: jnp.broadcast_to(jax.nn.one_hot(i, size, dtype=z.dtype), (len(z), size))
        each = jax.lax.map(lambda i: along(unit(i).reshape(z.shape)), jnp.arange(size))
        return value, each.sum(0)
    return value, jax.lax.map(along, trace).mean(0)


def log_density(
    process: Process,
    z_0: Float[ArrayLike, "b *shape"],
    gamma_0: Float[ArrayLike, ""],
    gamma_1: Float[ArrayLike, ""],
    *,
    trace: Trace = "exact",
    tolerance: float = 1e-5,
) -> Float[Array, " b"]:
    """ln p(z_0) − ln N(z_0; 0, I) for the flow that ends in N(0, I) at γ_1, in nats.

    Relative to the standard normal, so that its constants do not drown the rest. With probes for
    `trace` it is an unbiased estimate. `trace` and `tolerance` are those of `transport`, as is
    what is refused.
    """
    (start,) = process_checks.data(process, z_0=z_0)
    z_1, log_det = transport(process, start, gamma_0, gamma_1, trace=trace, tolerance=tolerance)
    return log_det + 0.5 * per_example_sum(start**2 - z_1**2)


def log_weight(
    key: Key[Array, ""],
    process: Process,
    x: Float[ArrayLike, "b *shape"],
    gamma_0: Float[ArrayLike, ""],
    gamma_1: Float[ArrayLike, ""],
    *,
    decoder: Decoder,
    target: Shaped[ArrayLike, "b *shape"] | None = None,
    num_probes: int | None = None,
    tolerance: float = 1e-5,
) -> Float[Array, " b"]:
    """ln [p(x | z_0) p(z_0) / q(z_0 | x)] of one z_0 from q for each example, in nats.

    Its mean is a lower bound on the flow's log p(x), tighter with `importance.importance_bound` of
    several draws. The trace is exact, or by `num_probes` random signs: then single values are
    unbiased estimates, and their mean the bound's, but an importance bound of them is not a bound.
    `decoder` and `target` are those of `elbo.elbo_terms`, `tolerance` that of `transport`.

    Raises:
        ValueError: arguments of another kind or shape, or γ_0 that is not below γ_1.
    """
    (x,) = process_checks.data(process, x=x)
    explained = process_checks.target(target, x)
    gamma_0, gamma_1 = (
        process_checks.scalar("gamma_0", gamma_0),
        process_checks.scalar("gamma_1", gamma_1),
    )
    process_checks.levels_increase(gamma_0, gamma_1)
    if num_probes is not None:
        checks.counts(num_probes=num_probes)
    k_eps, k_probes = jax.random.split(key)
    eps = jax.random.normal(k_eps, x.shape, x.dtype)
    x_0 = process.encoder.value(x, gamma_0, process.conditioning)
    z_0 = noising.diffuse(x_0, gamma_0, eps)
    trace: Trace = "exact"
    if num_probes is not None:
        trace = jax.random.rademacher(k_probes, (num_probes, *x.shape), x.dtype)
    # −ln q(z_0 | x) relative to the standard normal, as the density is.
    surprise = 0.5 * per_example_sum(eps**2 - z_0**2 - jax.nn.softplus(-gamma_0))
    decoded = decoder(explained, x_0 + jnp.exp(gamma_0 / 2) * eps, gamma_0)
    density = log_density(process, z_0, gamma_0, gamma_1, trace=trace, tolerance=tolerance)
    return decoded + density + surprise
