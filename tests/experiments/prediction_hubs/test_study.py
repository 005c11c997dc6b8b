"""The experiment on its smoke config. Oracles: NumPy and SciPy on the arrays it leaves behind."""

import importlib
import shutil

import numpy as np
import pytest
from scipy.stats import skew, spearmanr

from experiments.data.texts import corpora
from experiments.models.language import lm
from experiments.prediction_hubs import models, tables
from experiments.prediction_hubs.study import STUDY
from experiments.reporting.markdown import block
from experiments.runtime import study
from experiments.runtime.errors import UserError
from experiments.runtime.files import read_json


def get_config():
    module = importlib.import_module("experiments.configs.prediction_hubs.smollm2")
    return module.get_config("all:smoke")


def run_in(config, folder, figures=()):
    """The record of a run; drawing takes longer than all the rest, so these figures alone are.

    A smaller run has all of them, `test_every_study_makes_a_page_of_its_own`.
    """
    config = STUDY.read(config.to_dict())
    drawn = lambda *a: {n: f for n, f in STUDY.figures(*a).items() if n in figures}
    made = STUDY._replace(figures=drawn if figures else lambda *a: {})
    return study.run(made, config, study.Request(folder), say=lambda line: None)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("hubs")
    result = run_in(get_config(), folder, figures=("frequency_ct_dot", "mitigation"))
    with np.load(folder / "counts.npz") as file:
        counts = {name: file[name] for name in file.files}
    return folder, result["models"][0], counts


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The folder of the model and the texts that a smoke run makes up."""
    folder = tmp_path_factory.mktemp("smoke")
    models.make_smoke(folder, {"one": 40, "two": 40})
    return folder


@pytest.fixture(scope="module")
def arrays(run, made):
    """Hidden states by corpus, unembedding, and the model."""
    folder, _, _ = run
    model = lm.load(f"gguf:{made / 'tiny.gguf'}")
    hidden = {}
    for name in ("one", "two"):
        with np.load(folder / "states" / "main" / name / "rows-000000000.npz") as file:
            hidden[name] = file["hidden"].astype(np.float64)
    return hidden, model.unembedding.astype(np.float64), model


def test_counts_are_those_of_all_scores_sorted(run, arrays):
    _, _, counts = run
    hidden, points, _ = arrays
    for name, h in hidden.items():
        near = np.argsort(-(h @ points.T), axis=1)[:, :10]
        expected = np.bincount(near.ravel(), minlength=len(points))
        # A near tie may fall either way in single precision.
        assert np.abs(counts[f"ct:dot:{name}"] - expected).sum() <= 4
        inner = h @ h.T
        np.fill_diagonal(inner, -np.inf)
        near = np.argsort(-inner, axis=1)[:, :10]
        expected = np.bincount(near.ravel(), minlength=len(h))
        assert np.abs(counts[f"cc:dot:{name}"] - expected).sum() <= 4


def test_tables_follow_from_the_counts(run, arrays):
    _, record, counts = run
    assert {row["comparison"] for row in record["hubs"]} == {"ct", "cc", "tt"}
    assert len(record["hubs"]) == len(counts) == 3 * (2 + 2 + 1)
    for row in record["hubs"]:
        key = ":".join(filter(None, (row["comparison"], row["distance"], row["corpus"])))
        found = counts[key]
        assert found.sum() == row["num_queries"] * record["k"]
        assert row["num_hubs"] == (found >= 8).sum() and row["largest"] == found.max()
        np.testing.assert_allclose(row["skewness"], skew(found), rtol=1e-4)


def test_correlations_are_scipys_over_hubs_and_over_all(run, arrays, made):
    _, record, counts = run
    model = arrays[2]
    documents = model.tokenise(corpora.load(f"text:{made / 'one.txt'}").documents)
    frequency = corpora.token_counts(documents, len(model.unembedding))
    for row in record["hubs"]:
        if row["comparison"] != "ct":
            continue
        found = counts[f"ct:{row['distance']}:{row['corpus']}"]
        entry, hubs = row["spearman"]["one"], found >= 8
        assert abs(entry["all"] - spearmanr(found, frequency).statistic) < 1e-5
        assert abs(entry["rho"] - spearmanr(found[hubs], frequency[hubs]).statistic) < 1e-5
        assert entry["low"] <= entry["rho"] <= entry["high"]


def test_the_uniformity_table_is_that_of_the_softmax(run, arrays):
    _, record, _ = run
    hidden, points, _ = arrays
    for row in record["uniformity"]:
        z = hidden[row["corpus"]] @ points.T
        p = np.exp(z - z.max(1, keepdims=True))
        p /= p.sum(1, keepdims=True)
        distance = np.linalg.norm(p - 1 / len(points), axis=1)
        np.testing.assert_allclose(row["l2_uniform"], distance.mean(), rtol=1e-4)
        np.testing.assert_allclose(row["entropy_nats"], -(p * np.log(p)).sum(1).mean(), rtol=1e-3)
        assert row["relative_variance"] <= row["relative_variance_bound"]


def test_reductions_of_contexts_and_tokens_are_between_two_domains(run, arrays):
    """CSLS: twice the cosine less the mean of the 10 largest on either side."""
    _, record, _ = run
    hidden, points, _ = arrays
    unit = lambda a: a / np.linalg.norm(a, axis=1, keepdims=True)
    cosine = unit(np.concatenate([*hidden.values()])) @ unit(points).T
    near = lambda s: np.sort(s, axis=1)[:, -10:].mean(1)
    score = 2 * cosine - near(cosine)[:, None] - near(cosine.T)[None]
    rows = {r["method"]: r for r in record["mitigation"] if r["comparison"] == "ct"}
    index = np.argsort(-score, axis=1)[:, :10]
    expected = np.bincount(index.ravel(), minlength=len(points))
    np.testing.assert_allclose(rows["csls"]["skewness"], skew(expected), rtol=0.02)
    assert abs(rows["csls"]["largest"] - expected.max()) <= 1


def test_a_second_run_extracts_nothing_again(run, tmp_path, monkeypatch):
    folder = shutil.copytree(run[0], tmp_path / "run")
    load = lm.load

    def counting(spec, **kwargs):
        import dataclasses

        model = load(spec, **kwargs)
        calls = []

        def hidden(ids):
            # One call is the check of the head; extraction would be more.
            calls.append(1)
            assert len(calls) == 1
            return model.last_hidden(ids)

        return dataclasses.replace(model, last_hidden=hidden)

    monkeypatch.setattr(lm, "load", counting)
    run_in(get_config(), folder)


def test_the_report_stands_alone(run):
    folder, record, _ = run
    text = (folder / "report.html").read_text()
    assert 'src="data:image/png' in text and 'src="http' not in text
    assert (folder / "figures" / "frequency_ct_dot.pdf").exists()
    stored = read_json(folder / "record.json")
    assert stored["models"][0]["name"] == record["name"]
    text = (folder / "tables.md").read_text()
    assert text == block(tables.tables(stored), titles=True)
    for row in record["hubs"]:
        assert f"| {row['skewness']:.2f} | " in text


def test_hidden_states_from_elsewhere_give_the_same_counts(run, arrays, tmp_path):
    _, _, counts = run
    hidden, points, _ = arrays
    path = tmp_path / "one.npz"
    np.savez(path, hidden=hidden["one"], unembedding=points)
    config = get_config()
    with config.unlocked():
        config.smoke = False
        config.model.spec = f"npz:{path}"
        config.comparisons = ("ct",)
        config.reductions = ("csls",)
    run_in(config, tmp_path / "run")
    with np.load(tmp_path / "run" / "counts.npz") as file:
        np.testing.assert_array_equal(file["ct:dot:one"], counts["ct:dot:one"])


def test_a_folder_of_another_config_is_refused(run):
    folder, _, _ = run
    config = get_config()
    config.k = 5
    with pytest.raises(UserError, match="another config"):
        run_in(config, folder)
