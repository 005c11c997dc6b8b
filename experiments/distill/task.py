"""What a distillation run is about: inputs, labels, perhaps a concept beside the label, splits."""

import dataclasses
import functools
from collections.abc import Sequence

import numpy as np

from experiments.data.source import digest_arrays
from experiments.runtime.errors import UserError

SPLIT_SEED = 42  # the published code's random_state, of splits and of probes alike


@dataclasses.dataclass(frozen=True)
class Examples:
    """Inputs `x` [n, ...] of any real dtype, labels [n], and concepts [n] or None."""

    x: np.ndarray
    label: np.ndarray
    concept: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.label)

    def at(self, indices: np.ndarray) -> "Examples":
        concept = None if self.concept is None else self.concept[indices]
        return Examples(self.x[indices], self.label[indices], concept)


@dataclasses.dataclass(frozen=True)
class Task:
    """Training and test examples; networks see `x * scale`.

    `distilled` are the training examples that students see, all unless a split leaves some out,
    and `unseen` marks the test examples of the kind left out. A concept that the teacher is
    trained on has `teach_concept`; otherwise it is only probed.
    """

    name: str
    train: Examples
    test: Examples
    label_names: tuple[str, ...]
    concept_names: tuple[str, ...] = ()
    teach_concept: bool = False
    scale: float = 1.0
    distilled: np.ndarray | None = None
    unseen: np.ndarray | None = None

    @functools.cached_property
    def sha256(self) -> str:
        """Digest of inputs and labels of both splits."""
        return digest_arrays(a for e in (self.train, self.test) for a in (e.x, e.label))

    def facts(self) -> dict[str, object]:
        """What goes into a run's manifest."""
        return {
            "name": self.name,
            "example_shape": list(self.train.x.shape[1:]),
            "train_size": len(self.train),
            "distilled_size": len(self.train) if self.distilled is None else len(self.distilled),
            "test_size": len(self.test),
            "labels": list(self.label_names),
            "concepts": list(self.concept_names),
            "sha256": self.sha256,
        }


def stratified_split(strata: np.ndarray, shares: Sequence[float], seed: int) -> list[np.ndarray]:
    """Disjoint index sets, sorted, with the given shares of each stratum; the last takes the rest.

    Every example falls into exactly one set.
    """
    rng = np.random.default_rng(seed)
    parts: list[list[np.ndarray]] = [[] for _ in shares]
    for stratum in np.unique(strata):
        members = rng.permutation(np.flatnonzero(strata == stratum))
        cuts = np.round(np.cumsum(shares[:-1]) * len(members)).astype(int)
        for part, piece in zip(parts, np.split(members, cuts), strict=True):
            part.append(piece)
    return [np.sort(np.concatenate(part)) for part in parts]


def probe_halves(task: Task) -> tuple[np.ndarray, np.ndarray]:
    """Test examples a probe is fitted on, and those it is scored on: halves of each concept."""
    assert task.test.concept is not None
    fitted, scored = stratified_split(task.test.concept, (0.5, 0.5), SPLIT_SEED)
    return fitted, scored


def check_task(task: Task) -> None:
    """Raises `UserError` for a label without training or test examples, or a concept without
    examples in either half of the probes' split."""
    splits = [("training split", task.train.label), ("test split", task.test.label)]
    if task.distilled is not None:
        splits.append(("students' training split", task.train.label[task.distilled]))
    for what, labels in splits:
        _check_counts(task, "label", task.label_names, labels, what)
    if task.test.concept is None:
        return
    for what, half in zip(("fitting", "scoring"), probe_halves(task), strict=True):
        where = f"half of the test split for {what} probes"
        _check_counts(task, "concept", task.concept_names, task.test.concept[half], where)


def _check_counts(
    task: Task, kind: str, names: tuple[str, ...], values: np.ndarray, where: str
) -> None:
    low, high = (int(values.min()), int(values.max())) if len(values) else (0, -1)
    if low < 0 or high >= len(names):
        raise UserError(
            f"{task.name}: a {kind} of the {where} is {low if low < 0 else high}; there are "
            f"{len(names)} {kind}s, numbered from 0"
        )
    counts = np.bincount(values, minlength=len(names))
    empty = [name for name, count in zip(names, counts, strict=True) if not count]
    if empty:
        listed = ", ".join(empty[:10])
        raise UserError(
            f"{task.name}: no example of {kind} {listed} in the {where}; use more examples or "
            f"drop the {kind} from the data"
        )
