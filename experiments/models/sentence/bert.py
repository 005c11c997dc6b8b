"""The encoder of the BERT family: BERT and MiniLM, RoBERTa, DistilBERT, MPNet."""

import dataclasses
import functools
import math

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

ACTIVATIONS = {
    "gelu": functools.partial(nn.gelu, approximate=False),
    "gelu_new": functools.partial(nn.gelu, approximate=True),
    "gelu_pytorch_tanh": functools.partial(nn.gelu, approximate=True),
    "relu": nn.relu,
}


@dataclasses.dataclass(frozen=True)
class EncoderConfig:
    """Sizes and choices of one encoder.

    Attributes:
      position_offset: row of the position table for the first token (2 for RoBERTa and MPNet).
      num_token_types: rows of the token-type table; 0 where the family has none.
      relative_buckets: rows of the relative position bias; 0 where the family has none.
      max_distance: distance from which all relative positions share the last bucket.
      precision: of every matrix product; "highest" also keeps float32 on accelerators.
    """

    vocab_size: int
    hidden_size: int
    num_layers: int
    num_heads: int
    intermediate_size: int
    max_positions: int
    layer_norm_eps: float
    activation: str = "gelu"
    dropout: float = 0.1
    attention_dropout: float = 0.1
    position_offset: int = 0
    num_token_types: int = 2
    relative_buckets: int = 0
    max_distance: int = 128
    precision: str = "highest"

    @property
    def max_tokens(self) -> int:
        """Longest input in tokens that the position table covers."""
        return self.max_positions - self.position_offset


def relative_position_buckets(length: int, num_buckets: int, max_distance: int) -> np.ndarray:
    """Bucket of key position j seen from query position i, in row i and column j.

    One half of the buckets is for keys after the query. Within a half, the first half holds exact
    distances and the rest grows logarithmically up to `max_distance`. Raffel et al. 2020 (T5,
    arXiv 1910.10683), section 2.1; in float32, as in the code that trained MPNet.
    """
    offset = np.arange(length)[None, :] - np.arange(length)[:, None]
    half = num_buckets // 2
    exact = half // 2
    distance = np.abs(offset)
    scaled = np.log(np.maximum(distance, 1).astype(np.float32) / np.float32(exact))
    scaled = scaled / np.float32(math.log(max_distance / exact)) * np.float32(half - exact)
    far = np.minimum(exact + scaled.astype(np.int64), half - 1)
    return np.where(offset > 0, half, 0) + np.where(distance < exact, distance, far)


class SelfAttention(nn.Module):
    """Multi-head attention of every token to all unmasked tokens, before the residual sum."""

    config: EncoderConfig

    @nn.compact
    def __call__(
        self, x: Float[Array, "b l d"], bias: Float[Array, "b h l l"], deterministic: bool
    ) -> Float[Array, "b l d"]:
        c = self.config
        dense = functools.partial(nn.Dense, c.hidden_size, precision=c.precision)
        heads = (*x.shape[:2], c.num_heads, c.hidden_size // c.num_heads)
        query, key, value = (dense(name=n)(x).reshape(heads) for n in ("query", "key", "value"))
        scores = jnp.einsum("bqhe,bkhe->bhqk", query, key, precision=c.precision)
        weights = jax.nn.softmax(scores / math.sqrt(heads[-1]) + bias)
        weights = nn.Dropout(c.attention_dropout)(weights, deterministic=deterministic)
        mixed = jnp.einsum("bhqk,bkhe->bqhe", weights, value, precision=c.precision)
        return dense(name="output")(mixed.reshape(x.shape))


class Layer(nn.Module):
    """Attention and feed-forward network, each followed by residual sum and layer norm."""

    config: EncoderConfig

    @nn.compact
    def __call__(self, x, bias, deterministic: bool):
        c = self.config
        drop = functools.partial(nn.Dropout(c.dropout), deterministic=deterministic)
        norm = functools.partial(_layer_norm, c)
        attended = SelfAttention(c, name="attention")(x, bias, deterministic)
        x = norm("attention_norm")(x + drop(attended))
        inner = nn.Dense(c.intermediate_size, precision=c.precision, name="intermediate")(x)
        outer = nn.Dense(c.hidden_size, precision=c.precision, name="output")(
            ACTIVATIONS[c.activation](inner)
        )
        # Returned as (carry, nothing to stack) for the scan over layers.
        return norm("output_norm")(x + drop(outer)), None


class Encoder(nn.Module):
    """Contextual token vectors of a padded batch; `mask` is 1 on tokens and 0 on padding.

    The layers are one `scan`, so that compile time does not grow with depth: their parameters are
    stacked on a leading axis.
    """

    config: EncoderConfig

    @nn.compact
    def __call__(
        self, ids: Int[Array, "b l"], mask: Int[Array, "b l"], deterministic: bool = True
    ) -> Float[Array, "b l d"]:
        c = self.config
        x = nn.Dropout(c.dropout)(self._embed(ids), deterministic=deterministic)
        layers = nn.scan(
            Layer,
            variable_axes={"params": 0},
            split_rngs={"params": True, "dropout": True},
            # Flax annotates one axis only, and takes one an argument.
            in_axes=(nn.broadcast, nn.broadcast),  # pyright: ignore[reportArgumentType]
            length=c.num_layers,
        )
        return layers(c, name="layers")(x, self._attention_bias(mask), deterministic)[0]

    def _embed(self, ids):
        c = self.config
        table = functools.partial(nn.Embed, features=c.hidden_size)
        rows = jnp.arange(ids.shape[1]) + c.position_offset
        extra = table(c.max_positions, name="position")(rows)
        if c.num_token_types:
            # Single texts only: every token is of type 0.
            extra += table(c.num_token_types, name="token_type")(jnp.zeros_like(rows))
        return _layer_norm(c, "norm")(table(c.vocab_size, name="word")(ids) + extra[None])

    def _attention_bias(self, mask):
        c = self.config
        hidden = jnp.finfo(jnp.float32).min
        bias = jnp.where(mask[:, None, None, :] > 0, 0.0, hidden)
        length = mask.shape[1]
        if c.relative_buckets:
            buckets = relative_position_buckets(length, c.relative_buckets, c.max_distance)
            relative = nn.Embed(c.relative_buckets, c.num_heads, name="relative")(buckets)
            bias = jnp.maximum(bias + relative.transpose(2, 0, 1)[None], hidden)
        return jnp.broadcast_to(bias, (mask.shape[0], c.num_heads, length, length))


def _layer_norm(config: EncoderConfig, name: str) -> nn.LayerNorm:
    # The fast variance E[x²] - E[x]² loses digits that the checks against PyTorch need.
    return nn.LayerNorm(epsilon=config.layer_norm_eps, use_fast_variance=False, name=name)
