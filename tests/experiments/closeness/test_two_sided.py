"""The two-sided classifiers. Oracles: NumPy forwards, PyTorch's formula for initial weights."""

from dataclasses import replace

import jax
import numpy as np
import pytest

from experiments.closeness.config import Model
from experiments.closeness.networks import SmallMLP, TwoSided, make_model
from experiments.runtime import settings
from experiments.runtime.errors import UserError

SPEC = Model(embedding="mlp")


@pytest.fixture(scope="module")
def model():
    return make_model(SPEC, 16, 5, images=False)


@pytest.fixture(scope="module")
def variables(model):
    return model.init(jax.random.key(0), np.zeros((1, 2), np.float32))


def forward(layers, x):
    for i in range(3):
        x = x @ layers[f"Dense_{i}"]["kernel"] + layers[f"Dense_{i}"]["bias"]
        x = np.where(x > 0, x, 0.01 * x)
    assert "bias" not in layers["Dense_3"]
    return x @ layers["Dense_3"]["kernel"]


def test_outputs_are_embeddings_and_their_products_with_unembeddings(model, variables):
    x = np.random.default_rng(0).normal(size=(7, 2)).astype(np.float32)
    params = jax.tree.map(np.asarray, variables["params"])
    f = forward(params["embedding"], x)
    g = forward(params["unembedding"], np.eye(5)[:, :4])
    got_f, logits = model.apply(variables, x)
    np.testing.assert_allclose(got_f, f, atol=1e-6)
    np.testing.assert_allclose(logits, f @ g.T, atol=1e-6)
    got_g = model.apply(variables, method=TwoSided.unembeddings)
    np.testing.assert_allclose(got_g, g, atol=1e-6)


def test_initial_weights_are_uniform_within_one_over_root_inputs():
    layers = SmallMLP(2, (256, 256)).init(jax.random.key(0), np.zeros((1, 2)))["params"]
    for name, fan_in in (("Dense_0", 2), ("Dense_1", 256), ("Dense_2", 256)):
        for values in layers[name].values():
            assert np.abs(values).max() <= fan_in**-0.5
    wide = np.asarray(layers["Dense_1"]["kernel"])
    np.testing.assert_allclose(wide.std(), 256**-0.5 / 3**0.5, rtol=0.01)
    np.testing.assert_allclose(layers["Dense_1"]["bias"].mean(), 0, atol=0.006)


def test_lengths_can_be_fixed():
    model = make_model(replace(SPEC, g_length=20.0, f_length=3.0), 16, 5, images=False)
    x = np.random.default_rng(0).normal(size=(7, 2)).astype(np.float32)
    variables = model.init(jax.random.key(0), x)
    f, _ = model.apply(variables, x)
    np.testing.assert_allclose(np.linalg.norm(f, axis=1), 3, rtol=1e-4)
    g = model.apply(variables, method=TwoSided.unembeddings)
    np.testing.assert_allclose(np.linalg.norm(g, axis=1), 20, rtol=1e-4)


def test_images_are_taken_to_minus_one_and_one():
    plain, images = (make_model(SPEC, 16, 5, images=flag) for flag in (False, True))
    x = np.random.default_rng(0).uniform(size=(3, 2)).astype(np.float32)
    variables = plain.init(jax.random.key(0), x)
    np.testing.assert_allclose(
        images.apply(variables, x)[0], plain.apply(variables, 2 * x - 1)[0], rtol=1e-6
    )


def test_too_few_labels_and_unknown_names_are_errors():
    with pytest.raises(UserError, match="3 labels and model.dim=2"):
        make_model(SPEC, 16, 3, images=False)
    with pytest.raises(UserError, match="Did you mean 'resnet18'"):
        settings.read(Model, {"embedding": "resnet"})
