"""Model FLOPs of a training example, by hand: what a step must compute, not what it does.

Recomputation (remat) does not count, so that a share of peak computed from these figures ("MFU")
cannot be raised by wasting work.
"""

from typing import NamedTuple

from diffenc.encoder import Trainable
from diffenc.networks import counts
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
    """FLOPs per example of the networks of a built model's `options`, on data of `shape`.

    A gradient costs twice its forward pass. The score network is evaluated once; the encoder at
    x_1, for one example in `x_0_every` at x_0, and at x_t with its derivative in γ, which costs a
    second pass from where the level first enters.
    """
    score = _score_mlp(options, shape[0]) if len(shape) == 1 else _score_unet(options, shape)
    if not isinstance(options.encoder, Trainable):
        return ModelFlops(score, 0.0, 3 * score)
    encoder, before_level = options.encoder.flops(shape)
    passes = (3 + 1 / options.x_0_every) * encoder - before_level
    return ModelFlops(score, encoder, 3 * (score + passes))


def _score_unet(options: Options, shape: tuple[int, ...]) -> float:
    sides, channels, width = (shape[0], shape[1]), shape[2], options.width
    inputs = channels * (1 + 2 * len(options.fourier or ()))
    ends = counts.conv3(sides, inputs, width) + counts.conv3(sides, width, channels)
    down = options.num_layers * counts.block(sides, width, width, 4 * width)
    up = (options.num_layers + 1) * counts.block(sides, 2 * width, width, 4 * width)
    middle = counts.middle(sides, width, 4 * width)
    return counts.embedding(width) + ends + down + middle + up


def _score_mlp(options: Options, size: int) -> float:
    inputs = size * (1 + 2 * len(options.fourier or ())) + LEVEL_FEATURES
    return counts.dense([inputs, *[options.width] * options.num_layers, size])
