"""The input boundary against float64 NumPy: exact values in, one sentence for the rest."""

import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np
import pytest
import scipy.sparse

from repgeo import inputs

R = np.random.default_rng(0)
X = R.normal(size=(40, 3))


@pytest.mark.parametrize(
    "value",
    [
        X.astype(np.float32),
        X,
        X.astype(np.float16),
        X.astype(ml_dtypes.bfloat16),
        X.astype(">f8"),
        np.asfortranarray(X),
        np.repeat(X, 2, axis=0)[::2],
        X > 0,
        np.int8(10 * X),
        np.int64(X * 2**33),
        np.uint64(np.abs(X) * 2**40),
        X.tolist(),
        np.ma.masked_array(X),
        X.astype(np.longdouble),
    ],
)
def test_every_value_is_kept_exactly(value):
    checked = inputs.array("x", value, 2)
    assert checked.dtype in (np.float32, np.float64)
    np.testing.assert_array_equal(np.float64(checked), np.asarray(value, np.float64))


def test_read_only_arrays_and_arrays_of_jax_are_read_where_they_are():
    fixed = X.copy()
    fixed.flags.writeable = False
    assert inputs.array("x", fixed) is fixed
    device = jnp.asarray(X, jnp.float32)
    assert inputs.array("x", device) is device
    assert inputs.array("x", device.astype(jnp.bfloat16)).dtype == jnp.float32
    assert inputs.array("x", [device[0], device[1]], 2).shape == (2, 3)
    big = inputs.array("x", jnp.asarray([2**31 - 1, 2**31 - 2], jnp.int32))
    np.testing.assert_array_equal(big, [2.0**31 - 1, 2.0**31 - 2])


def test_lists_keep_the_digits_of_each_row():
    mixed = [jnp.zeros(2), np.array([2.0**32 + 1, 1e300]), [1, 2]]
    np.testing.assert_array_equal(inputs.array("x", mixed), [[0, 0], [2.0**32 + 1, 1e300], [1, 2]])
    whole = [jnp.asarray([2**24 + 1]), jnp.ones(1)]
    np.testing.assert_array_equal(inputs.array("x", whole), [[2**24 + 1], [1]])
    assert isinstance(inputs.read("x", [jnp.ones(2), jnp.zeros(2)]), jax.Array)


@pytest.mark.parametrize(
    ("value", "says"),
    [
        (X + 1j, "complex128; accepted are real numbers"),
        (np.array([["a", "b"]]), "dtype <U1; accepted are real numbers"),
        (np.array([[None, 1]]), "dtype object; accepted are real numbers"),
        ([[1.0, 2.0], [3.0]], "rows have equal length"),
        ([jnp.ones(2), jnp.ones(3)], "rows have equal length"),
        (
            [np.ma.masked_array(X[0], X[0] > -9), X[1]],
            "masked array; accepted are those without masked",
        ),
        (np.ma.masked_array(X, X > 2), "masked array; accepted are those without masked"),
        (scipy.sparse.csr_matrix(X), r"sparse matrix.*toarray\(\)"),
        (scipy.sparse.csr_array(X), r"sparse matrix.*toarray\(\)"),
        (X[0], r"shape \(3,\); accepted is a matrix"),
        (X[:0], "no entries"),
        (
            np.where(X[7, 1] == X, np.nan, X),
            r"NaN or infinite entries, the first at \(7, 1\).*: drop or mend those rows$",
        ),
        (jnp.asarray(X).at[7, 1].set(-jnp.inf), r"the first at \(7, 1\), -inf;"),
        (np.full((2, 2), 2**53 + 1), "integers up to 2⁵³"),
        (np.full((2, 2), np.iinfo(np.int64).min), "integers up to 2⁵³"),
        (jax.random.key(0)[None, None], "dtype key"),
    ],
)
def test_the_rest_is_one_sentence(value, says):
    with pytest.raises(ValueError, match=says) as caught:
        inputs.array("x", value, 2)
    assert str(caught.value).startswith("x ")


def test_logarithms_may_be_minus_infinite_but_no_other_value():
    log_p = np.log(
        np.array([[0.5, 0.5, 0.0]]), where=[[True, True, False]], out=-np.full(3, np.inf)[None]
    )
    assert inputs.array("p", log_p, logarithms=True)[0, 2] == -np.inf
    np.testing.assert_array_equal(
        inputs.working(p=inputs.array("p", log_p, logarithms=True))[0], np.float32(log_p)
    )
    for bad in (np.nan, np.inf):
        with pytest.raises(ValueError, match=rf"NaN or infinite.* at \(1,\), {bad};"):
            inputs.array("p", np.array([-np.inf, bad]), logarithms=True)


@pytest.mark.parametrize("offset", [0.0, 1e3, 1e6, 1e8])
def test_an_offset_is_removed_in_double_before_float32(offset):
    given = X + offset
    want = (given - given.mean(axis=0))[:, None] - (given - given.mean(axis=0))[None]
    (x,) = inputs.working(x=inputs.array("x", given), centre=True)
    assert x.dtype == jnp.float32
    got = np.float64(x)[:, None] - np.float64(x)[None]
    np.testing.assert_allclose(got, want, atol=4e-7)  # 2 ulp of the largest entry; measured 2e-7


def test_queries_move_with_the_points_and_mixed_arrays_share_one_centre():
    points, queries = X + 1e6, X[:5] + 1e6
    x, q = inputs.working(x=points, q=queries, centre=True)
    np.testing.assert_array_equal(x[:5], q)
    single = points.astype(np.float32)
    x, q = inputs.working(x=np.float64(single), q=jnp.asarray(single), centre=True)
    np.testing.assert_array_equal(x, q)


@pytest.mark.parametrize("power", [-300, -30, 0, 30, 300])
def test_a_scale_is_removed_in_double_before_float32(power):
    (x,) = inputs.working(x=inputs.array("x", X * 10.0**power), scale=True)
    ratio = np.float64(x) / X
    assert 0.5 <= np.abs(x).max() < 1
    np.testing.assert_allclose(ratio, ratio[0, 0], rtol=2e-7)


@pytest.mark.parametrize("power", [-300, -39, 39, 300])
def test_what_float32_cannot_hold_is_refused(power):
    with pytest.raises(ValueError, match="outside 1.2e-38 to 3.4e.38: kernels run in float32"):
        inputs.working(x=inputs.array("x", X * 10.0**power))


def test_double_precision_stays_in_x64_mode(x64):
    (x,) = inputs.working(x=inputs.array("x", X + 1e8), centre=True)
    np.testing.assert_array_equal(x, X + 1e8)
    x, y = inputs.working(x=X.astype(np.float32), y=X)
    assert x.dtype == y.dtype == jnp.float64


@pytest.mark.parametrize("power", [-35, -30, 0, 30, 37])
def test_scaled_is_exact_and_undone_by_its_exponent(power):
    x = jnp.asarray(np.float32(X[:, 0] * 10.0**power))
    for scale in (inputs.scaled, jax.jit(inputs.scaled)):
        small, exponent = scale(x)
        assert 0.5 <= jnp.abs(small).max() < 1
        np.testing.assert_array_equal(np.ldexp(np.asarray(small), int(exponent)), x)
    zeros, exponent = inputs.scaled(jnp.zeros(3))
    assert exponent == 0 and not zeros.any()
    slope = jax.grad(lambda x: jnp.ldexp(inputs.scaled(x)[0], inputs.scaled(x)[1]).sum())
    np.testing.assert_array_equal(slope(x), 1.0)


@pytest.mark.parametrize("power", [-300, 0, 300])
def test_unit_rows_have_length_one_at_every_scale(power):
    rows = np.concatenate([X * 10.0**power, np.zeros((1, 3))])
    want = np.concatenate([X / np.linalg.norm(X, axis=1, keepdims=True), np.zeros((1, 3))])
    np.testing.assert_allclose(inputs.unit_rows(rows), want, rtol=1e-14)
    device = jnp.asarray(X, jnp.float32) * np.float32(10.0 ** (power / 10))
    np.testing.assert_allclose(inputs.unit_rows(device), want[:-1], rtol=3e-7)


def test_tracers_get_static_checks_and_known_values_all():
    @jax.jit
    def inside(x):
        inputs.array("x", x, 2)
        return inputs.working(x=inputs.array("x", x), known=inputs.array("known", X))[0]

    assert jnp.isnan(inside(jnp.full((2, 2), jnp.nan))).all()
    with pytest.raises(ValueError, match="accepted is a matrix"):
        inside(jnp.zeros(3))
    known = jnp.asarray([jnp.nan])
    with pytest.raises(ValueError, match="NaN or infinite"):
        jax.jit(lambda x: x + inputs.array("known", known))(1.0)
    assert jax.vmap(lambda x: inputs.array("x", x, 1).sum())(jnp.ones((2, 3), jnp.int32)).shape == (
        2,
    )


def test_surely_is_false_where_entries_are_unknown():
    assert inputs.surely(lambda x: x > 0, jnp.asarray(1.0))
    assert not jax.jit(lambda x: inputs.surely(lambda x: x > 0, x))(1.0)
    known = jnp.ones(2)
    assert jax.jit(lambda x: x + inputs.surely(jnp.any, known))(1.0) == 2


@pytest.mark.parametrize("bad", [3.0, True, "3", None, 0, 11, np.float32(3)])
def test_counts_are_integers_in_range(bad):
    assert inputs.count("k", np.int64(10), 10) == 10
    with pytest.raises(ValueError, match=r"^k=.*1 ≤ k ≤ 10"):
        inputs.count("k", bad, 10)


def test_a_count_says_which_end_it_leaves():
    with pytest.raises(ValueError, match=r"^k=1 is impossible with 0 points .*: give more$"):
        inputs.count("k", 1, 0)
    with pytest.raises(ValueError, match="^size=0 must be at least 1; accepted"):
        inputs.count("size", 0, 2**31 - 1)
    with pytest.raises(
        ValueError, match=f"^n={2**31} is too large; accepted is 1 ≤ n ≤ 2147483647"
    ):
        inputs.count("n", 2**31, 2**31 - 1)


def test_a_number_that_is_not_finite_has_no_rows():
    with pytest.raises(
        ValueError, match="^t is nan, NaN or infinite; accepted is a finite number$"
    ):
        inputs.array("t", np.nan)


def test_codes_are_named_once():
    with pytest.raises(ValueError, match=r"^codes must lie in 0\.\.7; got 9\.\.9; no others"):
        inputs.labels("codes", [9], 8, kind="codes")


@pytest.mark.parametrize("bad", [[0, 10], [-100, 1], [0.0, 1.0], [[0], [1]], []])
def test_labels_are_classes_that_exist(bad):
    np.testing.assert_array_equal(inputs.labels("y", np.array([0, 9], np.uint8), 10), [0, 9])
    assert inputs.labels("y", 9, 10, ndim=0) == 9
    with pytest.raises(ValueError, match="^y"):
        inputs.labels("y", bad, 10)


@pytest.mark.parametrize("power", [-30, 30])
def test_products_that_would_overflow_or_vanish_are_refused(power):
    for x in (X * 10.0**power, jnp.asarray(X * 10.0**power, jnp.float32)):
        inputs.array("x", x)
        with pytest.raises(ValueError, match="products of 2 of them leave float32"):
            inputs.array("x", x, degree=2)
    with jax.enable_x64(True):
        inputs.array("x", X * 10.0**power, degree=4)


@pytest.mark.parametrize("offset", [0.0, 1e3, 1e6, 1e8])
def test_one_array_loses_its_offset_and_scale_before_its_digits(offset):
    got = inputs.single("x", 1e30 * (X + offset), centre=True, scale=True)
    want = (X - X.mean(axis=0)).astype(np.float32)
    np.testing.assert_allclose(got / np.abs(got).max(), want / np.abs(want).max(), atol=1e-7)
    assert got.dtype == jnp.float32 and 0.5 <= np.abs(got).max() < 1


def test_log_probabilities_are_looked_at_while_something_else_is_traced():
    log_p = jnp.array([0.0, -jnp.inf])
    shifted = jax.jit(lambda t: inputs.array("log_p", log_p, logarithms=True) + t)
    np.testing.assert_array_equal(shifted(1.0), [1, -np.inf])


@pytest.mark.parametrize("nest", [lambda x: x, lambda x: (x, None), lambda x: [[x], "name"]])
def test_work_on_the_host_is_of_known_arrays(nest):
    inputs.known("count", nest(X))
    with pytest.raises(ValueError, match="^count works on the host .*: call it outside jit"):
        jax.jit(lambda x: inputs.known("count", nest(x)))(X)


@pytest.mark.parametrize("value", [0.5, np.float16(0.5), jnp.float32(0.5), np.array(0.5), 1, True])
def test_a_number_in_its_range_is_taken(value):
    inputs.number("level", value, 0, 2)
    inputs.number("level", value, 0, float(value), ends=True)


@pytest.mark.parametrize(
    ("value", "says"),
    [
        (0, "level=0; accepted are 0 < level < 1"),
        (1.5, "level=1.5; accepted are 0 < level < 1"),
        (np.nan, "level is nan, NaN or infinite; accepted is a finite number"),
        ("a", "level has dtype <U1; accepted are real numbers"),
        ([0.5], r"level has shape \(1,\); accepted is a scalar"),
        (0.5j, "level has dtype complex128"),
    ],
)
def test_a_number_outside_its_range_is_one_sentence(value, says):
    with pytest.raises(ValueError, match=says):
        inputs.number("level", value, 0, 1)
    jax.jit(lambda x: inputs.number("level", x, 0, 1))(2.0)  # traced ones pass
