"""Oracles: an uninterrupted run, bit for bit; embeddings of the encoder that was saved."""

import contextlib
import importlib.util
import pathlib
import shutil

import jax
import numpy as np
import pytest

from experiments.models.sentence import encoder as sentence
from experiments.runtime import study
from experiments.runtime.checkpoint import Checkpointer
from experiments.runtime.errors import UserError
from experiments.runtime.files import read_json
from experiments.runtime.metrics import read_metrics
from experiments.runtime.preemption import Stopped, StopSignal
from experiments.sbert import sts
from experiments.sbert import study as train_sbert

CONFIG = pathlib.Path(__file__).parents[3] / "experiments" / "configs" / "sbert" / "sts.py"


def smoke(arg="euclidean-c+n:smoke", **changes):
    spec = importlib.util.spec_from_file_location("sts", CONFIG)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    config = module.get_config(arg)
    config.train.update(changes)
    return config


def read(config):
    return train_sbert.STUDY.read(config.to_dict())


def train(config, folder):
    """The last state of a run in `folder`."""
    study.run(train_sbert.STUDY, read(config), study.Request(folder), say=lambda line: None)
    template = train_sbert.prepare(read(config)).state_factory().abstract()
    with contextlib.closing(Checkpointer(folder / "checkpoints")) as saved:
        return jax.device_get(saved.restore(template).state)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("straight")
    return folder, train(smoke(), folder)


def test_training_starts_from_the_model_and_lowers_the_loss(run):
    folder, state = run
    losses = [r["loss"] for r in read_metrics(folder / "metrics.jsonl") if r["split"] == "train"]
    assert len(losses) == 4 and losses[-1] < losses[0]
    start = train_sbert.prepare(read(smoke())).model.params["word"]["embedding"]
    moved = np.abs(state.params["word"]["embedding"] - start)
    # Warm-up and eight steps of at most the learning rate, 1e-2, each.
    assert 0 < moved.max() < 8.1e-2


def test_a_resumed_run_equals_a_straight_one(run, tmp_path, monkeypatch):
    folder, straight = run
    saves = []
    evaluate = train_sbert.Judge.__call__

    def interrupted(self, state):
        # At the second evaluation, after the save at step 4 and before the one at step 8.
        if state.step == 8 and not saves:
            saves.append(8)
            raise KeyboardInterrupt
        return evaluate(self, state)

    monkeypatch.setattr(train_sbert.Judge, "__call__", interrupted)
    with pytest.raises(KeyboardInterrupt):
        train(smoke(), tmp_path)
    assert [p.name for p in (tmp_path / "checkpoints").iterdir()] == ["4"]
    resumed = train(smoke(), tmp_path)
    jax.tree.map(np.testing.assert_array_equal, resumed, straight)
    assert read_metrics(tmp_path / "metrics.jsonl") == read_metrics(folder / "metrics.jsonl")


def test_the_best_encoder_is_kept_and_judged(run):
    folder, _ = run
    result = read_json(folder / "record.json")
    scores = {
        r["step"]: r["spearman"]
        for r in read_metrics(folder / "metrics.jsonl")
        if r["split"] == "test"
    }
    best = {"dev_spearman": max(scores.values()), "step": max(scores, key=scores.get)}
    assert result["best"] == best
    model = sentence.load(folder / "best", max_length=16)
    test = train_sbert.prepare(read(smoke())).test
    expected = sts.sts_spearman(model, test, loss="euclidean", normalisation="c+n")
    assert abs(result["after"]["sts_test_spearman"] - expected) < 1e-9
    assert result["before"]["hubness_sts"]["k"] == 10


def test_missing_data_says_what_to_give(tmp_path):
    config = smoke("cos-none")
    with config.unlocked():
        config.model.folder = str(tmp_path / "nowhere")
    with pytest.raises(UserError, match="no model folder"):
        train_sbert.prepare(read(config))


@pytest.mark.parametrize("changes", [{"eval_every": 0}, {"num_steps": 0}])
def test_what_is_there_at_the_end_is_judged_whatever_was_asked_for(changes, run, tmp_path):
    config, (_, straight) = smoke(**changes), run
    state = train(config, tmp_path)
    if "eval_every" in changes:
        jax.tree.map(np.testing.assert_array_equal, state, straight)
    result, steps = read_json(tmp_path / "record.json"), config.train.num_steps
    (judged,) = [r for r in read_metrics(tmp_path / "metrics.jsonl") if r["split"] == "test"]
    assert result["best"] == {"dev_spearman": judged["spearman"], "step": steps}
    before, after = (result[side]["sts_test_spearman"] for side in ("before", "after"))
    assert (before == after) == (steps == 0)
    best = (tmp_path / "best.npz").read_bytes()
    train(config, tmp_path)
    assert (tmp_path / "best.npz").read_bytes() == best


def test_a_run_cut_short_before_its_first_judgement_is_judged(tmp_path, monkeypatch):
    monkeypatch.setattr(train_sbert.Judge, "__call__", lambda *a: pytest.fail("too early"))
    stop = StopSignal()
    say = lambda line: setattr(stop, "received", "SIGTERM") if "step 2" in line else None
    request = study.Request(tmp_path, allowed=("train.num_steps",))
    with pytest.raises(Stopped):
        study.run(train_sbert.STUDY, read(smoke(eval_every=8)), request, stop=stop, say=say)
    monkeypatch.undo()
    steps = int(max(p.name for p in (tmp_path / "checkpoints").iterdir()))
    config = read(smoke(eval_every=8, num_steps=steps))
    result = study.run(train_sbert.STUDY, config, request, say=lambda line: None)
    assert result["best"]["step"] == steps < 8


def test_training_on_beside_a_damaged_best_encoder_is_refused(run, tmp_path):
    """It would forget that encoder, and call a worse one the best."""
    folder = shutil.copytree(run[0], tmp_path / "run")
    (folder / "best.npz").write_bytes((folder / "best.npz").read_bytes()[:-100])
    request = study.Request(folder, allowed=("train.num_steps",))
    with pytest.raises(UserError, match="best.npz.* is damaged"):
        study.run(train_sbert.STUDY, read(smoke(num_steps=10)), request, say=lambda line: None)
