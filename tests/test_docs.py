"""What docs/ says exists, exists; its arithmetic is that of the code."""

import ast
import importlib
import json
import pathlib
import re

import jax
import jax.numpy as jnp
import pytest
from flax.serialization import msgpack_serialize
from sklearn.datasets import load_digits

import similarity
from experiments.diffenc import cost

ROOT = pathlib.Path(__file__).parents[1]
PAGES = sorted((ROOT / "docs").rglob("*.md"))
NAME = re.compile(r"`((?:diffenc|similarity|hubness|distill|experiments)(?:\.\w+)+)(?:\(|`)")
PATH = re.compile(r"`((?:docs|tests|results|benchmarks|experiments)/[\w/.]+)`")


def resolve(name: str) -> object:
    """The object of a dotted name: the longest importable module, then its attributes."""
    parts = name.split(".")
    for length in range(len(parts), 0, -1):
        try:
            found = importlib.import_module(".".join(parts[:length]))
        except ModuleNotFoundError:
            continue
        for attribute in parts[length:]:
            found = getattr(found, attribute)
        return found
    raise AttributeError(name)


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_every_name_and_file_of_a_page_exists(page):
    text = page.read_text()
    for name in NAME.findall(text):
        resolve(name)
    assert [path for path in PATH.findall(text) if not (ROOT / path).exists()] == []


@pytest.mark.parametrize("library", ["diffenc", "distill", "hubness", "similarity"])
def test_a_public_name_that_is_also_a_module_has_an_entry_of_its_own(library):
    """The generator of the site takes such a name for the module, and leaves the function out."""
    page = (ROOT / "docs" / "api" / f"{library}.md").read_text()
    public = importlib.import_module(library)
    for name in public.__all__:
        own = ROOT / library / f"{name}.py"
        if own.exists() and callable(getattr(public, name)):
            assert f"::: {library}.{name}.{name}\n" in page, name
    assert f"::: {library}\n" in page


def test_a_name_that_is_gone_is_noticed():
    with pytest.raises(AttributeError):
        resolve("diffenc.process.posterior_meen")


def test_the_map_of_equations_reaches_every_module_of_the_theory():
    named = {n.rsplit(".", 1)[0] for n in NAME.findall((ROOT / "docs/equations.md").read_text())}
    for module in ("noising", "schedules", "encoder", "elbo", "sampling", "finite_depth"):
        assert f"diffenc.{module}" in named


def test_the_table_on_sharding_is_that_of_the_record():
    text = (ROOT / "docs" / "tpu.md").read_text()
    record = json.loads((ROOT / "results" / "benchmarks" / "diffenc_scale.json").read_text())
    assert cost.sharding_table(record) in text


STANDING = ("Run", "Compiled", "Computed", "Not run")


def test_of_all_that_is_said_of_tpus_it_is_said_whether_it_was_run():
    """Every paragraph begins with it; what is below one without words of its own is as that is."""
    text = (ROOT / "docs" / "tpu.md").read_text().partition("## Create")[2]
    text = re.sub(r"```.*?```|<!--.*?-->|^\|.*?$|^#.*?$", "", text, flags=re.DOTALL | re.MULTILINE)
    bare = [part for part in re.split(r"\n\s*\n", text) if part.strip()]
    known = tuple(f"**{word}" for word in STANDING)
    assert [part for part in bare if not part.lstrip().startswith(known)] == []


def test_published_runs_are_costed_by_the_model_flops():
    assert cost.reproduction_table() in (ROOT / "docs" / "reproducing.md").read_text()
    # Spec 6.4: 182.7 GFLOP an image there, the encoder called eight times; 166.6 here. × 128 × 8M.
    row = next(r for r in cost.reproduction_table().splitlines() if "| diffenc-32-4 |" in r)
    assert int(row.split("|")[5]) == pytest.approx(166.6e9 * 128 * 8e6 / 1e18, rel=0.01)


def test_hours_are_flops_over_peak_and_utilisation():
    # Spec: 20.2 TFLOP a step of VDMv-32 at batch 128, 0.26 s on a v5e at 40 %, 71 h a million.
    assert cost.hours("vdmv-32", "TPU v5e", 1, 1_000_000) == pytest.approx(71, rel=0.04)


def test_figures_in_prose_are_those_recorded():
    read = lambda name: json.loads((ROOT / "results" / "benchmarks" / f"{name}.json").read_text())
    over = {
        k: f"{v:.1%}".replace("%", " %")
        for k, v in read("diffenc_step")["overhead"].items()
        if "_over_" in k and "model" not in k
    }
    text = (ROOT / "docs" / "migrating.md").read_text().replace("\n  ", " ")
    for figure in over.values():
        assert f"{figure} more" in text
    change = read("diffenc_precision")["difference"]
    assert f"{change:.4f} bits/dim" in (ROOT / "docs" / "tpu.md").read_text()


def test_the_readme_examples_run_and_give_what_they_say():
    x, labels = load_digits(return_X_y=True)
    t, eps = jnp.array([0.1, 0.9]), jax.random.normal(jax.random.key(0), (2, 8, 8, 1))
    codes = x[:2].reshape(eps.shape).astype(int)
    f, g = x[:, 18:22].astype("f4"), x[:10, 4:8].astype("f4")
    names = {"x": x, "labels": labels, "codes": codes, "t": t, "eps": eps, "eps_0": eps}
    # The second model is the first in other coordinates: equal probabilities.
    names |= {"f": f, "g": g, "f2": 2 * f, "g2": g / 2 + 1}
    small = (
        '"diffenc-8-2", shape=(32, 32, 3), levels=256',
        '"vdmv", (8, 8, 1), 17, width=4, num_layers=0',
    )
    examples = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    assert len(examples) == 3 and small[0] in examples[0]
    for example in examples:
        *lines, last = ast.parse(example.replace(*small)).body
        exec(compile(ast.Module(lines, []), "README.md", "exec"), names)
        names["last"] = eval(compile(ast.Expression(last.value), "README.md", "eval"), names)
    assert names["terms"].diffusion.shape == (2,)
    assert names["counts"].sum() == 10 * len(x)
    assert similarity.logit_distance(f, g, names["f2"], names["g2"]) < 1e-3
    assert names["last"] == pytest.approx(1, abs=1e-5)


def python_of(page: str) -> str:
    (example,) = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / page).read_text(), re.DOTALL)
    return example


def test_the_example_of_the_first_page_runs():
    x = load_digits().data[:60, 10:30]
    names = {"x": x, "f": x, "f2": 2 * x, "key": jax.random.key(0)}
    exec(python_of("index.md"), names)
    assert names["repgeo"].similarity.cka(x, 2 * x) == pytest.approx(1, abs=1e-6)


def test_the_example_of_a_published_checkpoint_reads_one(tmp_path):
    """Of no parameters: the last line says which are missing, after all others have run."""
    (tmp_path / "empty").write_bytes(msgpack_serialize({"ema_params": {}}))
    with pytest.raises(ValueError, match="missing"):
        exec(python_of("migrating.md"), {"FILE": str(tmp_path / "empty")})
