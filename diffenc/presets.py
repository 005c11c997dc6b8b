"""Named models: the published sizes, and small ones for a laptop."""

import dataclasses
import difflib
import math
from collections.abc import Collection, Mapping
from typing import Any

import jax

from diffenc import checks
from diffenc.encoder import ENCODERS, MLP, Fixed, Identity, MultiRes, NonTrainable, Trainable, UNet
from diffenc.options import Options, check_kinds, check_values
from diffenc.prediction import EPS, PREDICTIONS
from diffenc.schedules import SCHEDULES, Monotone

# Half a grey level's bin in standard deviations of the decoder's noise, at the published end point
# γ_min = −13.3 for 256 levels.
HALF_BIN_IN_STDS = 3.0187


@dataclasses.dataclass(frozen=True)
class Preset:
    """A named model: its options for images, and for vectors; None where it is for images only."""

    image: Options
    vector: Options | None = None


def _published(**options: Any) -> Preset:
    return Preset(Options(**options))


def _laptop(image: Trainable | Fixed, vector: Trainable | Fixed, **options: Any) -> Preset:
    sizes: dict[str, Any] = {"num_layers": 2, "dropout": 0.0} | options
    return Preset(
        # An encoder given by its name in place of these has their sizes.
        Options(width=32, encoder=image, encoder_width=16, encoder_layers=1, **sizes),
        Options(width=128, encoder=vector, encoder_width=64, encoder_layers=2, **sizes),
    )


# All that continuous time leaves free beside the encoder: the counterterm and the volatility.
_FREE: dict[str, Any] = {"counterterm": "learned", "volatility": "learned"}
PRESETS: Mapping[str, Preset] = {
    "vdm-8": _published(parametrisation=EPS),
    "vdm-32": _published(parametrisation=EPS, num_layers=32),
    "vdmv-8": _published(),
    "vdmv-32": _published(num_layers=32),
    "diffenc-8-nt": _published(encoder=NonTrainable()),
    "diffenc-32-nt": _published(encoder=NonTrainable(), num_layers=32),
    "diffenc-8-2": _published(encoder=UNet(width=64, levels=2)),
    "diffenc-8-4": _published(encoder=MultiRes(width=64, blocks=4)),
    "diffenc-free": _published(encoder=UNet(width=64, levels=2), **_FREE),
    "diffenc-32-2": _published(encoder=UNet(width=64, levels=2), num_layers=32),
    "diffenc-32-4": _published(encoder=MultiRes(width=64, blocks=4), num_layers=32),
    "vdmv-32-imagenet": _published(num_layers=32, width=256),
    "diffenc-32-8-imagenet": _published(
        encoder=MultiRes(width=64, blocks=8), num_layers=32, width=256
    ),
    "vdmv": _laptop(Identity(), Identity()),
    "nt": _laptop(NonTrainable(), NonTrainable()),
    "diffenc": _laptop(UNet(width=16, levels=1), MLP(width=64, layers=2)),
    "free": _laptop(UNet(width=16, levels=1), MLP(width=64, layers=2), **_FREE),
}
NAMES = tuple(PRESETS)


def resolve(name: str, shape: tuple[int, ...], levels: int, given: Mapping[str, Any]) -> Options:
    """The model's options with every default filled in and objects for the short names.

    Raises:
        ValueError: a name, option or value that does not exist, or that another one excludes.
    """
    _known(name, NAMES, "model")
    for option in given:
        _known(option, [field.name for field in dataclasses.fields(Options)], "option")
    preset = _for_shape(name, shape)
    options = dataclasses.replace(preset, **given)
    sizes = [f for f in ("encoder_width", "encoder_layers") if given.get(f) is not None]
    if sizes and "encoder" in given and not isinstance(options.encoder, str):
        raise ValueError(
            f"encoder={options.encoder!r} has sizes of its own: leave out {' and '.join(sizes)}"
        )
    check_kinds(options)
    if isinstance(options.parametrisation, str):
        options = dataclasses.replace(options, parametrisation=PREDICTIONS[options.parametrisation])
    options = _with_schedule(options, levels, given)
    check_values(options, levels)
    encoder = _encoder(options, "encoder" in given, is_vector=len(shape) == 1)
    finest = round(math.log2(levels))
    followed = {
        "fourier": (finest - 1, finest),
        "counterterm": "off" if isinstance(encoder, Identity) else "on",
        # Written out, up to eight blocks run about 1.3 times faster on a CPU and compile soon
        # enough; scanned, compile time does not grow with their number, on a TPU from minutes.
        "unroll": options.num_layers <= 8 and jax.default_backend() == "cpu",
    }
    unset = {field: v for field, v in followed.items() if getattr(options, field) is None}
    # The encoder has its sizes: a built model's options can be given to `build` as they are.
    sizes = {"encoder": encoder, "encoder_width": None, "encoder_layers": None}
    if options.fourier is not None:  # a model is hashed, and a list cannot be
        unset["fourier"] = checks.integers("fourier", options.fourier)
    return dataclasses.replace(options, **unset, **sizes)


def _for_shape(name: str, shape: tuple[int, ...]) -> Options:
    """The options that the model's name sets for data of this shape."""
    if len(shape) not in (1, 3) or min(shape) < 1:
        raise ValueError(f"shape {shape} is neither (height, width, channels) nor (dimensions,)")
    preset = PRESETS[name]
    if len(shape) == 3:
        return preset.image
    if preset.vector is None:
        raise ValueError(
            f"model {name!r} is for images; for vectors of shape {shape} use one of "
            + ", ".join(name for name, preset in PRESETS.items() if preset.vector is not None)
        )
    return preset.vector


def _encoder(options: Options, is_given: bool, is_vector: bool) -> Fixed | Trainable:
    """The encoder as an object of the sizes asked for."""
    chosen, sizes = options.encoder, (options.encoder_width, options.encoder_layers)
    if isinstance(chosen, str):
        kind = ENCODERS[chosen]
        if issubclass(kind, Identity | NonTrainable):
            return kind()
        width, layers = sizes[0] or 64, sizes[1] or 2
        return MLP(width, layers) if is_vector else kind(width, layers)
    return chosen if is_given else _resized(chosen, *sizes)


def _resized(
    encoder: Fixed | Trainable, width: int | None, layers: int | None
) -> Fixed | Trainable:
    """A preset's encoder with another width, and another number of levels, blocks or layers."""
    if not isinstance(encoder, UNet | MultiRes | MLP):
        return encoder
    own_width, own_layers = dataclasses.astuple(encoder)
    return type(encoder)(
        own_width if width is None else width, own_layers if layers is None else layers
    )


def _with_schedule(options: Options, levels: int, given: Mapping[str, Any]) -> Options:
    """The options with a schedule as an object, and its ends."""
    if not isinstance(options.schedule, str):
        ends = {f: getattr(options.schedule, f) for f in ("gamma_min", "gamma_max")}
        if clash := [f for f, own in ends.items() if given.get(f, own) != own]:
            raise ValueError(
                f"schedule={options.schedule!r} has its own ends: leave out {', '.join(clash)}"
            )
        return dataclasses.replace(options, **ends)
    if levels < 2:
        raise ValueError(f"levels={levels}: at least two grey levels are needed")
    checks.grey_levels(levels)
    published = -13.3 if levels == 256 else -2 * math.log(HALF_BIN_IN_STDS * levels)
    low = published if options.gamma_min is None else options.gamma_min
    if not (math.isfinite(low) and math.isfinite(options.gamma_max) and low < options.gamma_max):
        raise ValueError(
            f"gamma_min={low} must be below gamma_max={options.gamma_max}, both finite"
        )
    kind, ends = SCHEDULES[options.schedule], (low, options.gamma_max)
    if options.learn_endpoints and kind is not Monotone:
        raise ValueError(
            f"learn_endpoints=True belongs to schedule='monotone', not {options.schedule!r}; "
            "the end points of 'learned_linear' are always learned"
        )
    monotone = Monotone(*ends, options.learn_endpoints, options.interior)
    schedule = monotone if kind is Monotone else kind(*ends)
    return dataclasses.replace(options, schedule=schedule, gamma_min=low)


def _known(word: str, words: Collection[str], kind: str) -> None:
    if word in words:
        return
    listed = ", ".join(sorted(words))
    near = difflib.get_close_matches(word, list(words), 1, 0.0)
    raise ValueError(f"unknown {kind} {word!r}; did you mean {near[0]!r}? There are: {listed}")
