"""Oracles: the files themselves (write, read), and the errors promised."""

import json
import pathlib
import shutil

import ml_dtypes
import numpy as np
import pytest
from flax import traverse_util
from safetensors.numpy import load_file, save_file

from experiments.models.sentence import huggingface
from experiments.runtime.errors import UserError

FIXTURES = pathlib.Path(__file__).parents[1] / "sentence" / "fixtures"


@pytest.fixture
def folder(tmp_path):
    shutil.copytree(FIXTURES / "bert", tmp_path / "model")
    return tmp_path / "model"


def change_config(folder, **values):
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


def change_tensors(folder, change):
    save_file(change(load_file(folder / "model.safetensors")), folder / "model.safetensors")


def read(folder):
    family, config = huggingface.read_config(folder)
    return huggingface.read_params(folder, family, config)


def assert_equal(one, two):
    one, two = traverse_util.flatten_dict(one), traverse_util.flatten_dict(two)
    assert one.keys() == two.keys()
    for name in one:
        np.testing.assert_array_equal(one[name], two[name])


@pytest.mark.parametrize("family", ["bert", "distilbert", "mpnet", "roberta"])
def test_written_parameters_are_read_back_to_the_bit(family, tmp_path):
    params = read(FIXTURES / family)
    shutil.copy(FIXTURES / family / "config.json", tmp_path)
    huggingface.write_params(tmp_path, family, params)
    assert_equal(read(tmp_path), params)
    theirs = load_file(FIXTURES / family / "model.safetensors")
    for name, tensor in load_file(tmp_path / "model.safetensors").items():
        np.testing.assert_array_equal(tensor, theirs[name])


def test_prefixes_and_old_names_are_understood(folder):
    before = read(folder)
    change_tensors(
        folder,
        lambda tensors: (
            {
                "bert."
                + k.replace("LayerNorm.weight", "LayerNorm.gamma").replace(
                    "LayerNorm.bias", "LayerNorm.beta"
                ): v
                for k, v in tensors.items()
            }
            | {"cls.predictions.bias": np.zeros(3, np.float32)}
        ),
    )
    assert_equal(read(folder), before)


def test_half_precision_is_read_as_float32(folder):
    change_tensors(folder, lambda t: {k: v.astype(ml_dtypes.bfloat16) for k, v in t.items()})
    assert read(folder)["word"]["embedding"].dtype == np.float32


def test_shards_are_joined(folder):
    before, tensors = read(folder), load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    names = sorted(tensors)
    where = {name: f"part-{i % 2}.safetensors" for i, name in enumerate(names)}
    for part in set(where.values()):
        save_file({n: tensors[n] for n in names if where[n] == part}, folder / part)
    index = folder / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": where}))
    assert_equal(read(folder), before)


@pytest.mark.parametrize(
    "change,message",
    [
        ({"model_type": "mpnett"}, "Did you mean 'mpnet'"),
        ({"hidden_act": "gelu_ne"}, "Did you mean 'gelu_new'"),
        ({"position_embedding_type": "relative_key"}, "only 'absolute'"),
        ({"vocab_size": 25}, "has shape"),
        ({"num_hidden_layers": 3}, "has no 'encoder.layer.2"),
    ],
)
def test_another_config_is_one_clear_error(folder, change, message):
    change_config(folder, **change)
    with pytest.raises(UserError, match=message):
        read(folder)


def test_missing_keys_and_files_are_named(folder):
    path = folder / "config.json"
    settings = json.loads(path.read_text())
    del settings["hidden_size"]
    path.write_text(json.dumps(settings))
    with pytest.raises(UserError, match="has no 'hidden_size'"):
        read(folder)
    path.write_text("{")
    with pytest.raises(UserError, match="not valid JSON"):
        read(folder)
    path.unlink()
    with pytest.raises(UserError, match="config.json does not exist"):
        read(folder)


def test_truncated_weights_are_one_clear_error(folder):
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(UserError, match="truncated"):
        read(folder)


def test_pickled_weights_are_refused(folder):
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(UserError, match="PyTorch pickle"):
        read(folder)
