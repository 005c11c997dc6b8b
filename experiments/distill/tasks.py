"""The table of tasks: spiral arms, images with attributes, CIFAR-100, SUB embeddings."""

import pathlib
from collections.abc import Callable

import jax
import numpy as np

from experiments.data.sources import find, load
from experiments.distill.config import Attributes, Cifar100, Data, Spiral, Sub
from experiments.distill.task import SPLIT_SEED, Examples, Task, stratified_split
from experiments.runtime.errors import UserError
from similarity.constructions import spiral

# Radii of the spirals' splits: what a student does not see, as (least, greatest).
UNSEEN = {"interpolation": (4.0, 7.0), "extrapolation": (3.0, 7.0)}
SUB_SHARES = (0.56, 0.14, 0.30)


def spiral_task(data: Spiral) -> Task:
    """28 arms of seven labels, half to train and a quarter to test on; the concept is the arm.

    Split "interpolation" hides radii between 4 and 7 from students, "extrapolation" all others
    than those between 3 and 7. Teachers always see everything.
    """
    points, labels = spiral(jax.random.key(data.seed), data.per_arm)
    points, labels = np.asarray(points), np.asarray(labels)
    arms = np.repeat(np.arange(28, dtype=np.int32), data.per_arm)
    train, _, test = stratified_split(labels, (0.5, 0.25, 0.25), SPLIT_SEED)
    everything = Examples(points, labels, arms)
    hidden = _hidden(np.linalg.norm(points, axis=1), data.split)
    return Task(
        name="spiral",
        train=everything.at(train),
        test=everything.at(test),
        label_names=tuple(str(y) for y in range(7)),
        concept_names=tuple(f"arm {b}" for b in range(28)),
        distilled=None if hidden is None else np.flatnonzero(~hidden[train]),
        unseen=None if hidden is None else hidden[test],
    )


def _hidden(radius: np.ndarray, split: str) -> np.ndarray | None:
    if split == "standard":
        return None
    low, high = UNSEEN[split]
    between = (radius > low) & (radius < high)
    return between if split == "interpolation" else ~between


def _inverted(codes: np.ndarray, levels: int) -> np.ndarray:
    return levels - 1 - codes


def _framed(codes: np.ndarray, levels: int) -> np.ndarray:
    framed = np.full_like(codes, levels - 1)
    framed[:, 1:-1, 1:-1] = codes[:, 1:-1, 1:-1]
    return framed


def _bold(codes: np.ndarray, levels: int) -> np.ndarray:
    """Strokes one pixel wider on every side: the greatest of the 3×3 pixels around each."""
    del levels
    padded = np.pad(codes, ((0, 0), (1, 1), (1, 1), (0, 0)))
    height, width = codes.shape[1:3]
    shifts = [padded[:, i : i + height, j : j + width] for i in range(3) for j in range(3)]
    return np.maximum.reduce(shifts)


ATTRIBUTES: dict[str, Callable[[np.ndarray, int], np.ndarray]] = {
    "plain": lambda codes, levels: codes,
    "rotated": lambda codes, levels: np.rot90(codes, axes=(1, 2)),
    "inverted": _inverted,
    "framed": _framed,
    "bold": _bold,
}


def attributes_task(data: Attributes) -> Task:
    """Images with one of five attributes: label the class, concept the attribute.

    Every image appears once with each attribute, and all its forms fall into the same split.
    Teachers learn both heads; students see the logits of the label alone.
    """
    found = find(data.source)
    found.check(data.source, {"size": data.size}, {"size": Attributes.size})
    size = {"size": data.size} if "size" in found.options else {}
    source = load(data.source, path=data.path, smoke=data.smoke, **size)
    parts = [split.take(np.arange(split.size)) for split in (source.train, source.test)]
    codes, label = (np.concatenate([p[name] for p in parts]) for name in ("codes", "label"))
    train, _, test = stratified_split(label, SUB_SHARES, SPLIT_SEED)

    def attributed(images: np.ndarray) -> Examples:
        forms = [make(codes[images], source.levels) for make in ATTRIBUTES.values()]
        concept = np.repeat(np.arange(len(forms), dtype=np.int32), len(images))
        return Examples(np.concatenate(forms), np.tile(label[images], len(forms)), concept)

    return Task(
        name=f"attributes-{source.name}",
        train=attributed(train),
        test=attributed(test),
        label_names=tuple(str(y) for y in range(source.num_classes)),
        concept_names=tuple(ATTRIBUTES),
        teach_concept=True,
        scale=1 / (source.levels - 1),
    )


def cifar100_task(data: Cifar100) -> Task:
    """CIFAR-100 from a TFDS folder, in [0, 1] and not augmented, as published."""
    source = load("cifar100", path=data.path, smoke=data.smoke)
    splits = [split.take(np.arange(split.size)) for split in (source.train, source.test)]
    # A smoke run has too few random images for a hundred classes.
    num_labels = 6 if data.smoke else source.num_classes
    train, test = (Examples(s["codes"], s["label"] % num_labels) for s in splits)
    names = tuple(str(y) for y in range(num_labels))
    return Task(source.name, train, test, names, scale=1 / (source.levels - 1))


def sub_task(data: Sub) -> Task:
    """SUB: bird classes with substituted attributes, as embeddings of a vision model.

    `data.path` is an .npz file with `features` [n, d], `label` [n] and `attribute` [n].
    """
    if data.smoke:
        rng = np.random.default_rng(0)
        label, concept = np.arange(240) % 6, np.arange(240) // 6 % 4
        arrays = {"features": rng.normal(size=(240, 16)), "label": label, "attribute": concept}
    else:
        arrays = _read_embeddings(data.path)
    concept = arrays["attribute"].astype(np.int32)
    everything = Examples(
        arrays["features"].astype(np.float32), arrays["label"].astype(np.int32), concept
    )
    train, _, test = stratified_split(everything.label, SUB_SHARES, SPLIT_SEED)
    return Task(
        name="sub",
        train=everything.at(train),
        test=everything.at(test),
        label_names=tuple(str(y) for y in range(everything.label.max() + 1)),
        concept_names=tuple(str(c) for c in range(concept.max() + 1)),
        teach_concept=True,
    )


def _read_embeddings(path: str) -> dict[str, np.ndarray]:
    how = (
        "data.path must name an .npz file with features (n, d), label (n,) and attribute (n,): "
        "SUB's images embedded by DINOv2-base, the class token"
    )
    file = pathlib.Path(path)
    if not path or not file.is_file():
        raise UserError(f"sub: data.path={path!r} is not a file. {how}")
    try:
        with np.load(file, allow_pickle=False) as stored:
            arrays = {name: stored[name] for name in ("features", "label", "attribute")}
    except (KeyError, OSError, ValueError) as error:
        raise UserError(f"sub: {file} cannot be read: {error}. {how}") from error
    n = len(arrays["features"])
    if arrays["features"].ndim != 2 or any(
        arrays[name].shape != (n,) for name in ("label", "attribute")
    ):
        shapes = {name: array.shape for name, array in arrays.items()}
        raise UserError(f"sub: {file} holds shapes {shapes}. {how}")
    return arrays


def make_task(data: Data) -> Task:
    """The task of a config's `data`."""
    match data:
        case Spiral():
            return spiral_task(data)
        case Attributes():
            return attributes_task(data)
        case Cifar100():
            return cifar100_task(data)
        case Sub():
            return sub_task(data)
