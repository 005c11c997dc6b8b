"""The notebooks of this folder: scripts in percent format, their .ipynb with outputs, their pages.

python -m docs.notebooks.notebook     runs every script and writes NAME.ipynb beside it

A hook of mkdocs as well: the site shows each .ipynb as it was run.
"""

import ast
import base64
import contextlib
import io
import json
import pathlib
import re
from typing import Any

FOLDER = pathlib.Path(__file__).resolve().parent
LANGUAGE = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"file_extension": ".py", "name": "python"},
}
Cell = dict[str, Any]


def scripts() -> list[pathlib.Path]:
    """The scripts that are notebooks: those that begin with a cell."""
    return [p for p in sorted(FOLDER.glob("*.py")) if p.read_text().startswith("# %%")]


def cells(source: str) -> list[Cell]:
    """The cells of a script in percent format, not run."""
    found = []
    for i, part in enumerate(re.split(r"^# %%", source, flags=re.MULTILINE)[1:]):
        kind, _, text = part.partition("\n")
        cell: Cell = {"id": f"cell-{i}", "metadata": {}}
        if kind.strip() == "[markdown]":
            text = re.sub(r"^# ?", "", text, flags=re.MULTILINE)
            cell["cell_type"] = "markdown"
        else:
            cell |= {"cell_type": "code", "execution_count": None, "outputs": []}
        found.append(cell | {"source": _lines(text.strip("\n"))})
    return found


def run(source: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """The notebook of a script, executed, and the names that it leaves.

    A code cell's outputs are what it prints, the value of its last line where that is an
    expression, and its figures, as a notebook program shows them.
    """
    names: dict[str, Any] = {"__name__": "__main__"}
    made = cells(source)
    for number, cell in enumerate((c for c in made if c["cell_type"] == "code"), 1):
        cell["execution_count"] = number
        cell["outputs"] = _outputs("".join(cell["source"]), names, number)
    return {"cells": made, "metadata": LANGUAGE, "nbformat": 4, "nbformat_minor": 5}, names


def _outputs(source: str, names: dict[str, Any], number: int) -> list[Cell]:
    """Runs one cell in `names`."""
    body, value = ast.parse(source).body, None
    last = body.pop() if body and isinstance(body[-1], ast.Expr) else None
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        exec(compile(ast.Module(body, []), f"cell {number}", "exec"), names)
        if isinstance(last, ast.Expr):
            value = eval(compile(ast.Expression(last.value), f"cell {number}", "eval"), names)
    found: list[Cell] = []
    if text := printed.getvalue():
        found.append({"output_type": "stream", "name": "stdout", "text": _lines(text)})
    if value is not None:
        shown = {"data": {"text/plain": _lines(repr(value))}, "metadata": {}}
        found.append({"output_type": "execute_result", "execution_count": number, **shown})
    return found + _figures()


def _figures() -> list[Cell]:
    """What is drawn, as PNG, and closed."""
    from matplotlib import pyplot

    found = []
    for number in pyplot.get_fignums():
        figure, held = pyplot.figure(number), io.BytesIO()
        figure.savefig(held, format="png", dpi=80, bbox_inches="tight", metadata={"Software": None})
        png = base64.b64encode(held.getvalue()).decode()
        text = {"image/png": png, "text/plain": [repr(figure)]}
        found.append({"output_type": "display_data", "data": text, "metadata": {}})
    pyplot.close("all")
    return found


def _lines(text: str) -> list[str]:
    return text.splitlines(keepends=True)


def page(notebook: dict[str, Any], name: str) -> tuple[str, dict[str, bytes]]:
    """A notebook in Markdown, and its pictures by file name."""
    parts, pictures = [], {}
    for cell in notebook["cells"]:
        text = "".join(cell["source"])
        parts.append(text if cell["cell_type"] == "markdown" else f"```python\n{text}\n```")
        for output in cell.get("outputs", ()):
            data = output.get("data", {"text/plain": output.get("text", ())})
            if png := data.get("image/png"):
                picture = f"{name}_{len(pictures)}.png"
                pictures[picture] = base64.b64decode(png)
                parts.append(f"![What the cell above draws]({picture})")
            else:
                parts.append("```text\n" + "".join(data["text/plain"]).rstrip() + "\n```")
    parts.append(f"[This notebook as a file]({name}.ipynb)")
    return "\n\n".join(parts) + "\n", pictures


def on_files(files: Any, config: Any) -> Any:
    """Of mkdocs: a page for every notebook."""
    from mkdocs.structure.files import File

    for path in sorted(FOLDER.glob("*.ipynb")):
        text, pictures = page(json.loads(path.read_text()), path.stem)
        for name, content in {f"{path.stem}.md": text, **pictures}.items():
            files.append(File.generated(config, f"notebooks/{name}", content=content))
    return files


if __name__ == "__main__":
    for script in scripts():
        executed, _ = run(script.read_text())
        script.with_suffix(".ipynb").write_text(
            json.dumps(executed, indent=1, ensure_ascii=False) + "\n"
        )
