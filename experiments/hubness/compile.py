"""Compiles a nearest-neighbour search for a TPU that is not here: does it fit, how fast can it be?

python -m experiments.hubness.compile --points=10000000 --width=384 [--queries=65536] [--k=10] \
    [--metric=cosine] [--dtype=float32] [--topology=v5e:2x4] [--tokens] [--workdir=DIR]

Needs the extra `tpu` and no TPU. Points and queries are shared out over the chips and points move
round (`hubness.knn` with mesh and ring). With --tokens, points are the tokens of a vocabulary and
queries are contexts: `hubness.tokens.top_tokens` by inner product, vocabulary shared out. DIR
receives compile.json.
"""

from typing import Any

import jax
import jax.numpy as jnp
from jax.sharding import Mesh

from experiments.reporting.markdown import Table, columns, render
from experiments.runtime import cli
from experiments.runtime.errors import UserError
from experiments.runtime.files import write_json
from experiments.runtime.manifest import environment
from experiments.runtime.mesh import AXIS, batch_sharding
from experiments.runtime.topology import COLUMNS, EXAMPLES, Report, measured, mesh_of, row
from hubness.search.knn import search
from hubness.tokens import search as of_tokens

OPTIONS = {
    "points": (int, "Rows that are searched, or tokens of the vocabulary."),
    "width": (int, "Numbers a row."),
    "queries": (int, "Rows that ask at once; default 65,536."),
    "k": (int, "Neighbours of each; default 10."),
    "metric": (str, "euclidean, sqeuclidean, cosine or dot; default cosine."),
    "dtype": (str, "What points are held in: float32 (default) or bfloat16."),
    "topology": (str, f"Chips to compile for: {EXAMPLES}; default v5e:2x4."),
    "tokens": (bool, "Compile the search among the tokens of a vocabulary instead."),
}


def compiled(
    mesh: Mesh, n: int, m: int, d: int, k: int, metric: str, dtype: str, tokens: bool
) -> Report:
    """What the compiler makes of a search of m queries among n points of width d."""
    sharding = batch_sharding(mesh)
    rows = lambda size, held="float32": jax.ShapeDtypeStruct((size, d), held, sharding=sharding)

    def lower() -> Any:
        if not tokens:
            find = lambda x, q: search(x, q, k, metric, mesh=mesh, ring=True)
            return jax.jit(find).lower(rows(n, dtype), rows(m))
        shift = jax.ShapeDtypeStruct((n,), jnp.float32, sharding=sharding)
        options = of_tokens._Options(k, "dot", True, False, None)
        whole = jax.ShapeDtypeStruct((m, d), jnp.float32)
        return of_tokens._sharded.lower(whole, rows(n), shift, options, mesh, None, AXIS)

    return measured(lower, mesh, 2.0 * n * m * d)


def main(
    points: int | None,
    width: int | None,
    queries: int | None,
    k: int | None,
    metric: str | None,
    dtype: str | None,
    topology: str | None,
    tokens: bool,
) -> None:
    if not points or not width or min(points, width, queries or 1, k or 1) < 1:
        raise UserError("give --points and --width, positive numbers; --help explains")
    held = dtype or "float32"
    if held not in ("float32", "bfloat16") or (tokens and held != "float32"):
        raise UserError(f"--dtype={held}; accepted: float32, and for points also bfloat16")
    name, m = topology or "v5e:2x4", queries or 65_536
    mesh = mesh_of(name)
    if points % mesh.size or m % mesh.size:
        raise UserError(f"--points and --queries must be multiples of the {mesh.size} chips")
    report = compiled(mesh, points, m, width, k or 10, metric or "cosine", held, tokens)
    print(f"{m:,} queries among {points:,} {'tokens' if tokens else 'points'} of width {width}:")
    print(render(Table(columns("topology", *COLUMNS), [[name, *row(report)]])))
    print("fits" if report.fits else "does not fit: use more chips, which share the points")
    if cli.has_workdir():
        given = {"points": points, "width": width, "queries": m, "tokens": tokens, "dtype": held}
        found = {"topology": name, "fits": report.fits, **given, **report.facts}
        write_json(cli.workdir() / "compile.json", found | {"environment": environment()})


if __name__ == "__main__":
    cli.run(main, options=OPTIONS, needs_config=False, accepts_config=False)
