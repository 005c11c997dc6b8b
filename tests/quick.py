"""Names the tests of what was changed, nearest first: `make quick` runs them for two minutes.

Changed is what differs from the last commit, or that commit itself when nothing does. A test file
stands for itself; a source file for the tests of its folder and those that import it.
"""

import ast
import pathlib
import subprocess

ROOT = pathlib.Path(__file__).parents[1]


def changed() -> list[str]:
    """Paths that differ from the last commit, or those of the last commit."""
    git = lambda *words: subprocess.check_output(["git", *words], cwd=ROOT, text=True).split()
    found = git("diff", "--name-only", "HEAD") + git("ls-files", "--others", "--exclude-standard")
    return found or git("diff", "--name-only", "HEAD~1")


def imported(path: pathlib.Path) -> set[str]:
    """Dotted names that a file imports; of `from a import b` both `a` and `a.b`."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def tests_of(path: str, tests: dict[pathlib.Path, set[str]]) -> list[pathlib.Path]:
    """The tests of one changed file, nearest first."""
    file = pathlib.Path(path)
    if ROOT / file in tests:
        return [ROOT / file]
    if file.suffix != ".py":
        return [ROOT / "tests" / "test_docs.py"] if file.suffix == ".md" else []
    module = ".".join(file.with_suffix("").parts).removesuffix(".__init__")
    own = ROOT / "tests" / file.parent / f"test_{file.stem}.py"
    beside = [test for test in tests if test.parent == own.parent]
    importing = [test for test, names in tests.items() if module in names]
    return [test for test in [own, *importing, *beside] if test in tests]


def main() -> None:
    """Prints the paths for pytest, each once."""
    tests = {path: imported(path) for path in sorted(ROOT.glob("tests/**/test_*.py"))}
    found = [test for path in changed() for test in tests_of(path, tests)]
    found.append(ROOT / "tests" / "test_architecture.py")
    print(*(test.relative_to(ROOT) for test in dict.fromkeys(found)))


if __name__ == "__main__":
    main()
