"""The options of `build`, and what may be said of them."""

import dataclasses
import numbers
from typing import Literal, get_args

from diffenc import checks
from diffenc.encoder import ENCODERS, Fixed, Identity, Trainable
from diffenc.prediction import PREDICTIONS, Prediction, V
from diffenc.process import COUNTERTERMS
from diffenc.schedules import SCHEDULES, Interior, Monotone, Schedule
from diffenc.volatility import VOLATILITIES

StepVariance = Literal["posterior", "learned"]
DtypeWord = Literal["float32", "bfloat16"]


@dataclasses.dataclass(frozen=True)
class Options:
    """Everything that `build` accepts besides name, shape and levels.

    Defaults are the published hyper-parameters; a model's name overrides some of them, and the
    caller's options override both. `None` means: follow from the rest, as said beside the field.
    Encoders, predictions and schedules are objects, or the short names of `diffenc.encoder`,
    `diffenc.prediction` and `diffenc.schedules`; those of a built model are objects.
    """

    gamma_min: float | None = None  # -13.3 at 256 levels; else the same noise in units of a bin
    gamma_max: float = 5.0
    schedule: str | Schedule = "fixed"  # an object has ends of its own
    learn_endpoints: bool = False  # of the monotone schedule
    interior: Interior = "variance"  # what the monotone schedule's minimises
    parametrisation: str | Prediction = V
    encoder: str | Fixed | Trainable = Identity()
    counterterm: str | None = None  # of diffenc.process.COUNTERTERMS; on exactly with an encoder
    volatility: str = "published"  # of diffenc.volatility.VOLATILITIES
    depth: int | None = None  # T of the bound and of the sampler; None: continuous time
    step_variance: StepVariance = "posterior"  # of the generative steps at depth
    num_classes: int | None = None  # None: unconditional
    width: int = 128
    num_layers: int = 8
    encoder_width: int | None = None  # of the name's encoder, or one given by its name, then 64
    encoder_layers: int | None = None  # its levels, blocks or layers; 2 for one given by its name
    dropout: float = 0.1
    x_0_every: int = 8  # with dropout_key, x_0 is encoded for one example in so many; 1 is exact
    fourier: tuple[int, ...] | None = None  # n of 2^n pi z; (7, 8) at 256 levels, by bin width
    dtype: DtypeWord = "float32"  # of activations; the ELBO is float32
    remat: bool = False  # recompute each block of both U-Nets in the backward pass
    unroll: bool | None = None  # write the score network's scans out: on a CPU, up to 8 layers
    group_channels: Literal[1, 2] = 2  # fewest in a group of GroupNorm; 1, published: at width 32


_KINDS = {
    "schedule": (SCHEDULES, Schedule),
    "parametrisation": (PREDICTIONS, Prediction),
    "encoder": (ENCODERS, Fixed | Trainable),
}
_FLAGS = "learn_endpoints", "remat", "unroll"
_REAL = "gamma_min", "gamma_max", "dropout"
_WHOLE = (
    "width",
    "num_layers",
    "encoder_width",
    "encoder_layers",
    "num_classes",
    "depth",
    "x_0_every",
)
# Options that follow from the rest where they are None.
_UNSET = tuple(f.name for f in dataclasses.fields(Options) if f.default is None)


def check_kinds(options: Options) -> None:
    """ValueError where an option is of another kind than said, or none of its words."""
    words = {
        "interior": Interior,
        "step_variance": StepVariance,
        "dtype": DtypeWord,
        "group_channels": Literal[1, 2],
    }
    accepted = {field: get_args(word) for field, word in words.items()}
    accepted |= {"counterterm": (*COUNTERTERMS, None), "volatility": tuple(VOLATILITIES)}
    accepted |= {f: tuple(names) for f, (names, kind) in _KINDS.items() if _is_word(options, f)}
    for field, choices in accepted.items():
        given = getattr(options, field)
        if given not in choices:
            listed = ", ".join(map(repr, choices))
            raise ValueError(f"{field}={given!r} is not one of {listed}")
    given = {f.name: getattr(options, f.name) for f in dataclasses.fields(options)}
    given = {f: value for f, value in given.items() if value is not None or f not in _UNSET}
    for field in filter(given.__contains__, _FLAGS):
        if not isinstance(given[field], bool):
            raise ValueError(f"{field}={given[field]!r} must be True or False")
    for field in filter(given.__contains__, _REAL):
        if not isinstance(given[field], numbers.Real) or isinstance(given[field], bool):
            raise ValueError(f"{field}={given[field]!r} must be a number")
    for field in filter(given.__contains__, _WHOLE):
        if given[field] is None:
            raise ValueError(f"{field}=None must be a whole number; leave it out for the model's")
        checks.integer(field, given[field])


def _is_word(options: Options, field: str) -> bool:
    given = getattr(options, field)
    if isinstance(given, type):  # its methods would be missing their first argument
        raise ValueError(
            f"{field}={given.__name__} is a class; pass a value of it, as {given.__name__}(...)"
        )
    return not isinstance(given, _KINDS[field][1])


def check_values(options: Options, levels: int) -> None:
    """ValueError where a number is out of its range, or excluded by another option."""
    if levels < 2:
        raise ValueError(f"levels={levels}: at least two grey levels are needed")
    _check_depth(options)
    for field in ("width", "encoder_width"):
        value = getattr(options, field)
        if value is not None and (value < 2 or value % 2):
            raise ValueError(f"{field}={value} must be even and at least 2")
    if options.num_layers < 0 or (
        options.encoder_layers is not None and options.encoder_layers < 1
    ):
        raise ValueError(
            f"num_layers={options.num_layers} and encoder_layers={options.encoder_layers} must be "
            "at least 0 and 1"
        )
    if not 0 <= options.dropout < 1:
        raise ValueError(f"dropout={options.dropout} must be in [0, 1)")
    if options.x_0_every < 1:
        raise ValueError(f"x_0_every={options.x_0_every} must be at least 1")
    if options.num_classes is not None and options.num_classes < 1:
        raise ValueError(f"num_classes={options.num_classes} must be at least 1, or None")


def _check_depth(options: Options) -> None:
    if options.depth is None:
        if options.step_variance != "posterior":
            raise ValueError(
                f"step_variance={options.step_variance!r} needs a finite depth: in continuous time "
                "only the posterior's variance gives a finite bound; set depth to a number of steps"
            )
        return
    if options.depth < 1:
        raise ValueError(f"depth={options.depth} must be at least 1, or None for continuous time")
    if isinstance(options.schedule, Monotone) and options.schedule.interior == "variance":
        raise ValueError(
            f"depth={options.depth} with schedule='monotone': at finite depth the bound itself "
            "depends on the schedule; set interior='elbo'"
        )
