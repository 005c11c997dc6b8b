"""Oracles: one text at a time; the recorded reference embeddings of all-MiniLM-L6-v2."""

import pathlib

import numpy as np
import pytest
from scipy.stats import spearmanr

from experiments.data.texts import sources
from experiments.models import tiny
from experiments.models.sentence import encoder as sentence
from experiments.models.sentence import spaces
from experiments.models.sentence.encoder import SentenceModel
from experiments.runtime.errors import UserError
from experiments.runtime.store import Store

SHARED = pathlib.Path(__file__).parents[5] / "shared" / "data"


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> SentenceModel:
    return sentence.load(tiny.write_encoder(tmp_path_factory.mktemp("model")))


@pytest.fixture(scope="module")
def texts():
    return tiny.sentences(70) + [" ".join(tiny.WORDS * 3)]


@pytest.fixture(scope="module")
def one_by_one(model, texts):
    rows = sentence.tokenise(model, texts)
    config = model.config
    out = []
    for row in rows:
        # Padded to one shape for speed; test_bert shows that padding changes nothing.
        ids, mask = sentence.pad([row], 32)
        out.append(sentence.embed(model.params, ids, mask, config=config, normalise=False)[0])
    return np.stack(out)


@pytest.mark.parametrize("batch_tokens,chunk_rows", [(64, 512), (4096, 16)])
def test_batches_do_not_change_embeddings_or_their_order(
    model, texts, one_by_one, batch_tokens, chunk_rows
):
    found = sentence.encode(model, texts, batch_tokens=batch_tokens, chunk_rows=chunk_rows)
    np.testing.assert_allclose(found, one_by_one, atol=2e-6)


def test_an_interrupted_encoding_continues_and_equals_a_straight_one(model, texts, tmp_path):
    def stop(done, total):
        if done >= 32:
            raise KeyboardInterrupt

    store = Store(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        sentence.encode(model, texts, store=store, chunk_rows=16, say=stop)
    seen = []
    again = sentence.encode(
        model, texts, store=store, chunk_rows=16, say=lambda done, _: seen.append(done)
    )
    assert seen[0] == 32
    np.testing.assert_array_equal(again, sentence.encode(model, texts, chunk_rows=16))
    # Rows of other texts are not used.
    other = sentence.encode(model, texts[::-1], store=store, chunk_rows=16)
    np.testing.assert_array_equal(other, sentence.encode(model, texts[::-1], chunk_rows=16))


def test_long_texts_are_cut_at_max_length(texts, tmp_path):
    model = sentence.load(tiny.write_encoder(tmp_path), max_length=5)
    rows = sentence.tokenise(model, texts)
    assert max(map(len, rows)) == 5
    assert rows[-1] == [2, 4, 5, 6, 3]  # [CLS], three words, [SEP]
    with pytest.raises(UserError, match="takes 3 to 32 tokens"):
        sentence.load(tmp_path, max_length=33)


def test_an_empty_text_has_a_finite_embedding_and_no_text_is_an_error(model):
    assert np.isfinite(sentence.encode(model, [""])).all()
    with pytest.raises(UserError, match="no text"):
        sentence.encode(model, [])


def test_saved_models_give_the_same_embeddings(model, texts, tmp_path):
    sentence.save(tmp_path / "copy", model)
    copy = sentence.load(tmp_path / "copy")
    assert copy.sha256 == model.sha256
    np.testing.assert_array_equal(
        sentence.encode(copy, texts[:9]), sentence.encode(model, texts[:9])
    )


def test_static_embeddings_are_means_of_word_vectors(model):
    found = sentence.static_embeddings(model, ["cat dog cat", ""])
    table = np.asarray(model.params["word"]["embedding"])
    cat, dog = (len(tiny.SPECIAL) + tiny.WORDS.index(w) for w in ("cat", "dog"))
    np.testing.assert_allclose(found[0], (2 * table[cat] + table[dog]) / 3, rtol=1e-6)
    np.testing.assert_array_equal(found[1], 0)


def test_missing_and_damaged_tokenizers_are_clear_errors(tmp_path):
    tiny.write_encoder(tmp_path)
    path = tmp_path / "tokenizer.json"
    path.write_text(path.read_text()[:50])
    with pytest.raises(UserError, match="cannot be read"):
        sentence.load(tmp_path)
    path.unlink()
    with pytest.raises(UserError, match="save_pretrained"):
        sentence.load(tmp_path)
    with pytest.raises(UserError, match="no model folder"):
        sentence.load(tmp_path / "nowhere")


@pytest.fixture(scope="module")
def minilm():
    try:
        return sentence.load(spaces.minilm_folder())
    except UserError as error:
        pytest.skip(str(error))


def test_minilm_gives_the_reference_embedding(minilm):
    found = sentence.encode(minilm, ["A girl is styling her hair."])
    # First values by sentence-transformers 6.2.0 on torch 2.13.0: experiments.verify_text.
    expected = [-0.0012180, -0.0062785, 0.0128858, -0.0205645, -0.0727857, -0.0316904]
    np.testing.assert_allclose(found[0, : len(expected)], expected, atol=1e-4)


@pytest.mark.slow
def test_minilm_reaches_its_published_sts_score(minilm):
    path = SHARED / "stsbenchmark_test.csv.gz"
    if not path.exists():
        pytest.skip("no stsbenchmark_test.csv.gz in ../shared/data")
    pairs = sources.sts_benchmark(path)
    u, v = np.split(sentence.encode(minilm, pairs.first + pairs.second), 2)
    assert abs(spearmanr((u * v).sum(1), pairs.score).statistic - 0.820) < 5e-4
