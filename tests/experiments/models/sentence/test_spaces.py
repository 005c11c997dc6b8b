"""Oracles: the modules that the names stand for; scikit-learn's pieces; files written here."""

import numpy as np
import pytest
from safetensors.numpy import save_file

from experiments.models import tiny
from experiments.models.sentence import encoder as sentence
from experiments.models.sentence import spaces
from experiments.runtime.errors import UserError


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tiny.write_encoder(tmp_path_factory.mktemp("model"))


def test_names_stand_for_their_spaces(folder):
    texts = tiny.sentences(5)
    model = sentence.load(folder)
    np.testing.assert_array_equal(
        spaces.embedder(f"model:{folder}")(texts), sentence.encode(model, texts)
    )
    np.testing.assert_array_equal(
        spaces.embedder(f"static:{folder}")(texts), sentence.static_embeddings(model, texts)
    )
    with pytest.raises(UserError, match="Did you mean 'minilm'"):
        spaces.embedder("minilms")(texts)


def test_lsa_rows_of_the_same_words_are_equal_and_stop_words_do_not_count():
    texts = ["red cat runs", "runs red the cat", "blue dog eats", "dog eats", "blue cat dog"]
    found = spaces.embedder("lsa")(texts)
    np.testing.assert_allclose(found[0], found[1], atol=1e-6)
    assert found.shape == (5, 4) and found.dtype == np.float32
    with pytest.raises(UserError, match="no word occurs in two"):
        spaces.embedder("lsa")(["a", "b"])


@pytest.mark.parametrize("suffix", [".npy", ".npz", ".safetensors"])
def test_files_are_read(tmp_path, suffix):
    matrix = np.random.default_rng(0).normal(size=(4, 3)).astype(np.float32)
    path = tmp_path / f"e{suffix}"
    if suffix == ".npy":
        np.save(path, matrix)
    elif suffix == ".npz":
        np.savez(path, other=np.zeros(2), embeddings=matrix)
    else:
        save_file({"embeddings": matrix}, path)
    np.testing.assert_array_equal(spaces.embedder(f"file:{path}")(["x"] * 4), matrix)
    with pytest.raises(UserError, match="4 rows for 5 texts"):
        spaces.embedder(f"file:{path}")(["x"] * 5)
