"""Writes the tables of README.md and docs/ from the recorded runs in results/, or a run's page.

python -m experiments.report [--check]
python -m experiments.report --workdir=DIR

A table stands between `<!-- report: NAME -->` and `<!-- end of report -->`; what lies between is
replaced. With --check nothing is written, and the exit code is 1 where a page is out of date.

With --workdir, a diffusion run, finished or not: DIR/report.html is written anew, with the training
curves as far as they go and whatever eval_diffenc, sample_diffenc and inspect_diffenc left there.
"""

import json
import pathlib
import re
from collections.abc import Callable, Sequence
from typing import Any

from experiments.diffusion import compare, figures, page
from experiments.diffusion.run import load_config
from experiments.distillation import tables as distillation_tables
from experiments.hubspaces import tables as hubness_tables
from experiments.identifiability import tables as closeness_tables
from experiments.label_cosine import tables as cosine_tables
from experiments.lmhubs import tables as token_tables
from experiments.runtime import cli
from experiments.runtime.errors import UserError, nearest
from experiments.runtime.metrics import read_metrics
from experiments.text import records as text_records

ROOT = pathlib.Path(__file__).parents[1]
RESULTS = ROOT / "results"
OPTIONS = {"check": (bool, "Only say which pages are out of date.")}
BLOCK = re.compile(r"(<!-- report: (\S+) -->\n).*?(<!-- end of report -->)", re.DOTALL)


def recorded(name: str) -> dict[str, Any]:
    """The run or measurement recorded in results/<name>.json."""
    return json.loads((RESULTS / f"{name}.json").read_text())


def joined(tables: Sequence[tuple[str, str]]) -> str:
    """Tables below each other."""
    return "\n\n".join(text for _, text in tables) + "\n"


def diffenc(name: str) -> str:
    summary = recorded(f"diffenc/{name}")
    return f"{compare.table(summary)}\n\n{compare.caption(summary)}\n"


def closeness() -> str:
    summary = recorded("closeness/radial")
    return (
        f"{closeness_tables.width_table(summary['cells'])}\n\n{closeness_tables.caption(summary)}\n"
    )


def kl_to_zero() -> str:
    return f"{closeness_tables.kl_rows(recorded('closeness/radial')['kl_table'])}\n"


def distillation(name: str) -> str:
    return distillation_tables.block(recorded(f"distill/{name}"))


RENDERERS: dict[str, Callable[[], str]] = {
    "diffenc-digits": lambda: diffenc("digits"),
    "diffenc-swirl-short": lambda: compare.block(recorded("diffenc/swirl_short")),
    "diffenc-swirl-published": lambda: compare.block(recorded("diffenc/swirl_published")),
    "diffenc-digits-ranges": lambda: compare.block(recorded("diffenc/digits_ranges")),
    "diffenc-fashion": lambda: compare.block(recorded("diffenc/fashion_mnist")),
    "closeness": closeness,
    "kl-to-zero": kl_to_zero,
    "label-cosine": lambda: joined(cosine_tables(recorded("label_cosine/paper"))),
    "distill-spiral": lambda: distillation("spiral"),
    "distill-attributes": lambda: distillation("attributes"),
    "hubness-static": lambda: hubness_tables.recorded(recorded("hubness/ag_news_static")),
    "hubness-minilm": lambda: hubness_tables.recorded(recorded("hubness/ag_news_minilm")),
    "prediction-hubs": lambda: token_tables.recorded(recorded("prediction_hubs/smollm2")),
    "text-verification": lambda: text_records.verification_table(RESULTS / "text"),
    "sbert": lambda: text_records.sbert_table(RESULTS / "sbert"),
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
        try:
            return match.group(1) + RENDERERS[name]() + match.group(3)
        except FileNotFoundError as error:
            raise UserError(f"report {name}: {error.filename} has not been recorded") from error

    return BLOCK.sub(render, text)


def pages() -> list[pathlib.Path]:
    """Every page that may hold report blocks."""
    return [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def write_page(workdir: pathlib.Path) -> pathlib.Path:
    """DIR/report.html of one diffusion run, its training curves drawn anew; returns its path."""
    config = load_config(workdir)
    if "model" not in config or "name" not in config.model:
        raise UserError(f"{workdir} is no diffusion run; its own command writes its page")
    if history := read_metrics(workdir / "metrics.jsonl"):
        curves = figures.training_curves({config.model.name: history})
        figures.save(curves, workdir / "figures" / "training.png")
    return page.write(workdir)


def main(check: bool) -> int:
    if cli.has_workdir():
        print(write_page(cli.workdir()))
        return 0
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
    return int(check and bool(stale))


if __name__ == "__main__":
    cli.run(main, options=OPTIONS, needs_config=False, accepts_config=False)
