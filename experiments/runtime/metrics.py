"""metrics.jsonl: one JSON object a line, the source of truth for every table and plot.

A line ends in the CRC-32 of what stands before it. Lines of runs made before that have none.
"""

import json
import math
import os
import pathlib
import re
import zlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from experiments.runtime import files
from experiments.runtime.errors import UserError
from experiments.runtime.files import strict
from experiments.runtime.trackers import Sink

_BEFORE, _AFTER = ', "crc": "', '"}'


def _sealed(record: Mapping[str, Any]) -> str:
    body = json.dumps(strict(record)).removesuffix("}") + _BEFORE
    return f"{body}{zlib.crc32(body.encode()):08x}{_AFTER}"


def _read_line(line: str) -> dict[str, Any]:
    """The record of a line. Raises ValueError where it is not as it was written."""
    length = len(_BEFORE) + 8 + len(_AFTER)
    tail, record = line[-length:], json.loads(line)
    if files.likeness(tail, _BEFORE, _AFTER) >= 0.7:
        body = line[:-length] + _BEFORE
        if line != f"{body}{zlib.crc32(body.encode()):08x}{_AFTER}":
            raise ValueError("its checksum does not match")
        del record["crc"]
    return record


def read_metrics(path: str | os.PathLike) -> list[dict[str, Any]]:
    """All lines of a metrics file; a last line cut short by a crash is left out.

    Raises:
      UserError: a line is not as it was written.
    """
    path = pathlib.Path(path)
    if not path.exists():
        return []
    *lines, rest = path.read_bytes().split(b"\n")
    # A line cut short has no checksum yet: one that has lost only its end was changed.
    if re.search(rb'"crc": ".{8}"}', rest):
        lines.append(rest)
    records = []
    for number, line in enumerate(lines, 1):
        try:
            records.append(_read_line(line.decode()))
        except (ValueError, KeyError) as error:
            raise UserError(
                f"{path}, line {number} is damaged ({error}): {line[:80]!r}. Restore the file from "
                "a backup, or start again with another --workdir"
            ) from error
    return records


def check_finite(values: Mapping[str, Any]) -> list[str]:
    """The names whose value is NaN or infinite."""
    return [n for n, v in values.items() if isinstance(v, float) and not math.isfinite(v)]


class MetricsWriter:
    """Appends to metrics.jsonl and passes the same values on to optional trackers.

    Without `lead`, as in all but one of several processes, nothing is written. `guard` is called
    before each line, and may raise.
    """

    def __init__(
        self,
        path: pathlib.Path,
        sinks: Sequence[Sink] = (),
        *,
        lead: bool = True,
        guard: Callable[[], None] = lambda: None,
    ):
        self.path, self.sinks, self.lead, self.guard = path, tuple(sinks), lead, guard
        self._file = None

    def rewind(self, step: int) -> None:
        """Drops what was written after `step`, so that a resumed run repeats no line."""
        if not self.lead:
            return
        self._close_file()
        records = read_metrics(self.path)
        before = [r for r in records if r["step"] <= step]
        text = "".join(_sealed(r) + "\n" for r in before)
        if len(before) < len(records) or (self.path.exists() and self._is_cut()):
            self.guard()
            files.write(self.path, text)
        for sink in self.sinks:
            sink.rewind(step, dropped=len(before) < len(records))

    def _is_cut(self) -> bool:
        return not self.path.read_bytes().endswith(b"\n")

    def write(self, step: int, split: str, values: Mapping[str, Any]) -> None:
        """One line `{"step": …, "split": …, **values}`, on disk when this returns."""
        if not self.lead:
            return
        self.guard()
        if self._file is None:
            with files.explained(self.path):
                self.path.parent.mkdir(parents=True, exist_ok=True)
                self._file = self.path.open("ab")
        line = _sealed({"step": step, "split": split, **values})
        files.append(self.path, self._file, line + "\n")
        for sink in self.sinks:
            sink.write(step, split, values)

    def close(self) -> None:
        """Closes the file and the trackers."""
        self._close_file()
        for sink in self.sinks:
            sink.close()

    def _close_file(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None
