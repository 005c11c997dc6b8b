"""What the matrix of promises is made of: runs of toys, their numbers, and faults in between."""

import contextlib

import pytest

from experiments.runtime import files, study

TIMED = ("seconds", "slowdown")  # of a judgement: measured anew each time


class Killed(BaseException):
    """Stands for a process that ends without a chance to tidy up."""


def run(toy, folder, config=None, stop=None, figures=False, **request):
    """Runs a toy; without figures, which take longer than all the rest."""
    made = toy.study if figures else toy.study._replace(figures=lambda *a: {})
    request = study.Request(folder, **request)
    said = []
    record = study.run(
        made, toy.study.read(config or toy.config), request, stop=stop, say=said.append
    )
    return numbers(record), said


def numbers(value):
    """A record without what two equal runs do not share."""
    if isinstance(value, dict):
        left_out = {"environment", *TIMED}
        return {k: numbers(v) for k, v in value.items() if k not in left_out}
    return [numbers(v) for v in value] if isinstance(value, list) else value


def tree(folder):
    """Every file below a folder with its bytes."""
    return {p.relative_to(folder): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@contextlib.contextmanager
def watched(act):
    """Calls `act(kind, path, number)` before each effect; yields the effects that came."""
    seen = []

    def before(kind, path):
        seen.append((kind, path))
        act(kind, path, len(seen))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(files, "before", before)
        yield seen


def fault(after, act):
    """Calls `act()` before the effect number `after`."""
    return watched(lambda kind, path, number: act() if number == after else None)


def throw(error):
    def act():
        raise error

    return act


_undisturbed = {}


def whole(toy, tmp_path_factory):
    """The numbers of a run that nothing disturbs, and its folder."""
    name = toy.study.name, str(toy.config.keys())
    if name not in _undisturbed:
        folder = tmp_path_factory.mktemp("whole")
        _undisturbed[name] = (run(toy, folder)[0], folder)
    return _undisturbed[name]
