"""That the benchmarks still run: they call private parts, which change. No figure is kept."""

import os
import subprocess
import sys

import pytest

SMALL = ("hubness", "prediction_hubs", "similarity")


@pytest.mark.slow
@pytest.mark.parametrize("name", SMALL)
def test_the_small_form_of_a_benchmark_runs(name, root, tmp_path):
    command = [sys.executable, "-m", f"benchmarks.{name}", "--small"]
    done = subprocess.run(
        command, cwd=root, env=os.environ | {"JAX_PLATFORMS": "cpu"}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert "ratio" in done.stdout
