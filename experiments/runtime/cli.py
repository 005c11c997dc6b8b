"""The command line of every experiment: --config=FILE.py:ARG --workdir=DIR and overrides."""

import contextlib
import os
import pathlib
import re
import sys
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TextIO

import jax
from absl import app, flags, logging
from ml_collections import config_flags

from experiments.runtime import files, peers
from experiments.runtime.errors import UserError, nearest
from experiments.runtime.preemption import INTERRUPTED

# The configs that come with the package, and how they are called in the clone.
CONFIGS = pathlib.Path(__file__).parents[1] / "configs"
PREFIX = "experiments/configs/"
# Packages that come with an extra of the distribution.
EXTRAS = {
    "diffrax": "ode",
    "gguf": "text",
    "pyarrow": "tables",
    "sklearn": "sklearn",
    "tensorboardX": "track",
    "tensorflow_datasets": "data",
    "tokenizers": "text",
    "wandb": "track",
}
SHARED = ("config", "workdir", "allow_config_change", "track", "compile_cache")

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

    "" is `default`, and "smoke" its smoke form.

    Raises:
      UserError: for an unknown model or a word other than "smoke".
    """
    model, *words = (":smoke" if arg == "smoke" else arg).split(":")
    if words not in ([], ["smoke"]):
        raise nearest(":".join(words), ["smoke"], "config word")
    model = model or default
    if model not in models:
        raise nearest(model, models, "model")
    return model, bool(words)


def config() -> dict[str, Any]:
    """The config as given by --config and its overrides; a study reads it."""
    return flags.FLAGS.config.to_dict()


def config_name() -> str:
    """The value of --config: FILE.py, or FILE.py:ARG."""
    return config_flags.get_config_filename(flags.FLAGS["config"])


def has_config() -> bool:
    """Whether --config is given."""
    return flags.FLAGS.config is not None


def workdir(*, writes: bool = True) -> pathlib.Path:
    """The folder of the run, to be written unless not `writes`.

    Raises `UserError` where --workdir is missing, or cannot be that folder.
    """
    if not _WORKDIR.value:
        raise UserError("--workdir=DIR is missing: the folder that holds the run")
    path = pathlib.Path(_WORKDIR.value)
    return path if path.is_dir() and not writes else files.folder(_WORKDIR.value)


def has_workdir() -> bool:
    """Whether --workdir is given."""
    return bool(_WORKDIR.value)


def allowed_changes() -> list[str]:
    """The keys that --allow_config_change names."""
    return list(_ALLOW.value)


def trackers() -> list[str]:
    """The names that --track gives."""
    return list(_TRACK.value)


def run(
    main: Callable[..., int | None],
    *,
    options: Mapping[str, tuple[type, str]] | None = None,
    needs_config: bool = True,
    accepts_config: bool = True,
) -> None:
    """Parses the flags, calls `main(**options)` and exits with its code, or 2 for a `UserError`.

    Without `accepts_config` the command reads the config of the run in --workdir, and a --config is
    refused. `options` maps the entry point's own flags to (int, float, str or bool, help); those
    not given reach `main` as None, or False.
    """
    options = options or {}
    makers = {
        int: flags.DEFINE_integer,
        float: flags.DEFINE_float,
        str: flags.DEFINE_string,
        bool: flags.DEFINE_bool,
    }
    holders = {
        name: makers[kind](name, False if kind is bool else None, text)
        for name, (kind, text) in options.items()
    }

    def checked(argv: list[str]) -> int:
        if len(argv) > 1:
            return _fail(f"unexpected argument {argv[1]!r}; options start with --")
        if needs_config and not has_config():
            return _fail("--config=FILE.py:ARG is missing; --help explains")
        logging.set_verbosity(logging.WARNING)
        if _CACHE.value:
            jax.config.update("jax_compilation_cache_dir", os.path.abspath(_CACHE.value))
            jax.config.update("jax_persistent_cache_min_compile_time_secs", 1.0)
        return guarded(lambda: main(**{name: held.value for name, held in holders.items()}))

    keep_output_from_stopping_runs()
    try:
        shared = SHARED if accepts_config else ("workdir", "compile_cache")
        parse = lambda argv: _parse(argv, [*options, *shared], accepts_config)
        app.run(checked, flags_parser=parse)
    except UserError as error:
        sys.exit(_fail(str(error)))


_NO_MEMORY = (
    "out of memory; what was finished is kept. Smaller batches, or fewer or narrower rows, may fit"
)


def guarded(main: Callable[[], int | None]) -> int:
    """The exit code of `main()`: 2 for what the user can mend, said in one sentence on stderr."""
    try:
        return main() or 0
    except UserError as error:
        return _fail(str(error))
    except OSError as error:
        return _fail(files.reason(error))
    except MemoryError as error:
        return _fail(f"{_NO_MEMORY} ({error or 'of this machine'})")
    except jax.errors.JaxRuntimeError as error:
        first = str(error).splitlines()[0]
        if first.startswith("RESOURCE_EXHAUSTED"):
            return _fail(f"{_NO_MEMORY} ({first})")
        peers.wait_for_verdict()
        raise
    except ModuleNotFoundError as error:
        extra = EXTRAS.get((error.name or "").partition(".")[0])
        if extra is None:
            raise
        return _fail(f"this needs {error.name}: pip install 'repgeo[{extra}]'")
    except KeyboardInterrupt:
        print("interrupted; nothing that was finished is lost", file=sys.stderr)
        return INTERRUPTED


class _Unbreakable:
    """A text stream that goes on without its reader: what cannot be written is dropped."""

    def __init__(self, stream: TextIO):
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        try:
            self._stream.write(text)
        except (OSError, ValueError):
            self._drop()
        return len(text)

    def flush(self) -> None:
        try:
            self._stream.flush()
        except (OSError, ValueError):
            self._drop()

    def _drop(self) -> None:
        # What is left in the buffer would be tried again, and fail, when Python ends.
        with contextlib.suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), self._stream.fileno())


def keep_output_from_stopping_runs() -> None:
    """Makes a closed pipe, terminal or descriptor of the output harmless."""
    for number in (0, 1, 2):  # a closed one would be given to the next file that is opened
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is not None and not isinstance(stream, _Unbreakable):
            setattr(sys, name, _Unbreakable(stream))


def _parse(argv: list[str], names: list[str], accepts_config: bool) -> list[str]:
    if not accepts_config and any(re.match(r"--?(no)?config\b", a) for a in argv[1:]):
        raise UserError("this command has no --config: it reads that of the run in --workdir")
    wants_help = [a for a in argv[1:] if a in ("--help", "-h", "--helpshort", "--helpfull")]
    rest = [a for a in argv if a not in wants_help]
    try:
        parsed = flags.FLAGS(with_own_configs(rest))
    except (AttributeError, KeyError) as error:
        raise _unknown_key(str(error)) from error
    except (flags.Error, TypeError, ValueError) as error:
        raise UserError(str(error)) from error
    if wants_help:
        print(sys.modules["__main__"].__doc__)
        for name in names:
            print(f"  --{name}\n      {flags.FLAGS[name].help}")
        if has_config():
            print(f"\nKeys of this config, each --config.KEY=VALUE:\n{flags.FLAGS.config}")
        sys.exit(0)
    return parsed


def _unknown_key(message: str) -> UserError:
    """What ml_collections says of an override whose key the config has not, in a sentence."""
    found = re.search(r"'(\w+)\\?'(?:.*Did you mean \"(\w+)\")?", message, re.DOTALL)
    if not found:
        return UserError(message)
    key, near = found.groups()
    hint = f' Did you mean "{near}"?' if near else ""
    return UserError(f"--config has no key {key!r}.{hint} --help beside --config lists its keys.")


def with_own_configs(argv: list[str]) -> list[str]:
    """`argv` with `config_file` of what --config=FILE.py:ARG, or --config FILE.py:ARG, names."""
    found = list(argv)
    for i, argument in enumerate(argv[1:], 1):
        name, equals, value = argument.partition("=")
        if name in ("-config", "--config") and equals:
            found[i] = f"{name}={config_file(value)}"
        elif argv[i - 1] in ("-config", "--config") and argument[:1] != "-":
            found[i] = config_file(argument)
    return found


def config_file(value: str) -> str:
    """FILE.py:ARG, its file in the package's own configs where there is none of that name here.

    Raises:
      UserError: there is no such file in either place.
    """
    name, _, arg = value.partition(".py")
    path = pathlib.Path(f"{name}.py")
    if path.exists():
        return value
    own = CONFIGS / f"{name.removeprefix(PREFIX)}.py"
    if own.exists():
        return f"{own}{arg}"
    folder = next((p for p in (path.parent, own.parent) if p.is_dir() and p != CONFIGS), None)
    names = [p.name for p in folder.glob("*.py") if p.name[0] != "_"] if folder else []
    if not names:
        ours = sorted(f"{PREFIX}{p.name}" for p in CONFIGS.iterdir() if p.name[0] != "_")
        raise UserError(
            f"--config: there is no {path}, nor another config in its folder; folders of ours are "
            f"{', '.join(ours)}"
        )
    raise nearest(path.name, names, f"config in {folder}")


def _fail(message: str) -> int:
    print(f"error: {message}", file=sys.stderr)
    return 2
