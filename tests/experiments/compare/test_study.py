"""The comparison of saved models. Oracle: the library's own values; refusals."""

import html
import pathlib
import re

import numpy as np
import pytest

import similarity as S
from experiments.arrays import save
from experiments.compare import tables
from experiments.compare.config import Config
from experiments.compare.measures import FIRST, MEASURES
from experiments.compare.study import STUDY
from experiments.runtime import study
from experiments.runtime.errors import UserError
from experiments.runtime.files import read_json


def compare(references, folder, measures=("mcca",), **options):
    given = {"models": tuple(references), "measures": ",".join(measures)} | options
    config = Config(**{"draws": 0} | given)
    return study.run(STUDY, config, study.Request(folder), say=lambda line: None)


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """Two models, a file of three layers, and what they hold."""
    folder, r = tmp_path_factory.mktemp("saved"), np.random.default_rng(0)
    f, g = r.normal(size=(60, 3)).astype("f"), r.normal(size=(7, 3)).astype("f")
    f2 = f + 0.2 * r.normal(size=f.shape).astype("f")
    save(folder / "one.npz", {"f": f, "g": g})
    save(folder / "two.safetensors", {"f": f2, "g": g, "b": np.zeros(7, "f")})
    layers = {"a": f, "b": f2, "c": r.normal(size=(60, 2, 4)).astype("f")}
    save(folder / "layers.npz", layers)
    return folder, (f, g, f2, g)


@pytest.fixture(scope="module")
def pair(saved, tmp_path_factory):
    folder, out = saved[0], tmp_path_factory.mktemp("pair")
    references = [f"{folder}/one.npz", f"{folder}/two.safetensors"]
    return out, compare(references, out, sets=20, draws=20)


def test_two_models_get_every_measure_as_the_library_has_it(pair, saved):
    f, g, f2, g2 = saved[1]
    found = pair[1]["measures"]
    assert set(found) == set(MEASURES)
    log_p, log_q = S.log_probs(f, g), S.log_probs(f2, g2)
    for name, want in {
        "mcca": S.mcca(f, f2),
        "cka_debiased": S.cka(f, f2, debiased=True),
        "kl": S.kl(log_p, log_q).mean(),
        "logit_distance": S.logit_distance(f, g, f2, g2),
        "procrustes": S.procrustes(f, f2),
    }.items():
        # The second model carries a bias of zeros, a constant coordinate: no measure sees it.
        np.testing.assert_allclose(found[name]["value"], want, rtol=2e-5, err_msg=name)


def test_every_bound_holds_and_every_draw_is_reported(pair):
    bounds = pair[1]["bounds"]
    assert len(bounds) == 10
    assert all(bound["holds"] for bound in bounds.values() if "holds" in bound)
    assert sum("holds" in bound for bound in bounds.values()) >= 8
    drawn = pair[1]["resampled"]
    assert set(drawn) == set(FIRST)
    for name in ("cka_debiased", "logit_distance"):
        value = pair[1]["measures"][name]["value"]
        assert drawn[name]["low"] <= value <= drawn[name]["high"]
        assert np.isclose(drawn[name]["p_value"], 1 / 21) and drawn[name]["score"] > 0.3
    assert "low" not in drawn["mutual_knn"]


def test_the_page_is_self_contained(pair):
    text = (pair[0] / "report.html").read_text()
    assert text.startswith("<!doctype html>") and "data:image/png;base64," in text
    assert not re.search(r'(src|href)="(?!data:)', text)
    for name in MEASURES:
        assert html.escape(name) in text
    assert read_json(pair[0] / "record.json")["measures"].keys() == MEASURES.keys()


def test_the_verdict_says_how_alike_they_are(pair):
    said = tables.verdict(pair[1])
    assert said.startswith("`one` and `two` are close: debiased CKA is 0.9")
    agreement = pair[1]["measures"]["agreement"]["value"]
    assert f"they predict the same label on {agreement:.1%} of inputs" in said
    exact = sum(bound.get("exact", False) for bound in pair[1]["bounds"].values())
    assert said.endswith(f"all {exact} exact bounds hold.")
    broken = {name: bound | {"holds": False} for name, bound in pair[1]["bounds"].items()}
    assert f"{exact} of {exact} exact bounds are broken" in tables.verdict(
        pair[1] | {"bounds": broken}
    )
    assert tables.verdict(read_json(pair[0] / "record.json")) == said
    shown = tables.brief(pair[1])[0]
    assert [row[0] for row in shown.rows] == [tables.LABELS[name] for name in FIRST]
    undrawn = tables.brief(pair[1] | {"resampled": {}})[0]
    assert "chance" in str(shown.columns) and "chance" not in str(undrawn.columns)
    assert "not compared with chance" in undrawn.caption.lower()


@pytest.mark.parametrize(
    "values, drawn, text",
    [
        ({"angular_procrustes": 1e-5, "mcca": 1.0}, {}, "equal up to rotation, shift and scale"),
        ({"angular_procrustes": 0.5, "mcca": 1.0}, {}, "equal up to an invertible linear map"),
        ({"cka_debiased": 0.9}, {"p_value": 0.01, "critical": 0.1, "score": 0.89}, "are close"),
        ({"cka_debiased": 0.5}, {"p_value": 0.01, "critical": 0.1, "score": 0.44}, "are alike"),
        ({"cka_debiased": 0.2}, {"p_value": 0.01, "critical": 0.1, "score": 0.11}, "weakly"),
        ({"cka_debiased": 0.1}, {"p_value": 0.4, "critical": 0.2, "score": 0.0}, "unrelated"),
        ({"cka_debiased": 0.9}, {}, "were not compared with chance"),
        ({"cka_debiased": None, "mcca": None}, {}, "No measure of `one` and `two` is defined"),
        ({"cka_debiased": "nan", "mcca": 0.5}, {}, "have no CKA"),
    ],
)
def test_every_relation_has_its_words(pair, values, drawn, text):
    measures = {name: {"value": value, "notes": []} for name, value in values.items()}
    record = {"measures": measures, "resampled": {"cka_debiased": drawn}, "bounds": {}}
    assert text in tables.verdict(pair[1] | record)


def test_a_list_of_layers_gives_matrices(saved, tmp_path):
    folder, (f, _, f2, _) = saved
    results = compare([f"{folder}/layers.npz:*"], tmp_path, ["cka", "pwcca"])
    assert list(results["entries"]) == ["layers:a", "layers:b", "layers:c"]
    assert results["entries"]["layers:c"]["f"] == [60, 8]
    matrix = np.array(results["matrices"]["cka"])
    np.testing.assert_allclose(np.diag(matrix), 1, atol=1e-6)
    np.testing.assert_allclose(matrix, matrix.T, atol=1e-6)
    np.testing.assert_allclose(matrix[0, 1], S.cka(f, f2), rtol=1e-5)
    assert np.array(results["matrices"]["pwcca"]).shape == (3, 3)
    assert (tmp_path / "report.html").stat().st_size > 1000
    said = tables.verdict(results)
    assert f"cka goes from {matrix[0, 2]:.4g} (`layers:a`, `layers:c`)" in said
    assert f"to {matrix[0, 1]:.4g} (`layers:a`, `layers:b`)" in said


@pytest.fixture(scope="module")
def matrix_beside_chance(saved, tmp_path_factory):
    """Three entries, of which the first two are one representation but for noise."""
    out = tmp_path_factory.mktemp("matrix")
    return compare([f"{saved[0]}/layers.npz:*"], out, ["cka", "pwcca", "mutual_knn"], draws=20)


def test_every_pair_of_a_matrix_stands_beside_chance(matrix_beside_chance, saved):
    """Oracle: the largest CKA of f2's rows in random orders, drawn here with NumPy."""
    drawn, (f, _, f2, _), r = matrix_beside_chance["chance"], saved[1], np.random.default_rng(0)
    by_chance = [float(S.cka(f, r.permutation(f2))) for _ in range(20)]
    critical, p_value = (np.array(drawn["cka"][key], float) for key in ("critical", "p_value"))
    assert 0.5 * max(by_chance) < critical[0, 1] < 2 * max(by_chance) < S.cka(f, f2)
    # The third entry is unrelated to both others.
    assert p_value[0, 1] == pytest.approx(1 / 21) and (p_value[:2, 2] > 0.05).all()
    assert np.isnan(np.diag(p_value)).all()
    np.testing.assert_array_equal(p_value, p_value.T)
    asymmetric = np.array(drawn["pwcca"]["critical"], float)
    assert np.isfinite(asymmetric[~np.eye(3, dtype=bool)]).all()
    assert (asymmetric != asymmetric.T)[0, 2]


def test_the_matrix_says_what_chance_reaches(matrix_beside_chance):
    said = tables.verdict(matrix_beside_chance)
    assert "cka goes from" in said and "and 1 of 3 pairs is closer than chance" in said
    cka = next(t for t in tables.brief(matrix_beside_chance) if t.title == "cka")
    critical = matrix_beside_chance["chance"]["cka"]["critical"][0]
    assert cka.rows[0][2].endswith(f" (chance {critical[1]:.3g})")
    assert cka.rows[0][3].endswith(f" (chance {critical[2]:.3g}, no closer)")
    assert cka.rows[0][1] == 1 and "one of twenty random pairings" in cka.caption
    p_value = [[None, 0.01, 0.01], [0.01, None, 0.01], [0.01, 0.01, None]]
    related = matrix_beside_chance | {"chance": {"cka": {"p_value": p_value}}}
    assert "and all 3 pairs are closer than chance" in tables.verdict(related)
    alone = matrix_beside_chance | {"chance": {}}
    assert "not compared with chance" in tables.verdict(alone)


def test_undefined_measures_say_why(tmp_path):
    """k = m + 1 leaves no label out: d_SVD has a reason in place of a value."""
    r = np.random.default_rng(0)
    for name in ("x", "y"):
        arrays = {"f": r.normal(size=(30, 3)).astype("f"), "g": r.normal(size=(4, 3)).astype("f")}
        save(tmp_path / f"{name}.npz", arrays)
    references = [f"{tmp_path}/x.npz", f"{tmp_path}/y.npz"]
    results = compare(references, tmp_path / "out", sets=5)
    undefined = results["measures"]["max_d_svd"]
    assert undefined["value"] is None and "at least 5" in undefined["notes"][0]
    assert results["measures"]["mcca_of_g"]["notes"][0].startswith("4 inputs")
    assert results["measures"]["d_rep"]["value"] > 0


class TestErrors:
    def refused(self, references, measures=("mcca",)):
        with pytest.raises(UserError) as caught:
            compare(references, pathlib.Path("never-made"), measures)
        return str(caught.value)

    def test_references(self, saved):
        folder = saved[0]
        assert "two models or more are compared: name another file" in self.refused(
            [f"{folder}/one.npz"]
        )
        assert "but no f" in self.refused([f"{folder}/layers.npz"] * 2)
        assert "given twice" in self.refused([f"{folder}/one.npz"] * 2)
        assert "Did you mean" in self.refused([f"{folder}/one.npz:ff", f"{folder}/one.npz"])

    def test_rows_differ(self, saved, tmp_path):
        save(tmp_path / "short.npz", {"f": np.ones((5, 2), "f")})
        message = self.refused([f"{saved[0]}/one.npz", f"{tmp_path}/short.npz"])
        assert "one: 60, short: 5" in message

    def test_parts_of_other_ids(self, tmp_path):
        """Inputs matched otherwise are other data; a resumed run compared them as before."""
        f = np.random.default_rng(0).normal(size=(30, 3)).astype("f")
        files = [f"{tmp_path}/{name}.npz" for name in ("a", "b")]
        for path in files:
            save(path, {"f": f, "ids": np.arange(30)})
        config = Config(models=tuple(files), measures="mcca")
        before = STUDY.prepare(config).digests
        save(files[1], {"f": f, "ids": np.arange(30)[::-1]})
        after = STUDY.prepare(config).digests
        assert after["a"] == before["a"] and after["b"] != before["b"]

    def test_measures(self, saved):
        layers = [f"{saved[0]}/layers.npz:*"]
        assert "Did you mean 'mcca'" in self.refused(layers, ["mca"])
        assert "needs models with f and g" in self.refused(layers, ["kl"])
