"""Models, encoders, schedules and predictions as values. Oracles: equality, and closed forms."""

import inspect
import pickle
from dataclasses import dataclass

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import diffenc
from diffenc.encoder import (
    MLP,
    Identity,
    MultiRes,
    NonTrainable,
    UNet,
    residual_encoder,
    smooth_encoder,
)
from diffenc.noising import per_example
from diffenc.prediction import EPS, V
from diffenc.schedules import FixedLinear, LearnedLinear, Monotone, Polynomial

IMAGE, VECTOR, LEVELS = (8, 8, 1), (2,), 16
ENDS = {"gamma_min": -8.0, "gamma_max": 4.0}


@pytest.mark.parametrize("name", diffenc.NAMES)
def test_a_model_is_a_value_that_its_repr_makes(name):
    for shape in (IMAGE, VECTOR)[: 2 if diffenc.PRESETS[name].vector else 1]:
        model = diffenc.build(name, shape, LEVELS)
        assert repr(model) == f"diffenc.build({name!r}, {shape}, {LEVELS})"
        # Read back are bytes and text that this line itself made, so neither can be hostile.
        for again in (pickle.loads(pickle.dumps(model)), eval(repr(model))):
            assert again == model and hash(again) == hash(model)
        assert diffenc.build(name, shape, LEVELS, **vars(model.options)) == model


def test_repr_names_what_differs_from_the_preset():
    model = diffenc.build("vdmv", VECTOR, LEVELS, width=8, encoder="unet", parametrisation="eps")
    text = repr(model)
    assert "width=8" in text and "encoder=MLP(width=64, layers=2)" in text
    assert "parametrisation=EpsPrediction()" in text and "dropout" not in text


WORDS = [
    ("vdmv", IMAGE, {"encoder": "identity"}, {"encoder": Identity()}),
    ("vdmv", IMAGE, {"encoder": "nt"}, {"encoder": NonTrainable()}),
    ("vdmv", IMAGE, {"encoder": "unet"}, {"encoder": UNet(16, 1)}),
    ("diffenc", IMAGE, {"encoder": "mult_res", "encoder_layers": 3}, {"encoder": MultiRes(16, 3)}),
    ("vdmv", VECTOR, {"encoder": "unet", "encoder_width": 8}, {"encoder": MLP(8, 2)}),
    ("diffenc-8-2", IMAGE, {"encoder_width": 8}, {"encoder": UNet(8, 2)}),
    ("diffenc-8-4", IMAGE, {"encoder_layers": 2}, {"encoder": MultiRes(64, 2)}),
    ("vdmv-8", IMAGE, {"encoder": "unet"}, {"encoder": UNet(64, 2)}),
    ("vdmv", VECTOR, {"parametrisation": "eps"}, {"parametrisation": EPS}),
    ("vdm-8", IMAGE, {"parametrisation": "v"}, {"parametrisation": V}),
    ("vdmv", VECTOR, ENDS, {"schedule": FixedLinear(-8.0, 4.0)}),
    ("vdmv", VECTOR, ENDS | {"schedule": "polynomial"}, {"schedule": Polynomial(-8.0, 4.0)}),
    (
        "vdmv",
        VECTOR,
        ENDS | {"schedule": "learned_linear"},
        {"schedule": LearnedLinear(-8.0, 4.0)},
    ),
]


@pytest.mark.parametrize("name, shape, words, objects", WORDS)
def test_a_word_is_the_short_form_of_an_object(name, shape, words, objects):
    short, long = (diffenc.build(name, shape, LEVELS, **given) for given in (words, objects))
    assert short == long
    for field, value in objects.items():
        assert getattr(long.options, field) == value


def test_the_monotone_schedule_takes_its_words():
    words = {"schedule": "monotone", "learn_endpoints": True, "interior": "elbo"}
    model = diffenc.build("vdmv", VECTOR, LEVELS, **words, **ENDS)
    assert model.schedule == Monotone(-8.0, 4.0, learn_endpoints=True, interior="elbo")
    given = diffenc.build("vdmv", VECTOR, LEVELS, schedule=model.schedule)
    params = given.init(jax.random.key(0))["schedule"]
    np.testing.assert_allclose([params["b"][0], params["w"][0]], [-8.0, 12.0], rtol=1e-6)


REFUSED = [
    (IMAGE, {"encoder": UNet(8, 1), "encoder_width": 16}, "leave out encoder_width"),
    (VECTOR, {"encoder": UNet(8, 1)}, "for images"),
    (IMAGE, {"encoder": MLP(8, 1)}, "for vectors"),
    (IMAGE, {"encoder": UNet(8, 4)}, "divisible by 16"),
    (IMAGE, {"encoder": "resnet"}, "encoder='resnet' is not one of 'identity', 'nt'"),
    (IMAGE, {"encoder": 3}, "encoder=3 is not one of"),
    (VECTOR, {"schedule": FixedLinear(-8.0, 4.0), "gamma_max": 5.0}, "leave out gamma_max"),
    (VECTOR, {"learn_endpoints": True}, "belongs to schedule='monotone'"),
    (VECTOR, {"parametrisation": "x"}, "parametrisation='x' is not one of 'v', 'eps'"),
    (VECTOR, {"gamma_min": float("nan")}, "both finite"),
    (VECTOR, {"encoder_width": 7}, "must be even"),
    (VECTOR, {"encoder_layers": 0}, "at least 0 and 1"),
    (IMAGE, {"encoder": UNet}, "encoder=UNet is a class; pass a value of it"),
    (IMAGE, {"schedule": FixedLinear}, "schedule=FixedLinear is a class"),
    (IMAGE, {"remat": "no"}, "remat='no' must be True or False"),
    (IMAGE, {"learn_endpoints": 1}, "learn_endpoints=1 must be True or False"),
    (IMAGE, {"gamma_max": "5"}, "gamma_max='5' must be a number"),
    (IMAGE, {"dropout": None}, "dropout=None must be a number"),
    (IMAGE, {"width": None}, "width=None must be a whole number; leave it out"),
    (IMAGE, {"num_layers": 2.0}, "num_layers=2.0 must be a whole number"),
]


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize("shape, options, message", REFUSED)
def test_what_does_not_fit_is_refused(shape, options, message):
    with pytest.raises(ValueError, match=message):
        diffenc.build("diffenc", shape, LEVELS, **options)


@pytest.mark.parametrize("shape, levels", [((8, 8.5, 1), 16), (IMAGE, 16.0), (8, 16)])
def test_sizes_are_whole_numbers(shape, levels):
    # Where annotations are checked at run time, as here, a wrong type is a TypeError before.
    with pytest.raises((ValueError, TypeError), match="whole numbers|Type-check"):
        diffenc.build("vdmv", shape, levels)


@dataclass(frozen=True)
class Shrinking:
    """The non-trainable encoder as somebody else would write it: one class."""

    def encoder(self):
        return smooth_encoder(lambda x, g, c: jax.nn.sigmoid(-per_example(g, x)) * x)


class Constant(nn.Module):
    @nn.compact
    def __call__(self, x, gamma, classes):
        return jnp.broadcast_to(self.param("mean", nn.initializers.ones, (1, 2)), x.shape)


@dataclass(frozen=True)
class Towards:
    """x_γ goes to a learned mean."""

    def network(self, shape, settings):
        return Constant()

    def encoder(self, y):
        return residual_encoder(y)

    def flops(self, shape):
        return 0.0, 0.0


def batch():
    rng = np.random.default_rng(0)
    noise = rng.normal(size=(2, 5, 2))
    times = {"t": np.linspace(0.1, 0.9, 5)}
    return rng.integers(0, LEVELS, (5, 2)), times | {"eps": noise[0], "eps_0": noise[1]}


def test_a_new_encoder_is_one_class(x64):
    codes, noise = batch()
    models = [
        diffenc.build("nt", VECTOR, LEVELS, width=8, encoder=encoder)
        for encoder in (NonTrainable(), Shrinking())
    ]
    params = models[0].init(jax.random.key(0))
    want, got = (m.elbo_terms(params, codes, **noise) for m in models)
    # x_0 − x is a difference here: 1e-16 of x in a reconstruction that feels it 1e5 times.
    close = lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-10)
    jax.tree.map(close, got, want)


def test_a_new_encoder_may_have_a_network(x64):
    model = diffenc.build("diffenc", VECTOR, LEVELS, width=8, encoder=Towards())
    params = model.init(jax.random.key(0))
    assert params["encoder"]["mean"].shape == (1, 2) and model.options.counterterm == "on"
    x = np.random.default_rng(0).uniform(-1, 1, (4, 2))
    x_t, slope = model.encode(params, x, 1.0)
    share = 1 / (1 + np.exp(-1.0))
    np.testing.assert_allclose(x_t, x + share * (1 - x), rtol=1e-9)
    # dσ²/dγ = σ² α².
    np.testing.assert_allclose(slope, share * (1 - share) * (1 - x), rtol=1e-9)
    score = diffenc.model_flops(model.options, VECTOR).score
    assert diffenc.model_flops(model.options, VECTOR).training == 3 * score


def test_methods_show_their_signatures():
    model = diffenc.build("vdmv", VECTOR, LEVELS)
    names = list(inspect.signature(model.elbo_terms).parameters)
    assert names[:5] == ["params", "codes", "t", "eps", "eps_0"]
    assert list(inspect.signature(model.bind).parameters) == [
        "params",
        "conditioning",
        "dropout_key",
    ]


def test_a_bound_process_is_the_model():
    model = diffenc.build("free", VECTOR, LEVELS, width=8, encoder_width=8, num_classes=3)
    params = jax.tree.map(lambda p: p + 0.1, model.init(jax.random.key(0)))
    x, gamma = np.full((3, 2), 0.3, np.float32), jnp.array([-3.0, 0.0, 3.0])
    process = model.bind(params, np.arange(3))
    for got, want in zip(
        [*process.encode(jnp.asarray(x), gamma), process.x_hat(jnp.asarray(x), gamma)],
        [
            *model.encode(params, x, gamma, np.arange(3)),
            model.denoise(params, x, gamma, np.arange(3)),
        ],
        strict=True,
    ):
        np.testing.assert_array_equal(got, want)
    assert (process.counterterm_at(gamma) != 1).all()
    with pytest.raises(ValueError, match="pass conditioning"):
        model.bind(params)
