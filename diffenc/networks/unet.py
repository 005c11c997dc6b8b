"""The score network: a U-Net of constant width and resolution (VDM, DiffEnc)."""

import math
from collections.abc import Callable, Sequence

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float

from diffenc.networks.blocks import AttentionBlock, Dtype, GroupNorm, ResnetBlock, TimeEmbedding
from diffenc.networks.convolution import convolve_in_loop


def fourier_features(
    z: Float[Array, "b *shape c"], frequencies: Sequence[int]
) -> Float[Array, "b *shape f"]:
    """sin, then cos, of 2^n pi z: every n for the first channel, every n for the next, and so on.

    They show the network the phase of z within a grey level's bin (VDM, appendix C). float32 holds
    their argument to 1e-4 at n = 8; less precise types do not.
    """
    waves = jnp.asarray([2.0**n * math.pi for n in frequencies], z.dtype)
    angles = (z[..., None] * waves.reshape((1,) * z.ndim + (-1,))).reshape(*z.shape[:-1], -1)
    return jnp.concatenate([jnp.sin(angles), jnp.cos(angles)], -1)


class _Down(nn.Module):
    features: int
    dropout: float
    dtype: Dtype
    convolve: Callable[..., Array] | None
    group_channels: int

    @nn.compact
    def __call__(self, h, cond):
        block = ResnetBlock(
            self.features,
            self.dropout,
            dtype=self.dtype,
            convolve=self.convolve,
            group_channels=self.group_channels,
            name="block",
        )
        h = block(h, cond)
        return h, h


class _Up(nn.Module):
    features: int
    dropout: float
    dtype: Dtype
    convolve: Callable[..., Array] | None
    group_channels: int

    @nn.compact
    def __call__(self, h, skip, cond):
        block = ResnetBlock(
            self.features,
            self.dropout,
            dtype=self.dtype,
            convolve=self.convolve,
            group_channels=self.group_channels,
            name="block",
        )
        return block(jnp.concatenate([h, skip], -1), cond), None


class ScoreUNet(nn.Module):
    """z plus a zero-initialised correction, so that it starts as v_hat = z.

    `num_layers` blocks down, a middle with attention, `num_layers` + 1 blocks up over the stacked
    activations. The blocks of each arm are one scanned block: their parameters are stacked along a
    leading axis, and the block is compiled once. `unroll` writes the scan out instead (few blocks
    run faster so, and FLOPs can be counted; the scanned form has no forward-mode derivative).
    `remat` recomputes each block in the backward pass.
    """

    width: int
    num_layers: int
    gamma_min: float
    gamma_max: float
    fourier: Sequence[int]
    dropout: float = 0.0
    dtype: Dtype = None
    remat: bool = False
    unroll: bool = False
    group_channels: int = 2

    def _scanned(self, block, length, in_axes, name):
        # Outside of a loop the compiler would merge the recomputation with the first pass.
        lifted = nn.remat(block, prevent_cse=self.unroll) if self.remat else block
        scanned = nn.scan(
            lifted,
            variable_axes={"params": 0},
            split_rngs={"params": True, "dropout": True},
            in_axes=in_axes,
            length=length,
            # More than the length also removes the loop around a single block.
            unroll=length + 1 if self.unroll else 1,
        )
        convolve = None if self.unroll else convolve_in_loop
        return scanned(
            self.width, self.dropout, self.dtype, convolve, self.group_channels, name=name
        )

    @nn.compact
    def __call__(
        self,
        z: Float[Array, "b h w c"],
        gamma: Float[Array, " b"],
        conditioning: Float[Array, " b"],
    ) -> Float[Array, "b h w c"]:
        cond = TimeEmbedding(self.width, self.gamma_min, self.gamma_max, self.dtype, name="time")(
            gamma, conditioning
        )
        inputs = jnp.concatenate([z, fourier_features(z, self.fourier)], -1)
        h = nn.Conv(self.width, (3, 3), dtype=self.dtype, name="conv_in")(inputs)
        skips = h[None]
        if self.num_layers:
            down = self._scanned(_Down, self.num_layers, nn.broadcast, "down")
            first, (h, deeper) = h, down(h, cond)
            skips = jnp.concatenate([first[None], deeper])
        form = {"dtype": self.dtype, "group_channels": self.group_channels}
        block = lambda name: ResnetBlock(self.width, self.dropout, **form, name=name)
        h = block("mid_block1")(h, cond)
        h = AttentionBlock(**form, name="mid_attn")(h)
        h = block("mid_block2")(h, cond)
        up = self._scanned(_Up, self.num_layers + 1, (0, nn.broadcast), "up")
        h, _ = up(h, skips[::-1], cond)
        h = nn.swish(GroupNorm(**form, name="norm_out")(h))
        out = nn.Conv(
            z.shape[-1],
            (3, 3),
            kernel_init=nn.initializers.zeros,
            dtype=self.dtype,
            name="conv_out",
        )(h)
        return z + out.astype(z.dtype)
