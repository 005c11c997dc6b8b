"""Classifiers p(y|x) ∝ exp(f(x)·g(y)) with learned f and g, as in arXiv:2506.03784."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

import distill
from experiments.closeness.config import Model
from experiments.runtime.errors import UserError


def _fan_in_uniform(key: jax.Array, shape: Sequence[int], dtype: Any = jnp.float32) -> jax.Array:
    """PyTorch's default for a linear layer's weight: U(±1/√inputs)."""
    return jax.random.uniform(key, shape, dtype, -(shape[0] ** -0.5), shape[0] ** -0.5)


class SmallMLP(nn.Module):
    """Dense layers with leaky ReLU (slope 0.01), the last without bias, initialised as PyTorch's.

    With `length` the output is scaled to that length.
    """

    dim: int
    widths: Sequence[int]
    length: float = 0.0

    @nn.compact
    def __call__(self, x: jax.Array, *, train: bool = False) -> jax.Array:
        del train
        for width in self.widths:
            bound = x.shape[-1] ** -0.5
            bias = nn.initializers.uniform(2 * bound)
            dense = nn.Dense(
                width,
                kernel_init=_fan_in_uniform,
                bias_init=lambda *args: bias(*args) - bound,
            )
            x = nn.leaky_relu(dense(x))
        x = nn.Dense(self.dim, use_bias=False, kernel_init=_fan_in_uniform)(x)
        if self.length:
            x = self.length * x / (jnp.linalg.norm(x, axis=-1, keepdims=True) + 1e-8)
        return x


class TwoSided(nn.Module):
    """Embeddings of inputs and unembeddings of labels, both learned: outputs (f, f gᵀ).

    Labels reach g as one-hot vectors without their last entry, as published. Inputs are taken
    from [0, 1] to [-1, 1] when `images`.
    """

    embedding: nn.Module
    unembedding: nn.Module
    num_labels: int
    images: bool = False

    def __call__(self, x: jax.Array, *, train: bool = False) -> tuple[jax.Array, jax.Array]:
        f = self.embedding(2 * x - 1 if self.images else x, train=train)
        return f, f @ self.unembeddings().T

    def unembeddings(self) -> jax.Array:
        """g(y) for every label."""
        return self.unembedding(jnp.eye(self.num_labels)[:, :-1])


def _mlp(spec: Model, width: int) -> nn.Module:
    return SmallMLP(spec.dim, (width,) * spec.depth, spec.f_length)


def _resnet18(spec: Model, width: int) -> nn.Module:
    sizes = (1, 1) if width < 64 else (2, 2, 2, 2)  # a smoke run's, and those of ResNet-18
    return distill.ResNet18(dim=spec.dim, channels=width, stage_sizes=sizes)


EMBEDDINGS: dict[str, Callable[[Model, int], nn.Module]] = {
    "mlp": _mlp,
    "resnet18": _resnet18,
}


def make_model(spec: Model, width: int, num_labels: int, *, images: bool) -> TwoSided:
    """The classifier of a config's `model` at one width. Unknown names are a `UserError`."""
    if num_labels < spec.dim + 2:
        raise UserError(
            f"{num_labels} labels and model.dim={spec.dim}: d_LLV leaves one label out and "
            f"needs {spec.dim + 2}; lower model.dim or take more labels"
        )
    g_width = spec.g_width or width
    unembedding = SmallMLP(spec.dim, (g_width,) * spec.depth, spec.g_length)
    embedding = EMBEDDINGS[spec.embedding](spec, width)
    return TwoSided(embedding, unembedding, num_labels, images)


def steps_per_epoch(num_examples: int, batch_size: int) -> int:
    """Batches of an epoch, the last one filled up."""
    return math.ceil(num_examples / batch_size)
