"""Compiling for TPUs that are not here. Oracles: counts by hand, and the compiler's own refusal."""

import re

import jax
import jax.numpy as jnp
import pytest
from jax.sharding import NamedSharding, PartitionSpec

from diffenc.networks.blocks import ResnetBlock
from experiments.configs.diffenc import digits
from experiments.diffenc import compile as compiling
from experiments.diffenc.train import STUDY
from experiments.runtime import topology
from experiments.runtime.errors import UserError
from experiments.runtime.topology import Report


def smoke():
    return STUDY.read(digits.get_config("vdmv:smoke").to_dict())


@pytest.mark.libtpu
@pytest.mark.parametrize("name, chips", [("v5e:2x4", 8), ("v5p:2x2x1", 4)])
def test_a_training_step_compiles_for_a_topology(name, chips, optimised):
    pytest.importorskip("libtpu")
    mesh = topology.mesh_of(name)
    assert mesh.size == chips
    report = compiling.compiled(smoke(), mesh)
    assert report.fits and report.facts["loops_known"]
    # Each chip needs its share of the model's arithmetic, and gradients are added up.
    model = report.facts["mfu_bound"] * report.facts["step_ms"] / 1e3
    model *= topology.PEAK_FLOPS[report.facts["chip"]] / 1e12
    assert 0.8 < report.facts["tflop"] / model < 2
    assert report.facts["moved_gb"]["all-reduce"] > 0


@pytest.mark.libtpu
def test_no_convolution_draws_random_numbers(optimised):
    # As large and as narrow as the mask of a bare bernoulli has to be to move into a convolution.
    pytest.importorskip("libtpu")
    sharding = NamedSharding(topology.mesh_of("v5e:2x4"), PartitionSpec())
    block = ResnetBlock(128, 0.1, dtype=jnp.bfloat16)
    key = jax.eval_shape(lambda: jax.random.key(0))
    h, cond = (jax.ShapeDtypeStruct(s, jnp.bfloat16) for s in ((16, 32, 32, 128), (16, 512)))
    params = jax.eval_shape(block.init, key, h, cond)
    apply = lambda p, h, cond, key: block.apply(p, h, cond, rngs={"dropout": key})
    lowered = jax.jit(apply, in_shardings=sharding).lower(params, h, cond, key)
    with topology.uncached():
        text = lowered.compile().as_text()
    parts = {part.split(" ", 1)[0]: part for part in text.split("\n}\n\n")}
    convolutions = [part for part in parts.values() if " convolution(" in part]
    within = {name for part in convolutions for name in re.findall(r"calls=(%[\w.-]+)", part)}
    assert len(convolutions) >= 2 and any(" xor(" in part for part in parts.values())
    assert not any(" xor(" in parts[name] for name in within)


@pytest.mark.libtpu
def test_a_topology_that_is_none_is_one_clear_error():
    pytest.importorskip("libtpu")
    with pytest.raises(UserError, match="v9:2x4 is not known to libtpu .* give v5e:2x4"):
        topology.mesh_of("v9:2x4")


def test_without_libtpu_it_is_said_how_to_install_it(monkeypatch):
    monkeypatch.setattr(topology.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"pip install 'repgeo\[tpu\]'"):
        topology.mesh_of("v5e:2x4")


class Mesh:
    size = 4


def search(monkeypatch, fits):
    monkeypatch.setattr(
        compiling,
        "compiled",
        lambda config, mesh: Report(fits(config), {"hbm_gib": 9.5, "hbm_of_chip_gib": 16}),
    )
    return list(compiling.search(smoke(), Mesh()))


def test_the_first_change_that_fits_is_named(monkeypatch):
    tried = search(monkeypatch, lambda config: config.train.accumulate == 2)
    assert [dict(change) for change, _ in tried[:2]] == [{}, {"model.options.dtype": "bfloat16"}]
    flags = "--config.model.options.dtype=bfloat16 --config.model.options.remat=True"
    assert compiling.verdict(tried) == (
        f"does not fit as it is; with {flags} --config.train.accumulate=2 it takes 9.5 of 16 GiB a "
        "chip"
    )


def test_what_fits_at_once_is_not_searched_and_what_never_fits_is_said(monkeypatch):
    assert compiling.verdict(search(monkeypatch, lambda config: True)) == (
        "fits: 9.5 of 16 GiB a chip"
    )
    tried = search(monkeypatch, lambda config: False)
    assert compiling.verdict(tried).startswith("does not fit, whatever was tried")
    # Batches of 8 in parts of 4 chips: more than two parts, or an eighth of it, cannot be.
    assert len(tried) == 6


def test_a_refusal_of_the_compiler_tells_how_much_is_needed():
    said = "RESOURCE_EXHAUSTED: Ran out of memory in memory space hbm. Used 23.41G of 15.75G hbm."
    assert topology._needed(said) == pytest.approx(23.41)
    with pytest.raises(UserError, match="refuses the program: UNIMPLEMENTED"):
        topology._needed("UNIMPLEMENTED: no such thing")
