"""Names that commands had before, and what they are called now."""

import re
import runpy
import sys

MOVED = {
    "experiments.train_diffenc": "experiments.diffenc.train",
    "experiments.eval_diffenc": "experiments.diffenc.evaluate",
    "experiments.sample_diffenc": "experiments.diffenc.sample",
    "experiments.suite_diffenc": "experiments.diffenc.suite",
    "experiments.inspect_diffenc": "experiments.diffenc.inspect",
    "experiments.frechet_diffenc": "experiments.diffenc.frechet",
    "experiments.likelihood_diffenc": "experiments.diffenc.likelihood",
    "experiments.steps_diffenc": "experiments.diffenc.steps",
    "experiments.import_diffenc": "experiments.diffenc.import_published",
    "experiments.train_sbert": "experiments.sbert",
}
# A tuple as a value: older records hold what the program was given, without a shell's quotes.
_TUPLE = re.compile(r"(?<=[\w]=)\([^()]*\)")
_OLD = re.compile(rf"\b({'|'.join(map(re.escape, MOVED))})\b")


def run(old: str) -> None:
    """Says what `old` is called now, and runs that with this process's arguments."""
    new = MOVED[old]
    print(f"python -m {old} is now python -m {new}", file=sys.stderr)
    runpy.run_module(new, run_name="__main__", alter_sys=True)


def current(command: str) -> str:
    """A recorded command as one would type it today."""
    named = _OLD.sub(lambda match: MOVED[match.group(1)], command)
    return named if "'" in named else _TUPLE.sub(lambda match: f"'{match.group()}'", named)
