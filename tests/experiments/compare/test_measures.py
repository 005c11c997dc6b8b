"""Measures of entries. Oracles: a model against its copy; closed forms; the library's values."""

import jax
import numpy as np
import pytest

import similarity as S
from experiments.compare import measures
from experiments.compare.entries import Entry
from experiments.compare.measures import MEASURES, Options, bounds, measure, resample

R = np.random.default_rng(0)
F, G, B = (R.normal(size=shape).astype(np.float32) for shape in ((60, 3), (8, 3), (8,)))
OPTIONS = Options(jax.random.key(0), num_input_sets=10, draws=20)


@pytest.mark.parametrize("name", MEASURES)
def test_a_model_with_a_bias_equals_its_copy(name):
    """No difference from itself, whatever constant its bias adds to the logits."""
    a = Entry("a", F, G, B)
    found = measure(name, a, a._replace(name="b"), OPTIONS)["value"]
    known = S.MEASURES.get(name)
    closest = 1.0 if known is None else known.closest
    # Measured 1e-3 for the angle, the arc cosine of 1 - 6e-8; 3e-7 or less for the others.
    tolerance = 1e-3 if name == "angular_procrustes" else 2e-6
    assert found == pytest.approx(closest, abs=tolerance)


def test_a_bias_belongs_to_the_distribution_only():
    a, b = Entry("a", F, G, B), Entry("b", F, G, B + np.arange(8, dtype=np.float32))
    value = lambda name: measure(name, a, b, OPTIONS)["value"]
    for name in ("d_svd", "procrustes", "d_rep", "max_d_svd"):
        assert value(name) == pytest.approx(0, abs=2e-6), name
    assert value("rsa") == pytest.approx(1, abs=2e-6)
    assert value("kl") > 0.1
    # The logits of every input differ by the centred difference of the biases.
    assert value("logit_distance") == pytest.approx(np.sqrt(42), rel=1e-5)
    for held in (bounds(a, b, OPTIONS), bounds(a, a, OPTIONS)):
        assert all(row["holds"] for row in held.values() if "holds" in row)


def test_two_labels_are_enough_for_what_is_defined():
    a, b = Entry("a", F, G[:2]), Entry("b", F, 2 * G[:2])
    for name in MEASURES:
        found = measure(name, a, b, OPTIONS)
        assert found["value"] is not None or found["notes"], name
    assert measure("kl", a, b, OPTIONS)["value"] > 0
    assert "3" in measure("llv_distance", a, b, OPTIONS)["notes"][0]
    assert bounds(a, b, OPTIONS)["4 KL ≤ d_logit², each input"]["holds"]


def test_many_inputs_need_no_memory_of_their_square(monkeypatch):
    """At 5,000 inputs all pairs would be 50 MB a side; the estimate is near the whole."""
    monkeypatch.setattr(measures, "_ALL_PAIRS", 100_000)
    f = R.normal(size=(1_500, 4)).astype(np.float32)
    f2 = f + R.normal(size=f.shape).astype(np.float32)
    a, b = Entry("a", f), Entry("b", f2)
    found = measure("rsa", a, b, OPTIONS)
    assert found["notes"] == ["over 100,000 sampled pairs of 1,500 inputs"]
    # Four standard errors of the sample of pairs, 1 / √100,000 each at most.
    assert found["value"] == pytest.approx(float(S.rsa(f, f2)), abs=0.013)


def test_chance_of_many_inputs_is_drawn_from_some_and_said(monkeypatch):
    monkeypatch.setattr(measures, "_MOST_INPUTS", 40)
    found = resample("mcca", Entry("a", F), Entry("b", F), OPTIONS)
    assert found["notes"] == ["interval and chance are of 40 of 60 inputs"]
    assert found["score"] == pytest.approx(1, abs=1e-5) and found["p_value"] == pytest.approx(
        1 / 21
    )


def test_neighbours_of_many_inputs_are_those_of_some_and_their_chance_too(monkeypatch):
    monkeypatch.setattr(measures, "_MOST_DRAWN", {"mutual_knn": 40})
    a, b = Entry("a", F), Entry("b", F + 0.3 * R.normal(size=F.shape).astype(np.float32))
    found, drawn = (run("mutual_knn", a, b, OPTIONS) for run in (measure, resample))
    assert found["notes"] == ["of 40 of 60 inputs"]
    share = (found["value"] - drawn["critical"]) / (1 - drawn["critical"])
    assert drawn["score"] == pytest.approx(share, rel=1e-5)


def test_tables_over_pairs_of_labels_are_bounded(monkeypatch):
    monkeypatch.setattr(measures, "_MOST_LABELS", 7)
    a = Entry("a", F, G)
    for name in ("llv_distance", "max_d_svd", "d_svd_labels"):
        assert measure(name, a, a, OPTIONS)["notes"][0].startswith("left out: 8 labels"), name
    assert "d_{f,g} ≤ 2m d_LLV" not in bounds(a, a, OPTIONS)
