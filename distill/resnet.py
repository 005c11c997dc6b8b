"""Residual networks as embeddings of small images (He et al., arXiv:1512.03385)."""

import functools
from collections.abc import Sequence

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Float

_conv = functools.partial(
    nn.Conv,
    use_bias=False,
    kernel_init=nn.initializers.variance_scaling(2.0, "fan_out", "normal"),
)


class BasicBlock(nn.Module):
    """Two 3 x 3 convolutions and a shortcut."""

    channels: int
    stride: int = 1

    @nn.compact
    def __call__(self, x: Float[Array, "n h w c"], *, train: bool) -> Float[Array, "n h2 w2 c2"]:
        norm = functools.partial(_norm, train=train)
        y = _conv(self.channels, (3, 3), self.stride, padding=1)(x)
        y = _conv(self.channels, (3, 3), padding=1)(nn.relu(norm()(y)))
        return nn.relu(norm()(y) + _shortcut(x, self.channels, self.stride, norm))


class Bottleneck(nn.Module):
    """1 x 1, 3 x 3 and 1 x 1 convolutions, the last to four times the channels, and a shortcut.

    The stride sits on the 3 x 3 convolution, as in the common implementations.
    """

    channels: int
    stride: int = 1

    @nn.compact
    def __call__(self, x: Float[Array, "n h w c"], *, train: bool) -> Float[Array, "n h2 w2 c2"]:
        norm = functools.partial(_norm, train=train)
        y = _conv(self.channels, (1, 1))(x)
        y = _conv(self.channels, (3, 3), self.stride, padding=1)(nn.relu(norm()(y)))
        y = _conv(4 * self.channels, (1, 1))(nn.relu(norm()(y)))
        return nn.relu(norm()(y) + _shortcut(x, 4 * self.channels, self.stride, norm))


class ResNet(nn.Module):
    """An embedding of images (n, h, w, c) in `dim` dimensions.

    The stem is CIFAR's, one 3 x 3 convolution; with `large_images` ImageNet's, 7 x 7 of stride 2
    and a maximum over 3 x 3. Batch statistics are in the collection "batch_stats".
    """

    dim: int
    stage_sizes: Sequence[int]
    block: type[nn.Module] = BasicBlock
    channels: int = 64
    large_images: bool = False

    @nn.compact
    def __call__(
        self, x: Float[ArrayLike, "n h w c"], *, train: bool = False
    ) -> Float[Array, "n m"]:
        y = jnp.asarray(x)
        if self.large_images:
            y = _conv(self.channels, (7, 7), 2, padding=3)(y)
            y = nn.relu(_norm(train=train)(y))
            y = nn.max_pool(y, (3, 3), (2, 2), padding=((1, 1), (1, 1)))  # pyright: ignore[reportArgumentType]
        else:
            y = _conv(self.channels, (3, 3), padding=1)(y)
            y = nn.relu(_norm(train=train)(y))
        for stage, size in enumerate(self.stage_sizes):
            for i in range(size):
                stride = 2 if stage and not i else 1
                y = self.block(self.channels * 2**stage, stride)(y, train=train)
        return nn.Dense(self.dim)(y.mean((1, 2)))


ResNet18 = functools.partial(ResNet, stage_sizes=(2, 2, 2, 2), block=BasicBlock)
ResNet50 = functools.partial(ResNet, stage_sizes=(3, 4, 6, 3), block=Bottleneck)


def _norm(train: bool) -> nn.BatchNorm:
    return nn.BatchNorm(use_running_average=not train, momentum=0.9, epsilon=1e-5)


def _shortcut(x: Float[Array, "n h w c"], channels: int, stride: int, norm):
    if stride == 1 and x.shape[-1] == channels:
        return x
    return norm()(_conv(channels, (1, 1), stride)(x))
