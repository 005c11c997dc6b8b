"""The classifiers that a config can name."""

from collections.abc import Callable

import flax.linen as nn
import jax

import distill
from experiments.distill.config import Network
from experiments.runtime.errors import UserError

HEADS = {
    "xavier": nn.initializers.xavier_uniform(),
    "fan_in": distill.fan_in_uniform_rows,
}


def _mlp(spec: Network) -> nn.Module:
    flat = distill.MLP(dim=spec.dim, widths=spec.widths, dropout=spec.dropout)
    return FlatInput(flat)


def _resnet(make: Callable[..., nn.Module]) -> Callable[[Network], nn.Module]:
    def build(spec: Network) -> nn.Module:
        shrunken = {"stage_sizes": (1, 1), "channels": 8} if spec.tiny else {}
        return make(dim=spec.dim, **shrunken)

    return build


EMBEDDINGS: dict[str, Callable[[Network], nn.Module]] = {
    "mlp": _mlp,
    "resnet18": _resnet(distill.ResNet18),
    "resnet50": _resnet(distill.ResNet50),
}


class FlatInput(nn.Module):
    """An embedding of vectors applied to inputs of any shape."""

    embedding: nn.Module

    def __call__(self, x: jax.Array, *, train: bool = False) -> jax.Array:
        return self.embedding(x.reshape(len(x), -1), train=train)


def make_classifier(spec: Network, num_labels: int, num_concepts: int = 0) -> nn.Module:
    """The classifier of a config's `model.teacher` or `model.student`.

    With concepts it has a second head. A dimension that leaves the label unembeddings without
    general position (k < m + 1) is a `UserError`.
    """
    if num_labels < spec.dim + 1:
        raise UserError(
            f"{num_labels} labels cannot determine a representation of {spec.dim} dimensions: "
            f"d_rep needs at least {spec.dim + 1} labels; set model.*.dim to "
            f"{num_labels - 1} or less"
        )
    embedding, head = EMBEDDINGS[spec.embedding](spec), HEADS[spec.head]
    if num_concepts:
        return distill.ConceptModel(embedding, num_labels, num_concepts, head_init=head)
    return distill.Classifier(embedding, num_labels, head_init=head)
