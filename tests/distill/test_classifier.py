"""Classifiers: logits from both parts, published initialisation, seeds under vmap."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import distill

X = np.random.default_rng(0).normal(size=(200, 2)).astype(np.float32)


@pytest.fixture(scope="module")
def concept_model():
    model = distill.ConceptModel(distill.MLP(dim=3, widths=(512, 16)), num_labels=7, num_concepts=4)
    return model, jax.jit(model.init)(jax.random.key(0), X)


def test_heads_are_linear_without_bias(concept_model):
    model, variables = concept_model
    f, labels, concepts = model.apply(variables, X)
    heads = variables["params"]
    np.testing.assert_allclose(labels, f @ heads["unembedding"].T, rtol=1e-6)
    np.testing.assert_allclose(concepts, f @ heads["concept_unembedding"].T, rtol=1e-6)
    assert heads["unembedding"].shape == (7, 3) and heads["concept_unembedding"].shape == (4, 3)


def test_a_classifier_is_the_concept_model_without_its_second_head(concept_model):
    model, variables = concept_model
    params = {k: v for k, v in variables["params"].items() if k != "concept_unembedding"}
    one = distill.Classifier(distill.MLP(dim=3, widths=(512, 16)), num_labels=7)
    for got, want in zip(one.apply({"params": params}, X), model.apply(variables, X), strict=False):
        np.testing.assert_array_equal(got, want)


def test_initialisation_is_the_published_one(concept_model):
    """U(+-1/sqrt(fan_in)) in every layer; heads U(+-sqrt(6 / (k + m))) or the layers' own."""
    _, variables = concept_model
    second = variables["params"]["embedding"]["Dense_1"]
    bound = 512**-0.5
    for values in second.values():
        assert np.abs(values).max() <= bound
    np.testing.assert_allclose(second["kernel"].std(), bound / 3**0.5, rtol=0.03)
    head = variables["params"]["unembedding"]
    assert 0.8 < np.abs(head).max() / np.sqrt(6 / 10) <= 1
    rows = distill.fan_in_uniform_rows(jax.random.key(1), (4000, 10))
    assert 0.99 < np.abs(rows).max() * 10**0.5 <= 1


def test_dropout_acts_in_training_only(concept_model):
    model, variables = concept_model
    apply = lambda k: model.apply(variables, X, train=True, rngs={"dropout": jax.random.key(k)})[0]
    assert np.abs(apply(1) - apply(2)).max() > 1e-3
    f = model.apply(variables, X)[0]
    np.testing.assert_array_equal(f, model.apply(variables, X)[0])
    mean = jnp.stack([apply(k) for k in range(50)]).mean()
    assert abs(mean - f.mean()) < 0.1 * f.std()


def test_seeds_under_vmap_equal_single_models():
    model = distill.Classifier(distill.MLP(dim=2, widths=(16,)), num_labels=7)
    keys = jax.random.split(jax.random.key(3), 3)
    many = jax.vmap(model.init, (0, None))(keys, X)
    f, logits = jax.vmap(model.apply, (0, None))(many, X)
    for i, key in enumerate(keys):
        f_i, logits_i = model.apply(model.init(key, X), X)
        np.testing.assert_allclose(f[i], f_i, atol=1e-6)
        np.testing.assert_allclose(logits[i], logits_i, atol=1e-6)
