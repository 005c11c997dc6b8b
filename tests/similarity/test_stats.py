import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import PartitionSpec

import similarity as S
from similarity.stats import PairStats


def streamed(parts, dtype=np.float64):
    stats = PairStats.init(3, 3, dtype)
    for f, g, f2, g2 in parts:
        stats = stats.update(f, S.log_partition(f, g), f2, S.log_partition(f2, g2))
    return stats


def split(models, *bounds):
    f, g, f2, g2 = models
    edges = (0, *bounds, f.shape[0])
    return [(f[a:b], g, f2[a:b], g2) for a, b in zip(edges, edges[1:], strict=False)]


@pytest.fixture
def stats(models, x64):
    return streamed([models])


def scatter(stats):
    both = np.hstack([stats.factor, stats.factor2])
    return both.T @ both


def test_factor_and_mean_are_those_of_the_data(models, stats):
    f, g, f2, g2 = models
    z = np.hstack([f, S.log_partition(f, g)[:, None], f2, S.log_partition(f2, g2)[:, None]])
    np.testing.assert_allclose(np.append(stats.mean, stats.mean2), z.mean(0), atol=1e-15)
    np.testing.assert_allclose(scatter(stats) / 399, np.cov(z.T), atol=1e-14)


@pytest.mark.parametrize("bounds", [(100, 200, 300), (3, 200)])
def test_any_split_in_any_order_gives_the_same_statistics(models, stats, bounds):
    """Measured 4e-16 relative to the largest entry."""
    parts = split(models, *bounds)
    merged = PairStats.init(3, 3, np.float64)
    for part in parts[::-1]:
        merged = streamed([part]).merge(merged)
    for other in (streamed(parts), merged):
        assert other.count == 400
        np.testing.assert_allclose(other.mean, stats.mean, atol=1e-14)
        np.testing.assert_allclose(scatter(other), scatter(stats), atol=1e-12)


def test_masked_rows_do_not_count(models, stats):
    (f, g, f2, g2), keep = models, np.arange(400) % 3 > 0
    dirty = np.where(keep[:, None], f, 1e6)
    log_z = S.log_partition(f, g), S.log_partition(f2, g2)
    got = PairStats.init(3, 3, np.float64).update(dirty, log_z[0], f2, log_z[1], keep)
    want = streamed([(f[keep], g, f2[keep], g2)])
    np.testing.assert_allclose(scatter(got), scatter(want), rtol=1e-12)
    assert got.count == keep.sum()


def test_measures_of_the_sample_are_those_of_the_data(models, stats):
    """Nine rows stand for 400: measured 2e-15 on each measure."""
    (f, g, f2, g2), s = models, stats.sample()
    assert s.f.shape == (9, 3)
    pairs = [
        (S.logit_distance(s.f, g, s.f2, g2), S.logit_distance(*models)),
        (S.d_rep(s.f, g, s.f2, g2).d_sq, S.d_rep(*models).d_sq),
        (S.max_d_svd(s.f, g, s.f2, g2, 1, 2), S.max_d_svd(*models, 1, 2)),
        *((m(s.f, s.f2), m(f, f2)) for m in (S.mcca, S.svcca, S.pwcca, S.cka, S.procrustes)),
        *((m(s.f, s.f2), m(f, f2)) for m in (S.linear_regression_r2, S.angular_procrustes)),
    ]
    for got, want in pairs:
        np.testing.assert_allclose(got, want, rtol=1e-12)
    bound = S.bounds.mcca_above_logit
    np.testing.assert_allclose(bound(s.f, g, s.f2, g2).lhs, bound(*models).lhs, rtol=1e-10)


def test_label_terms_of_the_statistics_are_those_of_the_distance(models, x64):
    stats = streamed(split(models, 100, 200, 300))
    want = S.llv_distance(*models, key=jax.random.key(0), num_sets=4)
    got = S.llv_label_terms(stats, models.g, models.g2)
    np.testing.assert_allclose((got.t1, got.t3), (want.t1, want.t3), rtol=1e-12)
    assert (got.pivot, got.leave_out) == (want.pivot, want.leave_out)


@pytest.mark.parametrize("size", [1e-2, 1e-4])
def test_single_precision_resolves_small_terms_where_a_covariance_cannot(make_models, size):
    """Term 1 near 1e-4 to 1e-3 relative over 20 batches: measured 2e-5 and 1e-4 relative."""
    f, g, *_ = make_models(0, 2000, 7, 3).cast(np.float32)
    noise = np.random.default_rng(1).normal(size=f.shape).astype(np.float32)
    f2 = f + np.float32(size) * noise
    stats = streamed(split((f, g, f2, g), *range(100, 2000, 100)), np.float32)
    got = float(S.llv_label_terms(stats, g, g).t1)
    with jax.enable_x64(True):
        exact = streamed([(np.float64(x) for x in (f, g, f2, g))])
        want = float(S.llv_label_terms(exact, np.float64(g), np.float64(g)).t1)
    assert want < 2 * size
    np.testing.assert_allclose(got, want, rtol=1e-3)


def test_statistics_are_carried_by_scan_and_gathered_over_devices(models, stats):
    f, g, f2, g2 = models
    columns = f, S.log_partition(f, g), f2, S.log_partition(f2, g2)
    mesh = jax.make_mesh((8,), ("data",), axis_types=(jax.sharding.AxisType.Auto,))

    def one_device(*columns):
        batches = jax.tree.map(lambda x: x.reshape(5, 10, *x.shape[1:]), columns)
        start = jax.lax.pcast(PairStats.init(3, 3, jnp.float64), "data", to="varying")
        return jax.lax.scan(lambda s, b: (s.update(*b), None), start, batches)[0].gather("data")

    cut, whole = PartitionSpec("data"), PartitionSpec()
    gathered = jax.jit(jax.shard_map(one_device, mesh=mesh, in_specs=cut, out_specs=whole))
    got = gathered(*columns)
    assert got.count == 400
    np.testing.assert_allclose(scatter(got), scatter(stats), atol=1e-12)  # measured 6e-14
    np.testing.assert_allclose(got.mean, stats.mean, atol=1e-14)


def test_fewer_inputs_than_columns_and_none_at_all(models, x64):
    few = streamed(split(models, 3)[:1])
    f, _, f2, _ = models
    want = S.procrustes(f[:3], f2[:3])
    np.testing.assert_allclose(S.procrustes(few.sample().f, few.sample().f2), want, rtol=1e-12)
    empty = PairStats.init(3, 3, np.float64)
    np.testing.assert_allclose(scatter(empty.merge(few)), scatter(few), atol=1e-14)


@pytest.mark.usefixtures("unchecked")
def test_a_batch_of_other_dimensions_is_an_error(models):
    with pytest.raises(ValueError, match=r"accepted are \(n, 2\), \(n,\), \(n, 3\), \(n,\)"):
        zeros = np.zeros(400)
        PairStats.init(2, 3).update(models.f, zeros, models.f2, zeros)


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(
    "mask", [[True], [0, 1, 1, 1, 1, 1], np.full(6, 0.5), np.ones((6, 1), bool)]
)
def test_a_mask_that_is_not_one_boolean_a_row_is_an_error(mask):
    f, log_z = np.ones((6, 2)), np.ones(6)
    with pytest.raises(ValueError, match="accepted are 6 booleans, one a row"):
        PairStats.init(2, 2).update(f, log_z, f, log_z, mask=mask)
    with pytest.raises(ValueError, match="masked array"):
        PairStats.init(2, 2).update(
            f, log_z, f, log_z, mask=np.ma.masked_array([True] * 6, [1] * 6)
        )


def test_statistics_of_other_dimensions_do_not_merge():
    with pytest.raises(ValueError, match=r"dimensions \(2, 2\) and \(2, 3\)"):
        PairStats.init(2, 2).merge(PairStats.init(2, 3))
