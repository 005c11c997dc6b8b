"""Likelihoods of a trained run beyond the ELBO: importance-weighted bounds, or its ODE's.

python -m experiments.diffenc.likelihood --workdir=DIR --method=paths [--num_steps=100] [--draws=8]
python -m experiments.diffenc.likelihood --workdir=DIR --method=flow [--draws=8] [--probes=0]

"paths" bounds −log p(x) of the sampler with --num_steps steps, from --draws paths an image. "flow"
bounds that of the probability-flow ODE (extra `ode`), from --draws dequantisations an image; its
trace is exact with --probes=0, which costs a backward pass a dimension, or estimated with --probes
random signs, and then only the single-draw bound is reported. Uses the first --num test images
(default 64) and EMA weights. Writes DIR/likelihood_<method>.json.
"""

import pathlib
from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import diffenc
from diffenc import flow, importance
from diffenc.likelihood import dequantise, discretised_log_prob
from diffenc.process import Process
from experiments.diffenc import page
from experiments.diffenc.run import DATA, Run, load_trained
from experiments.runtime import cli
from experiments.runtime.errors import UserError
from experiments.runtime.files import write_json
from experiments.runtime.manifest import environment

OPTIONS = {
    "method": (str, "paths or flow."),
    "num": (int, "Test images; default 64."),
    "draws": (int, "Paths or dequantisations an image; default 8."),
    "num_steps": (int, "Steps of the sampler whose likelihood paths bound; default 100."),
    "probes": (int, "Random signs for the trace of the flow; default 0: exact."),
}
LogWeight = Callable[[jax.Array], jax.Array]


def measure(
    workdir: pathlib.Path,
    method: str,
    *,
    num: int = 64,
    draws: int = 8,
    num_steps: int | None = None,
    probes: int | None = None,
    data: str | None = None,
) -> dict[str, Any]:
    """Bits/dim of the run in `workdir` by `method`; returns what likelihood_<method>.json holds."""
    if method not in METHODS:
        raise UserError(f"--method={method}: accepted are {', '.join(METHODS)}")
    if (num_steps if method == "flow" else probes) is not None:
        raise UserError("--num_steps is for --method=paths, and --probes for --method=flow")
    num_steps, probes = 100 if num_steps is None else num_steps, probes or 0
    if num < 2 or min(draws, num_steps) < 1 or probes < 0:
        raise UserError(
            "--num must be at least 2, for an error over images; --draws and --num_steps at least "
            "1, --probes at least 0"
        )
    run, state = load_trained(workdir, data)
    batch = run.source.test.take(np.arange(min(num, run.source.test.size)))
    weigh = METHODS[method](run, state.ema, batch, num_steps, probes)
    key = jax.random.key(run.config.eval.seed)
    log_w = jax.jit(lambda keys: jax.lax.map(weigh, keys))(jax.random.split(key, draws))
    used = {"paths": {"num_steps": num_steps}, "flow": {"probes": probes}}[method]
    result = {
        "method": method,
        "model": run.config.model.name,
        "step": int(state.step),
        "num": len(batch["codes"]),
        "draws": draws,
        **used,
        "bits_per_dim": bounds(log_w, run.model.shape, single=probes > 0),
        "environment": environment(),
    }
    write_json(workdir / f"likelihood_{method}.json", result)
    page.write(workdir)
    return result


def bounds(log_w: jax.Array, shape: tuple[int, ...], single: bool) -> list[dict[str, float]]:
    """Bits/dim with one draw, and with all [k, n] of them unless `single`; errors over images."""
    values = {1: log_w.mean(0)}
    if not single and len(log_w) > 1:
        values[len(log_w)] = importance.importance_bound(log_w)
    rows = []
    for draws, nats in values.items():
        bits = np.asarray(diffenc.bits_per_dim(-nats, shape), np.float64)
        error = float(bits.std(ddof=1) / np.sqrt(len(bits)))
        rows.append({"draws": draws, "mean": float(bits.mean()), "image_error": error})
    return rows


def _model(run: Run, params: Any, batch: Any) -> tuple[Process, jax.Array, dict[str, Any]]:
    label = batch["label"] if run.model.options.num_classes else None
    decoder = partial(discretised_log_prob, levels=run.source.levels)
    codes = jnp.asarray(batch["codes"])
    decoded = {"decoder": decoder, "target": codes}
    return run.model.bind(params, label), dequantise(codes, run.source.levels), decoded


def _paths(run: Run, params: Any, batch: Any, num_steps: int, probes: int) -> LogWeight:
    process, x, decoded = _model(run, params, batch)
    levels = run.model.gamma(params, np.linspace(0, 1, num_steps + 1, dtype=np.float32))
    return lambda key: importance.path_log_weight(key, process, x, levels, **decoded)


def _flow(run: Run, params: Any, batch: Any, num_steps: int, probes: int) -> LogWeight:
    process, x, decoded = _model(run, params, batch)
    ends = run.model.gamma(params, np.array([0, 1], np.float32))
    return lambda key: flow.log_weight(key, process, x, *ends, num_probes=probes or None, **decoded)


METHODS = {"paths": _paths, "flow": _flow}


def main(method: str | None, **given: Any) -> None:
    if not method:
        raise UserError("--method=paths or --method=flow is missing; --help explains")
    chosen = {name: value for name, value in given.items() if value is not None}
    for row in measure(cli.workdir(), method, **chosen)["bits_per_dim"]:
        value = f"{row['mean']:.6f} ± {row['image_error']:.6f} bits/dim"
        print(f"at most {value}, {row['draws']} draws an image")


if __name__ == "__main__":
    cli.run(main, options=OPTIONS | DATA, needs_config=False, accepts_config=False)
