"""Published networks of every width. Oracle: the published encoder written out, in float64.

Its GroupNorms have 32 groups (16 in the middle and at the end) whatever the width: R63.
"""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import diffenc
from diffenc.networks.blocks import GroupNorm, group_count
from diffenc.upstream import from_published, published_names
from tests.diffenc.test_upstream import parameter

SHAPE = (4, 4, 1)
ARGUMENTS = jax.random.key(0), jnp.zeros((1, *SHAPE)), jnp.zeros(1), jnp.zeros(1)
ENCODER = "encdec/inner_encoder/"


def build(**options):
    sizes = {"width": 32, "num_layers": 0, "encoder_width": 32, "encoder_layers": 1}
    return diffenc.build("diffenc-8-2", SHAPE, 256, **(sizes | options))


def published(model):
    """A published tree for the model: leaves that depend on their names."""
    shapes = jax.eval_shape(model.init, jax.random.key(0))
    leaves = {}
    for ours, theirs in published_names(model, nested=True).items():
        shape = shapes
        for part in ours.split("/"):
            shape = shape[part]
        stacked = ours.startswith(("score/down", "score/up"))
        leaves |= {name: parameter(name, shape.shape[stacked:]) for name in theirs}
    return leaves


class Oracle:
    """y of the published encoder with one pooling, from its leaves by their published names."""

    def __init__(self, leaves):
        self.leaves = {name: np.asarray(leaf, np.float64) for name, leaf in leaves.items()}

    def leaf(self, name):
        return self.leaves[ENCODER + name]

    def dense(self, x, name):
        bias = self.leaves.get(f"{ENCODER}{name}/bias", 0.0)
        return x @ self.leaf(f"{name}/kernel") + np.reshape(bias, (1,) * (x.ndim - 1) + (-1,))

    def conv(self, x, name):
        form = {"padding": "SAME", "dimension_numbers": ("NHWC", "HWIO", "NHWC")}
        y = jax.lax.conv_general_dilated(
            x, jnp.asarray(self.leaf(f"{name}/kernel")), (1, 1), **form
        )
        return np.asarray(y) + self.leaf(f"{name}/bias")[None, None, None]

    def norm(self, x, name, groups):
        grouped = x.reshape(*x.shape[:3], groups, -1)
        mean = grouped.mean((1, 2, 4), keepdims=True)
        deviation = np.sqrt(grouped.var((1, 2, 4), keepdims=True) + 1e-6)
        scale, bias = (self.leaf(f"{name}/{kind}")[None, None, None] for kind in ("scale", "bias"))
        return ((grouped - mean) / deviation).reshape(x.shape) * scale + bias

    def block(self, x, cond, name, groups):
        h = self.conv(swish(self.norm(x, f"{name}/GroupNorm_0", groups)), f"{name}/conv1")
        h = h + self.dense(cond, f"{name}/cond_proj")[:, None, None]
        h = self.conv(swish(self.norm(h, f"{name}/GroupNorm_1", groups)), f"{name}/conv2")
        return h + (x if x.shape == h.shape else self.dense(x, f"{name}/nin_shortcut"))

    def attention(self, x, name):
        h = self.norm(x, f"{name}/GroupNorm_0", 32).reshape(len(x), -1, x.shape[-1])
        q, k, v = (self.dense(h, f"{name}/{part}") for part in "qkv")
        logits = q @ k.transpose(0, 2, 1) / np.sqrt(x.shape[-1])
        weights = np.exp(logits - logits.max(-1, keepdims=True))
        mixed = weights / weights.sum(-1, keepdims=True) @ v
        return x + self.dense(mixed, f"{name}/proj_out").reshape(x.shape)

    def __call__(self, x, gamma, width):
        angle = 1000 * (gamma + 13.3) / 18.3
        waves = angle[:, None] * 1e4 ** (-np.arange(width // 2) / (width // 2 - 1))
        cond = np.concatenate([np.sin(waves), np.cos(waves), np.zeros((len(x), 1))], -1)
        for layer in ("dense0", "dense1"):
            cond = swish(self.dense(cond, f"time_embedding/{layer}"))
        at = "enc_model/"
        h = skip = self.block(
            self.conv(x, "conv_in"), cond, f"{at}down_blocks_0/down_0_resnet_block", 32
        )
        h = h.reshape(len(x), 2, 2, 2, 2, -1).max((2, 4))
        h = self.block(h, cond, f"{at}mid_resnet_1", 16)
        h = self.block(self.attention(h, f"{at}mid_attn_1"), cond, f"{at}mid_resnet_2", 16)
        up = f"{at}up_blocks_0/"
        weights = {k: jnp.asarray(self.leaf(f"{up}conv_trans/{k}")) for k in ("kernel", "bias")}
        h = nn.ConvTranspose(width, (2, 2), (2, 2)).apply({"params": weights}, jnp.asarray(h))
        h = np.concatenate([np.asarray(h), skip], -1)
        h = self.block(h, cond, f"{up}up_0_resnet_block", 32)
        return np.tanh(self.conv(swish(self.norm(h, "GroupNorm_0", 16)), "conv_out"))


def swish(x):
    return x / (1 + np.exp(-x))


@pytest.mark.parametrize("width", [32, 64])
def test_an_imported_encoder_is_the_published_one(width, x64):
    model = build(encoder_width=width, group_channels=1)
    leaves = published(model)
    params = from_published(leaves, model)
    x = np.random.default_rng(0).uniform(-1, 1, (2, *SHAPE))
    gamma = np.array([1.0, 4.0])
    got, _ = jax.jit(lambda p: model.encode(p, x, gamma))(params)
    share = 1 / (1 + np.exp(-gamma))[:, None, None, None]
    y = Oracle(leaves)(x, gamma, width)
    np.testing.assert_allclose(got, x + share * (y - x), rtol=1e-11)


OTHERS = "32 groups, this model's 16; build it with group_channels=1"
NOWHERE = "no published network of a width that is no multiple of 32"
REFUSED = [
    ({}, f"^width=32: .*{OTHERS}"),
    ({"width": 64}, f"^encoder_width=32: .*{OTHERS}"),
    ({"width": 64, "encoder_width": 48}, f"^encoder_width=48: .*{NOWHERE}"),
    ({"width": 40, "group_channels": 1}, f"^width=40: .*{NOWHERE}"),
]


@pytest.mark.parametrize("options, message", REFUSED)
def test_a_width_that_would_import_wrong_is_refused(options, message):
    # No leaf shows the groups: only the model's numbers would differ.
    model = build(**options)
    with pytest.raises(ValueError, match=message):
        from_published(published(model), model)


@pytest.mark.parametrize("width, channels", [(32, 1), (64, 1), (96, 2), (128, 2)])
def test_every_norm_of_an_accepted_model_has_the_published_groups(width, channels):
    found = {}

    def record(call, args, kwargs, context):
        if isinstance(norm := context.module, GroupNorm) and context.method_name == "__call__":
            groups = group_count(args[0].shape[-1], norm.most_groups, norm.group_channels)
            found["/".join(norm.path)] = groups
        return call(*args, **kwargs)

    sizes = {"width": width, "encoder_width": width}
    model = build(**sizes, num_layers=1, group_channels=channels)
    with nn.intercept_methods(record):
        jax.eval_shape(model.score_network().init, *ARGUMENTS)
        assert set(found.values()) == {32}
        jax.eval_shape(model.encoder_network().init, *ARGUMENTS)
    halved = {name for name, groups in found.items() if groups == 16}
    # The encoder's last norm has the score network's name.
    assert halved == {f"mid_block{i}/norm{j}" for i in (1, 2) for j in (1, 2)} | {"norm_out"}
