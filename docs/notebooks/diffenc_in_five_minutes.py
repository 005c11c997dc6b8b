# %% [markdown]
# # DiffEnc in five minutes
#
# A diffusion model adds noise to data x until nothing is left, and learns the way back. In VDM the
# mean of the noisy z_t is α_t x. DiffEnc lets that mean move on the way: α_t x_φ(x, t), with x_φ
# learned. Here both are trained on points of a spiral in the plane, with the loss exact to the last
# term, and x_φ is drawn.
#
# The notebook is made from the script of the same name beside it, by
# `python -m docs.notebooks.notebook`.

# %%
import functools

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
import optax

import diffenc

STEPS, BATCH = 2000, 256

# %% [markdown]
# ## Data: integer codes
#
# The likelihood is that of integers 0 to 255, as of pixels: no noise is added to the data, and
# bits/dim of different models can be compared.

# %%
rng = np.random.default_rng(0)
angle = 3 * np.pi * np.sqrt(rng.uniform(size=4096))
arm = np.stack([np.cos(angle), np.sin(angle)], 1) * (2 * angle + np.pi)[:, None]
codes = np.clip(4 * (arm + 0.25 * rng.normal(size=arm.shape) + 30), 0, 255).astype(np.uint8)

# %% [markdown]
# ## Models: pure functions by name
#
# `diffenc.build` knows the paper's models ("diffenc-8-2", …) and small ones. A short noise range,
# γ from −10 to 0, leaves some of the data in z_1: there the encoder has something to gain.

# %%
build = functools.partial(
    diffenc.build, shape=(2,), levels=256, gamma_min=-10.0, gamma_max=0.0, fourier=tuple(range(9))
)
models = {name: build(name) for name in ("vdmv", "diffenc")}


def bits(model, params, codes, key):
    """Mean bits/dim of the three terms of −ELBO, one time and one noise an example."""
    k_t, k_eps, k_eps_0 = jax.random.split(key, 3)
    terms = model.elbo_terms(
        params,
        codes,
        t=diffenc.stratified_times(k_t, len(codes))[0],
        eps=jax.random.normal(k_eps, codes.shape),
        eps_0=jax.random.normal(k_eps_0, codes.shape),
    )
    return jax.tree.map(lambda nats: diffenc.bits_per_dim(nats, model.shape).mean(), terms)


# %% [markdown]
# ## Training: any optimiser, one `scan`

# %%
optimizer = optax.adam(optax.cosine_decay_schedule(4e-3, STEPS))


def train(model):
    """(parameters, bits/dim at each step)"""

    def step(carry, key):
        params, state = carry
        k_batch, k_loss = jax.random.split(key)
        batch = jnp.asarray(codes)[jax.random.randint(k_batch, (BATCH,), 0, len(codes))]
        total, grads = jax.value_and_grad(lambda p: sum(bits(model, p, batch, k_loss)))(params)
        updates, state = optimizer.update(grads, state)
        return (optax.apply_updates(params, updates), state), total

    @jax.jit
    def run(key):
        k_init, k_steps = jax.random.split(key)
        params = model.init(k_init)
        carry = params, optimizer.init(params)
        return jax.lax.scan(step, carry, jax.random.split(k_steps, STEPS))

    (params, _), losses = run(jax.random.key(0))
    return params, np.asarray(losses)


trained = {name: train(model) for name, model in models.items()}

# %% [markdown]
# ## Likelihood, term by term, on equal noise
#
# `prior` is what z_1 still says about x, `reconstruction` the last step back to integers,
# `diffusion` all between. On this short range the learned encoder lets z_1 say more (a larger prior
# term), and gains more than that in diffusion.

# %%
results = {}
for name, (params, _) in trained.items():
    terms = jax.jit(functools.partial(bits, models[name]))(params, codes, jax.random.key(1))
    results[name] = {part: float(value) for part, value in terms._asdict().items()}
    total = sum(results[name].values())
    print(f"{name:8}", *(f"{p} {v:.3f}" for p, v in results[name].items()), f"total {total:.3f}")

# %% [markdown]
# ## What the encoder does to the data
#
# `encode` gives x_φ and its derivative in γ, in one forward-mode pass. Near the data (γ = −10) it
# is x itself; towards the noise it moves.

# %%
x = (codes[:1000] + 0.5) / 128 - 1
figure, axes = plt.subplots(1, 4, figsize=(12, 3), sharex=True, sharey=True)
for axis, gamma in zip(axes, (-10.0, -4.0, -2.0, 0.0), strict=True):
    encoded, slope = models["diffenc"].encode(trained["diffenc"][0], x, gamma)
    axis.scatter(*np.asarray(encoded).T, s=2, c=angle[:1000])
    axis.set_title(f"x_φ at γ = {gamma:g}")
moved = float(jnp.abs(encoded - x).mean())

# %% [markdown]
# ## Samples
#
# The sampler never calls the encoder, so it costs what VDM's costs.

# %%
samples = {}
figure, axes = plt.subplots(1, 3, figsize=(9, 3), sharex=True, sharey=True)
axes[0].scatter(*codes[:1000].T, s=2)
axes[0].set_title("data")
for axis, (name, (params, _)) in zip(axes[1:], trained.items(), strict=True):
    samples[name] = np.asarray(models[name].sample(jax.random.key(2), params, 1000, 50))
    axis.scatter(*samples[name].T, s=2)
    axis.set_title(name)
plt.show()

# %% [markdown]
# ## From here
#
# 2,000 steps are for a first look, and one run says little. The recorded comparison of this spiral
# over seeds, and the same for images, are configs: `python -m experiments.diffenc.train --help`.
# Where each equation of the paper lives: `docs/equations.md`.
