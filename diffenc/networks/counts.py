"""FLOPs of layers, by hand: multiplications and additions of matrix products and convolutions.

Without products with zero padding.
"""

from collections.abc import Sequence

Sides = tuple[int, int]  # height and width of a feature map


def conv3(sides: Sides, width: int, features: int) -> float:
    """A 3x3 convolution."""
    # A side of n pixels meets 3 n - 2 kernel taps; the other two fall on the padding.
    return 2.0 * (3 * sides[0] - 2) * (3 * sides[1] - 2) * width * features


def conv1(sides: Sides, width: int, features: int) -> float:
    """A product at every pixel."""
    return 2.0 * sides[0] * sides[1] * width * features


def dense(sizes: Sequence[int]) -> float:
    """A multilayer perceptron with layers of these sizes, the input first."""
    return sum(2.0 * a * b for a, b in zip(sizes, sizes[1:], strict=False))


def embedding(width: int) -> float:
    """`blocks.TimeEmbedding`."""
    return dense([width + 1, 4 * width, 4 * width])


def block(sides: Sides, width: int, features: int, embedding: int) -> float:
    """`blocks.ResnetBlock`, with a conditioning vector of size `embedding`."""
    shortcut = conv1(sides, width, features) if width != features else 0.0
    convolutions = conv3(sides, width, features) + conv3(sides, features, features)
    return convolutions + shortcut + 2.0 * embedding * features


def middle(sides: Sides, width: int, embedding: int) -> float:
    """Two blocks around `blocks.AttentionBlock`."""
    attention = 4 * conv1(sides, width, width) + 4.0 * (sides[0] * sides[1]) ** 2 * width
    return 2 * block(sides, width, width, embedding) + attention
