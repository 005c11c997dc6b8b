"""Writes the tables of README.md and docs/ from the recorded runs in results/.

python -m experiments.report [--check]

A table stands between `<!-- report: NAME -->` and `<!-- end of report -->`; what lies between is
replaced. With --check nothing is written, and the exit code is 1 where a page is out of date.
"""

import json
import pathlib
import re
from collections.abc import Callable

from experiments.diffusion import compare
from experiments.runtime import cli
from experiments.runtime.errors import UserError, nearest

ROOT = pathlib.Path(__file__).parents[1]
OPTIONS = {"check": (bool, "Only say which pages are out of date.")}
BLOCK = re.compile(r"(<!-- report: (\S+) -->\n).*?(<!-- end of report -->)", re.DOTALL)


def diffenc_table(name: str) -> Callable[[], str]:
    """A renderer for the suite of runs recorded in results/diffenc/<name>.json."""

    def render() -> str:
        summary = json.loads((ROOT / "results" / "diffenc" / f"{name}.json").read_text())
        return f"{compare.table(summary)}\n\n{compare.caption(summary)}\n"

    return render


RENDERERS: dict[str, Callable[[], str]] = {
    "diffenc-digits": diffenc_table("digits"),
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


def main(check: bool) -> int:
    stale = []
    for page in pages():
        text = page.read_text()
        filled = fill(text)
        if filled != text:
            stale.append(page.relative_to(ROOT).as_posix())
            if not check:
                page.write_text(filled)
    if stale:
        print(("out of date: " if check else "written: ") + ", ".join(stale))
    return int(check and bool(stale))


if __name__ == "__main__":
    cli.run(main, options=OPTIONS, needs_config=False)
