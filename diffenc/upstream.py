"""Parameters of the published VDM and DiffEnc code, read into our models.

github.com/google-research/vdm and github.com/bemigini/DiffEnc write their networks block by block
where ours are stacked for scanning, and name some modules otherwise; shapes agree.
"""

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

import flax.serialization
import flax.traverse_util
import jax
import jax.numpy as jnp
import numpy as np

from diffenc import components
from diffenc.encoder import MLP, MultiRes, UNet
from diffenc.models import Diffusion, Params
from diffenc.networks.blocks import PUBLISHED_GROUPS, group_count
from diffenc.schedules import MONOTONE_FLOOR, Monotone

Leaves = dict[str, Any]

# Our name for a layer inside a block, a block of the score network, one of the encoder; published.
_LAYERS = {"norm": "GroupNorm_0", "norm1": "GroupNorm_0", "norm2": "GroupNorm_1"}
_MIDDLE = {"mid_block1": "mid.block_1", "mid_attn": "mid.attn_1", "mid_block2": "mid.block_2"}
_ENCODER_MIDDLE = {
    "mid_block1": "mid_resnet_1",
    "mid_attn": "mid_attn_1",
    "mid_block2": "mid_resnet_2",
}
_MONOTONE = {
    "gamma/l1/kernel": (1, 1),
    "gamma/l1/bias": (1,),
    "gamma/l2/kernel": (1, 1024),
    "gamma/l2/bias": (1024,),
    "gamma/l3/kernel": (1024, 1),
}


class _Style(NamedTuple):
    """What the published names depend on."""

    nested: bool  # DiffEnc keeps the score network's blocks in a module of their own
    numbered: bool  # the multi-resolution encoder numbers its blocks
    levels: int  # poolings of the encoder


def decode_checkpoint(data: bytes, which: str = "ema_params") -> Leaves:
    """The leaves of a published checkpoint's bytes, flat: "a/b/c" -> array.

    `which` is "ema_params" (what the papers evaluate) or "params".

    Raises:
        ValueError: the bytes are no checkpoint, or have no such entry.
    """
    return weights_of(decode_state(data), which)


def decode_state(data: bytes) -> Mapping[str, Any]:
    """All that a published checkpoint's bytes hold: step, params, ema_params and opt_state.

    The format is Flax's msgpack: arrays and numbers only, no code is run.

    Raises:
        ValueError: other bytes, or cut short.
    """
    try:
        state = flax.serialization.msgpack_restore(data)
    except Exception as error:
        raise ValueError(
            "not a published checkpoint: expected the msgpack file that flax.training.checkpoints "
            f"writes, whole ({type(error).__name__}: {error})"
        ) from error
    if not isinstance(state, Mapping):
        raise ValueError(f"not a published checkpoint: it holds one {type(state).__name__}")
    return state


def weights_of(state: Mapping[str, Any], which: str) -> Leaves:
    """The leaves of `which` in a decoded checkpoint, flat.

    Raises:
        ValueError: it has none.
    """
    if not isinstance(state.get(which), Mapping):
        raise ValueError(f"the checkpoint has no {which!r}; it has: {', '.join(map(str, state))}")
    return _flat(state[which])


def from_published(tree: Mapping[str, Any], model: Diffusion) -> Params:
    """Our parameters of `model` from a published parameter tree, nested or with "a/b/c" names.

    `model` must have the published sizes; its "learned_linear" schedule takes learned end points,
    "monotone" with `learn_endpoints` VDM's network. What is learned of the loss's form starts at
    the published one.

    Raises:
        ValueError: leaves are missing, extra or of another shape, all listed; or the model's norms
            have other groups than the published ones, which have no parameters to show it.
    """
    _check_groups(model)
    leaves = _flat(tree)
    wanted = _wanted(model)
    if wrong := mismatches(leaves, model):
        listed = "\n".join(
            f"{len(names)} {kind}: {', '.join(names)}" for kind, names in wrong.items()
        )
        raise ValueError(
            "the published tree does not fit the model; build it with the published name, shape "
            f"and schedule\n{listed}"
        )
    found = _flat(components.init_form(model.options, jax.random.key(0)))
    for ours, names in published_names(model, _is_nested(leaves)).items():
        arrays = [jnp.asarray(leaves[name], wanted[ours].dtype) for name in names]
        found[ours] = jnp.stack(arrays) if _is_stacked(ours) else arrays[0]
    if isinstance(model.schedule, Monotone):
        found |= _monotone(leaves, model)
    return flax.traverse_util.unflatten_dict(found, sep="/")


def _check_groups(model: Diffusion) -> None:
    """ValueError unless every GroupNorm has the published number of groups."""
    options, encoder = model.options, model.encoder
    if len(model.shape) != 3 or isinstance(encoder, MLP):
        raise ValueError(f"published networks are for images, not for shape {model.shape}")
    widths = {"width": options.width}
    if isinstance(encoder, UNet | MultiRes):
        widths["encoder_width"] = encoder.width
    for option, width in widths.items():
        groups = group_count(width, least_channels=options.group_channels)
        if width % PUBLISHED_GROUPS:
            raise ValueError(
                f"{option}={width}: published norms have {PUBLISHED_GROUPS} groups, so there is no "
                f"published network of a width that is no multiple of {PUBLISHED_GROUPS}"
            )
        if groups != PUBLISHED_GROUPS:
            raise ValueError(
                f"{option}={width}: published norms have {PUBLISHED_GROUPS} groups, this model's "
                f"{groups}; build it with group_channels=1"
            )


def mismatches(tree: Mapping[str, Any], model: Diffusion) -> dict[str, list[str]]:
    """What keeps a published tree from being `model`'s: leaves by kind of fault; {} if it fits.

    Kinds are "missing", "extra" and "of another shape". vdm-n, vdmv-n and diffenc-n-nt have equal
    leaves, so that a tree of one fits the others too.
    """
    leaves, wanted = _flat(tree), _wanted(model)
    shapes = {
        name: wanted[ours].shape[_is_stacked(ours) :]
        for ours, names in published_names(model, _is_nested(leaves)).items()
        for name in names
    }
    if isinstance(model.schedule, Monotone):
        shapes |= _MONOTONE
    other = [
        f"{name} {np.shape(leaves[name])} instead of {shape}"
        for name, shape in sorted(shapes.items())
        if name in leaves and np.shape(leaves[name]) != shape
    ]
    kinds = {
        "missing": sorted(shapes.keys() - leaves.keys()),
        "extra": sorted(leaves.keys() - shapes.keys()),
        "of another shape": other,
    }
    return {kind: names for kind, names in kinds.items() if names}


def published_names(model: Diffusion, nested: bool) -> dict[str, list[str]]:
    """The published leaves, in order, that each of our leaves "a/b/c" is made of.

    `nested` is DiffEnc's naming of the score network, else VDM's. What is learned of the loss's
    form and VDM's monotone schedule have no such leaves.
    """
    wanted = _wanted(model)
    style = _Style(
        nested=nested,
        numbered=isinstance(model.encoder, MultiRes),
        levels=sum(name.startswith("encoder/up") and "_conv/bias" in name for name in wanted),
    )
    monotone = isinstance(model.schedule, Monotone)
    return {
        ours: _published_names(ours, like.shape, style)
        for ours, like in wanted.items()
        if ours.startswith(("score/", "encoder/", "schedule/")[: 2 if monotone else 3])
    }


def _wanted(model: Diffusion) -> Leaves:
    return _flat(jax.eval_shape(model.init, jax.random.key(0)))


def _is_nested(leaves: Leaves) -> bool:
    return any(name.startswith("score_model/VDMUNet_0/") for name in leaves)


def _flat(tree: Mapping[str, Any]) -> Leaves:
    flat = flax.traverse_util.flatten_dict(dict(tree), sep="/")
    return {name.removeprefix("params/"): leaf for name, leaf in flat.items()}


def _is_stacked(ours: str) -> bool:
    return ours.startswith(("score/down/", "score/up/"))


def _published_names(ours: str, shape: tuple[int, ...], style: _Style) -> list[str]:
    """The published names of one of our leaves; several where ours is stacked."""
    part, *path = ours.split("/")
    if part == "schedule":
        return [f"gamma/{path[0]}"]
    if part == "encoder":
        return [_encoder_name(path, style)]
    module, *rest = path
    unet = "score_model/VDMUNet_0/" if style.nested else "score_model/"
    if module in ("down", "up"):
        return [f"{unet}{module}.block_{i}/{_inside(rest[1:])}" for i in range(shape[0])]
    if module in _MIDDLE:
        return [f"{unet}{_MIDDLE[module]}/{_inside(rest)}"]
    embedding = ["TimeEmbedding_0"] if style.nested else []
    head = {"time": embedding, "norm_out": ["GroupNorm_0"]}.get(module, [module])
    return ["/".join(["score_model", *head, *rest])]


def _encoder_name(path: list[str], style: _Style) -> str:
    module, *rest = path
    base = "encdec/inner_encoder/"
    if module in _ENCODER_MIDDLE:
        return f"{base}enc_model/{_ENCODER_MIDDLE[module]}/{_inside(rest)}"
    if match := re.fullmatch(r"(down|up)(\d+)_(conv|block)(\d*)", module):
        arm, level, kind, block = match.groups()
        # On the way up the modules are counted from the coarsest level, their blocks are not.
        place = int(level) if arm == "down" else style.levels - 1 - int(level)
        number = block if style.numbered else ""
        inner = "conv_trans" if kind == "conv" else f"{arm}_{level}_resnet_block{number}"
        return f"{base}enc_model/{arm}_blocks_{place}/{inner}/{_inside(rest)}"
    head = {"time": "time_embedding", "norm_out": "GroupNorm_0"}.get(module, module)
    return base + "/".join([head, *rest])


def _inside(path: list[str]) -> str:
    return "/".join([_LAYERS.get(path[0], path[0]), *path[1:]])


def _monotone(leaves: Leaves, model: Diffusion) -> Leaves:
    """VDM's monotone network as ours: the same interior, its end points as parameters."""
    slope, bias, w2, b2, w3 = (np.asarray(leaves[name], np.float64) for name in _MONOTONE)
    slope, bias, w2, w3 = abs(slope[0, 0]), bias[0], w2[0], w3[:, 0]
    learns = isinstance(model.schedule, Monotone) and model.schedule.learn_endpoints
    if slope < MONOTONE_FLOOR or not learns:
        raise ValueError(
            "VDM's learned schedule needs learn_endpoints=True and a slope of "
            f"{MONOTONE_FLOOR:.3g} or more (it is {slope:.3g})"
        )

    def gamma(t: float) -> float:
        inner = 2 * np.abs(w2) * (t - 0.5) + b2
        return slope * t + bias + (np.abs(w3) * (2 / (1 + np.exp(-inner)) - 1)).mean()

    start, end = gamma(0.0), gamma(1.0)
    ours = {
        "w1": [slope - MONOTONE_FLOOR],
        "w2": w2,
        "b2": b2,
        "w3": w3,
        "b": [start],
        "w": [end - start],
    }
    return {f"schedule/{name}": jnp.asarray(value, jnp.float32) for name, value in ours.items()}
