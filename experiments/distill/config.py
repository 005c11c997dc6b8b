"""The keys of a distillation config, and its smoke form."""

from dataclasses import dataclass, replace
from typing import Annotated, Literal

from ml_collections import ConfigDict

from experiments.runtime.cli import split_arg
from experiments.runtime.ranges import (
    Count,
    Dropout,
    Few,
    NotNegative,
    Path,
    Positive,
    Real,
    Seed,
    Several,
    Share,
    Size,
    SizeOr0,
    Text,
    Unused,
    Words,
)
from experiments.runtime.settings import as_flags

OBJECTIVES = ("kl", "l1", "l2")


@dataclass(frozen=True, kw_only=True)
class Spiral:
    """28 spiral arms of seven labels; `split` hides radii from students."""

    name: Literal["spiral"] = "spiral"
    path: Annotated[str, Unused("", "the arms of spirals are drawn, not read")] = ""
    smoke: bool = False
    seed: Seed = 0
    per_arm: Size = 1000
    split: Literal["standard", "interpolation", "extrapolation"] = "standard"


@dataclass(frozen=True, kw_only=True)
class Attributes:
    """Images of `source` with one of five attributes; `size` is that of fashion_mnist."""

    name: Literal["attributes"] = "attributes"
    path: Path = ""
    smoke: bool = False
    source: Annotated[str, Text("a data set's name", needed=True)] = "digits"
    size: Positive = 14


@dataclass(frozen=True, kw_only=True)
class Cifar100:
    """CIFAR-100 from the TFDS folder `path`."""

    name: Literal["cifar100"] = "cifar100"
    path: Path = ""
    smoke: bool = False


@dataclass(frozen=True, kw_only=True)
class Sub:
    """SUB: `path` is an .npz file with `features` [n, d], `label` [n] and `attribute` [n]."""

    name: Literal["sub"] = "sub"
    path: Path = ""
    smoke: bool = False


Data = Spiral | Attributes | Cifar100 | Sub


@dataclass(frozen=True, kw_only=True)
class Network:
    """A classifier: its embedding, and how its head starts."""

    embedding: Literal["mlp", "resnet18", "resnet50"]
    dim: Positive
    widths: Annotated[tuple[Size, ...], Several(0, repeated=True)] = (512,)
    dropout: Dropout = 0.1
    head: Literal["xavier", "fan_in"] = "xavier"
    tiny: bool = False


@dataclass(frozen=True, kw_only=True)
class Models:
    """The networks of a run."""

    teacher: Network
    student: Network


@dataclass(frozen=True, kw_only=True)
class Training:
    """How teachers or students are trained; Adam, as published."""

    num: Few = 5
    epochs: Positive
    learning_rate: NotNegative
    batch_size: Positive
    gamma: Annotated[float, Real(0, 1, "(]")] = 0.995
    held_epochs: Count


@dataclass(frozen=True, kw_only=True)
class Teachers(Training):
    """`run` is the --workdir of a run whose teachers to use instead of training some."""

    run: Path = ""


@dataclass(frozen=True, kw_only=True)
class Students(Training):
    """`num` students for each teacher.

    `start_from` is the --workdir of a run whose students, of the same objective, to continue;
    with loss.label_weight=1 this is finetuning on labels.
    """

    start_from: Path = ""


@dataclass(frozen=True, kw_only=True)
class Loss:
    """Options of the objectives."""

    temperature: Annotated[float, Real(1e-6, 1000, "[]")] = 1.0
    centre: bool = False
    label_weight: Share = 0.0


@dataclass(frozen=True, kw_only=True)
class Eval:
    """When measures are taken, and over how many label sets; 0 for all."""

    every: Positive = 10
    num_sets: SizeOr0 = 0
    seed: Seed = 0


@dataclass(frozen=True, kw_only=True)
class Config:
    """A run: teachers, and students by each objective."""

    seed: Seed = 0
    objectives: Annotated[tuple[Annotated[str, Words(OBJECTIVES)], ...], Several()] = OBJECTIVES
    data: Data
    model: Models
    teacher: Teachers
    student: Students
    loss: Loss = Loss()
    eval: Eval = Eval()
    log_every: Count = 10
    save_every: Count = 50
    together: Count = 0  # models computed at once; 0: one on CPU, all elsewhere


def distill_config(arg: str, config: Config) -> ConfigDict:
    """`config` as the argument changes it: an objective or "all", perhaps ":smoke" after it."""
    objective, smoke = split_arg(arg, models=(*OBJECTIVES, "all"), default="all")
    if objective != "all":
        config = replace(config, objectives=(objective,))
    return as_flags(_smoke(config) if smoke else config)


def _smoke(config: Config) -> Config:
    """A run of seconds that still logs, measures and saves."""
    data = replace(config.data, smoke=True)
    teacher, student = config.model.teacher, config.model.student
    tiny = lambda network, dim: replace(network, dim=dim, widths=(16,), tiny=True)
    return replace(
        config,
        data=replace(data, per_arm=20) if isinstance(data, Spiral) else data,
        model=Models(
            teacher=tiny(teacher, 2), student=tiny(student, 1 if student.dim < teacher.dim else 2)
        ),
        teacher=replace(config.teacher, num=2, epochs=2, batch_size=64, held_epochs=0),
        student=replace(config.student, num=2, epochs=2, batch_size=64, held_epochs=0),
        eval=replace(config.eval, every=1, num_sets=20),
        log_every=1,
        save_every=1,
    )
