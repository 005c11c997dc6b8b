"""Oracles: published counts, closed forms at initialisation, jaxprs, finite differences."""

import json
import pathlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import diffenc
from diffenc.likelihood import dequantise

SHARED = pathlib.Path(__file__).parents[2] / ".." / "shared" / "data"
COUNTS = [
    ("vdmv-8", (32, 32, 3), {}, 8_905_219),
    ("vdm-8", (32, 32, 3), {}, 8_905_219),
    ("diffenc-8-2", (32, 32, 3), {}, 10_811_462),
    ("diffenc-8-4", (32, 32, 3), {}, 11_649_350),
    ("diffenc-8-nt", (32, 32, 3), {}, 8_905_219),
    ("vdmv-32", (32, 32, 3), {}, 30_578_179),
    ("vdm-32", (32, 32, 3), {}, 30_578_179),
    ("diffenc-32-nt", (32, 32, 3), {}, 30_578_179),
    ("diffenc-32-2", (32, 32, 3), {}, 32_484_422),
    ("diffenc-32-4", (32, 32, 3), {}, 33_322_310),
    ("vdmv-32-imagenet", (32, 32, 3), {}, 122_137_603),
    ("diffenc-32-8-imagenet", (32, 32, 3), {}, 126_557_510),
    ("vdmv-8", (28, 28, 1), {}, 8_891_393),
    ("diffenc-8-2", (28, 28, 1), {}, 10_795_330),
    ("diffenc-8-2", (32, 32, 3), {"schedule": "learned_linear"}, 10_811_464),
    ("vdmv-8", (32, 32, 3), {"schedule": "monotone"}, 8_905_219 + 1 + 3 * 1024),
]


def count(params):
    return sum(int(np.prod(leaf.shape)) for leaf in jax.tree.leaves(params))


@pytest.mark.parametrize("name, shape, options, want", COUNTS)
def test_published_parameter_counts(name, shape, options, want):
    model = diffenc.build(name, shape, 256, **options)
    assert count(jax.eval_shape(model.init, jax.random.key(0))) == want


@pytest.mark.skipif(not SHARED.exists(), reason="the published trees are not here")
@pytest.mark.parametrize("name", ["vdmv-8", "diffenc-8-2", "diffenc-32-4"])
def test_sizes_are_those_of_the_published_trees(name):
    published = json.loads((SHARED / "published_param_trees.json").read_text())
    entry = next(v for k, v in published.items() if k.lower().startswith(name))
    params = jax.eval_shape(diffenc.build(name, (32, 32, 3), 256).init, jax.random.key(0))
    assert count(params) == entry["total_parameters"]
    assert count(params["score"]) == entry["score_parameters"]


SHAPE = (8, 8, 1)


@pytest.fixture(scope="module")
def small():
    """DiffEnc of test size, its parameters moved off the initialisation, and one batch."""
    model = diffenc.build(
        "diffenc", SHAPE, 256, width=8, num_layers=1, encoder_width=8, dropout=0.3, x_0_every=1
    )
    params = model.init(jax.random.key(0))
    params = jax.tree.map(
        lambda p: p + 0.05 * jax.random.normal(jax.random.key(p.size), p.shape), params
    )
    rng = np.random.default_rng(0)
    codes = rng.integers(0, 256, (4, *SHAPE))
    eps, eps_0 = rng.normal(size=(2, 4, *SHAPE)).astype(np.float32)
    t = np.array([0.1, 0.4, 0.6, 0.9], np.float32)
    return model, params, codes, dict(t=t, eps=eps, eps_0=eps_0)


@pytest.mark.parametrize(
    "name, diffusion, prior",
    # Uniform pixels, E x² = 1/3: spec 1.5; the prior is its floor plus 4.82787e-3 · E x².
    [
        ("vdmv", 11.277, 1.62286e-5 + 4.82787e-3 / 3),
        ("nt", 11.326, 1.63e-5),
        ("diffenc", 11.326, 1.63e-5),
    ],
)
def test_untrained_bits_per_dim(name, diffusion, prior):
    # Its networks add nothing yet, so they may be the smallest.
    model = diffenc.build(name, SHAPE, 256, width=4, num_layers=0, encoder_width=4)
    keys = jax.random.split(jax.random.key(1), 4)
    num = 8192
    codes = jax.random.randint(keys[0], (num, *SHAPE), 0, 256)
    terms = jax.jit(model.elbo_terms)(
        model.init(jax.random.key(0)),
        codes,
        t=diffenc.stratified_times(keys[1], num)[0],
        eps=jax.random.normal(keys[2], codes.shape),
        eps_0=jax.random.normal(keys[3], codes.shape),
    )
    bits = jax.tree.map(lambda v: np.asarray(diffenc.bits_per_dim(v, SHAPE)), terms)
    # Strata carry t; pixels and noise leave 18 % an image, so 0.3 % here; measured 0.1 %.
    assert bits.diffusion.mean() == pytest.approx(diffusion, rel=0.01)
    assert bits.prior.mean() == pytest.approx(prior, rel=0.02)
    assert bits.reconstruction.mean() == pytest.approx(0.01041, rel=0.05)


def test_one_dropout_key_is_one_loss(small):
    model, params, codes, noise = small
    loss = jax.jit(lambda key: model.elbo_terms(params, codes, **noise, dropout_key=key).diffusion)
    first, again, other = (loss(jax.random.key(seed)) for seed in (3, 3, 4))
    np.testing.assert_array_equal(first, again)
    assert (first != other).all()


def test_slope_equals_the_central_difference(small):
    model, params, codes, _ = small
    x = dequantise(codes, 256)
    gamma, h = np.array([-6.0, -2.0, 1.0, 4.0], np.float32), 1e-2
    encode = jax.jit(model.encode)
    _, slope = encode(params, x, gamma)
    # The time embedding turns by up to 55 radians per unit of γ: two steps, extrapolated.
    coarse, fine = (
        (encode(params, x, gamma + d)[0] - encode(params, x, gamma - d)[0]) / (2 * d)
        for d in (h, h / 2)
    )
    difference = (4 * fine - coarse) / 3
    np.testing.assert_allclose(slope, difference, rtol=2e-2, atol=2e-3)


def test_gradients_reach_the_encoder_through_all_terms_it_enters(small):
    model, params, codes, noise = small

    @jax.jit  # one program: the term that is asked for has weight 1, the other 0
    @jax.grad
    def gradient(params, diffusion, prior):
        terms = model.elbo_terms(params, codes, **noise)
        return diffusion * terms.diffusion.sum() + prior * terms.prior.sum()

    for weights in ((1.0, 0.0), (0.0, 1.0)):
        leaves = jax.tree.leaves(jax.device_get(gradient(params, *weights)["encoder"]))
        assert any((leaf != 0).any() for leaf in leaves)
        assert all(np.isfinite(leaf).all() for leaf in leaves)


def test_sampling_never_uses_the_encoder(small):
    model, params, *_ = small
    program = jax.make_jaxpr(lambda p: model.sample(jax.random.key(0), p, 2, 3))(params)
    used = {v for eqn in program.eqns for v in eqn.invars if not hasattr(v, "val")}
    paths = [path[0].key for path, _ in jax.tree_util.tree_flatten_with_path(params)[0]]
    for path, var in zip(paths, program.jaxpr.invars, strict=True):
        assert (var in used) == (path != "encoder"), path
    scans = [eqn for eqn in program.eqns if eqn.primitive.name == "scan"]
    assert len(scans) == 1 or any(e.params["length"] == 3 for e in scans)


def test_terms_are_traced_once(small):
    model, params, codes, noise = small
    traces = []

    @jax.jit
    def loss(params, codes, t):
        traces.append(1)
        return model.elbo_terms(params, codes, **(noise | {"t": t})).diffusion.mean()

    for shift in (0.0, 0.01, 0.02):
        loss(params, codes, noise["t"] + np.float32(shift))
    assert len(traces) == 1


def test_classes_condition_the_model(perturbed):
    model = diffenc.build("vdmv", SHAPE, 17, width=8, num_layers=0, num_classes=3)
    params = perturbed(model.init(jax.random.key(0)), 0.1)
    z = jnp.ones((3, *SHAPE))
    out = jax.jit(model.denoise)(params, z, 0.0, conditioning=np.arange(3))
    assert np.abs(out[0] - out[1]).max() > 1e-4
    with pytest.raises(ValueError, match="pass conditioning"):
        model.denoise(params, z, 0.0)
    with pytest.raises(ValueError, match=r"conditioning: codes must lie in 0\.\.2; got 0\.\.3"):
        model.denoise(params, z, 0.0, conditioning=np.array([0, 1, 3]))


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: diffenc.build("difenc", SHAPE, 17), "did you mean 'diffenc'"),
        (lambda: diffenc.build("vdmv", SHAPE, 17, widht=8), "did you mean 'width'"),
        (lambda: diffenc.build("vdmv", SHAPE, 17, schedule="linear"), "'fixed'"),
        (lambda: diffenc.build("vdmv-8", (2,), 256), "for images"),
        (lambda: diffenc.build("vdmv", (8, 8), 17), "neither"),
        (lambda: diffenc.build("diffenc", (7, 7, 1), 17), "divisible"),
        (lambda: diffenc.build("vdmv", SHAPE, 1), "two grey levels"),
        (lambda: diffenc.build("vdmv", SHAPE, 17, gamma_min=6.0), "below gamma_max"),
    ],
)
def test_what_cannot_be_built_is_one_clear_error(call, message):
    # Where annotations are checked at run time, as here, a wrong word is a TypeError before.
    with pytest.raises((ValueError, TypeError), match=message):
        call()


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"codes": np.full((4, *SHAPE), 256)}, r"codes must lie in 0\.\.255; got 256\.\.256"),
        ({"codes": np.zeros((4, *SHAPE))}, "[Ii]nteger"),
        ({"codes": np.zeros((4, 8, 8, 3), int)}, "shape"),
        ({"t": np.zeros(3, np.float32)}, "one time per example|parameter 't'"),
    ],
)
def test_wrong_batches_are_one_clear_error(small, changes, message):
    model, params, codes, noise = small
    given = {"codes": codes} | noise | changes
    with pytest.raises((ValueError, TypeError), match=message):
        model.elbo_terms(params, given.pop("codes"), **given)
