"""Named models and their options: the published sizes, and small ones for a laptop."""

import dataclasses
import difflib
import math
from typing import Any, Literal

# Half a grey level's bin in standard deviations of the decoder's noise, at the published end point
# gamma_min = -13.3 for 256 levels.
HALF_BIN_IN_STDS = 3.0187


@dataclasses.dataclass(frozen=True)
class Options:
    """Everything that `build` accepts besides name, shape and levels.

    Defaults are the published hyper-parameters; a model's name overrides some of them, and the
    caller's options override both. `None` means: follow from the rest, as said beside the field.
    """

    gamma_min: float | None = None  # -13.3 at 256 levels; else the same noise in units of a bin
    gamma_max: float = 5.0
    schedule: Literal["fixed", "learned_linear", "monotone", "polynomial"] = "fixed"
    learn_endpoints: bool = False  # of the monotone schedule
    interior: Literal["variance", "elbo"] = "variance"  # what the monotone schedule's minimises
    parametrisation: Literal["v", "eps"] = "v"
    encoder: Literal["identity", "nt", "unet", "mult_res"] = "identity"
    counterterm: Literal["off", "on", "learned"] | None = None  # on exactly with an encoder
    volatility: Literal["published", "learned", "network"] = "published"  # diffenc.volatility
    depth: int | None = None  # T of the bound and of the sampler; None: continuous time
    step_variance: Literal["posterior", "learned"] = "posterior"  # of the generative steps at depth
    num_classes: int | None = None  # None: unconditional
    width: int = 128
    num_layers: int = 8
    encoder_width: int = 64
    encoder_layers: int = 2  # pooling levels of `unet`; ResNet blocks an arm of `mult_res`
    dropout: float = 0.1
    x_0_every: int = 8  # with dropout_key, x_0 is encoded for one example in so many; 1 is exact
    fourier: tuple[int, ...] | None = None  # n of 2^n pi z; (7, 8) at 256 levels, by bin width
    dtype: Literal["float32", "bfloat16"] = "float32"  # of activations; the ELBO is float32
    remat: bool = False  # recompute each block of both U-Nets in the backward pass
    unroll: bool | None = None  # write the score network's scans out; up to 8 layers unless given


# All that continuous time leaves free beside the encoder: the counterterm and the volatility.
_FREE: dict[str, Any] = {"counterterm": "learned", "volatility": "learned"}
_PUBLISHED: dict[str, dict[str, Any]] = {
    "vdm-8": {"parametrisation": "eps"},
    "vdm-32": {"parametrisation": "eps", "num_layers": 32},
    "vdmv-8": {},
    "vdmv-32": {"num_layers": 32},
    "diffenc-8-nt": {"encoder": "nt"},
    "diffenc-32-nt": {"encoder": "nt", "num_layers": 32},
    "diffenc-8-2": {"encoder": "unet", "encoder_layers": 2},
    "diffenc-8-4": {"encoder": "mult_res", "encoder_layers": 4},
    "diffenc-free": {"encoder": "unet", "encoder_layers": 2} | _FREE,
    "diffenc-32-2": {"encoder": "unet", "encoder_layers": 2, "num_layers": 32},
    "diffenc-32-4": {"encoder": "mult_res", "encoder_layers": 4, "num_layers": 32},
    "vdmv-32-imagenet": {"num_layers": 32, "width": 256},
    "diffenc-32-8-imagenet": {
        "encoder": "mult_res",
        "encoder_layers": 8,
        "num_layers": 32,
        "width": 256,
    },
}
_LAPTOP = {
    "vdmv": {},
    "nt": {"encoder": "nt"},
    "diffenc": {"encoder": "unet"},
    "free": {"encoder": "unet"} | _FREE,
}
_LAPTOP_IMAGE = {
    "width": 32,
    "num_layers": 2,
    "encoder_width": 16,
    "encoder_layers": 1,
    "dropout": 0.0,
}
_LAPTOP_VECTOR = {
    "width": 128,
    "num_layers": 2,
    "encoder_width": 64,
    "encoder_layers": 2,
    "dropout": 0.0,
}
NAMES = tuple(_PUBLISHED) + tuple(_LAPTOP)


def resolve(name: str, shape: tuple[int, ...], levels: int, given: dict[str, Any]) -> Options:
    """The model's options with every default filled in; ValueError for what does not exist."""
    _known(name, NAMES, "model")
    fields = {field.name for field in dataclasses.fields(Options)}
    for option in given:
        _known(option, fields, "option")
    options = Options(**(_named(name, shape) | given))
    _check(options, levels)
    published = -13.3 if levels == 256 else -2 * math.log(HALF_BIN_IN_STDS * levels)
    low = published if options.gamma_min is None else options.gamma_min
    if low >= options.gamma_max:
        raise ValueError(f"gamma_min={low} must be below gamma_max={options.gamma_max}")
    finest = round(math.log2(levels))
    followed = {
        "gamma_min": low,
        "fourier": (finest - 1, finest),
        "counterterm": "off" if options.encoder == "identity" else "on",
        # Written out, up to eight blocks run about 1.3 times faster on a CPU and compile soon
        # enough; scanned, compile time does not grow with their number.
        "unroll": options.num_layers <= 8,
    }
    unset = {field: v for field, v in followed.items() if getattr(options, field) is None}
    return dataclasses.replace(options, **unset)


def _named(name: str, shape: tuple[int, ...]) -> dict[str, Any]:
    """The options that the model's name sets for data of this shape."""
    if len(shape) not in (1, 3) or min(shape) < 1:
        raise ValueError(f"shape {shape} is neither (height, width, channels) nor (dimensions,)")
    if name in _LAPTOP:
        return (_LAPTOP_VECTOR if len(shape) == 1 else _LAPTOP_IMAGE) | _LAPTOP[name]
    if len(shape) == 1:
        raise ValueError(
            f"model {name!r} is for images; for vectors of shape {shape} use one of "
            + ", ".join(_LAPTOP)
        )
    return _PUBLISHED[name]


def _known(word: str, words, kind: str) -> None:
    if word in words:
        return
    listed = ", ".join(sorted(words))
    near = difflib.get_close_matches(word, list(words), 1, 0.0)
    raise ValueError(f"unknown {kind} {word!r}; did you mean {near[0]!r}? There are: {listed}")


def _check(options: Options, levels: int) -> None:
    choices = {
        "schedule": ("fixed", "learned_linear", "monotone", "polynomial"),
        "interior": ("variance", "elbo"),
        "parametrisation": ("v", "eps"),
        "encoder": ("identity", "nt", "unet", "mult_res"),
        "counterterm": ("off", "on", "learned", None),
        "volatility": ("published", "learned", "network"),
        "step_variance": ("posterior", "learned"),
        "dtype": ("float32", "bfloat16"),
    }
    for field, accepted in choices.items():
        if getattr(options, field) not in accepted:
            words = ", ".join(map(repr, accepted))
            raise ValueError(f"{field}={getattr(options, field)!r} is not one of {words}")
    if levels < 2:
        raise ValueError(f"levels={levels}: at least two grey levels are needed")
    if options.learn_endpoints and options.schedule != "monotone":
        raise ValueError(
            f"learn_endpoints=True belongs to schedule='monotone', not {options.schedule!r}; "
            "the end points of 'learned_linear' are always learned"
        )
    _check_depth(options)
    for field in ("width", "encoder_width"):
        if getattr(options, field) < 2 or getattr(options, field) % 2:
            raise ValueError(f"{field}={getattr(options, field)} must be even and at least 2")
    if options.num_layers < 0 or options.encoder_layers < 1:
        raise ValueError(
            f"num_layers={options.num_layers} and encoder_layers={options.encoder_layers} must be "
            "at least 0 and 1"
        )
    if not 0 <= options.dropout < 1:
        raise ValueError(f"dropout={options.dropout} must lie in [0, 1)")
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
    if (options.schedule, options.interior) == ("monotone", "variance"):
        raise ValueError(
            f"depth={options.depth} with schedule='monotone': at finite depth the bound itself "
            "depends on the schedule; set interior='elbo'"
        )
