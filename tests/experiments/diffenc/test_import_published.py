"""A published checkpoint as a run. Oracle: the weights that were written in that form."""

import importlib
import json

import flax.serialization
import flax.traverse_util
import jax
import numpy as np
import pytest

import diffenc
from diffenc.likelihood import dequantise
from diffenc.upstream import published_names
from experiments.diffenc.evaluate import evaluate
from experiments.diffenc.import_published import import_checkpoint
from experiments.diffenc.run import make_run
from experiments.diffenc.train import STUDY
from experiments.diffenc.train import trained as train
from experiments.runtime.errors import UserError


def get_config(arg="diffenc:smoke"):
    config = importlib.import_module("experiments.configs.diffenc.digits").get_config(arg)
    # The least width that published networks have, with their groups.
    sizes = {"width": 32, "num_layers": 0, "encoder_width": 32, "group_channels": 1}
    config.model.options.update(sizes)
    config.eval.times_per_image = 1
    return STUDY.read(config.to_dict())


def as_published(model, params):
    """Our parameters as the nested tree that DiffEnc's code saves: block by block."""
    ours = flax.traverse_util.flatten_dict(jax.device_get(params), sep="/")
    tree = {}
    for name, theirs in published_names(model, nested=True).items():
        stacked = name.startswith(("score/down", "score/up"))
        tree |= zip(theirs, ours[name] if stacked else [ours[name]], strict=True)
    return flax.traverse_util.unflatten_dict(tree, sep="/")


def random_weights(run, seed):
    rng = np.random.default_rng(seed)
    shapes = run.state_factory().abstract().params
    return jax.tree.map(lambda s: rng.normal(0, 0.1, s.shape).astype("f4"), shapes)


@pytest.fixture(scope="module")
def saved(few_digits):
    """(run, params, ema, the entries of the file that the published code would have saved)."""
    run = make_run(get_config())
    params, ema = random_weights(run, 0), random_weights(run, 1)
    trees = {"params": as_published(run.model, params), "ema_params": as_published(run.model, ema)}
    return run, params, ema, {"step": 6, "opt_state": {"0": {"count": 6}}} | trees


def write(path, entries):
    path.write_bytes(flax.serialization.msgpack_serialize(entries))
    return path


def test_an_imported_run_is_evaluated_and_resumed(saved, tmp_path):
    run, params, ema, entries = saved
    folder = tmp_path / "run"
    import_checkpoint(get_config(), folder, write(tmp_path / "checkpoint_6", entries))
    restored = jax.device_get(train(get_config(), folder))  # is at its last step already
    jax.tree.map(np.testing.assert_array_equal, restored.params, params)
    jax.tree.map(np.testing.assert_array_equal, restored.ema, ema)
    assert restored.step == 6
    result = evaluate(folder)
    # Closed form of the prior, with the EMA's encoder: ½(α²x² + σ² − ln σ² − 1), γ = 5.
    x = dequantise(run.source.test.take(np.arange(39))["codes"], 17)
    alpha2, sigma2 = 1 / (1 + np.exp(5)), 1 / (1 + np.exp(-5))
    encode = jax.jit(run.model.encode)
    for weights, equal in ((ema, True), (params, False)):
        x_1 = np.asarray(encode(weights, x, 5.0)[0])
        prior = (alpha2 * (x_1**2).mean() + sigma2 - np.log(sigma2) - 1) / (2 * np.log(2))
        assert bool(result["summary"]["prior"] == pytest.approx(prior, rel=1e-5)) is equal
    facts = json.loads((folder / "imported.json").read_text())
    assert facts["step"] == 6 and len(facts["sha256"]) == 64
    assert "checkpoint_6, SHA-256" in (folder / "report.html").read_text()


def test_one_tree_serves_as_both_when_asked(saved, tmp_path):
    file = write(tmp_path / "checkpoint", saved[3] | {"ema_params": None})
    with pytest.raises(UserError, match="no 'ema_params'.*params"):
        import_checkpoint(get_config(), tmp_path / "run", file)
    assert not (tmp_path / "run").exists()
    state = import_checkpoint(get_config(), tmp_path / "run", file, "params")
    jax.tree.map(np.testing.assert_array_equal, state.ema, state.params)
    with pytest.raises(UserError, match="holds a trained run"):
        import_checkpoint(get_config(), tmp_path / "run", file, "params")
    with pytest.raises(UserError, match="accepted: params, ema_params"):
        import_checkpoint(get_config(), tmp_path / "other", file, "ema")


def test_files_that_do_not_fit_are_one_clear_error(saved, tmp_path):
    entries = saved[3]
    whole = flax.serialization.msgpack_serialize(entries)
    damaged = tmp_path / "cut"
    damaged.write_bytes(whole[: len(whole) // 2])
    poisoned = dict(entries["params"], score_model=np.float32("nan"))
    leaf = lambda value: entries | {"params": dict(entries["params"], score_model=value)}
    unnumbered = {k: v for k, v in entries.items() if k != "step"}
    cases = {
        "not a published checkpoint": damaged,
        "is a folder": tmp_path,
        "there is no file": tmp_path / "nothing",
        "not finite numbers of float32: score_model": write(
            tmp_path / "nan", entries | {"params": poisoned}
        ),
        "does not say at which step": write(tmp_path / "unnumbered", unnumbered),
    }
    strange = (np.full(2, 1e300), np.ones(2, np.complex64), "text")
    for message, file in (
        *cases.items(),
        *(
            ("of float32: score_model", write(tmp_path / f"leaf{i}", leaf(v)))
            for i, v in enumerate(strange)
        ),
        *(
            ("a whole number from 0 is needed", write(tmp_path / f"step{v}", entries | {"step": v}))
            for v in (-5, 6.7, True, float("nan"), "six", None, 2**40)
        ),
    ):
        with pytest.raises(UserError, match=message):
            import_checkpoint(get_config(), tmp_path / "run", file)
    assert not (tmp_path / "run").exists()


def test_a_wrong_model_is_told_which_one_fits(tmp_path):
    published = diffenc.build("vdmv-8", (8, 8, 1), 17)
    shapes = jax.eval_shape(published.init, jax.random.key(0))
    tree = as_published(published, jax.tree.map(lambda s: np.zeros(s.shape, "f4"), shapes))
    file = write(tmp_path / "file", {"step": 1, "params": tree, "ema_params": tree})
    with pytest.raises(UserError) as error:
        import_checkpoint(get_config("diffenc-8-2"), tmp_path / "run", file)
    said = str(error.value)
    assert "not one of diffenc-8-2" in said
    assert "It fits vdm-8 or vdmv-8 or diffenc-8-nt." in said
    assert "missing: encdec/inner_encoder/GroupNorm_0/bias" in said and "more" in said
