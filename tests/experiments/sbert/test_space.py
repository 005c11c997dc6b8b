"""The space of a trained encoder. Oracle: its folder's own embeddings, normalised by NumPy."""

import json

import numpy as np
import pytest

from experiments.hubness import study as hubspaces
from experiments.hubness.config import Config
from experiments.models import tiny
from experiments.models.sentence import encoder as sentence
from experiments.runtime.errors import UserError
from experiments.sbert.space import trained


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """What a finished run leaves of its encoder."""
    folder = tmp_path_factory.mktemp("run")
    tiny.write_encoder(folder / "best")
    (folder / "record.json").write_text("{}")
    return folder


def finish(run, normalisation):
    config = {"objective": {"loss": "cos", "normalisation": normalisation}}
    (run / "config.json").write_text(json.dumps(config))
    return str(run)


def test_rows_are_normalised_as_the_objective_does(run):
    texts = tiny.sentences(5)
    plain = sentence.encode(sentence.load(run / "best"), texts)
    centred = plain - plain.mean(1, keepdims=True)
    unit = centred / np.linalg.norm(centred, axis=1, keepdims=True)
    digests = set()
    for name, expected in (("none", plain), ("c", centred), ("c+n", unit)):
        space = trained(finish(run, name))
        np.testing.assert_allclose(space(texts), expected, atol=1e-6)
        digests.add(space.sha256)
    assert len(digests) == 3


def test_a_hubness_run_takes_the_encoder_of_a_run(run, tmp_path):
    texts = tmp_path / "texts.txt"
    texts.write_text("\n".join(tiny.sentences(40)))
    space = f"sbert:{finish(run, 'c+n')}"
    config = Config(space=space, texts=f"text:{texts}", methods=("csls",), seeds=(0,))
    made = hubspaces.prepare(config)
    assert made.digests["space"] == trained(str(run)).sha256
    lengths = np.linalg.norm(made.embed(made.texts.texts), axis=1)
    np.testing.assert_allclose(lengths, 1, rtol=1e-5)


@pytest.mark.parametrize("lost", ["config.json", "record.json"])
def test_what_is_no_finished_run_is_one_clear_error(run, tmp_path, lost):
    for name in {"config.json", "record.json"} - {lost}:
        (tmp_path / name).write_text('{"objective": {"normalisation": "none"}}')
    with pytest.raises(UserError, match=f"sbert:.*no finished run.*{lost}.*give the --workdir"):
        trained(str(tmp_path))
