"""The published models in bfloat16 and large searches, compiled for TPUs that are not here.

python -m benchmarks.tpu_compile [PATTERN ...] [--seconds=900]

Needs the extra `tpu` and minutes a case. Cases are `MODEL bfloat16 CHIPS`, one in float32 beside
them (`vdmv-8 v5e-8`), and `SEARCH CHIPS`; patterns are those of a shell, as '*32-4 * v5e-8'. Each
case is the command that its record names, in a process of its own, stopped after so many CPU
seconds, which is then what is recorded. Written to results/tpu/compile.json; cases that are not run
keep their earlier figures.
"""

import argparse
import fnmatch
import json
import os
import pathlib
import resource
import shlex
import signal
import subprocess
import sys
import tempfile
from typing import Any

from experiments.runtime.files import read_json, write_record
from experiments.runtime.manifest import environment

RECORD = pathlib.Path(__file__).parents[1] / "results" / "tpu" / "compile.json"
# What Google calls so: a v4 or v5p is named by its cores, of which a chip has two.
CHIPS = {"v5e-8": "v5e:2x4", "v4-8": "v4:2x2x1", "v5p-8": "v5p:2x2x1", "v6e-8": "v6e:2x4"}
MODELS = {
    "vdmv-8": "cifar10",
    "diffenc-8-2": "cifar10",
    "vdmv-32": "cifar10",
    "diffenc-32-4": "cifar10",
    "diffenc-32-8-imagenet": "imagenet32_new",
}
SEARCHES = {
    "knn 1e7 float32": "--points=10000000 --width=384",
    "knn 1e8 bfloat16": "--points=100000000 --width=384 --dtype=bfloat16",
    "knn 1e8 float32": "--points=100000000 --width=384",
    "tokens 128,256": "--tokens --points=128256 --width=4096",  # a Llama 3 of 8B parameters
}
# By exit code: also one that is killed by hand is recorded with the time that it took.
STATES = {0: "compiled", 2: "refused", -signal.SIGXCPU: "stopped", -signal.SIGKILL: "stopped"}


def cases() -> dict[str, str]:
    """The module and flags of each case."""
    step = "experiments.diffenc.compile --config=experiments/configs/diffenc"
    found = {
        f"{model} bfloat16 {chips}": f"{step}/{config}.py:{model} --topology={topology}"
        " --config.model.options.dtype=bfloat16"
        for model, config in MODELS.items()
        for chips, topology in CHIPS.items()
    }
    search = "experiments.hubness.compile"
    return (
        found
        | {"vdmv-8 v5e-8": f"{step}/cifar10.py:vdmv-8 --topology=v5e:2x4"}
        | {
            f"{name} v5e-8": f"{search} {flags} --topology=v5e:2x4"
            for name, flags in SEARCHES.items()
        }
    )


def run(command: str, seconds: int) -> dict[str, Any]:
    """What came of a case: `state` compiled, stopped or refused, `cpu_seconds` of the whole
    process, and the figures of its compile.json as far as it came."""
    limit = lambda: resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
    spent = lambda: sum(resource.getrusage(resource.RUSAGE_CHILDREN)[:2])
    # What an earlier run has kept would be read in place of being compiled.
    own = {k: v for k, v in os.environ.items() if k != "JAX_COMPILATION_CACHE_DIR"}
    with tempfile.TemporaryDirectory() as folder:
        line = [sys.executable, "-m", *shlex.split(command), f"--workdir={folder}"]
        before = spent()
        done = subprocess.run(
            line, env=own | {"JAX_PLATFORMS": "cpu"}, preexec_fn=limit, capture_output=True
        )
        took, path = spent() - before, pathlib.Path(folder) / "compile.json"
        found = read_json(path) if path.exists() else {}
    if done.returncode not in STATES:
        raise SystemExit(f"{command}\n{done.stderr.decode()[-2000:]}")
    state = STATES[done.returncode]
    if state == "refused":
        found["said"] = done.stderr.decode().strip().splitlines()[-1]
    found.pop("digest", None)
    return found | {"state": state, "cpu_seconds": took, "command": f"python -m {command}"}


def main(patterns: list[str], seconds: int) -> None:
    chosen = [c for c in cases() if not patterns or any(fnmatch.fnmatch(c, p) for p in patterns)]
    if not chosen:
        raise SystemExit(f"no case is like that; cases are: {', '.join(cases())}")
    for name in chosen:
        found = run(cases()[name], seconds)
        found = found | {"environment": environment() | {"command": found.pop("command")}}
        print(name, json.dumps(found, indent=2), flush=True)
        record = json.loads(RECORD.read_text()) if RECORD.exists() else {}
        RECORD.parent.mkdir(exist_ok=True)
        write_record(RECORD, record | {name: found})


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("patterns", nargs="*")
    parser.add_argument("--seconds", type=int, default=900)
    given = parser.parse_args()
    main(given.patterns, given.seconds)
