"""Commands that read a trained run. Oracles: the bytes before, and the run with its data there."""

import json
import shutil

import jax
import numpy as np
import pytest

from experiments.configs.diffenc import digits, fashion_mnist
from experiments.diffenc import sample as sampling
from experiments.diffenc.evaluate import evaluate
from experiments.diffenc.run import load_trained
from experiments.diffenc.sample import sample
from experiments.diffenc.train import STUDY, trained
from experiments.runtime import files, store
from experiments.runtime.errors import UserError
from tests.experiments.data.test_sources import write_idx
from tests.experiments.diffenc.untrained import untrained

PROTECTED = ("config.json", "manifest.json", "metrics.jsonl")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run whose state is as at its beginning, and the folder of its images."""
    folder, r = tmp_path_factory.mktemp("fashion"), np.random.default_rng(0)
    for names, n in ((("train-images-idx3-ubyte", "train-labels-idx1-ubyte"), 16),
                     (("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"), 8)):  # fmt: skip
        write_idx(folder / names[0], r.integers(0, 256, (n, 28, 28)).astype(np.uint8))
        write_idx(folder / names[1], (np.arange(n) % 10).astype(np.uint8))
    workdir = tmp_path_factory.mktemp("run")
    untrained(workdir, fashion(folder))
    return workdir, folder


def fashion(folder):
    """The config of the smallest model on the images in `folder`."""
    config = fashion_mnist.get_config("vdmv:smoke")
    config.data.update({"smoke": False, "path": str(folder), "size": 14})
    config.train.update({"num_steps": 2, "eval_every": 0, "save_every": 0})
    config.eval.update({"times_per_image": 2, "batch_size": 8})
    config.model.options.num_layers = 0
    return STUDY.read(config.to_dict())


@pytest.fixture(scope="module")
def summary(run):
    """What an evaluation of the run finds."""
    return evaluate(run[0])["summary"]


def test_readers_leave_the_run_as_it_is(run, tmp_path):
    folder = shutil.copytree(run[0], tmp_path / "run")
    (folder / "checkpoints" / "tmp-3").mkdir()  # what a trainer is writing
    kept = lambda: {p: p.read_bytes() for p in folder.rglob("*") if p.is_file()
                    and (p.name in PROTECTED or "checkpoints" in p.parts)}  # fmt: skip
    before = kept()
    evaluate(folder)
    sample(folder, num=2, num_steps=2)
    assert kept() == before and (folder / "checkpoints" / "tmp-3").exists()


def test_samples_need_no_data_and_an_evaluation_can_be_told_where_they_are(run, summary, tmp_path):
    """Case C18: the data folder has moved."""
    folder, data = shutil.copytree(run[0], tmp_path / "run"), run[1]
    config = files.read_json(folder / "config.json")
    config["data"]["path"] = "/moved/away"
    files.write_json(folder / "config.json", config)
    np.testing.assert_array_equal(
        sample(folder, num=2, num_steps=2), sample(run[0], num=2, num_steps=2)
    )
    with pytest.raises(UserError, match="--data=PATH says where the data lie now"):
        evaluate(folder)
    found = evaluate(folder, data=str(data))
    assert found["summary"] == summary
    other = shutil.copytree(data, tmp_path / "other")
    write_idx(other / "t10k-labels-idx1-ubyte", np.zeros(8, np.uint8))
    with pytest.raises(UserError, match="other data"):
        evaluate(folder, data=str(other))


@pytest.mark.parametrize("seed", [-1, 2**32])
def test_seeds_that_would_be_those_of_others_are_refused(run, seed):
    with pytest.raises(UserError, match=f"--seed={seed}; accepted is an integer in"):
        sample(run[0], seed=seed)


def test_many_samples_are_drawn_in_batches_and_go_on_where_they_stopped(run, tmp_path, monkeypatch):
    """Case M17. Oracle: the model's own sampler, batch by batch."""
    folder = shutil.copytree(run[0], tmp_path / "run")
    monkeypatch.setattr(sampling, "VALUES", 8 * 14 * 14)
    calls, drawer = [], sampling._drawer

    def counting(*args):
        draw = drawer(*args)

        def counted(key, num, given):
            calls.append(num)
            if len(calls) == 2:
                raise KeyboardInterrupt
            return draw(key, num, given)

        return counted

    monkeypatch.setattr(sampling, "_drawer", counting)
    with pytest.raises(KeyboardInterrupt):
        sample(folder, num=20, num_steps=2, seed=5)
    codes = sample(folder, num=20, num_steps=2, seed=5)
    assert calls == [8, 8, 8, 8] and codes.shape == (20, 14, 14, 1)
    assert not (folder / "samples.parts").exists()
    made, state = load_trained(folder)
    key = jax.random.fold_in(jax.random.key(5), 2)
    want = jax.jit(made.model.sample, static_argnums=(2, 3))(key, state.ema, 8, 2)[:4]
    # One grey level where rounding falls the other way in a program laid out otherwise.
    assert np.abs(codes[16:].astype(int) - np.asarray(want).astype(int)).max() <= 1
    np.testing.assert_array_equal(store.load(folder / "samples.npz")["codes"], codes)


def test_a_run_of_an_earlier_version_lacks_a_key_and_has_no_digests(run, summary, tmp_path):
    """Case T11."""
    folder = shutil.copytree(run[0], tmp_path / "run")
    config = files.read_json(folder / "config.json")
    del config["train"]["accumulate"]
    (folder / "config.json").write_text(json.dumps(config))
    manifest = files.read_json(folder / "manifest.json")
    (folder / "manifest.json").write_text(json.dumps({"data": manifest["data"], "parameters": 1}))
    lines = (folder / "metrics.jsonl").read_text().splitlines()
    plain = [json.loads(line) for line in lines]
    old = [json.dumps({k: v for k, v in row.items() if k != "crc"}) for row in plain]
    (folder / "metrics.jsonl").write_text("\n".join(old) + "\n")
    for path in folder.rglob("layout.json"):
        path.unlink()
        digest = path.parent / "DIGEST"
        kept = [line for line in digest.read_text().splitlines(True) if "layout" not in line]
        digest.write_text("".join(kept))
    assert evaluate(folder)["summary"] == summary
    trained(fashion(run[1]), folder)  # the same command still resumes it


@pytest.mark.parametrize(
    "change, message",
    [
        ({"eval.batch_size": 0}, "eval.batch_size=0; accepted is an integer ≥ 1"),
        ({"model.options.gamma_min": float("nan")}, "gamma_min=nan; accepted is a finite number"),
        ({"model.options.gamma_min": 6.0}, "two finite numbers"),
        ({"train.ema_decay": 1.5}, "train.ema_decay=1.5"),
        ({"sample.num": 0}, "sample.num=0"),
        ({"data.path": "/x"}, "data.path='/x' means nothing for digits"),
    ],
)
def test_values_are_checked_before_the_folder_is_taken(tmp_path, change, message):
    """Case C3."""
    config = digits.get_config("vdmv:smoke")
    config.update_from_flattened_dict(change)
    with pytest.raises(UserError, match=message):
        trained(STUDY.read(config.to_dict()), tmp_path / "run")
    assert not (tmp_path / "run").exists()
