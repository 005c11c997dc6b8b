"""Oracles: the published names and shapes, and the loss of the published modules on one batch."""

import json
import pathlib
import zlib

import flax.serialization
import flax.traverse_util
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import diffenc
from diffenc.upstream import decode_checkpoint, from_published

SHARED = pathlib.Path(__file__).parents[2] / ".." / "shared" / "data" / "published_param_trees.json"
needs_trees = pytest.mark.skipif(not SHARED.exists(), reason="the published trees are not here")
BUILD = {
    "VDMv-8 (CIFAR-10)": "vdmv-8",
    "DiffEnc-8-2 (CIFAR-10)": "diffenc-8-2",
    "DiffEnc-32-4 (CIFAR-10)": "diffenc-32-4",
}


def published_tree(entry):
    """Leaves of the listed shapes, each filled with its own number."""
    listed = json.loads(SHARED.read_text())[entry]["arrays"]
    flat = {name.removeprefix("params/"): shape for name, shape in listed.items()}
    filled = enumerate(sorted(flat.items()))
    return {name: np.full(shape, i, np.float32) for i, (name, shape) in filled}


@needs_trees
@pytest.mark.parametrize("entry", BUILD)
def test_every_published_leaf_finds_its_place(entry):
    tree = published_tree(entry)
    model = diffenc.build(BUILD[entry], (32, 32, 3), 256)
    params = from_published(tree, model)
    wanted = jax.eval_shape(model.init, jax.random.key(0))
    assert jax.tree.structure(params) == jax.tree.structure(wanted)
    assert jax.tree.map(jnp.shape, params) == jax.tree.map(lambda p: p.shape, wanted)
    stacked = [params["score"][arm]["block"] for arm in ("down", "up")]
    used = [np.unique(leaf) for leaf in jax.tree.leaves(params)]
    assert sorted(np.concatenate(used)) == list(range(len(tree)))
    unet = "score_model/VDMUNet_0/"
    for arm, block in zip(("down", "up"), stacked, strict=True):
        for i, kernel in enumerate(block["conv2"]["kernel"]):
            assert kernel[0, 0, 0, 0] == tree[f"{unet}{arm}.block_{i}/conv2/kernel"][0, 0, 0, 0]


@needs_trees
def test_encoder_levels_keep_their_order_on_the_way_up():
    tree = published_tree("DiffEnc-32-4 (CIFAR-10)")
    encoder = from_published(tree, diffenc.build("diffenc-32-4", (32, 32, 3), 256))["encoder"]
    base = "encdec/inner_encoder/enc_model/"
    pairs = {
        "up1_conv": "up_blocks_0/conv_trans",
        "up0_conv": "up_blocks_1/conv_trans",
    }
    for ours, theirs in pairs.items():
        np.testing.assert_array_equal(encoder[ours]["bias"], tree[f"{base}{theirs}/bias"])
    got = encoder["up0_block1"]["conv1"]["bias"]
    np.testing.assert_array_equal(got, tree[f"{base}up_blocks_1/up_0_resnet_block1/conv1/bias"])


# Names and shapes of small published models, and their losses in double precision without dropout:
# from bemigini/DiffEnc 4855619 and google-research/vdm 0c60a89, their modules transcribed to
# current Flax and run on the parameters and the batch below.
LOSSES = json.loads((pathlib.Path(__file__).parent / "published_losses.json").read_text())
SMALL = {
    "diffenc unet": ("diffenc-8-2", {"num_layers": 1, "schedule": "learned_linear"}),
    "diffenc mult_res": ("diffenc-8-4", {"num_layers": 2, "schedule": "learned_linear"}),
    "vdm": ("vdm-8", {"num_layers": 2, "schedule": "monotone", "learn_endpoints": True}),
}


def build(case):
    name, options = SMALL[case]
    return diffenc.build(name, LOSSES[case]["shape"], 256, width=64, **options)


def parameter(name, shape):
    """A leaf that depends on its name and on every index, of a size that keeps activations tame."""
    wave = np.sin(0.7 * np.arange(np.prod(shape)) + zlib.crc32(name.encode()) % 1000)
    schedule = {"l1/kernel": 18.0, "l1/bias": -13.0, "w": 17.5, "b": -12.9}
    if name.startswith("gamma/"):
        value = schedule.get(name.removeprefix("gamma/"), 3 * wave) + 0 * wave
    elif name.endswith("scale"):
        value = 1 + 0.2 * wave
    elif name.endswith("bias"):
        value = 0.1 * wave
    else:
        value = wave * np.sqrt(2 / np.prod(shape[:-1]))
    return value.reshape(shape).astype(np.float32)


def leaves(case):
    return {name: parameter(name, shape) for name, shape in LOSSES[case]["shapes"].items()}


@pytest.mark.parametrize("case", SMALL)
def test_losses_equal_those_of_the_published_modules(case, x64):
    model, shape = build(case), LOSSES[case]["shape"]
    rng = np.random.default_rng(0)
    codes = rng.integers(0, 256, (2, *shape))
    eps, eps_0 = rng.normal(size=(2, 2, *shape)).astype(np.float32).astype(np.float64)
    t = np.array([0.3, 0.8], np.float32).astype(np.float64)
    params = from_published(leaves(case), model)
    terms = jax.jit(model.elbo_terms)(params, codes, t=t, eps=eps, eps_0=eps_0)
    # VDM's schedule is expressed anew, in float32: its end points are rounded, measured 3e-6.
    rtol = 1e-5 if case == "vdm" else 1e-9
    for name, want in LOSSES[case]["terms"].items():
        np.testing.assert_allclose(getattr(terms, name), want, rtol=rtol, err_msg=name)


def test_nested_and_flat_trees_and_checkpoints_are_read_alike():
    model, flat = build("vdm"), leaves("vdm")
    nested = flax.traverse_util.unflatten_dict(flat, sep="/")
    want = from_published(flat, model)
    data = flax.serialization.msgpack_serialize({"step": 7, "params": {}, "ema_params": nested})
    for tree in (nested, {"params": nested}, decode_checkpoint(data)):
        same = jax.tree.map(np.array_equal, from_published(tree, model), want)
        assert all(jax.tree.leaves(same))
    assert decode_checkpoint(data, "params") == {}


def test_one_error_lists_all_that_does_not_fit():
    tree = leaves("diffenc unet")
    tree["score_model/conv_in/kernel"] = np.zeros((3, 3, 5, 64))
    del tree["gamma/w"]
    tree["extra/leaf"] = np.zeros(1)
    with pytest.raises(ValueError) as error:
        from_published(tree, build("diffenc unet"))
    message = str(error.value)
    assert "1 missing: gamma/w" in message and "1 extra: extra/leaf" in message
    assert "score_model/conv_in/kernel (3, 3, 5, 64) instead of (3, 3, 15, 64)" in message


@pytest.mark.parametrize(
    "data, message",
    [
        (b"PK\x03\x04 not msgpack", "not a published checkpoint"),
        (flax.serialization.msgpack_serialize({"step": 1}), "it has: step"),
    ],
)
def test_other_bytes_are_refused(data, message):
    with pytest.raises(ValueError, match=message):
        decode_checkpoint(data)


def test_a_monotone_network_needs_room_for_its_learned_end_points():
    model = diffenc.build("vdm-8", (8, 8, 3), 256, width=64, num_layers=2, schedule="monotone")
    with pytest.raises(ValueError, match="learn_endpoints=True"):
        from_published(leaves("vdm"), model)
