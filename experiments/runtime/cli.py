"""The command line of every experiment: --config=FILE.py:ARG --workdir=DIR and overrides."""

import contextlib
import logging
import os
import pathlib
import sys
from collections.abc import Callable, Iterable

import jax
from absl import app, flags
from ml_collections import ConfigDict, config_flags

from experiments.runtime.errors import UserError, nearest

_WORKDIR = flags.DEFINE_string(
    "workdir", None, "Folder of the run. The same folder again resumes it."
)
_ALLOW = flags.DEFINE_list(
    "allow_config_change", [], "Config keys that may differ from those of the run being resumed."
)
_TRACK = flags.DEFINE_list("track", [], "Also send metrics to: tensorboard, wandb (extra `track`).")
_CACHE = flags.DEFINE_string(
    "compile_cache", None, "Folder for compiled programs, reused by later runs."
)
config_flags.DEFINE_config_file(
    "config", None, "Config file and its argument, FILE.py:ARG; --config.key=value overrides."
)


def split_arg(arg: str, *, models: Iterable[str], default: str) -> tuple[str, bool]:
    """Reads a config argument "<model>" or "<model>:smoke" as (model, smoke).

    Raises:
      UserError: for an unknown model or a word other than "smoke".
    """
    model, *words = (arg or default).split(":")
    smoke = words == ["smoke"]
    if words and not smoke:
        raise nearest(":".join(words), ["smoke"], "config word")
    if model == "smoke":
        model, smoke = default, True
    if model not in models:
        raise nearest(model, models, "model")
    return model, smoke


def config() -> ConfigDict:
    """The config as given by --config and its overrides."""
    return flags.FLAGS.config


def workdir() -> pathlib.Path:
    """The folder of the run. Raises `UserError` where --workdir is missing."""
    if not _WORKDIR.value:
        raise UserError("--workdir=DIR is missing: the folder that holds the run")
    return pathlib.Path(_WORKDIR.value)


def allowed_changes() -> list[str]:
    """The keys that --allow_config_change names."""
    return list(_ALLOW.value)


def trackers() -> list[str]:
    """The names that --track gives."""
    return list(_TRACK.value)


def run(main: Callable[[], int | None], *, needs_config: bool = True) -> None:
    """Parses the flags, calls `main()`, and exits with its code; a `UserError` exits with 2."""
    for flag in ("workdir", "config", "allow_config_change", "track", "compile_cache"):
        flags.declare_key_flag(flag)

    def guarded(argv: list[str]) -> int:
        if len(argv) > 1:
            return _fail(f"unexpected argument {argv[1]!r}; options start with --")
        logging.getLogger("absl").setLevel(logging.WARNING)
        if needs_config and flags.FLAGS.config is None:
            return _fail("--config=FILE.py:ARG is missing; --help explains")
        if _CACHE.value:
            jax.config.update("jax_compilation_cache_dir", os.path.abspath(_CACHE.value))
            jax.config.update("jax_persistent_cache_min_compile_time_secs", 1.0)
        try:
            return main() or 0
        except UserError as error:
            return _fail(str(error))

    with _parsing_errors():
        app.run(guarded, flags_parser=_parse)


def _parse(argv: list[str]) -> list[str]:
    for argument in argv[1:]:
        if argument.lstrip("-").startswith("config="):
            _check_config_file(argument.split("=", 1)[1])
    try:
        return flags.FLAGS(argv)
    except (flags.Error, AttributeError, KeyError, TypeError, ValueError) as error:
        raise UserError(str(error).strip('"')) from error


def _check_config_file(value: str) -> None:
    path = pathlib.Path(value.split(".py", 1)[0] + ".py")
    if path.exists():
        return
    folder = path.parent
    if not folder.is_dir():
        raise UserError(f"--config: there is no folder {folder}; run from the project's root")
    names = [p.name for p in folder.glob("*.py") if not p.name.startswith("_")]
    raise nearest(path.name, names, f"config in {folder}")


@contextlib.contextmanager
def _parsing_errors():
    try:
        yield
    except UserError as error:
        sys.exit(_fail(str(error)))


def _fail(message: str) -> int:
    print(f"error: {message}", file=sys.stderr)
    return 2
