"""Embedding/unembedding classifiers: logits are f(x) gᵀ, without a bias."""

from collections.abc import Callable, Sequence

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Float

Initializer = Callable[..., Array]

# PyTorch's default for a linear layer, U(-1, 1) / sqrt(fan_in), which the published models keep.
fan_in_uniform: Initializer = nn.initializers.variance_scaling(1 / 3, "fan_in", "uniform")
# The same for an unembedding, whose rows are labels.
fan_in_uniform_rows: Initializer = nn.initializers.variance_scaling(
    1 / 3, "fan_in", "uniform", in_axis=-1, out_axis=-2
)


class MLP(nn.Module):
    """An embedding: linear layers with ReLU and dropout between them, last to `dim`."""

    dim: int
    widths: Sequence[int] = (512, 512, 512)
    dropout: float = 0.1

    @nn.compact
    def __call__(self, x: Float[ArrayLike, "n d"], *, train: bool = False) -> Float[Array, "n m"]:
        x = jnp.asarray(x)
        for width in self.widths:
            x = nn.relu(self._linear(x, width))
            x = nn.Dropout(self.dropout, deterministic=not train)(x)
        return self._linear(x, self.dim)

    def _linear(self, x: Float[Array, "n d"], width: int) -> Float[Array, "n w"]:
        bound = x.shape[-1] ** -0.5
        bias_init = lambda key, shape, dtype: jax.random.uniform(key, shape, dtype, -bound, bound)
        return nn.Dense(width, kernel_init=fan_in_uniform, bias_init=bias_init)(x)


class Classifier(nn.Module):
    """p(y|x) = softmax_y f(x)·g(y): any embedding module and a linear head without bias.

    Returns (f, label_logits). The unembedding g is the parameter "unembedding", a row a label.
    The default head is xavier-uniform, the published students'; their teachers' is
    `fan_in_uniform_rows`.
    """

    embedding: nn.Module
    num_labels: int
    head_init: Initializer = nn.initializers.xavier_uniform()

    @nn.compact
    def __call__(
        self, x: Float[ArrayLike, "n ..."], *, train: bool = False
    ) -> tuple[Float[Array, "n m"], Float[Array, "n k"]]:
        f = self.embedding(x, train=train)
        return f, f @ self.param("unembedding", self.head_init, (self.num_labels, f.shape[1])).T


class ConceptModel(nn.Module):
    """A classifier with a second head of the same kind, for a concept beside the label.

    Returns (f, label_logits, concept_logits); parameters "unembedding", "concept_unembedding".
    """

    embedding: nn.Module
    num_labels: int
    num_concepts: int
    head_init: Initializer = nn.initializers.xavier_uniform()

    @nn.compact
    def __call__(
        self, x: Float[ArrayLike, "n ..."], *, train: bool = False
    ) -> tuple[Float[Array, "n m"], Float[Array, "n k"], Float[Array, "n c"]]:
        f = self.embedding(x, train=train)
        g = self.param("unembedding", self.head_init, (self.num_labels, f.shape[1]))
        w = self.param("concept_unembedding", self.head_init, (self.num_concepts, f.shape[1]))
        return f, f @ g.T, f @ w.T
