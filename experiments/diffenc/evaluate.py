"""Evaluates a trained run: bits/dim of the whole test split with its Monte-Carlo error.

python -m experiments.diffenc.evaluate --workdir=DIR [--times_per_image=32] [--against=OTHER] \
    [--volatility=optimal]

Writes DIR/eval.json (means, errors, loss per t), DIR/eval_per_image.npz (each image's terms and all
draws), and pictures of the loss per t, the training curves and, where the model has an encoder, of
the encodings over depth. With --against=OTHER, an evaluated run on the same data, also
DIR/against.json: paired differences on the same images, times and noise. With
--volatility=optimal the bound is also taken at u*, the volatility that training images say is
best, and its gain reported: a valid bound for any trained run. All of it is on DIR/report.html.
Several hosts run the same command each, as train does (docs/tpu.md).
"""

import pathlib
from collections.abc import Mapping
from typing import Any

import jax
import numpy as np
from matplotlib.figure import Figure

from diffenc.likelihood import dequantise
from experiments.diffenc import encoder_figures, figures, page, volatility
from experiments.diffenc.evaluation import PARTS, PerImage, load_per_image, make_evaluator
from experiments.diffenc.run import DATA, Run, load_trained
from experiments.diffenc.significance import paired_difference
from experiments.runtime import cli, distributed
from experiments.runtime.errors import NonFiniteError, UserError, nearest
from experiments.runtime.files import read_json, write_json
from experiments.runtime.manifest import MANIFEST, environment
from experiments.runtime.mesh import replicated
from experiments.runtime.metrics import check_finite, read_metrics

OPTIONS = {
    "times_per_image": (int, "Draws of t for each image; default: the config's."),
    "volatility": (str, "`optimal`: also the bound at the best volatility; default: the config's."),
    "against": (str, "Folder of an evaluated run to subtract from this one."),
    **distributed.OPTIONS,
}
PER_IMAGE = "eval_per_image.npz"
DEPTHS = (0.0, 0.2, 0.4, 0.6, 0.7, 0.8, 0.9, 0.95, 1.0)


def evaluate(
    workdir: pathlib.Path,
    times_per_image: int | None = None,
    choice: str | None = None,
    data: str | None = None,
) -> dict[str, Any]:
    """Evaluates the EMA weights of the run in `workdir`; returns what eval.json holds."""
    run, state = load_trained(workdir, data)
    settings = run.config.eval
    times = settings.times_per_image if times_per_image is None else times_per_image
    if times < 1:
        raise UserError(f"--times_per_image={times}; accepted: 1 or more")
    choice = choice or settings.volatility
    if choice is not None and choice not in volatility.CHOICES:
        raise nearest(choice, volatility.CHOICES, "volatility")
    best = volatility.from_training(run, state.ema) if choice else None

    def bound(u=None) -> PerImage:
        evaluator = make_evaluator(
            run.model,
            run.source.test,
            times_per_image=times,
            batch_size=settings.batch_size,
            key=jax.random.key(settings.seed),
            mesh=run.mesh,
            volatility=u,
        )
        return evaluator(state.ema)

    per_image = bound()
    result = {
        "model": run.config.model.name,
        "seed": run.config.seed,
        "step": int(state.step),
        "data": run.source.facts(),
        "times_per_image": times,
        "summary": per_image.summary(),
        "by_time": per_image.by_time(),
        "environment": environment(),
    }
    if bad := check_finite(result["summary"]):
        raise NonFiniteError(f"the evaluation is not finite ({', '.join(bad)}); nothing is written")
    if best is not None:
        at_best = bound(volatility.chosen(best))
        gain = paired_difference(per_image, at_best)
        result["optimal_volatility"] = best | {"summary": at_best.summary(), "difference": gain}
    drawn = _draw(workdir, run, state.ema, result)  # by all processes: the weights are everywhere
    if distributed.is_lead():
        write_json(workdir / "eval.json", result)
        per_image.save(workdir / PER_IMAGE)
        page.add_figures(drawn, workdir)
    return result


def _draw(
    workdir: pathlib.Path, run: Run, params: Any, result: dict[str, Any]
) -> dict[str, Figure]:
    name = run.config.model.name
    drawn = {"loss_by_time": figures.loss_by_time({name: result["by_time"]})}
    if history := read_metrics(workdir / "metrics.jsonl"):  # an imported run has none yet
        drawn["training"] = figures.training_curves({name: history})
    if len(run.source.shape) == 3:
        drawn["encodings"] = draw_encodings(run, params)
    if best := result.get("optimal_volatility"):
        drawn["volatility"] = encoder_figures.volatility(best)
    return drawn


def draw_encodings(run: Run, params: Any, num: int = 4):
    """x_t over depth for the first test images, with x_t − x below."""
    batch = run.source.test.take(np.arange(num))
    x = np.asarray(dequantise(batch["codes"], run.source.levels))
    label = batch["label"] if run.model.options.num_classes else None

    def at_depth(t):
        gamma = run.model.gamma(params, np.full(num, t, np.float32))
        return run.model.encode(params, x, gamma, label)[0]

    encoded = jax.jit(lambda: [at_depth(t) for t in DEPTHS], out_shardings=replicated(run.mesh))()
    return figures.encodings(x, np.stack(encoded), DEPTHS)


def _check_against(workdir: pathlib.Path, other: pathlib.Path) -> None:
    """Raises `UserError` where `other` is not evaluated, or on other data than `workdir` has."""
    load_per_image(other / PER_IMAGE)
    paths = [folder / MANIFEST for folder in (workdir, other)]
    ours, theirs = (read_json(p).get("digests") if p.exists() else None for p in paths)
    if ours and theirs and ours != theirs:
        raise UserError(f"--against={other}: that run has other data than {workdir}")


def subtract(workdir: pathlib.Path, other: pathlib.Path) -> dict[str, dict[str, float]]:
    """This run less `other`, term by term, with its errors; also written to against.json."""
    first, second = (load_per_image(folder / PER_IMAGE) for folder in (other, workdir))
    differences = paired_difference(first, second)
    facts = {"other": other.name, "differences": differences, "environment": environment()}
    write_json(workdir / "against.json", facts)
    page.write(workdir)
    return differences


def table(summary: Mapping[str, float]) -> str:
    """The summary's lines for a terminal: bits/dim of each term ± its Monte-Carlo error."""
    lines = []
    for name in ("bits_per_dim", *PARTS):
        error = summary.get(f"{name}_mc_error")
        margin = "" if error is None else f" ± {error:.6f} (times and noise)"
        lines.append(f"{name:18s} {summary[name]:.6f}{margin}")
    return "\n".join(lines)


def main(
    times_per_image: int | None,
    volatility: str | None,
    against: str | None,
    data: str | None,
    **cluster,
) -> None:
    workdir = cli.workdir()
    if against:
        _check_against(workdir, pathlib.Path(against))
    distributed.start(**cluster)
    result = evaluate(workdir, times_per_image, volatility, data)
    if not distributed.is_lead():
        return
    print(table(result["summary"]))
    if best := result.get("optimal_volatility"):
        row, total = best["difference"]["bits_per_dim"], best["summary"]["bits_per_dim"]
        print(f"at the optimal volatility {total:.6f}: {row['difference']:+.6f}", end=" ")
        print(f"± {row['image_error']:.6f} (images) ± {row['mc_error']:.6f} (noise)")
    if against:
        for term, row in subtract(workdir, pathlib.Path(against)).items():
            errors = f"± {row['image_error']:.6f} (images) ± {row['mc_error']:.6f} (noise)"
            print(f"{term:18s} less that of {against}: {row['difference']:+.6f} {errors}")
    print(f"all of it, with pictures: {workdir / 'report.html'}")


if __name__ == "__main__":
    cli.run(main, options=OPTIONS | DATA, needs_config=False, accepts_config=False)
