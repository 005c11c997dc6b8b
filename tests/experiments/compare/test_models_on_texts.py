"""Models as entries. Oracles: the encoders and language models themselves; runs' own files."""

import json

import numpy as np
import pytest

from experiments.arrays import save
from experiments.compare import models_on_texts, tables
from experiments.compare.config import Config
from experiments.compare.study import STUDY, prepare
from experiments.models import tiny
from experiments.models.language import lm
from experiments.models.sentence import encoder as sentence
from experiments.runtime import study
from experiments.runtime.errors import UserError
from experiments.runtime.store import Store


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    where = tmp_path_factory.mktemp("models")
    for seed in (0, 1):
        tiny.write_encoder(where / f"encoder{seed}", seed=seed)
        tiny.write_llama(where / f"model{seed}.gguf", seed=seed)
    (where / "texts.txt").write_text("\n".join(tiny.sentences(40)))
    return where


def config(folder, *references, **changes):
    models = tuple(str(r) for r in references)
    given = {"models": models, "draws": 0, "texts": f"text:{folder}/texts.txt"} | changes
    return Config(**given)


def test_two_encoders_are_compared_on_the_texts(folder, tmp_path):
    both = [folder / "encoder0", f"model:{folder}/encoder1"]
    request = study.Request(tmp_path / "run")
    record = study.run(STUDY, config(folder, *both), request, say=lambda line: None)
    assert list(record["entries"]) == ["encoder0", "encoder1"]
    assert record["entries"]["encoder0"]["f"] == [40, 8]
    assert record["alignment"] == ["Inputs are the 40 texts of texts."]
    assert "debiased CKA is" in tables.verdict(record)
    prepared = prepare(config(folder, *both))
    found = prepared.entries(Store(tmp_path / "store"))[0][1].f
    texts = (folder / "texts.txt").read_text().splitlines()
    np.testing.assert_allclose(
        found, sentence.encode(sentence.load(folder / "encoder1"), texts), atol=2e-6
    )


def test_language_models_of_one_vocabulary_have_their_heads(folder, tmp_path):
    both = [f"gguf:{folder}/model{seed}.gguf" for seed in (0, 1)]
    entries, notes = prepare(config(folder, *both)).entries(Store(tmp_path))
    assert [e.name for e in entries] == ["model0.gguf", "model1.gguf"]
    model = lm.load(both[1])
    np.testing.assert_array_equal(entries[1].g, model.unembedding)
    text = (folder / "texts.txt").read_text().splitlines()[3]
    alone = model.last_hidden(np.array(model.tokenise([text]), np.int32))
    np.testing.assert_allclose(entries[1].f[3], alone[0], atol=2e-5)
    assert "state after a text's last token" in notes[1]


@pytest.mark.parametrize(
    "made_for, causal",
    [
        (["LlamaForCausalLM"], True),
        (["GPT2LMHeadModel"], True),
        (["BertModel"], False),
        ([], False),
    ],
)
def test_a_folder_says_itself_whether_it_is_a_causal_model(tmp_path, made_for, causal):
    (tmp_path / "config.json").write_text(json.dumps({"architectures": made_for}))
    assert models_on_texts.is_model(str(tmp_path))
    assert models_on_texts._is_causal(str(tmp_path)) == causal


def test_the_folder_of_a_run_stands_for_its_models(folder, tmp_path):
    r = np.random.default_rng(0)
    for run in ("a", "b"):
        part = tmp_path / run / "spiral-16"
        part.mkdir(parents=True)
        (tmp_path / run / "manifest.json").write_text(json.dumps({}))
        f, g = r.normal(size=(2, 20, 3)), r.normal(size=(2, 5, 3))
        save(part / "models.npz", {"f": f, "g": g})
    given = config(folder, tmp_path / "a", tmp_path / "b", texts=None)
    names = [e.name for e in prepare(given).made]
    assert names == [f"{run}/spiral-16/models:{seed}" for run in "ab" for seed in (0, 1)]
    (tmp_path / "a" / "spiral-32").mkdir()
    save(tmp_path / "a" / "spiral-32" / "models.npz", {"f": f, "g": g})
    with pytest.raises(UserError, match="spiral-16/models.npz, .*spiral-32/models.npz; give one"):
        prepare(given)


def test_texts_and_models_go_together(folder):
    with pytest.raises(UserError, match="is a model to run: give --texts=text:FILE"):
        prepare(config(folder, folder / "encoder0", folder / "encoder1", texts=None))
    save(folder / "x.npz", {"f": np.ones((4, 2))})
    with pytest.raises(UserError, match="--texts goes with models to run"):
        prepare(config(folder, folder / "x.npz", folder / "x.npz"))
