"""The label-cosine entry point. Oracles: the paper's figures, closed forms, refusals."""

import json

import numpy as np
import pytest

from experiments.arrays import save
from experiments.configs.label_cosine.paper import get_config
from experiments.label_cosine import tables
from experiments.label_cosine.study import STUDY
from experiments.runtime import study
from experiments.runtime.errors import UserError


def label_cosine(config, folder):
    config = STUDY.read(config.to_dict())
    return study.run(STUDY, config, study.Request(folder), say=lambda line: None)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """The examples, and the audit of a matrix far from its centre with two equal rows."""
    folder = tmp_path_factory.mktemp("cosine")
    W = np.random.default_rng(0).normal(size=(30, 8)) + 10
    W[3] = W[9]
    save(folder / "model.safetensors", {"head": {"weight": W, "bias": np.arange(30.0)}})
    config = get_config("paper:smoke")
    config.matrix = f"{folder}/model.safetensors:head/weight"
    config.bias = f"{folder}/model.safetensors:head/bias"
    return folder / "run", label_cosine(config, folder / "run")


def test_translations_reach_any_cosine_at_equal_probabilities(run):
    for row in run[1]["translations"]["rows"]:
        np.testing.assert_allclose(row["cosine"], row["target"], atol=1e-5)
        assert row["largest_change"] < 1e-5


def test_examples_have_the_published_figures(run):
    competing, ranks = run[1]["competing"], run[1]["signs_and_ranks"]
    centred, unit = competing["centred"], competing["fixed_length"]
    assert centred["top_pairs"] == [[0, 1], [0, 4], [1, 2], [2, 3], [3, 4]]
    np.testing.assert_allclose(centred["least_cosine_of_a_top_pair"][1], -0.5882, atol=1e-3)
    np.testing.assert_allclose(centred["greatest_cosine_of_a_pair_never_top"][1], 0.8, atol=1e-6)
    assert [0, 1] in unit["top_pairs"] and [1, 3] not in unit["top_pairs"]
    assert run[1]["lengths"]["argmaxes_of_2000"][0][2] > 200
    assert run[1]["lengths"]["argmaxes_of_2000"][1][2] == 0
    assert ranks["equal_sign_patterns"] and ranks["equal_chirotopes"]
    assert ranks["sign_patterns"] == [20, 20]
    assert ranks["only_first"] == [[4, 1, 3, 2, 5], [5, 2, 3, 1, 4]]
    assert ranks["only_second"] == [[1, 4, 3, 5, 2], [2, 5, 3, 4, 1]]
    np.testing.assert_allclose(np.abs(ranks["flipped_minors"]).shape, (1, 2))


def test_cosines_settle_decision_regions(run):
    for row in run[1]["regions"]["rows"]:
        assert row["rows"] == row["differences"] == row["of"] == 2


def test_audit_of_a_matrix_far_from_its_centre(run):
    """All rows near (10, …, 10): cosines near 1 as stored, near 0 once centred."""
    audit = run[1]["audit"]
    assert (audit["labels"], audit["dim"], audit["pairs"]) == (30, 8, 435)
    assert audit["pairs_no_translation_moves"] == 1
    # Its own page tells of no table that it has not.
    assert "second table" in tables.meaning(run[1])[-1]
    assert "second table" not in " ".join(tables.meaning({"audit": audit}))
    assert audit["mean_cosine"] > 0.97 and abs(audit["mean_centred_cosine"]) < 0.05
    assert 0.3 < audit["sign_changes_on_centring"] < 0.7
    assert audit["nearest_that_survive_every_translation"] == 2  # the two equal rows
    assert audit["translation_to_cosine_zero"]["least"] > 3


def test_files(run):
    folder, summary = run
    assert json.loads((folder / "record.json").read_text())["audit"] == summary["audit"]
    names = {"audit", "competing", "lengths", "ranks", "translations"}
    assert {p.stem for p in (folder / "figures").iterdir()} == names
    assert (folder / "report.html").read_text().count("<img") == len(names)
    said = tables.verdict(summary)
    assert "cosines from -1.00 to 0.95" in said
    assert "of your 30 labels, 2 keep their nearest label under every translation" in said
    assert "| labels × dimension | 30 × 8 |" in (folder / "tables.md").read_text()


@pytest.mark.parametrize(
    ("shape", "bias", "match"),
    [
        ((2, 4), 2, "3 labels or more"),
        ((5,), 5, "a matrix of numbers, not float64 of shape"),
        ((5, 4), 4, r"\(5,\)"),
    ],
)
def test_matrices_that_cannot_be_audited(shape, bias, match, tmp_path):
    save(tmp_path / "m.npz", {"W": np.ones(shape), "b": np.ones(bias)})
    config = get_config("paper:smoke")
    config.matrix, config.bias = f"{tmp_path}/m.npz:W", f"{tmp_path}/m.npz:b"
    with pytest.raises(UserError, match=match):
        label_cosine(config, tmp_path / "run")
    assert not (tmp_path / "run").exists()
