"""Errors meant for the person at the keyboard: printed as one message, without a traceback."""

import difflib
from collections.abc import Iterable


class UserError(Exception):
    """Says what was given, what is accepted, and what to change. Ends a run with exit code 2."""


class CheckpointError(UserError):
    """No checkpoint of the run can be trusted."""


class NonFiniteError(UserError):
    """The loss or its gradient is NaN or infinite."""


def nearest(name: str, accepted: Iterable[str], what: str) -> UserError:
    """An error that names `name`, the closest accepted name, and all of them."""
    accepted = sorted(accepted)
    close = difflib.get_close_matches(name, accepted, 1, cutoff=0.5)
    hint = f" Did you mean {close[0]!r}?" if close else ""
    return UserError(f"unknown {what} {name!r}.{hint} Accepted: {', '.join(accepted)}.")
