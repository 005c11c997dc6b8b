"""Writes the tables of README.md and docs/ from the recorded runs in results/, or a run's page.

python -m experiments.report [--check]
python -m experiments.report --workdir=DIR

A table stands between `<!-- report: NAME -->` and `<!-- end of report -->`; what lies between is
replaced. With --check nothing is written, and the exit code is 1 where a page is out of date, or a
record dirty or stale: see `python -m experiments.reproduce`.

With --workdir, a diffusion run, finished or not: DIR/report.html is written anew, with the training
curves as far as they go and whatever evaluation, sampling and inspection left there.
With --json as well, of any study: its record is printed, for scripts, and nothing is written.
"""

import pathlib
import re
from collections.abc import Callable, Sequence

from experiments.closeness import tables as closeness
from experiments.diffenc import figures, page, step_record
from experiments.diffenc import tables as diffusion
from experiments.diffenc.run import load_config
from experiments.distill import tables as distillation
from experiments.evidence import claims
from experiments.evidence.registry import OBJECTIVES
from experiments.evidence.standing import REFUSED, states
from experiments.hubness import tables as hubness
from experiments.label_cosine import tables as label_cosine
from experiments.prediction_hubs import tables as prediction_hubs
from experiments.reporting.markdown import Table, block
from experiments.reporting.record import Record
from experiments.runtime import cli
from experiments.runtime.errors import UserError, nearest
from experiments.runtime.files import as_json
from experiments.runtime.metrics import read_metrics
from experiments.runtime.records import read
from experiments.sbert import tables as sbert
from experiments.verify_text.tables import verification_table

ROOT = pathlib.Path(__file__).parents[1]
RESULTS = ROOT / "results"
OPTIONS = {
    "check": (bool, "Only say which pages are out of date, and which records do not stand."),
    "json": (bool, "Print the record of --workdir instead."),
}
BLOCK = re.compile(r"(<!-- report: (\S+) -->\n).*?(<!-- end of report -->)", re.DOTALL)


def recorded(
    name: str, *makers: Callable[[Record], Table | Sequence[Table]], titles: bool = False
) -> Callable[[], str]:
    """What writes the block of the run recorded in results/<name>.json, with these tables."""

    def render() -> str:
        record = read(RESULTS / f"{name}.json")
        made = [make(record) for make in makers]
        tables = [t for one in made for t in ([one] if isinstance(one, Table) else one)]
        return block([t for t in tables if t.rows], titles=titles)

    return render


def _sbert() -> str:
    return block([sbert.table([read(path) for path in sorted((RESULTS / "sbert").glob("*.json"))])])


_SUITE = diffusion.means_table, diffusion.difference_table
RENDERERS: dict[str, Callable[[], str]] = {
    "diffenc-digits": recorded("diffenc/digits", diffusion.seed_table),
    "diffenc-swirl-short": recorded("diffenc/swirl_short", *_SUITE),
    "diffenc-swirl-published": recorded("diffenc/swirl_published", *_SUITE),
    "diffenc-digits-ranges": recorded("diffenc/digits_ranges", *_SUITE),
    "diffenc-fashion": recorded("diffenc/fashion_mnist", *_SUITE),
    **{
        f"diffenc-volatility-{name}": recorded(f"diffenc/volatility_{name}", *_SUITE)
        for name in ("swirl", "ends", "density", "digits", "fashion")
    },
    "diffenc-finite-depth": recorded("diffenc/finite_depth", *_SUITE),
    "diffenc-steps": recorded("diffenc/steps", step_record.table),
    "closeness": recorded("closeness/radial", closeness.width_table),
    "closeness-narrow": recorded("closeness/narrow", closeness.width_table, closeness.subset_table),
    "kl-to-zero": recorded("closeness/radial", closeness.kl_table),
    "label-cosine": recorded("label_cosine/paper", label_cosine.tables),
    **{
        f"distill-{name}": recorded(f"distill/{name.replace('-', '_')}", distillation.tables)
        for name in ("spiral", "attributes", "interpolation", "low-dimension")
    },
    **{
        f"hubness-{space}": recorded(f"hubness/ag_news_{space}", hubness.recorded)
        for space in ("static", "minilm", "lsa", *OBJECTIVES)
    },
    **{
        f"prediction-hubs{name}": recorded(
            f"prediction_hubs/{model}", prediction_hubs.recorded, titles=True
        )
        for name, model in (("", "smollm2"), ("-gemma3", "gemma3"))
    },
    "tpu-compile": recorded("tpu/compile", diffusion.compile_table, hubness.compile_table),
    "text-verification": lambda: block([verification_table(RESULTS / "text")]),
    "sbert": _sbert,
    "claims": lambda: claims.full(ROOT),
    "claims-in-short": lambda: claims.short(ROOT),
}


def fill(text: str) -> str:
    """`text` with every report block rendered anew.

    Raises:
      UserError: a block names no renderer, or its recorded run is missing.
    """

    def render(match: re.Match[str]) -> str:
        name = match.group(2)
        if name not in RENDERERS:
            raise nearest(name, RENDERERS, "report")
        return match.group(1) + RENDERERS[name]() + match.group(3)

    return BLOCK.sub(render, text)


def pages() -> list[pathlib.Path]:
    """Every page that may hold report blocks."""
    return [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def write_page(workdir: pathlib.Path) -> pathlib.Path:
    """DIR/report.html of one diffusion run, its training curves drawn anew; returns its path."""
    model = load_config(workdir).model
    history, drawn = read_metrics(workdir / "metrics.jsonl"), {}
    if history:
        drawn["training"] = figures.training_curves({model.name: history})
    return page.add_figures(drawn, workdir)


def print_record(workdir: pathlib.Path) -> None:
    """The record in DIR as JSON; of a diffusion run, all that was measured of it."""
    model = read(workdir / "config.json").get("model")
    is_run = isinstance(model, dict) and "name" in model
    print(as_json(page.read(workdir) if is_run else read(workdir)), end="")


def main(check: bool, json: bool) -> int:
    if cli.has_workdir():
        folder = cli.workdir(writes=not json)
        print_record(folder) if json else print(write_page(folder))
        return 0
    if json:
        raise UserError("--json goes with --workdir=DIR: it prints the record of that run")
    stale = []
    for path in pages():
        text = path.read_text()
        filled = fill(text)
        if filled != text:
            stale.append(path.relative_to(ROOT).as_posix())
            if not check:
                path.write_text(filled)
    if stale:
        print(("out of date: " if check else "written: ") + ", ".join(stale))
    refused = {n: s for n, s in states(ROOT).items() if s.word in REFUSED} if check else {}
    for name, state in refused.items():
        print(f"{state.word}: {name}: {state.reason}")
    return int(check and bool(stale or refused))


if __name__ == "__main__":
    cli.run(main, options=OPTIONS, needs_config=False, accepts_config=False)
