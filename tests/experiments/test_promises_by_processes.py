"""Two promises by real processes, for every study: kill -9, and a second process. Slow.

Oracle: the same command, undisturbed.
"""

import importlib
import json
import os
import pathlib
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from experiments.commands import STUDIES
from experiments.runtime.files import read_json
from tests.experiments.test_promises import numbers

ROOT = pathlib.Path(__file__).parents[2]
CONFIGS = {
    "diffenc.train": "diffenc/swirl.py:vdmv:smoke",
    "closeness": "closeness/radial.py:k4:smoke",
    "distill": "distill/spiral.py:kl:smoke",
    "label_cosine": "label_cosine/paper.py:smoke",
    "hubness": "hubness/ag_news.py:static:smoke",
    "prediction_hubs": "prediction_hubs/smollm2.py:all:smoke",
    "sbert": "sbert/sts.py:cos-none:smoke",
}


def command(name, folder, data):
    """The command line of a study on its smoke config, or on small files of its own."""
    program = [sys.executable, "-m", f"experiments.{name.split()[0]}", f"--workdir={folder}"]
    if name in CONFIGS:
        return [*program, f"--config=experiments/configs/{CONFIGS[name]}"]
    r = np.random.default_rng(0)
    for file in ("one", "two"):
        np.savez(data / f"{file}.npz", f=r.normal(size=(40, 3)), g=r.normal(size=(6, 3)))
    if name == "compare":
        return [*program, f"--models={data}/one.npz,{data}/two.npz", "--draws=20"]
    np.save(data / "x.npy", r.normal(size=(120, 8)))
    return [*program, f"--embeddings={data}/x.npy"]


def progress(folder):
    """How much of a run is on disk."""
    kept = [p for p in folder.rglob("*") if p.suffix in (".npz", ".jsonl") or p.name == "DIGEST"]
    return sum(p.stat().st_size for p in kept if p.exists())


@pytest.mark.slow
@pytest.mark.parametrize("name", STUDIES)
def test_kill_9_and_a_second_process(name, tmp_path):
    run = command(name, tmp_path / "run", tmp_path)
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    start = lambda arguments, **options: subprocess.Popen(
        arguments, cwd=ROOT, env=environment, text=True, stderr=subprocess.PIPE, **options
    )
    with start(run, stdout=subprocess.DEVNULL) as first:
        while not progress(tmp_path / "run") and first.poll() is None:
            time.sleep(0.02)
        with start(run, stdout=subprocess.DEVNULL) as second:
            said = second.communicate()[1]
        if first.poll() is None:
            assert second.returncode == 2 and f"process {first.pid} on" in said
            first.send_signal(signal.SIGKILL)
        first.communicate()
    for arguments in (run, command(name, tmp_path / "whole", tmp_path)):
        with start(arguments, stdout=subprocess.DEVNULL) as process:
            said = process.communicate()[1]
        assert process.returncode == 0, said
    found, whole = (read_json(tmp_path / f / "record.json") for f in ("run", "whole"))
    assert numbers(found) == numbers(whole)


@pytest.mark.slow
def test_a_pipe_that_closes_lets_a_run_end(tmp_path):
    """Case C12: … | head -2."""
    run = command("diffenc.train", tmp_path / "run", tmp_path)
    line = " ".join(run) + " | head -1"
    done = subprocess.run(["bash", "-c", f"set -o pipefail; {line}"], cwd=ROOT, check=False)
    assert done.returncode == 0
    assert read_json(tmp_path / "run" / "record.json")["last"]["train"]["step"] == 6


def test_the_commands_are_listed_and_every_module_exists():
    done = subprocess.run(
        [sys.executable, "-m", "experiments"], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0 and json.dumps(done.stdout).count("\\n") > 15
    for name in STUDIES:
        assert name.split()[0] in done.stdout
        assert importlib.util.find_spec(f"experiments.{name.split()[0]}") is not None
