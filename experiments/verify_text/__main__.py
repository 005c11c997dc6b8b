"""Compares our encoders and decoder with the PyTorch reference; writes results/text/*.json.

The reference runs in an environment of its own, --torch_python=PYTHON, with torch, transformers,
sentence-transformers, accelerate and gguf (see `experiments.verify_text.reference`).

python -m experiments.verify_text --workdir=DIR --torch_python=PYTHON --sts=STS_TEST.csv.gz
"""

import json
import pathlib
import subprocess
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.stats import rankdata

from experiments.data.texts import corpora, sources
from experiments.models.language import language_model, lm
from experiments.models.sentence import encoder as sentence
from experiments.models.sentence import spaces
from experiments.runtime import cli
from experiments.runtime.errors import UserError
from experiments.runtime.files import write_record
from experiments.runtime.manifest import portable
from experiments.runtime.preemption import StopSignal
from experiments.runtime.workspace import opened

RESULTS = pathlib.Path("results/text")
OPTIONS = {
    "torch_python": (str, "Python of an environment with the PyTorch reference packages."),
    "sts": (str, "Test file of the STS benchmark."),
}


def reference(python: str, arguments: Sequence[Any]) -> dict[str, np.ndarray]:
    """Runs `experiments.verify_text.reference`, whose last argument is the npz file it writes."""
    command = [python, "-m", "experiments.verify_text.reference", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise UserError(f"{' '.join(command)} failed:\n{done.stderr[-2000:]}")
    with np.load(arguments[-1], allow_pickle=False) as file:
        return {name: file[name] for name in file.files}


def verify_minilm(workdir: pathlib.Path, python: str, sts: str) -> dict[str, Any]:
    """Largest difference of any embedding value, and the STS score of both."""
    folder, pairs = spaces.minilm_folder(), sources.sts_benchmark(sts)
    texts = pairs.first + pairs.second
    (workdir / "texts.json").write_text(json.dumps(texts))
    theirs = reference(
        python, ["sentence", folder, workdir / "texts.json", workdir / "sentence.npz"]
    )
    model = sentence.load(folder)
    start = time.perf_counter()
    ours = sentence.encode(model, texts)
    seconds = time.perf_counter() - start

    def score(embedded: np.ndarray) -> float:
        u, v = np.split(embedded, 2)
        ranks = [rankdata(values) for values in ((u * v).sum(1), pairs.score)]
        return float(np.corrcoef(*ranks)[0, 1])  # Spearman's ρ

    return {
        "model": {"name": "all-MiniLM-L6-v2", "sha256": model.sha256},
        "sts_test": {"pairs": len(pairs.score), "sha256": pairs.sha256},
        "max_abs_difference": float(np.abs(ours - theirs["embedding"]).max()),
        "sts_spearman": score(ours),
        "sts_spearman_reference": score(theirs["embedding"]),
        "encode_seconds_with_compilation": seconds,
        "reference_versions": json.loads(str(theirs["versions"])),
    }


def verify_smollm2(workdir: pathlib.Path, python: str) -> dict[str, Any]:
    """Hidden states, logits, argmax and tokenisation on windows of Python source and plays."""
    model = lm.load("smollm2")
    documents = [corpora.load(name).documents for name in ("python", "shakespeare")]
    # Short pieces: transformers' tokenizer is compared on each.
    texts = [d[i : i + 400] for ds in documents for d in ds[:30] for i in (0, 2000, 4000)]
    windows = corpora.sample_windows(model.tokenise(texts), 20, 64, seed=0)
    np.savez(workdir / "case.npz", ids=windows.context, texts=json.dumps(texts))
    path = lm.parse("smollm2")[1]
    theirs = reference(python, ["causal", path, workdir / "case.npz", workdir / "causal.npz"])
    hidden = model.last_hidden(windows.context)
    logits = hidden.astype(np.float64) @ model.unembedding.T.astype(np.float64)
    tokens = json.loads(str(theirs["tokens"]))
    same = [a == b for a, b in zip(model.tokenise(texts), tokens, strict=True)]

    def relative(a: np.ndarray, b: np.ndarray) -> float:
        return float(np.abs(a - b).max() / np.abs(b).max())

    return {
        "model": {"name": model.name, "sha256": model.sha256},
        "windows": {"n": len(hidden), "length": windows.context.shape[1]},
        "hidden_relative_difference": relative(hidden, theirs["hidden"]),
        "logits_relative_difference": relative(logits, theirs["logits"]),
        "head_relative_error": language_model.check_head(model, windows.context),
        "argmax_agreement": float((logits.argmax(1) == theirs["logits"].argmax(1)).mean()),
        "texts_tokenised_equally": f"{sum(same)} of {len(same)}",
        "tokenisation_note": "transformers' GGUF conversion ignores tokenizer.ggml.pre; it then "
        "joins a space or symbol to a digit that 'smollm' splits off",
        "reference_versions": json.loads(str(theirs["versions"])),
    }


def main(torch_python: str | None, sts: str | None) -> None:
    if not torch_python or not sts:
        raise UserError("--torch_python=PYTHON and --sts=FILE are needed; --help explains")
    checks = {
        "minilm": lambda workdir: verify_minilm(workdir, torch_python, sts),
        "smollm2": lambda workdir: verify_smollm2(workdir, torch_python),
    }
    with opened(cli.workdir(), {"sts": sts}, StopSignal()) as space:
        for name, check in checks.items():
            found = check(space.path)
            write_record(RESULTS / f"{name}.json", portable() | found)
            print(json.dumps(found, indent=2))


if __name__ == "__main__":
    cli.run(main, options=OPTIONS, needs_config=False)
