"""The house rules that can be checked: imports, sizes, hosts, and pages that match their runs."""

import ast
import graphlib
import pathlib
import re
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).parents[1]
LIBRARIES = ("diffenc", "similarity", "hubness", "distill")
ALLOWED = {name: {name, "repgeo.inputs"} for name in LIBRARIES}
ALLOWED["distill"] |= {"similarity"}
OURS = {*LIBRARIES, "repgeo", "experiments", "tests", "benchmarks"}
EFFECTS = {"absl", "ml_collections", "matplotlib", "orbax", "pathlib", "os", "sys", "logging"}


def imported(path: pathlib.Path) -> set[str]:
    """Top-level packages that a file imports, anywhere in it; of repgeo, its modules."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return {".".join(name.split(".")[: 2 if name.startswith("repgeo.") else 1]) for name in names}


def sources(*folders: str) -> list[pathlib.Path]:
    return sorted(p for folder in folders for p in (ROOT / folder).rglob("*.py"))


@pytest.mark.parametrize("library", LIBRARIES)
def test_imports_go_one_way(library):
    for path in sources(library):
        assert ours(path) <= ALLOWED[library], path


def test_inputs_imports_nothing_of_ours():
    assert not ours(ROOT / "repgeo/inputs.py")


def ours(path: pathlib.Path) -> set[str]:
    return {name for name in imported(path) if name.split(".")[0] in OURS}


@pytest.mark.parametrize("library", LIBRARIES)
def test_libraries_have_no_effects(library):
    for path in [*sources(library), ROOT / "repgeo/inputs.py"]:
        assert not imported(path) & EFFECTS, path
        calls = [n for n in ast.walk(ast.parse(path.read_text())) if isinstance(n, ast.Call)]
        names = {c.func.id for c in calls if isinstance(c.func, ast.Name)}
        assert not names & {"print", "open", "input"}, path


def test_runtime_knows_no_paper():
    for path in sources("experiments/runtime"):
        assert not imported(path) & set(LIBRARIES), path


def test_no_room_of_experiments_imports_itself_by_way_of_another():
    arrows: dict[str, set[str]] = {}
    for path in sources("experiments"):
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("experiments"):
                for alias in node.names:
                    there = room(ROOT.joinpath(*str(node.module).split("."), alias.name))
                    arrows.setdefault(room(path), set()).add(there)
    graph = {here: sorted(there - {here}) for here, there in arrows.items()}
    list(graphlib.TopologicalSorter(graph).static_order())  # raises CycleError


def room(path: pathlib.Path) -> str:
    """The folder below experiments that a module or a name in it lies in; else the module."""
    top = ROOT / "experiments"
    folders = [p for p in (path, *path.parents) if p.is_dir() and p.is_relative_to(top)]
    return str(
        folders[0] if folders[0] != top else top / path.relative_to(top).with_suffix("").parts[0]
    )


def test_core_imports_pull_in_no_heavy_package():
    program = (
        f"import sys, {', '.join(LIBRARIES)}, experiments.diffenc.train\n"
        "print([m for m in ('tensorflow', 'torch', 'sklearn', 'transformers') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT, check=True
    )
    assert done.stdout.strip() == "[]"


def test_files_stay_short():
    folders = [*LIBRARIES, "repgeo", "experiments", "benchmarks", "tests"]
    lengths = {
        p.relative_to(ROOT).as_posix(): len(p.read_text().splitlines()) for p in sources(*folders)
    }
    assert [name for name, length in lengths.items() if length > 300] == []


def test_no_file_names_a_registry_or_a_machine():
    listed = subprocess.run(["git", "ls-files"], capture_output=True, text=True, cwd=ROOT)
    hosts = re.compile("py" + r"pi\.org|python" + r"hosted\.org|npm" + r"js\.(org|com)|/ro" + "ot/")
    for name in listed.stdout.split():
        path = ROOT / name
        if path.suffix in {".png", ".npz", ".safetensors", ".gguf"} or not path.exists():
            continue
        assert not hosts.search(path.read_text()), name


def test_pages_match_the_recorded_runs():
    from experiments.report import fill, pages

    for page in pages():
        text = page.read_text()
        assert fill(text) == text, f"{page.name} is out of date: run make report"
