"""Checkpoints that are verified: Orbax for the arrays, SHA-256 of every file for trust.

A checkpoint is written to `tmp-<step>/`, digested, then renamed to `<step>/`. So a numbered folder
is complete by construction, whatever moment a crash chose, and any byte that changes later makes
its digest disagree. Reading neither writes nor deletes.
"""

import hashlib
import json
import logging
import pathlib
import re
import shutil
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Generic, NamedTuple, TypeVar

import jax
import numpy as np

from experiments.runtime import files
from experiments.runtime.distributed import from_lead, is_lead
from experiments.runtime.errors import CheckpointError
from experiments.runtime.step import all_finite

DIGEST = "DIGEST"
STATE = "state"
NONE_YET, ALL_DAMAGED = -1, -2  # in place of a step
EXTRA, LAYOUT = "extra.json", "layout.json"
State = TypeVar("State")


class Restored(NamedTuple, Generic[State]):
    """A checkpoint that passed its check; `extra` is the JSON saved beside the state."""

    step: int
    state: State
    extra: dict[str, Any]


def digest(folder: pathlib.Path) -> str:
    """SHA-256 and relative path of each file below `folder` but the digest itself, sorted."""
    found = sorted(p for p in folder.rglob("*") if p.is_file() and p.name != DIGEST)
    return "".join(
        f"{hashlib.sha256(p.read_bytes()).hexdigest()}  {p.relative_to(folder).as_posix()}\n"
        for p in found
    )


def layout(state: Any) -> dict[str, str]:
    """Shape and dtype of each leaf by its path, such as {"params/w": "(3, 4) float32"}."""
    leaves = jax.tree_util.tree_flatten_with_path(state)[0]
    return {
        "/".join(map(_word, keys)): f"{tuple(leaf.shape)} {leaf.dtype}" for keys, leaf in leaves
    }


def is_finite(state: Any) -> bool:
    """Whether no leaf of a state holds NaN or an infinity."""
    return bool(jax.jit(all_finite)(state))


def _word(entry: Any) -> str:
    """One step of a path: a dict's key, a sequence's index or a named tuple's field."""
    known = (getattr(entry, name, None) for name in ("key", "name", "idx"))
    return str(next(word for word in known if word is not None))


class Checkpointer:
    """Saves in the background and restores the newest checkpoint that proves intact.

    `guard` is called before each save, and may raise.
    """

    def __init__(
        self,
        directory: str | pathlib.Path,
        keep: int = 3,
        guard: Callable[[], None] = lambda: None,
    ):
        self.directory = pathlib.Path(directory).absolute()
        self.keep, self.guard = keep, guard
        import orbax.checkpoint as ocp  # a second, which studies without checkpoints do not wait

        self._writer = ocp.StandardCheckpointer()
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="checkpoint")
        self._pending: Future | None = None

    def steps(self) -> list[int]:
        """Steps with a complete checkpoint, oldest first."""
        if not self.directory.is_dir():
            return []
        names = (p.name for p in self.directory.iterdir() if p.is_dir())
        return sorted(int(name) for name in names if re.fullmatch(r"\d+", name))

    def clear_leftovers(self) -> None:
        """Removes what interrupted saves left behind; for the writer of the run alone."""
        for leftover in self.directory.glob("tmp-*"):
            shutil.rmtree(leftover, ignore_errors=True)

    def save(self, step: int, state: Any, extra: dict[str, Any] | None = None) -> None:
        """Copies `state` to the host and returns; writing goes on in the background.

        Waits for the save before it, and raises `StorageError` here if that one failed.
        """
        self.wait()
        folder = self.directory / f"tmp-{step}"
        if is_lead():
            self.guard()
            with files.explained(self.directory):
                files.before("save", self.directory)
                shutil.rmtree(folder, ignore_errors=True)
                self.directory.mkdir(parents=True, exist_ok=True)
        self._writer.save(folder / STATE, state)
        notes = {EXTRA: extra or {}, LAYOUT: layout(state)}
        self._pending = self._pool.submit(self._commit, step, folder, notes)

    def _commit(self, step: int, folder: pathlib.Path, notes: dict[str, Any]) -> None:
        self._writer.wait_until_finished()
        if not is_lead():
            return
        files.before("commit", folder)
        for name, value in notes.items():
            (folder / name).write_text(files.as_json(value))
        (folder / DIGEST).write_text(digest(folder))
        final = self.directory / str(step)
        if final.exists():
            self._remove(final)
        folder.rename(final)
        for old in self.steps()[: -self.keep]:
            self._remove(self.directory / str(old))

    def _remove(self, folder: pathlib.Path) -> None:
        """Takes a checkpoint away at once, so that no reader finds a part of it."""
        aside = folder.with_name(f"tmp-old-{folder.name}")
        shutil.rmtree(aside, ignore_errors=True)
        folder.rename(aside)
        shutil.rmtree(aside)

    def wait(self) -> None:
        """Returns when the last save is complete on disk; raises `StorageError` if it failed."""
        if self._pending is None:
            return
        pending, self._pending = self._pending, None
        try:
            pending.result()
        except Exception as error:
            cause = files.reason(error) if isinstance(error, OSError) else str(error).split("\n")[0]
            raise files.StorageError(
                f"the checkpoint in {self.directory} could not be written: {cause}. Those before "
                "it are kept; the same command continues from the newest"
            ) from error

    def is_intact(self, step: int) -> bool:
        """Whether every byte of the checkpoint is as it was written."""
        folder = self.directory / str(step)
        try:
            return (folder / DIGEST).read_bytes() == digest(folder).encode()
        except OSError:
            return False

    def restore(self, template: State, step: int | None = None) -> Restored[State] | None:
        """The newest intact checkpoint (or that of `step`), laid out as `template` is.

        `template` holds arrays or `jax.ShapeDtypeStruct`s with shardings. Returns None where there
        is no checkpoint yet. A damaged one is named in the log and passed over. The lead verifies
        and chooses; all processes restore what it chose.

        Raises:
          CheckpointError: there are checkpoints, but none is intact, or none is of `step`, or
            their arrays are not those of the template.
        """
        self.wait()
        below: int | None = None
        while True:
            chosen = from_lead(self._choose(step, below) if is_lead() else NONE_YET)
            if chosen == NONE_YET:
                return None
            if chosen == ALL_DAMAGED:
                raise CheckpointError(
                    f"no intact checkpoint in {self.directory} (found steps {self.steps()}"
                    + (f", asked for {step}" if step is not None else "")
                    + "). Restore one from a backup, or start again with another --workdir."
                )
            try:
                restored = self._read(chosen, template)
            except (OSError, ValueError, KeyError):
                # Its writer may have replaced it by a newer one while it was read.
                if (self.directory / str(chosen)).exists():
                    raise
                continue
            if is_finite(restored.state):
                return restored
            logging.warning(
                "checkpoint %d in %s holds values that are NaN or infinite; the one before it is "
                "tried",
                chosen,
                self.directory,
            )
            below = chosen

    def _choose(self, step: int | None = None, below: int | None = None) -> int:
        """The newest intact step, or `step` if that is intact, or NONE_YET or ALL_DAMAGED."""
        found = self.steps()
        if not found and step is None:
            return NONE_YET
        wanted = [s for s in found if step in (None, s) and (below is None or s < below)]
        for candidate in reversed(wanted):
            if self.is_intact(candidate):
                return candidate
            if (self.directory / str(candidate)).exists():
                logging.warning(
                    "checkpoint %d in %s is damaged: its files do not match its digest; "
                    "it is refused and the one before it is tried",
                    candidate,
                    self.directory,
                )
        return ALL_DAMAGED

    def check_layout(self, template: Any, step: int | None = None) -> None:
        """Raises `CheckpointError` where the newest state has other arrays than `template`."""
        chosen = self._choose() if step is None else step
        path = self.directory / str(chosen) / LAYOUT
        # Checkpoints made before there were layouts have none.
        there = json.loads(path.read_text()) if path.exists() else None
        here = layout(template)
        if there is None or there == here:
            return
        differing = sorted(k for k in there.keys() | here.keys() if there.get(k) != here.get(k))
        lines = "\n".join(
            f"  {k}: {there.get(k, 'absent')} there, {here.get(k, 'absent')} here"
            for k in differing[:5]
        )
        more = f"\n  and {len(differing) - 5} more" if len(differing) > 5 else ""
        raise CheckpointError(
            f"the arrays saved in {self.directory} are not those of this config:\n{lines}{more}\n"
            "Shapes cannot change in a resumed run: use another --workdir; --init_from=RUN takes "
            "the weights that fit."
        )

    def _read(self, step: int, template: State) -> Restored[State]:
        folder = self.directory / str(step)
        self.check_layout(template, step)
        abstract = jax.tree.map(
            lambda a: jax.ShapeDtypeStruct(a.shape, a.dtype, sharding=a.sharding), template
        )
        state = self._writer.restore(folder / STATE, abstract)
        return Restored(step, state, json.loads((folder / EXTRA).read_text()))

    def arrays(self) -> tuple[int, Any]:
        """Step and arrays of the newest intact state, as nested dicts of NumPy arrays.

        Raises:
          CheckpointError: there is none.
        """
        chosen = self._choose()
        if chosen in (NONE_YET, ALL_DAMAGED):
            raise CheckpointError(f"{self.directory} has no intact checkpoint")
        folder = self.directory / str(chosen) / STATE
        shapes = self._writer.metadata(folder)
        tree = getattr(shapes, "item_metadata", shapes)
        template = jax.tree.map(lambda m: np.empty(m.shape, m.dtype), getattr(tree, "tree", tree))
        return chosen, self._writer.restore(folder, template)

    def close(self) -> None:
        """Waits for the last save and frees the threads."""
        try:
            self.wait()
        finally:
            self._pool.shutdown()
            self._writer.close()
