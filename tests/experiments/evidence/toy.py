"""A repository of two files and a record, whose history the tests write."""

import json
import os
import pathlib
import subprocess

from experiments.evidence.registry import Entry

STUDY = '''"""A study."""
import json, pathlib, sys

from library import numbers


def main(workdir: pathlib.Path, record: str | None) -> None:
    workdir.mkdir(parents=True, exist_ok=True)
    made = {"command": "python -m experiments.toy", "commit": commit()}
    found = {"value": numbers.value(), "environment": made}
    for place in filter(None, (workdir / "record.json", record)):
        pathlib.Path(place).parent.mkdir(parents=True, exist_ok=True)
        pathlib.Path(place).write_text(json.dumps(found))


def commit() -> str:
    import subprocess
    return subprocess.check_output(["git", "rev-parse", "--short=12", "HEAD"], text=True).strip()


given = dict(word[2:].split("=") for word in sys.argv[1:])
if "fails" in given:
    sys.exit("no luck today")
main(pathlib.Path(given["workdir"]), given.get("record"))
'''
LIBRARY = '''"""Numbers."""


def value() -> float:
    """A third."""
    return 1 / 3  # not exactly
'''
ENTRY = Entry(
    "toy/one",
    ("experiments.toy --workdir=$WORKDIR --record=$RECORD",),
    "no time",
    smoke=("experiments.toy --workdir=$WORKDIR",),
)
WHO = {
    f"GIT_{role}_{what}": "t@t" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")
}


class Repository:
    """A git repository at `root`."""

    def __init__(self, root: pathlib.Path):
        self.root = root
        self.git("init", "-q")
        (root / ".gitignore").write_text("work/\n__pycache__/\n")
        for package in ("experiments", "library"):
            self.write(f"{package}/__init__.py", "")
        self.write("experiments/toy.py", STUDY)
        self.write("library/numbers.py", LIBRARY)
        self.first = self.commit()

    def git(self, *words: str) -> str:
        return subprocess.run(
            ["git", "-C", str(self.root), *words],
            check=True,
            capture_output=True,
            text=True,
            env=os.environ | WHO | {"GIT_CONFIG_GLOBAL": os.devnull},
        ).stdout.strip()

    def write(self, path: str, text: str) -> None:
        (self.root / path).parent.mkdir(parents=True, exist_ok=True)
        (self.root / path).write_text(text)

    def commit(self) -> str:
        self.git("add", "-A")
        self.git("commit", "-q", "-m", "a step")
        return self.git("rev-parse", "--short=12", "HEAD")

    def change(self, old: str, new: str, path: str = "library/numbers.py") -> str:
        """Commits a change of a file."""
        text = (self.root / path).read_text()
        assert old in text
        self.write(path, text.replace(old, new))
        return self.commit()

    def record(self, commit: str | None, name: str = "toy/one", **more) -> None:
        """Writes the record that a run by `commit` would have left."""
        made = {"command": "python -m experiments.toy", "commit": commit}
        found = {"value": 1 / 3, "environment": made, **more}
        self.write(f"results/{name}.json", json.dumps(found))
