"""Chooses the noise levels and variances with which a trained run should be sampled in few steps.

python -m experiments.diffenc.steps --workdir=DIR [--num_steps=10,20,50] [--grid=100] [--num=1024]
    [--record=FILE]

For each number of steps: the finite-depth diffusion term in bits/dim of equal steps in t and of the
best choice among --grid + 1 levels, each with the posterior's variance and with the best. Levels
and variances are chosen on one half of --num training images and priced on the other. Writes
DIR/steps.json, with the best levels and ln variance ratios, and the codes that they draw to
DIR/samples_<steps>.npz, and DIR/report.html. Uses EMA weights. Every pair of levels is priced on
every image: minutes on a CPU, and less by --num and --grid. In a suite's DIR, steps are chosen
for each of its runs; FILE receives the prices of all.
"""

import pathlib
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import diffenc
from diffenc.finite_depth import optimal_cost, optimal_log_ratio, variance_penalty
from diffenc.likelihood import dequantise, quantise
from diffenc.sampling import sample_along
from diffenc.step_choice import best_levels, pair_costs
from experiments.diffenc import page, step_record
from experiments.diffenc.run import DATA, Run, load_trained
from experiments.runtime import cli, files, store
from experiments.runtime.errors import UserError
from experiments.runtime.files import write_json
from experiments.runtime.manifest import CONFIG, environment

OPTIONS = {
    "num_steps": (str, "Numbers of steps, separated by commas; default 10,20,50."),
    "grid": (int, "Intervals of the grid of levels; a multiple of each number; default 100."),
    "num": (int, "Training images to estimate costs on; default 1024."),
    "samples": (int, "Samples to draw with each choice; default: the config's sample.num."),
    "record": (str, "Also write the choices of all runs to this file."),
}


def choose(
    workdir: pathlib.Path,
    num_steps: Sequence[int] = (10, 20, 50),
    grid: int = 100,
    num: int = 1024,
    samples: int | None = None,
    data: str | None = None,
) -> dict[str, Any]:
    """Chooses steps for the run in `workdir`; returns what steps.json holds."""
    if any(not 1 <= n < grid or grid % n for n in num_steps):
        raise UserError(f"--grid={grid} must be a larger multiple of each of {list(num_steps)}")
    if samples is not None and samples < 1:
        raise UserError(f"--samples={samples}; accepted: 1 or more")
    run, state = load_trained(workdir, data)
    if run.model.options.num_classes:
        raise UserError("step choice is for unconditional models; train with conditional=False")
    codes = run.source.train.take(np.arange(min(num, run.source.train.size)))["codes"]
    levels = run.model.gamma(state.ema, np.linspace(0, 1, grid + 1, dtype=np.float32))
    if len(codes) < 2:
        raise UserError(f"--num={num}: at least two images are needed, to choose and to price on")
    halves = np.array_split(np.asarray(dequantise(codes, run.source.levels)), 2)
    key = jax.random.key(run.config.eval.seed)
    process = run.model.bind(state.ema)
    measure = jax.jit(lambda key, x: pair_costs(key, process, x, levels))
    costs, held_out = map(measure, jax.random.split(key), map(jnp.asarray, halves))
    rows = [_row(run, costs, held_out, levels, n) for n in num_steps]
    for row in rows:
        drawn = _sample(run, state.ema, row, samples or run.config.sample.num)
        store.save(workdir / f"samples_{row['num_steps']}.npz", {"codes": drawn})
    result = {
        "model": run.config.model.name,
        "seed": run.config.seed,
        "step": int(state.step),
        "data": run.source.facts(),
        "num": len(codes),
        "grid": grid,
        "rows": rows,
        "environment": environment(),
    }
    write_json(workdir / "steps.json", result)
    page.write(workdir)
    return result


def _row(
    run: Run, costs: jax.Array, held_out: jax.Array, levels: jax.Array, num_steps: int
) -> dict[str, Any]:
    """Equal and chosen steps for `costs`, priced by `held_out`, in bits/dim."""
    size = int(np.prod(run.model.shape))
    even = np.arange(0, len(levels), (len(levels) - 1) // num_steps)
    best = best_levels(optimal_cost(costs, size), num_steps)[0]
    ways = {
        "equal": (even, False),
        "equal_best_variance": (even, True),
        "chosen": (best_levels(costs, num_steps)[0], False),
        "chosen_best_variance": (best, True),
    }
    row: dict[str, Any] = {"num_steps": num_steps}
    for name, (way, free) in ways.items():
        steps = way[1:], way[:-1]
        ratios = optimal_log_ratio(costs[steps], size) * free
        nats = variance_penalty(ratios, size) + jnp.exp(ratios) * held_out[steps]
        row[f"{name}_bits_per_dim"] = float(diffenc.bits_per_dim(nats.sum(), run.model.shape))
    ratios = optimal_log_ratio(costs[best[1:], best[:-1]], size)
    return row | {"levels": levels[best].tolist(), "log_ratio": ratios.tolist()}


def _sample(run: Run, params: Any, row: dict[str, Any], num: int) -> np.ndarray:
    levels, ratios = (jnp.asarray(row[name], jnp.float32) for name in ("levels", "log_ratio"))
    process = run.model.bind(params)
    draw = lambda key: sample_along(
        key,
        process.x_hat,
        levels,
        (num, *run.model.shape),
        counterterm=process.counterterm,
        volatility=process.volatility,
        log_ratio=ratios,
    )
    z = jax.jit(draw)(jax.random.key(run.config.sample.seed))
    return np.asarray(quantise(z, run.source.levels))


def runs_in(workdir: pathlib.Path) -> list[pathlib.Path]:
    """The folders of a suite's runs; of anything else, the folder itself."""
    return sorted(path.parent for path in workdir.glob(f"*/{CONFIG}")) or [workdir]


def main(num_steps: str | None, record: str | None, **given: Any) -> None:
    chosen = {name: value for name, value in given.items() if value is not None}
    try:
        numbers = [int(n) for n in (num_steps or "10,20,50").split(",")]
    except ValueError as error:
        raise UserError(f"--num_steps={num_steps}: give whole numbers with commas") from error
    if record:
        files.check_target(pathlib.Path(record), "--record")
    runs = runs_in(cli.workdir())
    ways = {f"{name}_bits_per_dim": label for name, label in page.WAYS.items()}
    results = {}
    for folder in runs:
        results[folder] = result = choose(folder, numbers, **chosen)
        for row in result["rows"]:
            bits = (f"{ways[k]} {v:.4f}" for k, v in row.items() if k in ways)
            who = f"{result['model']} seed {result['seed']}, " if runs[1:] else ""
            print(f"{who}{row['num_steps']} steps, bits/dim: {', '.join(bits)}", flush=True)
    if record:
        files.write_record(pathlib.Path(record), step_record.gather(results))


if __name__ == "__main__":
    cli.run(main, options=OPTIONS | DATA, needs_config=False, accepts_config=False)
