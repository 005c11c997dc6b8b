"""Reading the record of a run, or of one that is published."""

import json
import pathlib
from typing import Any

from experiments.runtime.errors import UserError

# The newest name first; the others are those of runs made before there was one.
NAMES = ("record.json", "summary.json", "result.json", "compare.json", "advice.json", "eval.json",
         "compile.json")  # fmt: skip


def read(path: pathlib.Path) -> dict[str, Any]:
    """The record in a file, or in the folder of a run.

    Raises:
      UserError: there is none, or it is not a JSON object.
    """
    if path.is_dir():
        found = [path / name for name in NAMES if (path / name).exists()]
        if not found:
            raise UserError(f"{path} holds no record; looked for {', '.join(NAMES)}")
        path = found[0]
    try:
        record = json.loads(path.read_bytes())
    except FileNotFoundError as error:
        raise UserError(f"{path} has not been recorded") from error
    except (OSError, ValueError) as error:
        raise UserError(f"{path} is not a readable record: {error}") from error
    if not isinstance(record, dict):
        raise UserError(f"{path} is no record: it holds a {type(record).__name__}, not an object")
    return record
