"""The examples in docstrings give what stands there; so says doctest."""

import doctest
import importlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest

LIBRARIES = ("diffenc", "distill", "hubness", "similarity")
MODULES = (*LIBRARIES, "hubness.estimators")
# What a reader of an example is taken to have imported.
NAMES = {"np": np, "jax": jax, "jnp": jnp, **{n: importlib.import_module(n) for n in LIBRARIES}}


def examples(module: str) -> list[doctest.DocTest]:
    """Those of a module's public names; the finder alone skips functions with checked shapes."""
    public, finder = importlib.import_module(module), doctest.DocTestFinder()
    names = getattr(public, "__all__", None) or vars(public)
    found: list[doctest.DocTest] = []
    for name in names:
        value = getattr(public, name)
        if callable(value) and getattr(value, "__module__", "").startswith(module):
            found += finder.find(value, f"{module}.{name}", module=False, globs=NAMES)
    return [test for test in found if test.examples]


FOUND = {test.name: test for module in MODULES for test in examples(module)}


@pytest.mark.parametrize("name", FOUND)
def test_an_example_gives_what_it_says(name):
    said: list[str] = []
    assert doctest.DocTestRunner().run(FOUND[name], out=said.append).failed == 0, "".join(said)


def test_the_most_used_functions_have_an_example():
    used = {
        *("diffenc.build", "diffenc.bits_per_dim", "diffenc.stratified_times"),
        *("distill.kl_loss", "distill.l2_logit_loss", "distill.fit_linear_probe", "distill.ece"),
        *("hubness.knn", "hubness.reduced_knn", "hubness.reduce_graph", "hubness.k_occurrence"),
        *("hubness.measures", "hubness.estimators.HubnessKNNClassifier"),
        *("similarity.cka", "similarity.mcca", "similarity.mutual_knn", "similarity.procrustes"),
        *("similarity.d_svd", "similarity.logit_distance", "similarity.kl"),
        "similarity.calibrated",
    }
    assert used <= FOUND.keys()


def test_a_wrong_example_is_noticed():
    (test,) = doctest.DocTestFinder().find(NAMES["hubness"].knn, "knn", module=False, globs=NAMES)
    test.examples[-1].want = "([[1], [0], [2]], [[1.0], [1.0], [2.0]])\n"
    assert doctest.DocTestRunner().run(test, out=lambda text: None).failed == 1
