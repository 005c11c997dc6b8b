"""The decoder of the Llama family: RMSNorm, rotary positions, grouped-query attention, SwiGLU."""

import dataclasses
import functools

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int


@dataclasses.dataclass(frozen=True)
class LlamaConfig:
    """Sizes and choices of one decoder.

    Attributes:
      num_kv_heads: heads of keys and values, each shared by num_heads / num_kv_heads queries.
      rope_base: theta of the rotary embedding.
      precision: of every matrix product; "highest" also keeps float32 on accelerators.
    """

    vocab_size: int
    hidden_size: int
    num_layers: int
    num_heads: int
    num_kv_heads: int
    head_size: int
    intermediate_size: int
    rope_base: float
    norm_eps: float
    context_length: int
    precision: str = "highest"


def rotate(x: Float[Array, "b l h e"], angle: Float[Array, "l e_half"]) -> Float[Array, "b l h e"]:
    """Each pair of features (2i, 2i+1) turned by `angle[position, i]`.

    RoFormer, arXiv 2104.09864, eq. 34. Pairs are interleaved, as in GGUF files; Hugging Face's
    Llama pairs (i, i + e/2) instead and has its query and key rows permuted to match.
    """
    pairs = x.reshape(*x.shape[:-1], -1, 2)
    cos, sin = jnp.cos(angle)[None, :, None], jnp.sin(angle)[None, :, None]
    even, odd = pairs[..., 0], pairs[..., 1]
    return jnp.stack([even * cos - odd * sin, even * sin + odd * cos], -1).reshape(x.shape)


def rotary_angles(
    length: int, head_size: int, base: float, divisors: Float[Array, "e_half"] | None = None
) -> Float[Array, "length e_half"]:
    """position · base^(-2i/e), with frequency i further divided by `divisors[i]` (Llama 3.1)."""
    frequency = base ** (-np.arange(0, head_size, 2, dtype=np.float64) / head_size)
    angle = jnp.asarray(np.arange(length)[:, None] * frequency[None, :], jnp.float32)
    return angle if divisors is None else angle / divisors[None, :]


class RMSNorm(nn.Module):
    """x / √(mean(x²) + eps) · scale. arXiv 1910.07467, eq. 4."""

    eps: float

    @nn.compact
    def __call__(self, x: Float[Array, "b l d"]) -> Float[Array, "b l d"]:
        scale = self.param("scale", nn.initializers.ones, (x.shape[-1],))
        rms = jnp.sqrt(jnp.square(x).mean(-1, keepdims=True) + self.eps)
        return x / rms * scale[None, None, :]


class Layer(nn.Module):
    """Causal attention, then a gated feed-forward network, each on a normalised residual."""

    config: LlamaConfig

    @nn.compact
    def __call__(self, x: Float[Array, "b l d"], angle: Float[Array, "l e_half"]):
        c = self.config
        dense = functools.partial(nn.Dense, use_bias=False, precision=c.precision)
        x = x + self._attend(RMSNorm(c.norm_eps, name="attention_norm")(x), angle)
        h = RMSNorm(c.norm_eps, name="ffn_norm")(x)
        gate = nn.silu(dense(c.intermediate_size, name="gate")(h))
        up = dense(c.intermediate_size, name="up")(h)
        return x + dense(c.hidden_size, name="down")(gate * up), None

    def _attend(self, x, angle):
        c = self.config
        dense = functools.partial(nn.Dense, use_bias=False, precision=c.precision)
        b, l, _ = x.shape
        groups = c.num_heads // c.num_kv_heads
        query = dense(c.num_heads * c.head_size, name="query")(x)
        key, value = (dense(c.num_kv_heads * c.head_size, name=n)(x) for n in ("key", "value"))
        query = rotate(query.reshape(b, l, c.num_heads, c.head_size), angle)
        key = rotate(key.reshape(b, l, c.num_kv_heads, c.head_size), angle)
        # Query head h reads key head h // groups: grouped, so that keys are never repeated.
        query = query.reshape(b, l, c.num_kv_heads, groups, c.head_size)
        value = value.reshape(b, l, c.num_kv_heads, c.head_size)
        scores = jnp.einsum("bqkge,bmke->bkgqm", query, key, precision=c.precision)
        scores = scores / np.sqrt(c.head_size).astype(np.float32)
        causal = jnp.tril(jnp.ones((l, l), bool))[None, None, None]
        weights = jax.nn.softmax(jnp.where(causal, scores, jnp.finfo(jnp.float32).min))
        mixed = jnp.einsum("bkgqm,bmke->bqkge", weights, value, precision=c.precision)
        return dense(c.hidden_size, name="output")(mixed.reshape(b, l, -1))


class Llama(nn.Module):
    """Hidden states after the final norm, for equally long inputs without padding.

    The layers are one `scan`, their parameters stacked on a leading axis.
    """

    config: LlamaConfig

    @nn.compact
    def __call__(
        self, ids: Int[Array, "b l"], divisors: Float[Array, "e_half"] | None = None
    ) -> Float[Array, "b l d"]:
        c = self.config
        x = nn.Embed(c.vocab_size, c.hidden_size, name="embedding")(ids)
        angle = rotary_angles(ids.shape[1], c.head_size, c.rope_base, divisors)
        layers = nn.scan(
            Layer,
            variable_axes={"params": 0},
            split_rngs={"params": True},
            # Flax annotates a number only, and takes `broadcast`.
            in_axes=nn.broadcast,  # pyright: ignore[reportArgumentType]
            length=c.num_layers,
        )
        x, _ = layers(c, name="layers")(x, angle)
        return RMSNorm(c.norm_eps, name="norm")(x)
