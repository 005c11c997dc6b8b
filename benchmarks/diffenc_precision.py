"""What bfloat16 activations change in the bits/dim of a trained model, on equal noise.

python -m benchmarks.diffenc_precision WORKDIR

WORKDIR holds a finished run of experiments.diffenc.train. Its EMA weights are evaluated on the
whole test split with float32 and with bfloat16 activations; times and noise are equal image by
image, so that the difference has a small error of its own. Writes
results/benchmarks/diffenc_precision.json.
"""

import pathlib
import sys

import jax
import numpy as np

import diffenc
from experiments.diffenc.evaluation import PARTS, PerImage, make_evaluator
from experiments.diffenc.run import Run, load_trained
from experiments.runtime import settings
from experiments.runtime.files import write_record
from experiments.runtime.manifest import environment

RESULT = pathlib.Path(__file__).parents[1] / "results" / "benchmarks" / "diffenc_precision.json"
GOAL = 0.002  # |Δ bits/dim|
TIMES = 8


def per_image(run: Run, params, dtype: str) -> PerImage:
    """Bits/dim of each test image with activations of `dtype`."""
    options = vars(run.model.options) | {"dtype": dtype}
    return make_evaluator(
        diffenc.build(run.model.name, run.model.shape, run.model.levels, **options),
        run.source.test,
        times_per_image=TIMES,
        batch_size=run.config.eval.batch_size,
        key=jax.random.key(run.config.eval.seed),
        mesh=run.mesh,
    )(params)


def main(workdir: pathlib.Path) -> None:
    run, state = load_trained(workdir)
    wide, narrow = (per_image(run, state.ema, d) for d in ("float32", "bfloat16"))
    change = narrow.totals() - wide.totals()
    found = {
        "float32": wide.summary(),
        "bfloat16": narrow.summary(),
        "difference": float(change.mean()),
        "difference_error": float(change.std(ddof=1) / np.sqrt(len(change))),
        "parts": {p: float(getattr(narrow, p).mean() - getattr(wide, p).mean()) for p in PARTS},
        "goal": GOAL,
        "within_goal": bool(abs(change.mean()) <= GOAL),
        "run": {
            "config": settings.plain(run.config),
            "steps": int(state.step),
            "data": run.source.facts(),
            "times_per_image": TIMES,
        },
    }
    command = {"command": "python -m benchmarks.diffenc_precision WORKDIR"}
    write_record(RESULT, found | {"environment": environment() | command})
    print({name: found[name] for name in ("difference", "difference_error", "within_goal")})


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))
