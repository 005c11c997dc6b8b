"""The encoders' inner networks y(x, gamma): U-Nets with pooling, squashed to (-1, 1)."""

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float

from diffenc.networks.blocks import AttentionBlock, Dtype, ResnetBlock, TimeEmbedding, norm


def mult_res_levels(height: int, most: int) -> int:
    """Poolings of the `mult_res` encoder: until the side is at most 8, or odd, `most` at most."""
    levels = 1
    while levels < most and height // 2**levels > 8 and height // 2**levels % 2 == 0:
        levels += 1
    return levels


class EncoderUNet(nn.Module):
    """y = tanh(U-Net(x; gamma)), zero at initialisation.

    `levels` poolings; `blocks` ResNet blocks a level on each arm, level i of width 2^i `width`;
    one skip a level. `mid_groups` bounds the GroupNorm groups of the middle's blocks. `stem` is the
    part that does not depend on gamma, `body` the rest.
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

    def setup(self):
        wide = [self.width * 2**i for i in range(self.levels)]
        block = lambda w, most=32: ResnetBlock(w, self.dropout, most, self.dtype)
        arm = lambda: [[block(w) for _ in range(self.blocks)] for w in wide]
        self.time = TimeEmbedding(self.width, self.gamma_min, self.gamma_max, self.dtype)
        self.conv_in = nn.Conv(self.width, (3, 3), dtype=self.dtype)
        self.down, self.up = arm(), arm()
        self.mid_block1 = block(wide[-1], self.mid_groups)
        self.mid_attn = AttentionBlock(dtype=self.dtype)
        self.mid_block2 = block(wide[-1], self.mid_groups)
        self.conv_trans = [
            nn.ConvTranspose(w, (2, 2), strides=(2, 2), dtype=self.dtype) for w in wide
        ]
        self.norm_out = norm(self.width, 16, dtype=self.dtype)
        self.conv_out = nn.Conv(
            self.channels, (3, 3), kernel_init=nn.initializers.zeros, dtype=self.dtype
        )

    def stem(self, x: Float[Array, "b h w c"]) -> tuple[Array, Array]:
        """The first convolution's output and the first block's, up to its conditioning."""
        h = self.conv_in(x)
        return h, self.down[0][0].before(h)

    def body(
        self,
        stem: tuple[Array, Array],
        gamma: Float[Array, " b"],
        conditioning: Float[Array, " b"],
    ) -> Float[Array, "b h w c"]:
        cond = self.time(gamma, conditioning)
        h = self.down[0][0].after(*stem, cond)
        skips = []
        for i, blocks in enumerate(self.down):
            for block in blocks[1:] if i == 0 else blocks:
                h = block(h, cond)
            skips.append(h)
            h = nn.max_pool(h, (2, 2), strides=(2, 2))
        h = self.mid_block2(self.mid_attn(self.mid_block1(h, cond)), cond)
        for i in reversed(range(self.levels)):
            h = jnp.concatenate([self.conv_trans[i](h), skips[i]], -1)
            for block in self.up[i]:
                h = block(h, cond)
        y = self.conv_out(nn.swish(self.norm_out(h)))
        return jnp.tanh(y.astype(jnp.promote_types(y.dtype, jnp.float32)))

    def __call__(
        self,
        x: Float[Array, "b h w c"],
        gamma: Float[Array, " b"],
        conditioning: Float[Array, " b"],
    ) -> Float[Array, "b h w c"]:
        return self.body(self.stem(x), gamma, conditioning)
