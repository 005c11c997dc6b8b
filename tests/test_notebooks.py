"""The notebooks are those of their scripts, run, and show what the scripts say when run again."""

import json
import re

import numpy as np
import pytest

from docs.notebooks import notebook

NAMES = [path.stem for path in notebook.scripts()]
NUMBER = r"-?\d+(?:\.\d+)?"


def source(name: str) -> str:
    return (notebook.FOLDER / f"{name}.py").read_text()


def kept(name: str) -> dict:
    return json.loads((notebook.FOLDER / f"{name}.ipynb").read_text())


def printed(given: dict) -> str:
    outputs = [output for cell in given["cells"] for output in cell.get("outputs", ())]
    return "".join("".join(o["text"]) for o in outputs if o["output_type"] == "stream")


@pytest.mark.parametrize("name", NAMES)
def test_a_notebook_is_its_script_with_outputs(name):
    given = kept(name)
    bare = [cell | {"outputs": [], "execution_count": None} for cell in given["cells"]]
    made = [{"outputs": [], "execution_count": None} | c for c in notebook.cells(source(name))]
    assert bare == made
    outputs = [output for cell in given["cells"] for output in cell.get("outputs", ())]
    assert {"stream", "display_data"} <= {output["output_type"] for output in outputs}
    assert re.search(r"\d", printed(given))


@pytest.mark.parametrize("name", NAMES)
def test_a_page_shows_every_cell_and_picture(name):
    text, pictures = notebook.page(kept(name), name)
    assert all(picture in text and data[:4] == b"\x89PNG" for picture, data in pictures.items())
    assert pictures and printed(kept(name)).strip().splitlines()[-1] in text
    for cell in notebook.cells(source(name)):
        assert "".join(cell["source"]) in text


def test_the_value_of_a_last_line_is_an_output_and_a_failing_cell_raises():
    script = "# %% [markdown]\n# # Title\n\n# %%\nx = 2\nprint(x)\nx + 1\n"
    made, names = notebook.run(script)
    title, code = made["cells"]
    assert title["source"] == ["# Title"] and names["x"] == 2
    assert [o["output_type"] for o in code["outputs"]] == ["stream", "execute_result"]
    assert code["outputs"][1]["data"]["text/plain"] == ["3"]
    with pytest.raises(ZeroDivisionError):
        notebook.run("# %%\n1 / 0\n")


def test_the_notebook_on_diffenc_runs_and_learns():
    steps, shorter = "STEPS, BATCH = 2000", "STEPS, BATCH = 200"
    assert source("diffenc_in_five_minutes").count(steps) == 1
    _, names = notebook.run(source("diffenc_in_five_minutes").replace(steps, shorter))
    for name, (_, losses) in names["trained"].items():
        parts = names["results"][name]
        assert losses[0] > 7.5 and sum(parts.values()) < 7.2  # uniform guessing: 8
        # The decoder's noise at this end point decides it, not the network.
        assert parts["reconstruction"] == pytest.approx(1.83, abs=0.05)
    assert names["moved"] > 0.01
    assert all(s.shape == (1000, 2) for s in names["samples"].values())


def test_the_notebook_on_hubness_runs_to_what_it_shows_and_reduces_it():
    made, names = notebook.run(source("hubness_of_your_embeddings"))
    now, shown = printed(made), printed(kept("hubness_of_your_embeddings"))
    assert re.sub(NUMBER, "", now).split() == re.sub(NUMBER, "", shown).split()
    again, before = ([float(n) for n in re.findall(NUMBER, text)] for text in (now, shown))
    np.testing.assert_allclose(again, before, atol=1.5e-3)  # the last digit printed
    table, chance = names["table"], float(names["found"].robin_hood_null)
    assert table["cosine"][0] > 3 * chance
    for method, (robin_hood, _, same_class) in table.items():
        if method != "cosine":
            assert robin_hood < 0.6 * table["cosine"][0] and same_class > table["cosine"][2]
