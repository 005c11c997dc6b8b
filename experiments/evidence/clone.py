"""A clone of the repository: the Python files of a commit, and those that lie there now."""

import contextlib
import pathlib
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from experiments.runtime.errors import UserError
from experiments.runtime.manifest import CHANGED


class Snapshot(NamedTuple):
    """The Python files of a commit, or those that lie in the folder.

    Attributes:
      blobs: {path: git's name of its content}, "" for a file as it lies there.
    """

    clone: "Clone"
    blobs: Mapping[str, str]

    @property
    def paths(self) -> Mapping[str, str]:
        return self.blobs

    def read(self, path: str) -> str:
        """The text of a file."""
        blob = self.blobs[path]
        return self.clone.content(blob) if blob else (self.clone.root / path).read_text()


class Clone:
    """A working copy at `root`, as git knows it."""

    def __init__(self, root: pathlib.Path):
        self.root = root
        self._contents: dict[str, str] = {}

    def git(self, *words: str) -> str:
        """What a git command prints.

        Raises:
          UserError: git is missing, or refuses.
        """
        try:
            command = ["git", "-C", str(self.root), *words]
            return subprocess.run(command, capture_output=True, text=True, check=True).stdout
        except FileNotFoundError as error:
            raise UserError(
                "records are compared with the code by git, which is missing"
            ) from error
        except subprocess.CalledProcessError as error:
            raise UserError(f"git {words[0]} in {self.root}: {error.stderr.strip()}") from error

    def changed(self) -> list[str]:
        """Files of the code that differ from the commit."""
        return [line[3:] for line in self.git(*CHANGED).splitlines()]

    def holds(self, commit: str) -> bool:
        """Whether a commit is in this clone: in a shallow one, few are."""
        try:
            self.git("cat-file", "-e", f"{commit}^{{commit}}")
        except UserError:
            return False
        return True

    def content(self, blob: str) -> str:
        """The text that git keeps under a name."""
        if blob not in self._contents:
            self._contents[blob] = self.git("cat-file", "blob", blob)
        return self._contents[blob]

    def at(self, commit: str) -> Snapshot:
        """The files of a commit."""
        lines = self.git("ls-tree", "-r", "--full-tree", commit).splitlines()
        entries = (line.partition("\t") for line in lines if line.endswith(".py"))
        return Snapshot(self, {path: facts.split()[2] for facts, _, path in entries})

    def now(self) -> Snapshot:
        """The files as they lie there, committed or not."""
        listed = self.git("ls-files", "--cached", "--others", "--exclude-standard", "*.py")
        found = [path for path in listed.splitlines() if (self.root / path).exists()]
        return Snapshot(self, dict.fromkeys(found, ""))

    @contextlib.contextmanager
    def checked_out(self, commit: str) -> Iterator[pathlib.Path]:
        """A folder with the files of a commit, which is removed at the end."""
        with tempfile.TemporaryDirectory() as folder:
            tree = pathlib.Path(folder) / "tree"
            self.git("worktree", "add", "--detach", str(tree), commit)
            try:
                yield tree
            finally:
                self.git("worktree", "remove", "--force", str(tree))
