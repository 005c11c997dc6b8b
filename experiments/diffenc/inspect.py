"""Shows what the encoder of a trained run does: pictures over depth, statistics, and its cost.

python -m experiments.diffenc.inspect --workdir=DIR [--num=256] [--examples=4] [--step=0.1]

Writes DIR/inspect.json and, under DIR/figures/: encodings (x_t and x_t − x), heat_maps of
(x_t − x_s)/(t − s) on one scale that is white at 0, encoding_statistics by t with dy/dt,
shift_costs: how much of the slope dx/dλ the counterterm σ²x̂ takes back, which bounds what the
encoder's movement costs, and volatility: the best u by depth and the loss it saves. All are on
DIR/report.html. Uses the EMA weights and test images.
"""

import pathlib
from typing import Any

import jax
import numpy as np

from diffenc.likelihood import dequantise
from experiments.diffenc import encoder_figures, figures, inspection, page, volatility
from experiments.diffenc.run import DATA, load_trained
from experiments.runtime import cli
from experiments.runtime.errors import UserError
from experiments.runtime.files import write_json
from experiments.runtime.manifest import environment

OPTIONS = {
    "num": (int, "Test images to measure; default 256."),
    "examples": (int, "Images to draw; default 4."),
    "step": (float, "t − s of the heat maps; default 0.1."),
}
SHOWN = 64
DEPTHS = (0.0, 0.2, 0.4, 0.6, 0.7, 0.8, 0.9, 0.95, 1.0)
TIMES = np.linspace(0.0, 1.0, 41)
MAPPED = np.array([0.4, 0.6, 0.8, 1.0])


def inspect(
    workdir: pathlib.Path,
    num: int | None = None,
    examples: int | None = None,
    step: float = 0.1,
    data: str | None = None,
) -> dict[str, Any]:
    """Measures and draws the encoder of the run in `workdir`; returns what inspect.json holds."""
    if not 0 < step <= MAPPED[0]:
        raise UserError(f"--step={step:g}: t − s must lie in (0, {MAPPED[0]:g}]")
    num, examples = 256 if num is None else num, 4 if examples is None else examples
    if min(num, examples) < 1:
        raise UserError(f"--num={num} and --examples={examples} must be at least 1")
    if examples > SHOWN:
        raise UserError(f"--examples={examples}: a picture shows at most {SHOWN} images")
    run, state = load_trained(workdir, data)
    batch = run.source.test.take(np.arange(min(max(num, examples), run.source.test.size)))
    label = batch["label"] if run.model.options.num_classes else None
    x = np.asarray(dequantise(batch["codes"], run.source.levels))
    key = jax.random.key(run.config.eval.seed)
    k_volatility = jax.random.fold_in(key, 1)
    measured = inspection.by_time(run.model, state.ema, x, TIMES.tolist(), key, label)
    result = {
        "model": run.config.model.name,
        "step": int(state.step),
        "num": len(x),
        "data": run.source.facts(),
        "by_time": measured,
        "path_cost_bits_per_dim": inspection.path_costs(measured),
        "volatility": volatility.measure(run.model, state.ema, x, k_volatility, label),
        "environment": environment(),
    }
    write_json(workdir / "inspect.json", result)
    flat = len(run.source.shape) == 1
    chosen = slice(None) if flat else slice(examples)
    offsets = lambda t: inspection.encoded(
        run.model, state.ema, x[chosen], t, None if label is None else label[chosen]
    )
    drawn = {
        "encoding_statistics": encoder_figures.statistics(measured),
        "shift_costs": encoder_figures.shift_costs(measured),
        "volatility": encoder_figures.volatility(result["volatility"]),
    }
    if flat:
        drawn["encodings"] = encoder_figures.moved_points(x, offsets(MAPPED), MAPPED.tolist())
    else:
        drawn |= _pictures(x[chosen], offsets, step)
    page.add_figures(drawn, workdir)
    return result


def _pictures(x: np.ndarray, offsets: Any, step: float) -> dict[str, Any]:
    earlier = MAPPED - step
    rates = inspection.changes(offsets(np.concatenate([MAPPED, earlier])), MAPPED, earlier)
    return {
        "encodings": figures.encodings(x, x[None] + offsets(DEPTHS), DEPTHS),
        "heat_maps": encoder_figures.heat_maps(x, rates, MAPPED.tolist(), step),
    }


def main(num: int | None, examples: int | None, step: float | None, data: str | None) -> None:
    result = inspect(cli.workdir(), num, examples, 0.1 if step is None else step, data)
    for name, value in result["path_cost_bits_per_dim"].items():
        print(f"the encoder's movement, counterterm {name:10s} costs at most {value:.6f} bits/dim")


if __name__ == "__main__":
    cli.run(main, options=OPTIONS | DATA, needs_config=False, accepts_config=False)
