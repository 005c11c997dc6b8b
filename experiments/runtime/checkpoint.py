"""Checkpoints that are verified: Orbax for the arrays, SHA-256 of every file for trust.

A checkpoint is written to `tmp-<step>/`, digested, then renamed to `<step>/`. So a numbered folder
is complete by construction, whatever moment a crash chose, and any byte that changes later makes
its digest disagree.
"""

import hashlib
import json
import logging
import pathlib
import re
import shutil
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, NamedTuple

import jax
import orbax.checkpoint as ocp

from experiments.runtime.distributed import from_lead, is_lead
from experiments.runtime.errors import CheckpointError

DIGEST = "DIGEST"
STATE = "state"
NONE_YET, ALL_DAMAGED = -1, -2  # in place of a step
EXTRA = "extra.json"


class Restored(NamedTuple):
    """A checkpoint that passed its check; `extra` is the JSON saved beside the state."""

    step: int
    state: Any
    extra: dict[str, Any]


def digest(folder: pathlib.Path) -> str:
    """SHA-256 and relative path of each file below `folder` but the digest itself, sorted."""
    files = sorted(p for p in folder.rglob("*") if p.is_file() and p.name != DIGEST)
    return "".join(
        f"{hashlib.sha256(p.read_bytes()).hexdigest()}  {p.relative_to(folder).as_posix()}\n"
        for p in files
    )


class Checkpointer:
    """Saves in the background and restores the newest checkpoint that proves intact."""

    def __init__(self, directory: str | pathlib.Path, keep: int = 3):
        self.directory = pathlib.Path(directory).absolute()
        self.keep = keep
        self._writer = ocp.StandardCheckpointer()
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="checkpoint")
        self._pending: Future | None = None
        if is_lead():
            self.directory.mkdir(parents=True, exist_ok=True)
            for leftover in self.directory.glob("tmp-*"):
                shutil.rmtree(leftover)

    def steps(self) -> list[int]:
        """Steps with a complete checkpoint, oldest first."""
        names = (p.name for p in self.directory.iterdir() if p.is_dir())
        return sorted(int(name) for name in names if re.fullmatch(r"\d+", name))

    def save(self, step: int, state: Any, extra: dict[str, Any] | None = None) -> None:
        """Copies `state` to the host and returns; writing goes on in the background.

        Waits for the save before it, and raises here if that one failed.
        """
        self.wait()
        folder = self.directory / f"tmp-{step}"
        self._writer.save(folder / STATE, state)
        self._pending = self._pool.submit(self._commit, step, folder, extra or {})

    def _commit(self, step: int, folder: pathlib.Path, extra: dict[str, Any]) -> None:
        self._writer.wait_until_finished()
        if not is_lead():
            return
        (folder / EXTRA).write_text(json.dumps(extra))
        (folder / DIGEST).write_text(digest(folder))
        final = self.directory / str(step)
        if final.exists():
            shutil.rmtree(final)
        folder.rename(final)
        for old in self.steps()[: -self.keep]:
            shutil.rmtree(self.directory / str(old))

    def wait(self) -> None:
        """Returns when the last save is complete on disk; raises what made it fail."""
        if self._pending is not None:
            pending, self._pending = self._pending, None
            pending.result()

    def is_intact(self, step: int) -> bool:
        """Whether every byte of the checkpoint is as it was written."""
        folder = self.directory / str(step)
        try:
            return (folder / DIGEST).read_bytes() == digest(folder).encode()
        except OSError:
            return False

    def restore(self, template: Any, step: int | None = None) -> Restored | None:
        """The newest intact checkpoint (or that of `step`), laid out as `template` is.

        `template` holds arrays or `jax.ShapeDtypeStruct`s with shardings. Returns None where there
        is no checkpoint yet. A damaged one is named in the log and passed over. The lead verifies
        and chooses; all processes restore what it chose.

        Raises:
          CheckpointError: there are checkpoints, but none is intact, or none is of `step`.
        """
        self.wait()
        chosen = from_lead(self._choose(step) if is_lead() else NONE_YET)
        if chosen == NONE_YET:
            return None
        if chosen == ALL_DAMAGED:
            raise CheckpointError(
                f"no intact checkpoint in {self.directory} (found steps {self.steps()}"
                + (f", asked for {step}" if step is not None else "")
                + "). Restore one from a backup, or start again with another --workdir."
            )
        return self._read(chosen, template)

    def _choose(self, step: int | None) -> int:
        """The newest intact step, or `step` if that is intact, or NONE_YET or ALL_DAMAGED."""
        found = self.steps()
        if not found and step is None:
            return NONE_YET
        wanted = found if step is None else [s for s in found if s == step]
        for candidate in reversed(wanted):
            if self.is_intact(candidate):
                return candidate
            logging.warning(
                "checkpoint %d in %s is damaged: its files do not match its digest; "
                "it is refused and the one before it is tried",
                candidate,
                self.directory,
            )
        return ALL_DAMAGED

    def _read(self, step: int, template: Any) -> Restored:
        folder = self.directory / str(step)
        abstract = jax.tree.map(
            lambda a: jax.ShapeDtypeStruct(a.shape, a.dtype, sharding=a.sharding), template
        )
        state = self._writer.restore(folder / STATE, abstract)
        return Restored(step, state, json.loads((folder / EXTRA).read_text()))

    def close(self) -> None:
        """Waits for the last save and frees the threads."""
        try:
            self.wait()
        finally:
            self._pool.shutdown()
            self._writer.close()
