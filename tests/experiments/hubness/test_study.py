"""The entry point on synthetic spaces. Oracles: NumPy on the files it leaves, counted work."""

import importlib

import numpy as np
import pytest
from scipy import stats

from experiments.hubness import __main__ as hubness
from experiments.hubness import study as hubspaces
from experiments.hubness import synthetic
from experiments.hubness.config import Embeddings
from experiments.models import tiny
from experiments.models.sentence import encoder as sentence
from experiments.runtime import study
from experiments.runtime.errors import UserError
from experiments.runtime.files import read_json
from hubness import MPGaussFull

CONFIGS = ("ag_news", "encoders", "newsgroups", "yahoo")


def get_config(name="ag_news", arg="static:smoke"):
    return importlib.import_module(f"experiments.configs.hubness.{name}").get_config(arg)


def read(config):
    return hubspaces.STUDY.read(config.to_dict())


def run_in(config, folder):
    return study.run(hubspaces.STUDY, read(config), study.Request(folder), say=lambda line: None)


def judge(embeddings, labels, metric, folder=None):
    config = Embeddings(embeddings=embeddings, labels=labels, metric=metric)
    request = study.Request(folder)
    return study.run(hubspaces.JUDGEMENT, config, request, say=print)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("hubness")
    return folder, run_in(get_config(), folder)


def test_the_record_follows_from_the_counts(run):
    folder, result = run
    assert read_json(folder / "record.json") == result
    with np.load(folder / "counts.npz") as counts:
        for row in result["rows"]:
            if row["seed"] != result["seeds"][0]:
                continue
            n = counts[row["method"]]
            assert n.sum() == 10 * result["data"]["num_test"]
            assert row["query"]["skewness"] == pytest.approx(stats.skew(n), rel=1e-4)
            assert row["query"]["antihub_rate"] == pytest.approx(np.mean(n == 0))
    by_chance = result["null"]["skewness"]
    assert by_chance == pytest.approx(1 / np.sqrt(10), rel=1e-5)  # as many queries as points


def test_every_method_ran_on_every_split_and_is_compared_with_the_plain_space(run):
    _, result = run
    methods = ["none", *get_config().methods]
    assert [s["method"] for s in result["summary"]] == methods
    assert [(r["seed"], r["method"]) for r in result["rows"]] == [
        (seed, m) for seed in get_config().seeds for m in methods
    ]
    for row in result["rows"]:
        m = row["mcnemar"]
        n = result["data"]["num_test"]
        plain = next(r for r in result["rows"] if (r["method"], r["seed"]) == ("none", row["seed"]))
        cut = plain["uniform"]["error"] - row["uniform"]["error"]
        assert (m["c"] - m["b"]) / n == pytest.approx(cut)


def test_the_report_stands_alone(run):
    folder, result = run
    text = (folder / "report.html").read_text()
    assert 'src="data:image/png' in text and 'src="http' not in text
    names = {p.stem for p in (folder / "figures").glob("*.pdf")}
    assert names == {"occurrence", "graphs", "reductions", "paired", "correlation"}
    assert (
        f"{100 * result['summary'][0]['error']['mean']:.2f}" in (folder / "tables.md").read_text()
    )


def test_an_interrupted_run_continues(run, tmp_path, monkeypatch):
    """Outcomes are left out of the work as they are found; another config is refused."""
    _, result = run
    calls = []

    def counting(method, *args, **kwargs):
        calls.append(method.name)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return evaluate(method, *args, **kwargs)

    evaluate = hubspaces.evaluate
    monkeypatch.setattr(hubspaces, "evaluate", counting)
    with pytest.raises(KeyboardInterrupt):
        run_in(get_config(), tmp_path)
    again = run_in(get_config(), tmp_path)
    assert len(calls) == len(result["rows"]) + 1
    assert again["rows"] == result["rows"]
    config = get_config()
    config.local_k = 5
    with pytest.raises(UserError, match="another config"):
        run_in(config, tmp_path)


@pytest.mark.parametrize("name", CONFIGS)
def test_the_smoke_form_of_each_config_is_the_same_synthetic_space(run, name):
    smoke = get_config(name, "lsa:smoke")
    assert smoke.smoke and smoke.methods == get_config().methods
    made = hubspaces.prepare(read(smoke))
    np.testing.assert_array_equal(made.embed(made.texts.texts), synthetic.blobs(seed=0)[0])
    assert made.texts.sha256 == run[1]["data"]["sha256"] and len(made.splits) == len(smoke.seeds)


def test_texts_to_train_on_are_data_of_the_run(tmp_path):
    config, digests = get_config("ag_news", "lsa"), []
    for words in ("one", "two"):
        for name, said in (("train", words), ("test", "same")):
            lines = [f'"{i % 2 + 1}","{said} {i}","text"' for i in range(12)]
            (tmp_path / f"{name}.csv").write_text("\n".join(lines))
        with config.unlocked():
            config.texts = f"ag_news:{tmp_path}/test.csv"
            config.train_texts = f"ag_news:{tmp_path}/train.csv"
        digests.append(hubspaces.prepare(read(config)).digests)
    assert [k for k in digests[0] if digests[0][k] != digests[1][k]] == ["train texts"]


def test_a_file_of_embeddings_is_data_of_the_run(tmp_path):
    path, digests = tmp_path / "rows.npy", []
    (tmp_path / "texts.csv").write_text("\n".join(f'"{i % 2 + 1}","{i}","text"' for i in range(12)))
    with (config := get_config("ag_news", "lsa")).unlocked():
        config.space, config.texts = f"file:{path}", f"ag_news:{tmp_path}/texts.csv"
        config.local_k = 5
    for seed in (0, 1):
        np.save(path, np.random.default_rng(seed).normal(size=(12, 3)).astype(np.float32))
        digests.append(hubspaces.prepare(read(config)).digests)
    assert [k for k in digests[0] if digests[0][k] != digests[1][k]] == ["space"]


def test_unlabelled_texts_are_encoded_once(tmp_path, monkeypatch):
    folder, lines = tiny.write_encoder(tmp_path / "encoder"), tiny.sentences(60)
    (tmp_path / "lines.txt").write_text("\n".join(lines))
    config = get_config("ag_news", f"model:{folder}")
    with config.unlocked():
        config.texts, config.methods, config.seeds = (
            f"text:{tmp_path / 'lines.txt'}",
            ("csls",),
            (0,),
        )
    encoded = run_in(config, tmp_path / "run")
    assert encoded["summary"][0]["error"] is None and encoded["data"]["num_rows"] == len(lines)

    def broken(*args, **kwargs):
        raise AssertionError("rows that stand on disk are encoded again")

    monkeypatch.setattr(sentence, "_encode_sorted", broken)
    again = run_in(config, tmp_path / "run")
    assert again["rows"] == encoded["rows"]


def test_methods_beyond_their_limit_are_left_out_and_said(monkeypatch):
    splits = hubspaces.prepare(read(get_config())).splits
    methods = hubspaces.all_methods(["csls", "mp_gauss_full", "f-norm+mp_gauss_full"])
    assert hubspaces.possible(methods, splits) == (methods, [])
    monkeypatch.setattr(MPGaussFull, "max_points", len(splits[0].train) - 1)
    kept, left_out = hubspaces.possible(methods, splits)
    assert [m.name for m in left_out] == ["mp_gauss_full", "f-norm+mp_gauss_full"]
    assert [m.name for m in kept] == ["none", "csls"]


@pytest.fixture(scope="module")
def embeddings(tmp_path_factory):
    folder = tmp_path_factory.mktemp("embeddings")
    x, texts = synthetic.blobs(seed=0, n=200, d=64)
    np.save(folder / "x.npy", x)
    np.savetxt(folder / "y.txt", texts.labels, fmt="class %d")
    return folder


def test_the_practitioners_command_answers_and_writes_a_page(embeddings, capsys):
    """Shapes are those of hubspaces/test_advice.py."""
    files = f"{embeddings / 'x.npy'}", f"{embeddings / 'y.txt'}"
    found = judge(*files, "euclidean", embeddings / "w")
    text = hubness.verdict.as_markdown(found)
    assert "hubness: Robin Hood" in text and "Leave-one-out error" in text
    page = (embeddings / "w" / "report.html").read_text()
    for text in ("<table>", "mp_gauss", "hubness: Robin Hood", 'src="data:image/png'):
        assert text in page
    stored = read_json(embeddings / "w" / "record.json")
    assert stored["num_rows"] == 200 and stored["methods"][0]["method"] == "none"
    said = capsys.readouterr().out
    assert "neighbours of 200 rows" in said and "hubness: Robin Hood" in said and "csls ..." in said


@pytest.mark.parametrize(
    "write, message",
    [
        (lambda path: None, "there is no file"),
        (lambda path: path.write_bytes(b"not numpy"), "cannot be read as npy"),
        (lambda path: np.save(path, np.ones(5)), "matrix of numbers"),
        (lambda path: np.save(path, np.full((30, 2), np.nan)), "30 rows are NaN"),
        (lambda path: np.save(path, np.ones((5, 2))), "5 embeddings are too few"),
        (lambda path: np.save(path, np.zeros((30, 2))), "30 rows are zero.*--metric=euclidean"),
        (lambda path: np.save(path, np.full((30, 2), 1e39)), "infinite in float32"),
    ],
)
def test_bad_embeddings_are_one_clear_error(tmp_path, write, message):
    write(tmp_path / "x.npy")
    with pytest.raises(UserError, match=message):
        judge(f"{tmp_path / 'x.npy'}", None, "cosine", tmp_path / "w")


def test_bad_options_are_one_clear_error(embeddings, tmp_path):
    x = f"{embeddings / 'x.npy'}"
    with pytest.raises(UserError, match="accepted are angular, cosine, euclidean, l2"):
        judge(x, None, "manhattan", tmp_path)
    with pytest.raises(UserError, match="inner products are no distances; give cosine"):
        judge(x, None, "ip", tmp_path)
    with pytest.raises(UserError, match="go with --embeddings"):
        hubness.main(None, "y.txt", None, None, False)
    config = get_config("ag_news", "static")
    with pytest.raises(UserError, match="--config.texts=NAME:FILE is missing"):
        run_in(config, tmp_path)
