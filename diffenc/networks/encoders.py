"""The encoders' inner networks y(x, γ): U-Nets with pooling, squashed to (-1, 1)."""

import flax.linen as nn
import jax.numpy as jnp
from flax.linen.dtypes import promote_dtype
from jaxtyping import Array, Float

from diffenc.networks import counts
from diffenc.networks.blocks import AttentionBlock, Dtype, GroupNorm, ResnetBlock, TimeEmbedding


def mult_res_levels(height: int, most: int) -> int:
    """Poolings of the `mult_res` encoder: until the side is at most 8, or odd, `most` at most."""
    levels = 1
    while levels < most and height // 2**levels > 8 and height // 2**levels % 2 == 0:
        levels += 1
    return levels


def unet_flops(shape: tuple[int, ...], width: int, levels: int, blocks: int) -> tuple[float, float]:
    """FLOPs of one evaluation of `EncoderUNet`, and those that come before the level enters."""
    height, breadth, channels = shape
    first = counts.conv3((height, breadth), channels, width)
    total = counts.embedding(width) + first + counts.conv3((height, breadth), width, channels)
    widths = [width * 2**level for level in range(levels)]
    for level, wide in enumerate(widths):
        sides = (height // 2**level, breadth // 2**level)
        above, below = widths[max(level - 1, 0)], widths[min(level + 1, levels - 1)]
        total += counts.block(sides, above, wide, 4 * width) + counts.conv1(sides, below, wide)
        total += counts.block(sides, 2 * wide, wide, 4 * width)
        total += 2 * (blocks - 1) * counts.block(sides, wide, wide, 4 * width)
    bottom = (height // 2**levels, breadth // 2**levels)
    total += counts.middle(bottom, widths[-1], 4 * width)
    return total, first + counts.conv3((height, breadth), width, width)


class Upsample(nn.Module):
    """Transposed 2x2 convolution with stride 2. Its patches do not overlap: one matrix product."""

    features: int
    dtype: Dtype = None

    @nn.compact
    def __call__(self, x: Float[Array, "b h w c"]) -> Float[Array, "b h2 w2 f"]:
        batch, height, width, channels = x.shape
        shape = (2, 2, channels, self.features)
        kernel = self.param("kernel", nn.initializers.lecun_normal(), shape)
        bias = self.param("bias", nn.initializers.zeros, (self.features,))
        x, kernel, bias = promote_dtype(x, kernel, bias, dtype=self.dtype)
        # Flipped, as nn.ConvTranspose orders its kernel.
        patches = jnp.einsum("bhwc,ijcf->bhiwjf", x, kernel[::-1, ::-1])
        out = patches.reshape(batch, 2 * height, 2 * width, self.features)
        return out + bias[None, None, None]


class EncoderUNet(nn.Module):
    """y = tanh(U-Net(x; γ)), zero at initialisation.

    `levels` poolings; `blocks` ResNet blocks a level on each arm, level i of width 2^i `width`;
    one skip a level. `mid_groups` bounds the GroupNorm groups of the middle's blocks; `remat`
    recomputes each block in the backward pass.
    """

    width: int
    levels: int
    blocks: int
    channels: int
    gamma_min: float
    gamma_max: float
    dropout: float = 0.0
    mid_groups: int = 32
    dtype: Dtype = None
    remat: bool = False
    group_channels: int = 2

    @nn.compact
    def __call__(
        self,
        x: Float[Array, "b h w c"],
        gamma: Float[Array, " b"],
        conditioning: Float[Array, " b"],
    ) -> Float[Array, "b h w c"]:
        conv = lambda features, name, **kw: nn.Conv(
            features, (3, 3), dtype=self.dtype, name=name, **kw
        )
        resnet_block = nn.remat(ResnetBlock) if self.remat else ResnetBlock
        block = lambda features, name, most=32: resnet_block(
            features,
            self.dropout,
            most,
            self.dtype,
            group_channels=self.group_channels,
            name=name,
        )
        embed = TimeEmbedding(self.width, self.gamma_min, self.gamma_max, self.dtype, name="time")
        cond = embed(gamma, conditioning)
        widths = [self.width * 2**i for i in range(self.levels)]
        h, skips = conv(self.width, "conv_in")(x), []
        for i, wide in enumerate(widths):
            for j in range(self.blocks):
                h = block(wide, f"down{i}_block{j}")(h, cond)
            skips.append(h)
            h = nn.max_pool(h, (2, 2), strides=(2, 2))
        h = block(widths[-1], "mid_block1", self.mid_groups)(h, cond)
        attention = AttentionBlock(
            dtype=self.dtype, group_channels=self.group_channels, name="mid_attn"
        )
        h = attention(h)
        h = block(widths[-1], "mid_block2", self.mid_groups)(h, cond)
        for i, wide in reversed(list(enumerate(widths))):
            up = Upsample(wide, self.dtype, name=f"up{i}_conv")
            h = jnp.concatenate([up(h), skips[i]], -1)
            for j in range(self.blocks):
                h = block(wide, f"up{i}_block{j}")(h, cond)
        h = nn.swish(GroupNorm(16, self.dtype, self.group_channels, name="norm_out")(h))
        y = conv(self.channels, "conv_out", kernel_init=nn.initializers.zeros)(h)
        return jnp.tanh(y.astype(jnp.promote_types(y.dtype, jnp.float32)))
