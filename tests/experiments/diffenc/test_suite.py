"""Flags of a suite reach its runs, or are refused (case R6). Oracle: how absl reads flags."""

import os
import re
import subprocess
import sys

import pytest

from experiments.diffenc.overrides import config_overrides

DIGITS = "--config=experiments/configs/diffenc/digits.py"


def test_overrides_are_forwarded_however_they_are_written():
    given = ["-config.train.num_steps=5", "--config.seed", "3", "--config.data.smoke", "--jobs=2"]
    given += ["--noconfig.data.smoke", "--config=file.py", "--config.data.path=a=b"]
    assert config_overrides(given) == [
        "--config.train.num_steps=5",
        "--config.seed=3",
        "--config.data.smoke",
        "--noconfig.data.smoke",
        "--config.data.path=a=b",
    ]


REFUSED = {
    "word": ([f"{DIGITS}:diffenc:smoke"], "give .*digits.py --models=diffenc:smoke"),
    "twice": ([DIGITS, "--models=vdmv,nt,vdmv"], "vdmv more than once"),
    "model": ([DIGITS, "--models=vdmw"], "Did you mean 'vdmv'"),
    "seeds": ([DIGITS, "--seeds=0"], "at least 1"),
    "seed": ([DIGITS, "--config.seed=7"], "give the first of theirs as --first_seed=7"),
    "value": (
        [DIGITS, "--config.train.num_steps=-3"],
        "train.num_steps=-3; accepted is an integer",
    ),
    "together": ([DIGITS, "--config.model.options.gamma_min=6"], "the first the smaller one"),
    "allowed": ([DIGITS, "--allow_config_change=train.num_step"], "Did you mean 'train.num_steps'"),
    "track": ([DIGITS, "--track=tensorbord"], "Did you mean 'tensorboard'"),
}
LAUNCH = """
import os, runpy, sys
import experiments.diffenc.suite
for case in sys.argv[1:]:
    name, *arguments = case.split()
    child = os.fork()
    if not child:
        os.dup2(os.open(name + ".err", os.O_CREAT | os.O_WRONLY), 2)
        sys.argv = ["suite", "--workdir=untaken", *arguments]
        runpy.run_module("experiments.diffenc.suite", run_name="__main__", alter_sys=True)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 2, name
"""


@pytest.fixture(scope="module")
def launched(root, tmp_path_factory):
    folder = tmp_path_factory.mktemp("suite")
    (folder / "experiments").symlink_to(root / "experiments")
    cases = [" ".join([name, *arguments]) for name, (arguments, _) in REFUSED.items()]
    done = subprocess.run(
        [sys.executable, "-c", LAUNCH, *cases],
        capture_output=True,
        text=True,
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(root)},
    )
    assert done.returncode == 0, done.stderr
    return folder


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_forwarded_is_refused_before_anything_runs(launched, name):
    said = (launched / f"{name}.err").read_text()
    assert re.search(REFUSED[name][1], said) and "Traceback" not in said
    assert not (launched / "untaken").exists()
