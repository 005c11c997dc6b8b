"""The four libraries as attributes of `repgeo`, and what is said when another package hides one."""

import pathlib
import subprocess
import sys
import tomllib

import pytest

import repgeo

ROOT = pathlib.Path(__file__).parents[2]


def run(program: str, cwd: pathlib.Path) -> subprocess.CompletedProcess:
    path = f"import sys; sys.path[:0] = [{str(cwd)!r}, {str(ROOT)!r}]\n"
    return subprocess.run([sys.executable, "-c", path + program], capture_output=True, text=True)


def test_version_is_that_of_the_distribution():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert repgeo.__version__ == project["version"]


@pytest.mark.parametrize("name", repgeo.LIBRARIES)
def test_libraries_are_attributes(name):
    assert getattr(repgeo, name).__name__ == name
    assert name in dir(repgeo)
    assert (ROOT / name / "py.typed").exists()


def test_libraries_are_imported_when_asked_for(tmp_path):
    done = run("import repgeo\nprint(set(repgeo.LIBRARIES) & set(sys.modules))", tmp_path)
    assert done.stdout.strip() == "set()"
    with pytest.raises(AttributeError, match="no attribute 'similar'"):
        repgeo.similar  # noqa: B018 (the access itself raises)


def test_an_answer_without_a_page_waits_for_no_figures_or_checkpoints(tmp_path):
    """Imports of the first three cost as many seconds as the first line of an answer may take."""
    studies = "hubness", "label_cosine", "compare"
    program = "".join(f"import experiments.{name}.study\n" for name in studies)
    done = run(program + "print('imported', *sys.modules)", tmp_path)
    imported = done.stdout.split()
    assert imported[0] == "imported", done.stderr
    assert not {"matplotlib", "orbax", "scipy.stats"} & set(imported)


@pytest.mark.parametrize("stranger", ["distill/__init__.py", "distill.py"])
def test_a_package_that_hides_ours_is_named_with_the_remedy(tmp_path, stranger):
    path = tmp_path / stranger
    path.parent.mkdir(exist_ok=True)
    path.write_text("raise RuntimeError('imported')")
    done = run("import repgeo; repgeo.distill", tmp_path)
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("ImportError") and "rename" in last
    assert str(path) in last and str(ROOT / "distill") in last
