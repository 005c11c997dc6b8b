"""Residual networks: published parameter counts, shapes, batch statistics."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import distill

TINY = distill.ResNet(dim=5, stage_sizes=(1, 1), block=distill.Bottleneck, channels=4)


@pytest.mark.parametrize(
    ("network", "dim", "large_images", "count"),
    [
        # torchvision's models, and the CIFAR forms of github.com/kuangliu/pytorch-cifar.
        (distill.ResNet18, 1000, True, 11_689_512),
        (distill.ResNet50, 1000, True, 25_557_032),
        (distill.ResNet18, 10, False, 11_173_962),
        (distill.ResNet50, 10, False, 23_520_842),
    ],
)
def test_parameter_counts_are_the_published_ones(network, dim, large_images, count):
    model = network(dim=dim, large_images=large_images)
    variables = jax.eval_shape(model.init, jax.random.key(0), jnp.zeros((1, 32, 32, 3)))
    assert sum(math.prod(a.shape) for a in jax.tree.leaves(variables["params"])) == count


@pytest.mark.parametrize(("large_images", "side"), [(False, 4), (True, 1)])
def test_feature_map_before_pooling(large_images, side):
    """32 x 32 images: three strides of 2 in the stages, two more in ImageNet's stem."""
    model = distill.ResNet18(dim=5, large_images=large_images)
    capture = lambda x: model.init_with_output(jax.random.key(0), x, capture_intermediates=True)
    f, variables = jax.eval_shape(capture, jnp.zeros((2, 32, 32, 3)))
    last = variables["intermediates"]["BasicBlock_7"]["__call__"][0]
    assert last.shape == (2, side, side, 512) and f.shape == (2, 5)


def test_batch_statistics_are_used_in_training_and_stored_for_evaluation():
    images = np.random.default_rng(0).normal(size=(8, 8, 8, 3)).astype(np.float32) + 2
    variables = TINY.init(jax.random.key(0), images)
    _, state = TINY.apply(variables, images, train=True, mutable=["batch_stats"])
    stem = state["batch_stats"]["BatchNorm_0"]
    kernel = variables["params"]["Conv_0"]["kernel"]
    out = jax.lax.conv_general_dilated(
        images, kernel, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")
    )
    np.testing.assert_allclose(stem["mean"], 0.1 * out.mean((0, 1, 2)), atol=1e-5)
    np.testing.assert_allclose(stem["var"], 0.9 + 0.1 * out.var((0, 1, 2)), rtol=1e-4)
    one_by_one = [TINY.apply(variables, images[i : i + 1])[0] for i in range(2)]
    np.testing.assert_allclose(TINY.apply(variables, images)[:2], one_by_one, rtol=1e-4, atol=1e-5)
