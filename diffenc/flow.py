"""The probability-flow ODE of the generative process, its samples and its likelihood.

The reverse process with the marginals of q drifts by an amount that holds E[x_t | z] twice, once
in its score; the ODE with the same marginals holds it once,

    dz/dgamma = (1/2) [alpha^2 z - alpha x_hat] - counterterm sigma^2 alpha x_hat,

reading the prediction x_hat as E[x_t | z], and minus the counterterm's shift as the encoder's slope
E[dx_t/dgamma | z]. With an optimal denoiser both readings are exact for the identity and for the
nt encoder, and the ODE has the marginals of q. For a learned encoder they are approximations of the
*samples'* distribution only: the ODE is a generative model of its own, and its likelihood below is
exact. Song et al. 2020, https://arxiv.org/abs/2011.13456; solved by diffrax (extra `ode`).
"""

from collections.abc import Callable
from typing import Any, Literal

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Key, Shaped

from diffenc import process
from diffenc.elbo import Counterterm, Parametrisation, per_example_sum, scaled_prediction
from diffenc.encoder import Encoder
from diffenc.finite_depth import Network
from diffenc.process import per_example

# How the divergence is taken: not at all, exactly (D reverse passes an evaluation), or as the mean
# of p . J p over probes p with E[p p^T] = I (Hutchinson), one reverse pass each.
Trace = Literal["none", "exact"] | Float[Array, "probes b *shape"]


def velocity(
    output: Float[Array, "b *shape"],
    z: Float[Array, "b *shape"],
    gamma: Float[Array, " b"],
    *,
    parametrisation: Parametrisation = "v",
    counterterm: Counterterm = 0.0,
    volatility: object = None,
) -> Float[Array, "b *shape"]:
    """dz/dgamma of the probability-flow ODE, from the network's output for z.

    The marginals, and so the ODE, do not depend on the volatility of the process.
    """
    del volatility
    weight = per_example(counterterm(gamma) if callable(counterterm) else counterterm, z)
    level = per_example(gamma, z)
    a, s = process.alpha(level), process.sigma(level)
    # alpha^2 z - alpha x_hat, without the difference of two large numbers.
    away = a * s * output if parametrisation == "v" else s * (output - s * z)
    return 0.5 * away - weight * s**2 * scaled_prediction(output, z, gamma, parametrisation)


def transport(
    z: Float[Array, "b *shape"],
    start: Float[ArrayLike, ""],
    stop: Float[ArrayLike, ""],
    *,
    denoiser: Network,
    trace: Trace = "none",
    tolerance: float = 1e-5,
    **form: Any,
) -> tuple[Float[Array, "b *shape"], Float[Array, " b"]]:
    """(z at level `stop`, the integral of the divergence on the way), from z at level `start`.

    The integral is ln |det dz_stop/dz_start|, in nats per example, and 0 for trace "none". From
    gamma_1 down to gamma_0 this turns noise into samples of z_0. Solved by Tsitouras' 5(4) method
    with adaptive steps; `tolerance`, relative and absolute, bounds the error a step of the batch's
    root mean square. Raises ImportError without diffrax.
    """
    import diffrax

    def field(gamma, state, args):
        levels = jnp.full((len(z),), gamma, z.dtype)
        flow = lambda z: velocity(denoiser(z, levels), z, levels, **form)
        return _with_divergence(flow, state[0], trace)

    solution = diffrax.diffeqsolve(
        diffrax.ODETerm(field),
        diffrax.Tsit5(),
        start,
        stop,
        dt0=None,
        y0=(z, jnp.zeros((len(z),), z.dtype)),
        stepsize_controller=diffrax.PIDController(rtol=tolerance, atol=tolerance),
    )
    assert solution.ys is not None
    end, log_det = solution.ys
    return end[0], log_det[0]


def _with_divergence(flow: Callable[[Array], Array], z: Array, trace: Trace) -> tuple:
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
    z_0: Float[Array, "b *shape"],
    gamma_0: Float[ArrayLike, ""],
    gamma_1: Float[ArrayLike, ""],
    *,
    trace: Trace = "exact",
    **flow: Any,
) -> Float[Array, " b"]:
    """ln p(z_0) - ln N(z_0; 0, I) for the flow that ends in N(0, I) at gamma_1, in nats.

    Relative to the standard normal, so that its constants do not drown the rest. With probes for
    `trace` it is an unbiased estimate. `flow` is the keywords of `transport`.
    """
    z_1, log_det = transport(z_0, gamma_0, gamma_1, trace=trace, **flow)
    return log_det + 0.5 * per_example_sum(z_0**2 - z_1**2)


def log_weight(
    key: Key[Array, ""],
    x: Float[Array, "b *shape"],
    gamma_0: Float[ArrayLike, ""],
    gamma_1: Float[ArrayLike, ""],
    *,
    encoder: Encoder,
    decoder: Callable[[Array, Array, Array], Array],
    target: Shaped[Array, "b *shape"] | None = None,
    conditioning: Float[Array, " b"] | None = None,
    num_probes: int | None = None,
    **flow: Any,
) -> Float[Array, " b"]:
    """ln [p(x | z_0) p(z_0) / q(z_0 | x)] of one z_0 from q for each example, in nats.

    Its mean is a lower bound on the flow's log p(x), tighter with `importance.importance_bound` of
    several draws. The trace is exact, or by `num_probes` random signs: then single values are
    unbiased estimates, and their mean the bound's, but an importance bound of them is not a bound.
    `decoder` and `target` are those of `elbo.elbo_terms`, `flow` the keywords of `transport`.
    """
    k_eps, k_probes = jax.random.split(key)
    gamma_0 = jnp.asarray(gamma_0)
    eps = jax.random.normal(k_eps, x.shape, x.dtype)
    x_0 = encoder.value(x, gamma_0, conditioning)
    z_0 = process.diffuse(x_0, gamma_0, eps)
    trace: Trace = "exact"
    if num_probes is not None:
        trace = jax.random.rademacher(k_probes, (num_probes, *x.shape), x.dtype)
    # -ln q(z_0 | x) relative to the standard normal, as the density is.
    surprise = 0.5 * per_example_sum(eps**2 - z_0**2 - jax.nn.softplus(-gamma_0))
    decoded = decoder(x if target is None else target, x_0 + jnp.exp(gamma_0 / 2) * eps, gamma_0)
    return decoded + log_density(z_0, gamma_0, gamma_1, trace=trace, **flow) + surprise
