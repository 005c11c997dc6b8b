"""Oracles: what the config words promise, and counted parameters and operations."""

import jax
import jax.numpy as jnp
import pytest

import diffenc
from experiments.configs.diffenc import digits, fashion_mnist, swirl
from experiments.runtime.errors import UserError


@pytest.mark.parametrize(
    "module, arg, want",
    [
        (swirl, "diffenc", {"gamma_min": -13.3, "gamma_max": 5.0}),
        (swirl, "nt:short", {"gamma_min": -10.0, "gamma_max": 0.0}),
        (digits, "vdmv", {"gamma_min": -7.88, "gamma_max": 5.0}),
        (digits, "vdmv:published", {"gamma_min": -13.3, "gamma_max": 5.0}),
        (digits, "vdmv:short:smoke", {"gamma_min": -4.58, "gamma_max": 0.0, "width": 8}),
        (digits, "diffenc:counterterm-learned", {"counterterm": "learned"}),
        (digits, "diffenc:short:schedule-learned", {"schedule": "monotone", "gamma_max": 0.0}),
    ],
)
def test_words_set_their_options(module, arg, want):
    options = module.get_config(arg).model.options
    assert {name: options[name] for name in want} == want


@pytest.mark.parametrize("arg", ["diffenc:params", "vdmv:shrt", "vdmv:smoke:long"])
def test_words_of_other_models_are_refused(arg):
    with pytest.raises(UserError, match="unknown word for"):
        fashion_mnist.get_config(arg)


def build(arg):
    config = fashion_mnist.get_config(arg)
    options = {k: v for k, v in config.model.options.to_dict().items() if v is not None}
    options.pop("conditional")
    return diffenc.build(config.model.name, (14, 14, 1), 256, **options)


def parameters(model):
    shapes = jax.eval_shape(model.init, jax.random.key(0))
    return sum(leaf.size for leaf in jax.tree.leaves(shapes))


def training_flops(model):
    """XLA's count for the loss and its gradient, on a program without loops."""
    image = jax.ShapeDtypeStruct((2, 14, 14, 1), jnp.float32)
    codes, t = jax.ShapeDtypeStruct(image.shape, jnp.int32), jax.ShapeDtypeStruct((2,), jnp.float32)
    key = jax.eval_shape(lambda: jax.random.key(0))

    def loss(params, codes, t, eps, eps_0, key):
        terms = model.elbo_terms(params, codes, t=t, eps=eps, eps_0=eps_0, dropout_key=key)
        return sum(terms).mean()

    params = jax.eval_shape(model.init, jax.random.key(0))
    program = jax.jit(jax.value_and_grad(loss)).lower(params, codes, t, image, image, key)
    return program.cost_analysis()["flops"]


def test_enlarged_baselines_match_the_encoders_capacity():
    target = build("diffenc")
    assert parameters(build("vdmv:params")) == pytest.approx(parameters(target), rel=0.025)
    assert parameters(build("vdmv")) < 0.9 * parameters(target)
    goal = training_flops(target)
    # The encoder's x_0 is computed for one of these two images, not for one of eight.
    assert training_flops(build("vdmv:flops")) == pytest.approx(goal, rel=0.05)
    assert training_flops(build("vdmv")) < 0.85 * goal
