"""The Fréchet distance of a run's samples from its data, in features of your own choice.

python -m experiments.diffenc.frechet --workdir=DIR --features=FILE.py:FUNCTION \
    [--split=test|train] [--num=10000]

FUNCTION takes integer codes [n, h, w, c] and returns features [n, d]; FILE.py is run. Samples are
those of DIR/samples.npz, from experiments.diffenc.sample. Writes DIR/frechet.json with the
extractor's name and digest, and DIR/report.html. It is not FID: that name belongs to the features
of one particular Inception network. Features are computed in parts, on all hosts that run the
command (docs/tpu.md); the same command again continues after the last finished part.
"""

import pathlib
import shutil
from typing import Any

import numpy as np

from experiments.diffenc import page
from experiments.diffenc.frechet_distance import (
    Extractor,
    extract,
    frechet_distance,
    load_extractor,
)
from experiments.diffenc.run import DATA, load_source
from experiments.runtime import cli, distributed, store
from experiments.runtime.errors import UserError
from experiments.runtime.files import digest_of, write_json
from experiments.runtime.manifest import environment
from experiments.runtime.store import Store

PARTS = "frechet.parts"
CHUNK = 4096  # images whose features are kept at once
LEAST = 2
OPTIONS = {
    "features": (str, "FILE.py:FUNCTION, from codes [n, h, w, c] to features [n, d]."),
    "split": (str, "Images to compare with: test (default) or train."),
    "num": (int, "At most so many samples and images; default: all samples."),
    **distributed.OPTIONS,
}


def measure(
    workdir: pathlib.Path,
    features: str,
    split: str = "test",
    num: int | None = None,
    data: str | None = None,
) -> dict[str, Any]:
    """The distance of the run in `workdir`; returns what frechet.json holds."""
    if split not in ("test", "train"):
        raise UserError(f"--split={split}: accepted are test and train")
    if num is not None and num < LEAST:
        raise UserError(f"--num={num}: a covariance needs at least {LEAST} samples")
    if not (path := workdir / "samples.npz").exists():
        raise UserError(f"{path} is missing; run experiments.diffenc.sample on that run first")
    extractor, facts = load_extractor(features)
    source = load_source(workdir, data)
    samples = store.load(path)["codes"][:num]
    images = getattr(source, split)
    chosen = np.random.default_rng(0).permutation(images.size)[: len(samples)]
    parts = Store(workdir / PARTS, print)
    compute = lambda name, codes: extracted(extractor, codes, parts.at(name), facts)
    ours = compute("samples", samples)
    theirs = compute("images", images.take(np.sort(chosen))["codes"])
    result = {
        "frechet_distance": frechet_distance(ours, theirs),
        "features": facts | {"dimensions": ours.shape[1]},
        "num_samples": len(samples),
        "num_images": len(theirs),
        "split": split,
        "data": source.facts(),
        "environment": environment(),
    }
    if distributed.is_lead():
        write_json(workdir / "frechet.json", result)
        page.write(workdir)
        shutil.rmtree(workdir / PARTS, ignore_errors=True)
    return result


def extracted(
    extractor: Extractor, codes: np.ndarray, parts: Store, facts: dict[str, Any]
) -> np.ndarray:
    """Features [n, d] of all codes, a share in each process; finished parts are kept."""

    def part(start: int, stop: int) -> dict[str, np.ndarray]:
        compute = lambda rows: extract(extractor, codes[start:stop][rows])
        return {"features": distributed.shared_rows(compute, stop - start)}

    inputs = {"codes": digest_of(codes), "extractor": facts}
    return parts.rows(inputs, len(codes), part, chunk_rows=CHUNK)["features"]


def main(
    features: str | None, split: str | None, num: int | None, data: str | None, **cluster
) -> None:
    if not features:
        raise UserError("--features=FILE.py:FUNCTION is missing; --help explains")
    workdir = cli.workdir()
    distributed.start(**cluster)
    result = measure(workdir, features, split or "test", num, data)
    if distributed.is_lead():
        where = result["features"]["extractor"]
        print(f"Fréchet distance {result['frechet_distance']:.6f} in {where}")


if __name__ == "__main__":
    cli.run(main, options=OPTIONS | DATA, needs_config=False, accepts_config=False)
