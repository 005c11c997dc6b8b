"""A study run for its answer: in a folder that is kept or not, with or without a page."""

import contextlib
import pathlib
import shutil
import sys
import tempfile
from collections.abc import Iterator
from typing import Any

from experiments.reporting.html import NAME
from experiments.runtime import files
from experiments.runtime.study import Record, Request, Study, attempted


def answered(
    study: Study[Any, Any], config: Any, *, workdir: str | None = None, page: str | None = None
) -> tuple[Record | None, int]:
    """The record of a study, or None after a stop signal, and the exit code.

    Args:
      workdir: the folder of the run; without it nothing is kept but the page.
      page: where the page goes; without it and `workdir` none is made.

    Raises:
      UserError: something is refused, or the file system gave up.
    """
    if page:
        files.check_file(pathlib.Path(page), "--page", ".html")
    with _folder(workdir) as folder:
        request = Request(folder, None, page=bool(page or workdir))
        record, code = attempted(study, config, request)
        if record is not None and page:
            files.write(pathlib.Path(page), (folder / NAME).read_bytes())
    if record is not None and (page or workdir):
        print(f"page: {page or folder / NAME}", file=sys.stderr)
    return record, code


@contextlib.contextmanager
def _folder(workdir: str | None) -> Iterator[pathlib.Path]:
    """The folder of the run; one that is removed at the end where none is asked for."""
    if workdir:
        yield files.folder(workdir)
        return
    made = pathlib.Path(tempfile.mkdtemp(prefix="repgeo-"))
    try:
        yield made / "run"
    finally:
        shutil.rmtree(made, ignore_errors=True)
