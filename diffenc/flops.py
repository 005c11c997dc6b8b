"""Model FLOPs of a training example, by hand: what a step must compute, not what it does.

Multiplications and additions of convolutions and matrix products only, without products with zero
padding. Recomputation (remat) does not count, so that a share of peak computed from these figures
("MFU") cannot be raised by wasting work.
"""

from typing import NamedTuple

from diffenc.networks.encoders import mult_res_levels
from diffenc.networks.mlp import LEVEL_FEATURES
from diffenc.options import Options


class ModelFlops(NamedTuple):
    """FLOPs per example; `encoder` is 0 where it has no parameters."""

    score: float  # one evaluation of the score network
    encoder: float  # one evaluation of the encoder network
    training: float  # loss and gradient

    @property
    def sample_step(self) -> float:
        """One step of the sampler, which never evaluates the encoder."""
        return self.score


def model_flops(options: Options, shape: tuple[int, ...]) -> ModelFlops:
    """FLOPs per example of the networks that `options` describe, on data of `shape`.

    A gradient costs twice its forward pass. The score network is evaluated once; the encoder at
    x_1, for one example in `x_0_every` at x_0, and at x_t with its derivative in gamma, which costs
    a second pass from where the level first enters.
    """
    score = _score_mlp(options, shape[0]) if len(shape) == 1 else _score_unet(options, shape)
    if options.encoder in ("identity", "nt"):
        return ModelFlops(score, 0.0, 3 * score)
    if len(shape) == 1:
        encoder, before_level = _encoder_mlp(options, shape[0]), 0.0
    else:
        encoder, before_level = _encoder_unet(options, shape)
    passes = (3 + 1 / options.x_0_every) * encoder - before_level
    return ModelFlops(score, encoder, 3 * (score + passes))


Sides = tuple[int, int]  # height and width of a feature map


def _conv3(sides: Sides, width: int, features: int) -> float:
    # A side of n pixels meets 3 n - 2 kernel taps; the other two fall on the padding.
    return 2.0 * (3 * sides[0] - 2) * (3 * sides[1] - 2) * width * features


def _conv1(sides: Sides, width: int, features: int) -> float:
    return 2.0 * sides[0] * sides[1] * width * features


def _embedding(width: int) -> float:
    return 2.0 * ((width + 1) * 4 * width + (4 * width) ** 2)


def _block(sides: Sides, width: int, features: int, embedding: int) -> float:
    shortcut = _conv1(sides, width, features) if width != features else 0.0
    convolutions = _conv3(sides, width, features) + _conv3(sides, features, features)
    return convolutions + shortcut + 2.0 * embedding * features


def _attention(sides: Sides, width: int) -> float:
    return 4 * _conv1(sides, width, width) + 4.0 * (sides[0] * sides[1]) ** 2 * width


def _middle(sides: Sides, width: int, embedding: int) -> float:
    return 2 * _block(sides, width, width, embedding) + _attention(sides, width)


def _score_unet(options: Options, shape: tuple[int, ...]) -> float:
    sides, channels, width = (shape[0], shape[1]), shape[2], options.width
    inputs = channels * (1 + 2 * len(options.fourier or ()))
    ends = _conv3(sides, inputs, width) + _conv3(sides, width, channels)
    down = options.num_layers * _block(sides, width, width, 4 * width)
    up = (options.num_layers + 1) * _block(sides, 2 * width, width, 4 * width)
    return _embedding(width) + ends + down + _middle(sides, width, 4 * width) + up


def _encoder_unet(options: Options, shape: tuple[int, ...]) -> tuple[float, float]:
    """FLOPs of one evaluation, and those of them that come before the level enters."""
    (height, breadth, channels), width = shape, options.encoder_width
    levels, blocks = options.encoder_layers, 1
    if options.encoder == "mult_res":
        levels = mult_res_levels(height, options.encoder_layers)
        blocks = options.encoder_layers // levels
    first = _conv3((height, breadth), channels, width)
    total = _embedding(width) + first + _conv3((height, breadth), width, channels)
    widths = [width * 2**level for level in range(levels)]
    for level, wide in enumerate(widths):
        sides = (height // 2**level, breadth // 2**level)
        above, below = widths[max(level - 1, 0)], widths[min(level + 1, levels - 1)]
        total += _block(sides, above, wide, 4 * width) + _conv1(sides, below, wide)
        total += _block(sides, 2 * wide, wide, 4 * width)
        total += 2 * (blocks - 1) * _block(sides, wide, wide, 4 * width)
    bottom = (height // 2**levels, breadth // 2**levels)
    total += _middle(bottom, widths[-1], 4 * width)
    return total, first + _conv3((height, breadth), width, width)


def _dense(sizes: list[int]) -> float:
    return sum(2.0 * a * b for a, b in zip(sizes, sizes[1:], strict=False))


def _score_mlp(options: Options, size: int) -> float:
    inputs = size * (1 + 2 * len(options.fourier or ())) + LEVEL_FEATURES
    return _dense([inputs, *[options.width] * options.num_layers, size])


def _encoder_mlp(options: Options, size: int) -> float:
    hidden = [options.encoder_width] * options.encoder_layers
    return _dense([size + LEVEL_FEATURES, *hidden, size])
