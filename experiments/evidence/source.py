"""The code that a record depends on, as far as it can change a number.

Found from the imports of its entry, wherever in a file they stand; a module at the start of a
string counts as imported, for some are started as processes. Of each file counts what remains
without docstrings, comments, annotations, blocks for type checkers, and imports of what no number
depends on.
"""

import ast
import fnmatch
import functools
import hashlib
import re
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple, Protocol

# What no number depends on, and why.
LEFT_OUT = {
    "experiments/reporting/*": "how a record is read by people",
    "experiments/*/figures.py": "drawings",
    "experiments/*/*_figures.py": "drawings",
    "experiments/[!a]*/tables.py": "tables of a record; experiments/arrays reads those of users",
    "experiments/diffenc/page.py": "the page of a run",
    "experiments/diffenc/training.py": "the table of a run that is not evaluated yet",
    "experiments/runtime/cli.py": "flags; what they set stands in the record",
    "experiments/runtime/*progress.py": "how far a run is",
    "experiments/runtime/profiling.py": "where its time goes",
    "experiments/runtime/trackers.py": "where its metrics are sent as well",
    "experiments/runtime/utilisation.py": "its share of the peak rate, which is not recorded",
    "experiments/runtime/errors.py": "what is said where a run is refused",
    "experiments/runtime/ranges.py": "what is refused",
    "experiments/runtime/lock.py": "who writes a folder",
    "experiments/runtime/distributed.py": "how several processes agree; records are of one",
    "experiments/runtime/peers.py": "what is said where one is lost",
    "experiments/runtime/preemption.py": "when a run stops; what it resumes is the same",
    "experiments/runtime/manifest.py": "by what a record was made",
    "experiments/commands.py": "names of commands",
    "experiments/moved.py": "names of commands",
    "repgeo/cli.py": "verbs that start studies",
}
_FOR_TYPES = {"__future__", "_typeshed", "collections.abc", "jaxtyping", "typing"}
_MODULE = re.compile(r"((?:experiments|benchmarks)(?:\.\w+)+)(?: |$)")


class Tree(Protocol):
    """The Python files of a repository at one time."""

    @property
    def paths(self) -> Iterable[str]: ...

    def read(self, path: str) -> str: ...


class Source(NamedTuple):
    """A file as its importers see it.

    Attributes:
      digest: SHA-256 of what counts in it.
      names: dotted names that it imports; those of its own package begin with a dot a level.
    """

    digest: str
    names: tuple[str, ...]


def closure(starts: Iterable[str], tree: Tree) -> dict[str, str]:
    """{path: digest} of the files that `starts` need, themselves among them."""
    paths, todo, found = set(tree.paths), list(starts), {}
    while todo:
        path = todo.pop()
        if path in found or is_left_out(path):
            continue
        source = read(tree.read(path))
        found[path] = source.digest
        todo += [file for name in source.names for file in located(_absolute(name, path), paths)]
    return found


def digest(found: Mapping[str, str]) -> str:
    """SHA-256 of a closure."""
    lines = (f"{path} {found[path]}\n" for path in sorted(found))
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def is_left_out(path: str) -> bool:
    """Whether no number depends on a file."""
    return any(fnmatch.fnmatch(path, pattern) for pattern in LEFT_OUT)


def located(dotted: str, paths: Iterable[str]) -> list[str]:
    """The files that importing `dotted`, or a name in a module, runs: its packages and itself."""
    found, place = [], ""
    for part in dotted.split("."):
        place = f"{place}/{part}" if place else part
        if f"{place}.py" in paths:
            return [*found, f"{place}.py"]
        if f"{place}/__init__.py" in paths:
            found.append(f"{place}/__init__.py")
    return found


def entry(module: str, paths: Iterable[str]) -> list[str]:
    """The files that `python -m MODULE` runs first; [] where there is no such module."""
    own = module.replace(".", "/")
    main = next((p for p in (f"{own}/__main__.py", f"{own}.py") if p in paths), None)
    return [*located(module, paths), main] if main else []


@functools.cache
def read(text: str) -> Source:
    """What counts in the text of a Python file."""
    tree = _Plain().visit(ast.parse(text))
    sha = hashlib.sha256()
    _feed(sha, tree)
    return Source(sha.hexdigest(), tuple(_names(tree)))


class _Plain(ast.NodeTransformer):
    """Removes what is for people and type checkers."""

    def visit_Expr(self, node: ast.Expr) -> ast.AST | None:
        return None if isinstance(node.value, ast.Constant) else self.generic_visit(node)

    def visit_If(self, node: ast.If) -> Any:
        if isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            return [self.visit(inner) for inner in node.orelse]
        return self.generic_visit(node)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> ast.AST | None:
        if node.level:
            return node
        module = str(node.module)
        if module in _FOR_TYPES or is_left_out(_path(module)):
            return None
        node.names = [n for n in node.names if not is_left_out(_path(f"{module}.{n.name}"))]
        return node if node.names else None

    def visit_Assign(self, node: ast.Assign) -> ast.AST | None:
        kind = node.value.value if isinstance(node.value, ast.Subscript) else None
        is_alias = isinstance(kind, ast.Name) and kind.id == "Annotated"  # of a type and its range
        return None if is_alias else self.generic_visit(node)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST:
        self.generic_visit(node)
        node.annotation = ast.Constant(None)  # fields of a class keep their order
        return node

    def visit_arg(self, node: ast.arg) -> ast.AST:
        node.annotation = None
        return node

    def visit_JoinedStr(self, node: ast.JoinedStr) -> ast.AST:
        self.generic_visit(node)
        node.values = [v for v in node.values if getattr(v, "value", v) != ""]  # Python 3.12 has it
        return node

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        node.returns = None
        return self.generic_visit(node)


def _names(tree: ast.AST) -> Iterable[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = "." * node.level + (f"{node.module}." if node.module else "")
            yield from (base + alias.name for alias in node.names)
        elif isinstance(node, ast.Constant) and (found := _MODULE.match(str(node.value))):
            yield from (found.group(1), f"{found.group(1)}.__main__")


def _path(module: str) -> str:
    return f"{module.replace('.', '/')}.py"


def _absolute(name: str, path: str) -> str:
    """A name as `path` imports it, without leading dots."""
    rest = name.lstrip(".")
    folders = path.split("/")[: -(len(name) - len(rest))] if name != rest else []
    return ".".join([*folders, rest])


def _feed(sha: Any, value: Any) -> None:
    """Nodes by name and what they hold: equal under every Python, where `ast.dump` is not."""
    if isinstance(value, ast.AST):
        sha.update(f"({type(value).__name__}".encode())
        for name, inner in ast.iter_fields(value):
            if inner not in (None, []) and name not in ("ctx", "kind", "type_comment"):
                sha.update(f" {name}=".encode())
                _feed(sha, inner)
        sha.update(b")")
    elif isinstance(value, list):
        for inner in value:
            sha.update(b",")
            _feed(sha, inner)
    else:
        sha.update(repr(value).encode())
