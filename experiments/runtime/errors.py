"""Errors meant for the person at the keyboard: printed as one message, without a traceback."""


class UserError(Exception):
    """Says what was given, what is accepted, and what to change. Ends a run with exit code 2."""


class CheckpointError(UserError):
    """No checkpoint of the run can be trusted."""


class NonFiniteError(UserError):
    """The loss or its gradient is NaN or infinite."""
