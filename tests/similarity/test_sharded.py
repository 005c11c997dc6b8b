import jax
import jax.numpy as jnp
import numpy as np
import pytest

import similarity as S
from similarity import sharded


@pytest.fixture(scope="module")
def mesh():
    return jax.make_mesh((8,), ("vocab",), axis_types=(jax.sharding.AxisType.Auto,))


def test_sharded_labels_give_the_same_values(x64, make_models, mesh):
    """41 labels on 8 devices: measured 1e-15 relative."""
    models = make_models(0, 60, 41, 3)
    got = sharded.logit_distance_sq(*models, mesh=mesh, axis="vocab")
    np.testing.assert_allclose(got, S.logit_distance_sq(*models), rtol=1e-13)
    f, g, f2, g2 = models
    want = S.kl(S.log_probs(f, g), S.log_probs(f2, g2))
    np.testing.assert_allclose(
        sharded.kl(*models, mesh=mesh, axis="vocab"), want, rtol=1e-12, atol=1e-16
    )


def test_equal_models_are_exactly_zero_in_single_precision(make_models, mesh):
    f, g, *_ = make_models(0, 60, 41, 3).cast(np.float32)
    assert sharded.logit_distance_sq(f, g, f, g, mesh=mesh, axis="vocab") == 0


def test_nothing_exchanged_grows_with_labels_or_inputs(mesh):
    """Collectives of the compiled program carry triangles and means: 8·(2m)² + 2m numbers."""
    n, k, m = 500, 8000, 4
    shapes = [jax.ShapeDtypeStruct(s, jnp.float32) for s in ((n, m), (k, m), (n, m), (k, m))]
    run = lambda *models: sharded.logit_distance_sq(*models, mesh=mesh, axis="vocab")
    text = jax.jit(run).lower(*shapes).compile().as_text()
    reduced = [line for line in text.splitlines() if "all-reduce(" in line or "all-gather(" in line]
    assert reduced and not any(str(size) in line for line in reduced for size in (n, k, k // 8))


def test_an_unknown_axis_is_an_error(models, mesh):
    with pytest.raises(ValueError, match="axis='labels'.*vocab"):
        sharded.logit_distance_sq(*models, mesh=mesh, axis="labels")
