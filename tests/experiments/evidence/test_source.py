"""What of a file counts, and which files. Oracle: pairs of texts that do or do not say the same."""

import pytest

from experiments.evidence import source
from experiments.evidence.clone import Clone

PLAIN = "def f(x, y=2):\n    return x + y\n"
SAME = {
    "docstring": 'def f(x, y=2):\n    """The sum."""\n    return x + y\n',
    "comment": "# A sum.\ndef f(x, y=2):\n    return x + y  # of two\n",
    "annotations": "def f(x: int, y: int = 2) -> int:\n    return x + y\n",
    "layout": "def f(x,\n      y=2):\n\n    return (x + y)\n",
    "types": "from typing import Any\ndef f(x: Any, y=2):\n    return x + y\n",
    "ranges": "Share = Annotated[float, Real(0, 1)]\ndef f(x, y=2):\n    return x + y\n",
    "messages": "from experiments.runtime.errors import UserError\n"
    "from experiments.runtime import cli\ndef f(x, y=2):\n    return x + y\n",
    "for checkers": "if TYPE_CHECKING:\n    import numpy\ndef f(x, y=2):\n    return x + y\n",
}
OTHER = {
    "default": "def f(x, y=3):\n    return x + y\n",
    "operation": "def f(x, y=2):\n    return x - y\n",
    "kind of number": "def f(x, y=2.0):\n    return x + y\n",
    "name": "def f(x, z=2):\n    return x + z\n",
    "import": "import numpy\ndef f(x, y=2):\n    return x + y\n",
    "mixed import": "from experiments.runtime import cli, files\n"
    "def f(x, y=2):\n    return x + y\n",
    "decorator": "@jit\ndef f(x, y=2):\n    return x + y\n",
}


@pytest.mark.parametrize("text", SAME.values(), ids=SAME)
def test_what_is_for_people_does_not_count(text):
    assert source.read(text).digest == source.read(PLAIN).digest


@pytest.mark.parametrize("text", OTHER.values(), ids=OTHER)
def test_what_computes_counts(text):
    assert source.read(text).digest != source.read(PLAIN).digest


def test_a_digest_is_the_same_under_every_python():
    """Oracle: Python 3.11, 3.12.1 and 3.13, of every file of the repository and of this text."""
    text = "def f(x, *, y: int = 2) -> str:\n    return f'{x:{y}.3f} of {y!r}' 'z' + str(None)\n"
    assert source.read(text).digest.startswith("b51a734ab2bc")


def test_fields_keep_names_order_and_defaults():
    one, *others = (
        source.read(f"class A:\n    {fields}\n").digest
        for fields in ("a: int; b: str = 'x'", "b: str = 'x'; a: int", "a: int; b: str = 'y'")
    )
    assert one not in others
    assert one == source.read("class A:\n    a: float; b: object = 'x'\n").digest


class Files(dict):
    paths = property(dict.keys)

    def read(self, path):
        return self[path]


def test_the_closure_follows_imports_wherever_they_stand():
    files = Files(
        {
            "experiments/__init__.py": "",
            "experiments/study/__init__.py": "",
            "experiments/study/__main__.py": "from experiments.study import run, tables\n",
            "experiments/study/run.py": "def f():\n    import library.deep as d\n"
            "    start('experiments.child --flag')\n",
            "experiments/study/tables.py": "import library.shown\n",
            "experiments/child.py": "import numpy\n",
            "library/__init__.py": "from .near import name\n",
            "library/near.py": "",
            "library/deep.py": "",
            "library/shown.py": "",
            "library/alone.py": "",
        }
    )
    found = source.closure(source.entry("experiments.study", files), files)
    left_out = {"experiments/study/tables.py", "library/shown.py", "library/alone.py"}
    assert found.keys() == files.keys() - left_out
    assert source.digest(found) != source.digest(found | {"library/deep.py": "changed"})
    assert source.entry("experiments.none", files) == []


def test_everything_left_out_exists(root):
    """A pattern without a file would let a renamed file in, or out, unseen."""
    paths = Clone(root).now().paths
    for pattern in source.LEFT_OUT:
        assert any(source.fnmatch.fnmatch(path, pattern) for path in paths), pattern
    assert not source.is_left_out("experiments/arrays/tables.py")
