"""Programs traced and compiled apart from those of other tests.

`jax.clear_caches()` would do as well, but takes seconds, and every later test compiles again what
it would have found.
"""

import itertools
from collections.abc import Hashable

import jax

_context = jax.make_user_context(None)
_numbers = itertools.count()


def apart(name: Hashable = None):
    """Within it programs are traced anew; those of an equal `name` are shared."""
    return _context(next(_numbers) if name is None else name)
