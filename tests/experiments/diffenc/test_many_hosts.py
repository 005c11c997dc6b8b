"""Commands that read a run, by two processes of four devices. Oracle: this one, of eight."""

import json
import subprocess
import sys

import numpy as np
import pytest

from experiments.configs.diffenc import digits
from experiments.diffenc.evaluate import evaluate
from experiments.diffenc.frechet import measure
from experiments.diffenc.sample import sample
from experiments.diffenc.train import STUDY
from tests.experiments.diffenc.untrained import untrained
from tests.two_processes import environment, free_port

FEATURES = "def f(codes):\n    return codes.reshape(len(codes), -1)[:, 20:24] * 1.0\n"


def by_two(command, *flags):
    """Runs `python -m experiments.diffenc.<command>` in two processes that join."""
    line = [sys.executable, "-m", f"experiments.diffenc.{command}", *flags, "--num_processes=2"]
    line += [f"--coordinator=localhost:{free_port()}", "--patience=100"]
    both = [
        subprocess.Popen(
            [*line, f"--process_index={i}"], env=environment(4), stdout=-1, stderr=-2, text=True
        )
        for i in range(2)
    ]
    said = [process.communicate(timeout=600)[0] for process in both]
    assert [process.returncode for process in both] == [0, 0], "\n".join(said)
    return said


@pytest.mark.slow
def test_two_hosts_write_what_one_writes(tmp_path):
    """A class-conditional model: bits/dim to rounding, the very samples, their distance."""
    config = digits.get_config("vdmv:smoke")
    config.model.options.conditional = True
    one, two = tmp_path / "one", tmp_path / "two"
    (tmp_path / "f.py").write_text(FEATURES)
    features = f"{tmp_path / 'f.py'}:f"
    for workdir in (one, two):
        untrained(workdir, STUDY.read(config.to_dict()))
    evaluate(one)
    sample(one, num=16)
    measure(one, features)
    said = by_two("evaluate", f"--workdir={two}")
    assert "bits_per_dim" in said[0] and "bits_per_dim" not in said[1]
    by_two("sample", f"--workdir={two}", "--num=16")
    by_two("frechet", f"--workdir={two}", f"--features={features}")
    found = [json.loads((w / "eval.json").read_text())["summary"] for w in (one, two)]
    assert found[1] == pytest.approx(found[0], rel=1e-6)
    codes = [np.load(w / "samples.npz")["codes"] for w in (one, two)]
    np.testing.assert_array_equal(*codes)
    found = [json.loads((w / "frechet.json").read_text())["frechet_distance"] for w in (one, two)]
    assert found[1] == pytest.approx(found[0], rel=1e-9)
    assert (two / "report.html").exists() and not list(two.glob("*.parts"))
