"""Finished outcomes on disk, so that an interrupted run continues where it stopped."""

import json
import pathlib
import zipfile

import numpy as np

from experiments.hubspaces.evaluate import Outcome


def path_of(folder: pathlib.Path, method: str, seed: int) -> pathlib.Path:
    """Where the outcome of a method on a seed's split stands."""
    return folder / f"{method}-{seed}.npz"


def save(folder: pathlib.Path, outcome: Outcome) -> None:
    """Writes an outcome; a crash leaves either all of it or nothing."""
    path = path_of(folder, outcome.row["method"], outcome.row["seed"])
    folder.mkdir(parents=True, exist_ok=True)
    arrays = {"counts": outcome.counts, "index": outcome.index}
    if outcome.right is not None:
        arrays["right"] = outcome.right
    temporary = path.with_suffix(".tmp")
    with temporary.open("wb") as file:
        np.savez(file, row=json.dumps(outcome.row), **arrays)
    temporary.replace(path)


def load(folder: pathlib.Path, method: str, seed: int) -> Outcome | None:
    """A stored outcome; None where there is none that can be read."""
    try:
        # NumPy leaves a damaged archive open, so the file is opened here.
        with path_of(folder, method, seed).open("rb") as raw, np.load(raw) as file:
            right = file["right"] if "right" in file.files else None
            return Outcome(json.loads(str(file["row"])), file["counts"], file["index"], right)
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None
