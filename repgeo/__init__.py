"""The four libraries under one name: `repgeo.similarity` is `import similarity`, and so on.

Each is imported when it is first asked for. Their names are plain words, so a folder of the same
name may stand before ours on the import path; here that is an error that says so.
"""

import importlib
import importlib.util
import os.path
from types import ModuleType

__version__ = "0.1.0"
LIBRARIES = ("diffenc", "distill", "hubness", "similarity")

__all__ = ["LIBRARIES", "__version__", *LIBRARIES]  # pyright: ignore[reportUnsupportedDunderAll]


def __getattr__(name: str) -> ModuleType:
    if name not in LIBRARIES:
        raise AttributeError(f"module 'repgeo' has no attribute {name!r}; it has {LIBRARIES}")
    return ours(name)


def ours(name: str) -> ModuleType:
    """Our package `name`. Raises ImportError where Python finds another of that name first."""
    ours = os.path.join(os.path.dirname(os.path.dirname(os.path.realpath(__file__))), name)
    spec = importlib.util.find_spec(name)
    found = spec.origin if spec else None
    if found is None or os.path.dirname(os.path.realpath(found)) != ours:
        raise ImportError(
            f"'import {name}' finds {found or 'no module'} before {ours}, the {name} of repgeo: "
            f"rename the former, or start Python from another folder"
        )
    return importlib.import_module(name)


def __dir__() -> list[str]:
    return sorted({*globals(), *LIBRARIES})
