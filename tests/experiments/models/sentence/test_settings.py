"""Folders of sentence-transformers. Oracle: its poolings in NumPy, on files as it writes them."""

import functools
import json
import shutil

import jax
import numpy as np
import pytest

from experiments.models import tiny
from experiments.models.sentence import encoder as sentence
from experiments.models.sentence import settings as sentence_settings
from experiments.models.sentence.bert import Encoder
from experiments.models.sentence.pooling import POOLINGS
from experiments.runtime.errors import UserError

OLD = [f"sentence_transformers.models.{m}" for m in ("Transformer", "Pooling", "Normalize")]
# As version 6.2.0 writes them.
NEW = [
    "sentence_transformers.base.modules.transformer.Transformer",
    "sentence_transformers.sentence_transformer.modules.pooling.Pooling",
    "sentence_transformers.base.modules.normalize.Normalize",
]
TEXTS = [*tiny.sentences(7), " ".join(tiny.WORDS * 2), "cat"]


def numpy_pooling(name, rows):
    """Of the vectors of one text's tokens, by the definitions in sentence-transformers."""
    weights = np.arange(1, len(rows) + 1)[:, None]
    return {
        "cls": rows[0],
        "max": rows.max(0),
        "mean": rows.mean(0),
        "mean_sqrt_len_tokens": rows.sum(0) / np.sqrt(len(rows)),
        "weightedmean": (weights * rows).sum(0) / weights.sum(),
        "lasttoken": rows[-1],
    }[name]


@pytest.fixture(scope="module")
def encoder(tmp_path_factory):
    return tiny.write_encoder(tmp_path_factory.mktemp("encoder"), seed=3)


@pytest.fixture
def folder(encoder, tmp_path):
    shutil.copytree(encoder, tmp_path, dirs_exist_ok=True)
    return tmp_path


def write(folder, pooling, modules=NEW[:2], **files):
    places = ("", "1_Pooling", "2_Normalize")
    kinds = [{"path": p, "type": m} for m, p in zip(modules, places, strict=False)]
    (folder / "modules.json").write_text(json.dumps(kinds))
    (folder / "1_Pooling").mkdir(exist_ok=True)
    (folder / "1_Pooling/config.json").write_text(json.dumps(pooling))
    for name, value in files.items():
        (folder / f"{name}.json").write_text(json.dumps(value))
    return folder


def expected(folder, names, texts=TEXTS):
    """Of token vectors that test_bert.py compares with transformers'."""
    model = sentence.load(folder)
    tokens = sentence.tokenise(model, texts)
    hidden = hidden_states(model.params, *sentence.pad(tokens, 32, 16), model.config)
    rows = [np.asarray(h[: len(t)], np.float64) for h, t in zip(hidden, tokens, strict=False)]
    return np.array([np.concatenate([numpy_pooling(n, r) for n in names]) for r in rows])


@functools.partial(jax.jit, static_argnames="config")
def hidden_states(params, ids, mask, config):
    return Encoder(config).apply({"params": params}, ids, mask)


@pytest.mark.parametrize("names", [*((name,) for name in POOLINGS), ("lasttoken", "cls")])
def test_every_pooling_is_that_of_its_definition(folder, names):
    given = names[0] if len(names) == 1 else list(names)
    write(folder, {"embedding_dimension": 8, "pooling_mode": given, "include_prompt": True})
    found = sentence.encode(sentence.load(folder), TEXTS)
    # Measured 6e-7 at most, on values up to 3.
    np.testing.assert_allclose(found, expected(folder, names), atol=5e-6)


def test_files_before_5_4_name_poolings_by_flags(folder):
    flags = {"pooling_mode_mean_tokens": True, "pooling_mode_cls_token": True}
    write(folder, {"word_embedding_dimension": 8, **flags}, OLD[:2])
    assert sentence.load(folder).settings.pooling == ("cls", "mean")
    np.testing.assert_allclose(
        sentence.encode(sentence.load(folder), TEXTS), expected(folder, ("cls", "mean")), atol=5e-6
    )


def test_normalisation_and_lengths_are_followed(folder):
    write(folder, {"pooling_mode": "cls"}, NEW, tokenizer_config={"model_max_length": 9})
    model = sentence.load(folder)
    assert max(map(len, sentence.tokenise(model, TEXTS))) == 9
    found = expected(folder, ("cls",))
    found /= np.linalg.norm(found, axis=1, keepdims=True)
    np.testing.assert_allclose(sentence.encode(model, TEXTS), found, atol=2e-6)
    limit = {"max_seq_length": 6, "do_lower_case": False}
    model = sentence.load(write(folder, {"pooling_mode": "cls"}, OLD, sentence_bert_config=limit))
    assert max(map(len, sentence.tokenise(model, TEXTS))) == 6
    unlimited = {"model_max_length": 10**30, "truncation_side": "left"}
    (folder / "sentence_bert_config.json").unlink()
    model = sentence.load(write(folder, {"pooling_mode": "cls"}, tokenizer_config=unlimited))
    assert model.settings.max_length == 32
    assert sentence.tokenise(model, [" ".join(tiny.WORDS * 3)])[0][-2] == 15  # the last word


def test_prompts_and_case_are_followed(folder):
    prompts = {"prompts": {"query": "red cat "}, "default_prompt_name": "query"}
    files = {
        "config_sentence_transformers": prompts,
        "sentence_bert_config": {"max_seq_length": 32, "do_lower_case": True},
    }
    model = sentence.load(write(folder, {"pooling_mode": "mean"}, **files))
    bare = sentence.load(write(folder, {"pooling_mode": "mean"}, config_sentence_transformers={}))
    assert sentence.tokenise(model, ["THE dog"]) == sentence.tokenise(bare, ["red cat the Dog"])
    with pytest.raises(UserError, match="include_prompt false"):
        sentence.load(write(folder, {"include_prompt": False}, **files))


def test_a_written_model_has_the_same_settings(folder):
    limit = {"max_seq_length": 7, "do_lower_case": True}
    write(folder, {"pooling_mode": ["max", "mean"]}, NEW, sentence_bert_config=limit)
    model = sentence.load(folder)
    sentence.save(folder / "copy", model)
    copy = sentence.load(folder / "copy")
    found = sentence_settings.read(folder / "copy")
    assert (found.pooling, found.normalise, found.max_length) == (("max", "mean"), True, 7)
    np.testing.assert_array_equal(sentence.encode(copy, TEXTS), sentence.encode(model, TEXTS))


@pytest.mark.parametrize(
    "pooling, modules, files, message",
    [
        ({"pooling_mode": "clss"}, NEW, {}, "Did you mean 'cls'"),
        ({"pooling_mode": []}, NEW, {}, "pooling_mode is empty"),
        ({"pooling_mode_attention": True}, NEW, {}, "unknown pooling in .*pooling_mode_attention"),
        ({}, [*NEW[:2], "sentence_transformers.base.modules.dense.Dense"], {}, "module Dense"),
        ({}, NEW[:1], {}, "lists Transformer; accepted are"),
        ({}, [NEW[0], NEW[2], NEW[1]], {}, "in this order"),
        ({}, NEW, {"sentence_bert_config": {"transformer_task": "text-generation"}}, "text-gener"),
        ({}, NEW, {"config_sentence_transformers": {"default_prompt_name": "q"}}, "none of its"),
    ],
)
def test_what_is_not_supported_is_refused_by_name(folder, pooling, modules, files, message):
    with pytest.raises(UserError, match=message):
        sentence.load(write(folder, pooling, modules, **files))


def test_heads_that_do_not_divide_the_width_are_one_sentence(folder):
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"num_attention_heads": 3}))
    with pytest.raises(UserError, match="3 attention heads do not divide the width 8"):
        sentence.load(folder)
    (folder / "config.json").write_text(json.dumps(config | {"is_decoder": True}))
    with pytest.raises(UserError, match="only encoders are"):
        sentence.load(folder)
