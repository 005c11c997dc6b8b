"""That the benchmarks still run: they call private parts, which change. No figure is kept."""

import importlib
import os
import subprocess
import sys

import pytest

from experiments.evidence.registry import RECORDS

SMALL = ("hubness", "prediction_hubs", "similarity")
IN_PARTS = ("diffenc_scale", "diffenc_step", "distill", "gpu", "hubness_sampled")


def test_the_registry_knows_how_many_parts_a_whole_record_has():
    known = {entry.name: entry.parts for entry in RECORDS if entry.parts}
    had = {
        f"benchmarks/{name}": len(importlib.import_module(f"benchmarks.{name}").PARTS)
        for name in IN_PARTS
    }
    cases = importlib.import_module("benchmarks.tpu_compile").cases()
    assert known == had | {"tpu/compile": len(cases)}


@pytest.mark.slow
@pytest.mark.parametrize("name", SMALL)
def test_the_small_form_of_a_benchmark_runs(name, root, tmp_path):
    command = [sys.executable, "-m", f"benchmarks.{name}", "--small"]
    done = subprocess.run(
        command, cwd=root, env=os.environ | {"JAX_PLATFORMS": "cpu"}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert "ratio" in done.stdout
