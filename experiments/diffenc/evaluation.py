"""The negative ELBO of a whole split in bits/dim, with its Monte-Carlo error."""

import pathlib
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh

import diffenc
from diffenc.volatility import Volatility
from experiments.data import Split
from experiments.runtime import store
from experiments.runtime.errors import UserError
from experiments.runtime.mesh import batch_sharding, replicated
from experiments.runtime.preemption import Stopped
from experiments.runtime.ranges import SMALL_BATCH

PARTS = ("diffusion", "prior", "reconstruction")


class PerImage(NamedTuple):
    """Bits/dim of each image: `diffusion` and `reconstruction` are [n, strata, 2], `prior` [n].

    The last axis holds two independent draws in the same stratum of t, so that their difference
    measures the Monte-Carlo error without the spread between strata. `t` goes with `diffusion`.
    """

    t: np.ndarray
    diffusion: np.ndarray
    prior: np.ndarray
    reconstruction: np.ndarray

    def totals(self) -> np.ndarray:
        """Bits/dim of each image, [n]."""
        return self.mean("bits_per_dim")

    def mean(self, term: str) -> np.ndarray:
        """Each image's "bits_per_dim" or one of its parts, over its draws: [n]."""
        if term == "bits_per_dim":
            return sum((self.mean(part) for part in PARTS), np.zeros(()))
        value = getattr(self, term)
        return value.mean((1, 2)) if value.ndim == 3 else value

    def draws(self, term: str) -> np.ndarray:
        """What varies from draw to draw of "bits_per_dim" or a part, [n, strata, 2]."""
        if term == "bits_per_dim":
            return self.diffusion + self.reconstruction
        value = getattr(self, term)
        return value if value.ndim == 3 else np.zeros_like(self.diffusion)

    def summary(self) -> dict[str, float]:
        """Means over the split, and `<part>_mc_error`: one standard error from t and noise."""
        means = {name: float(self.mean(name).mean()) for name in ("bits_per_dim", *PARTS)}
        noisy = ("bits_per_dim", "diffusion", "reconstruction")
        return means | {f"{name}_mc_error": mc_error(self.draws(name)) for name in noisy}

    def by_time(self) -> dict[str, list[float]]:
        """Mean diffusion loss in each stratum of t, with its standard error over images."""
        per_image = self.diffusion.mean(2)
        return {
            "t": ((np.arange(per_image.shape[1]) + 0.5) / per_image.shape[1]).tolist(),
            "diffusion": per_image.mean(0).tolist(),
            "error": (per_image.std(0, ddof=1) / np.sqrt(len(per_image))).tolist(),
        }

    def save(self, path: pathlib.Path) -> None:
        """Writes every draw (float32) and the table of each image's terms."""
        table = {name: self.mean(name) for name in ("bits_per_dim", *PARTS)}
        draws = {
            "t": self.t,
            "diffusion_draws": self.diffusion,
            "reconstruction_draws": self.reconstruction,
        }
        single = {name: value.astype(np.float32) for name, value in draws.items()}
        store.save(path, table | single)


def load_per_image(path: pathlib.Path) -> PerImage:
    """What `PerImage.save` wrote. Raises `UserError` where there is no such file, or an old one."""
    if not path.exists():
        raise UserError(f"{path} is missing; run experiments.diffenc.evaluate on that run first")
    found = store.load(path)
    if "diffusion_draws" not in found:
        raise UserError(f"{path} holds no draws; run experiments.diffenc.evaluate again")
    t, diffusion, recon = (
        found[name].astype(np.float64) for name in ("t", "diffusion_draws", "reconstruction_draws")
    )
    return PerImage(t, diffusion, found["prior"], recon)


def mc_error(draws: np.ndarray) -> float:
    """Standard error of the mean of [n, strata, 2] from the differences within strata."""
    return float(np.sqrt(np.sum((draws[..., 0] - draws[..., 1]) ** 2)) / draws.size)


Evaluator = Callable[[Any], PerImage]


def make_evaluator(
    model: diffenc.Diffusion,
    split: Split,
    *,
    times_per_image: int,
    batch_size: int,
    key: jax.Array,
    mesh: Mesh,
    interrupted: Callable[[], object] = lambda: False,
    volatility: Volatility | None = None,
) -> Evaluator:
    """A function from parameters to `PerImage` over the whole split, each image counted once.

    Times are stratified within each image, two draws a stratum. The noise of image i is a
    function of `key` and i only: models evaluated with one key are compared on the same noise.
    Between batches, a true `interrupted()` raises `Stopped`. A `volatility` takes the place of
    the model's own.
    """
    strata = max(1, times_per_image // 2)
    # Beyond the split a batch is filled up: that costs nothing where it is small, and else memory.
    batch_size = min(batch_size, max(split.size, SMALL_BATCH))
    batch_size = -(-batch_size // mesh.size) * mesh.size
    sharding = batch_sharding(mesh)

    def draw(key, stratum):
        k_t, k_eps, k_eps_0 = jax.random.split(jax.random.fold_in(key, stratum), 3)
        t = (stratum // 2 + jax.random.uniform(k_t)) / strata
        return t, *(jax.random.normal(k, model.shape) for k in (k_eps, k_eps_0))

    def evaluate_batch(params, codes, label, index):
        keys = jax.vmap(jax.random.fold_in, (None, 0))(key, index)

        def one_draw(stratum):
            t, eps, eps_0 = jax.vmap(draw, (0, None))(keys, stratum)
            conditioning = label if model.options.num_classes else None
            terms = model.elbo_terms(
                params,
                codes,
                t=t,
                eps=eps,
                eps_0=eps_0,
                conditioning=conditioning,
                volatility=volatility,
            )
            bits = jax.tree.map(lambda a: diffenc.bits_per_dim(a, model.shape), terms)
            return t, bits.diffusion, bits.prior, bits.reconstruction

        return jax.lax.map(one_draw, jnp.arange(2 * strata))

    # Whole on every device, so that each of several processes can read the result.
    compiled = jax.jit(evaluate_batch, out_shardings=replicated(mesh))

    def padded() -> Iterator[tuple[int, dict[str, np.ndarray]]]:
        for start in range(0, split.size, batch_size):
            index = np.arange(start, min(start + batch_size, split.size))
            full = np.resize(index, batch_size)
            yield len(index), split.take(full) | {"index": full.astype(np.int32)}

    def evaluate(params: Any) -> PerImage:
        results = []
        for count, batch in padded():
            if interrupted():
                raise Stopped
            sharded = jax.device_put(batch, sharding)
            out = compiled(params, sharded["codes"], sharded["label"], sharded["index"])
            results.append([np.asarray(a, np.float64)[:, :count] for a in out])
        t, diffusion, prior, recon = (
            np.concatenate([r[i] for r in results], 1).T for i in range(4)
        )
        pairs = (len(prior), strata, 2)
        return PerImage(
            t.reshape(pairs), diffusion.reshape(pairs), prior[:, 0], recon.reshape(pairs)
        )

    return evaluate
