"""Searches compiled for TPUs that are not here. Oracles: sizes by hand, and the refusals."""

import pytest

from experiments.hubness import compile as compiling
from experiments.runtime import topology
from experiments.runtime.errors import UserError


@pytest.mark.libtpu
@pytest.mark.parametrize(
    "dtype, tokens, passes",
    [("bfloat16", False, 3), ("float32", True, 6)],
    ids=["points", "tokens"],
)
def test_a_search_compiles_and_a_chip_holds_its_share(dtype, tokens, passes, optimised):
    pytest.importorskip("libtpu")
    n, m, d = 2**17, 1024, 128
    mesh = topology.mesh_of("v5e:2x4")
    report = compiling.compiled(mesh, n, m, d, 10, "dot", dtype, tokens)
    facts, size = report.facts, {"bfloat16": 2, "float32": 4}[dtype]
    share = n * d * size / 8 + m * d * 4 / (1 if tokens else 8)
    assert report.fits and facts["argument_gib"] * 2**30 == pytest.approx(share, rel=0.05)
    product = 2 * n * m * d / 8 / 1e12
    assert product <= facts["tflop"] < 1.1 * product
    assert facts["issued_tflop"] == pytest.approx(passes * facts["tflop"], rel=0.01)
    if not tokens:  # all points come by once for candidates and once for their costs
        assert facts["moved_gb"]["collective-permute"] >= 2 * n * d * size / 1e9


def ask(**changed):
    given = dict(points=800, width=8, queries=80, k=5, metric="dot", dtype=None)
    return compiling.main(**given | {"topology": None, "tokens": False} | changed)


@pytest.mark.parametrize(
    "changed, message",
    [
        ({"points": None}, "give --points and --width"),
        ({"dtype": "float16"}, "--dtype=float16; accepted: float32, and for points also bfloat16"),
        ({"dtype": "bfloat16", "tokens": True}, "--dtype=bfloat16; accepted: float32"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_compiled(changed, message):
    with pytest.raises(UserError, match=message):
        ask(**changed)
