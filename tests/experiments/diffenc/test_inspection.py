"""Oracle: the non-trainable encoder, x_t = α² x, in closed form."""

import jax
import matplotlib.pyplot as plt
import numpy as np
import pytest

import diffenc
from experiments.diffenc import encoder_figures, inspection
from experiments.diffenc.inspect import inspect
from experiments.runtime.errors import UserError

T = [0.2, 0.5, 0.8, 1.0]


@pytest.fixture(scope="module")
def measured():
    model = diffenc.build("nt", (2,), 16, width=8, num_layers=1, gamma_min=-6.0, gamma_max=4.0)
    x = np.random.default_rng(0).uniform(-1, 1, (50, 2)).astype(np.float32)
    params = model.init(jax.random.key(0))
    offsets = inspection.encoded(model, params, x, T)
    return x, offsets, inspection.by_time(model, params, x, T, jax.random.key(1))


def test_statistics_of_the_encoding(measured):
    x, offsets, found = measured
    gamma = -6 + 10 * np.array(T)
    alpha2, sigma2 = 1 / (1 + np.exp(gamma)), 1 / (1 + np.exp(-gamma))
    np.testing.assert_allclose(offsets, -sigma2[:, None, None] * x, rtol=1e-5)
    np.testing.assert_allclose(found["gamma"], gamma, rtol=1e-5)
    np.testing.assert_allclose(found["mean"], alpha2 * x.mean(), rtol=1e-4)
    np.testing.assert_allclose(found["deviation"], alpha2 * x.std(), rtol=1e-4)
    np.testing.assert_allclose(found["max"], alpha2 * x.max(), rtol=1e-4)
    np.testing.assert_allclose(found["moved"], sigma2 * np.sqrt(np.mean(x**2)), rtol=1e-4)
    np.testing.assert_allclose([found["y"], found["dy_dt"]], 0, atol=1e-5)


def test_costs_of_the_movement(measured):
    x, _, found = measured
    gamma = -6 + 10 * np.array(T)
    alpha2, sigma2 = 1 / (1 + np.exp(gamma)), 1 / (1 + np.exp(-gamma))
    # ½ γ' e^-γ |σ² x_γ|², over D ln 2.
    size = 5 * alpha2 / sigma2 * sigma2**2 * alpha2**2 * np.mean((x**2).sum(1)) / (2 * np.log(2))
    np.testing.assert_allclose(found["size"], size, rtol=1e-4)
    assert all(np.asarray(found["least"]) <= np.minimum(found["size"], found["left"]) + 1e-7)
    np.testing.assert_allclose(found["own"], found["left"], rtol=1e-5)
    costs = inspection.path_costs(found)
    assert costs["none"] == pytest.approx(np.trapezoid(size, T), rel=1e-4)
    assert costs["best"] <= min(costs["none"], costs["published"])


def test_changes_are_slopes_with_channels_summed():
    rng = np.random.default_rng(0)
    offsets = rng.normal(size=(4, 3, 2, 2, 3))
    t, s = np.array([0.4, 1.0]), np.array([0.3, 0.8])
    want = [(offsets[i] - offsets[i + 2]).sum(-1) / (t - s)[i] for i in range(2)]
    np.testing.assert_allclose(inspection.changes(offsets, t, s), want, rtol=1e-12)


def test_all_heat_maps_share_one_scale_that_is_white_at_zero():
    rng = np.random.default_rng(0)
    rates = rng.normal(size=(2, 3, 4, 4)) + 0.5
    figure = encoder_figures.heat_maps(rng.uniform(-1, 1, (3, 4, 4, 1)), rates, [0.4, 1.0], 0.1)
    maps = [image for axis in figure.axes for image in axis.images if image.cmap.name == "RdBu_r"]
    limit = np.abs(rates).max()
    assert len(maps) == 6
    assert {image.get_clim() for image in maps} == {(-limit, limit)}
    assert min(maps[0].cmap(maps[0].norm(0.0))[:3]) > 0.95
    plt.close(figure)


@pytest.mark.parametrize("given", [{"num": 0}, {"examples": 0}, {"num": -1}])
def test_none_at_all_is_refused_and_not_taken_as_the_default(given, tmp_path):
    with pytest.raises(UserError, match="must be at least 1"):
        inspect(tmp_path, **given)


def test_a_picture_of_very_many_images_is_refused(tmp_path):
    with pytest.raises(UserError, match="--examples=65: a picture shows at most 64"):
        inspect(tmp_path, examples=65)
