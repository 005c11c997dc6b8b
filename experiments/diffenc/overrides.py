"""The configs of a suite's runs: of each model, with what the command overrides and its seed."""

import functools
import pathlib
import re
import runpy
from collections.abc import Sequence
from typing import Protocol

from absl import flags

from experiments.diffenc.train import STUDY
from experiments.runtime import cli, manifest, settings
from experiments.runtime.errors import UserError


class Job(Protocol):
    """One run of a suite."""

    @property
    def model(self) -> str: ...
    @property
    def seed(self) -> int: ...
    @property
    def workdir(self) -> pathlib.Path: ...


def check_runs(config_file: str, overrides: Sequence[str], jobs: Sequence[Job]) -> None:
    """Checks that every run can be begun, or resumed, as the command has it.

    Raises:
      UserError: for a model that is unknown or given twice, for a value that no run accepts, for
        a folder that holds a run of another config, and for a seed, which would be that of all.
    """
    models = [job.model for job in jobs if job.seed == jobs[0].seed]
    if twice := sorted({model for model in models if models.count(model) > 1}):
        raise UserError(f"--models names {', '.join(twice)} more than once; give each once")
    given = flags.FLAGS.config.to_dict()
    keys = {re.sub(r"--(no)?config\.|=.*", "", o, flags=re.DOTALL) for o in overrides}
    if "seed" in keys:
        raise UserError(
            "--config.seed would be the seed of all runs of a suite; give the first of theirs as "
            f"--first_seed={given['seed']}"
        )
    changed = {key: functools.reduce(dict.__getitem__, key.split("."), given) for key in keys}
    for job in jobs:
        config = runpy.run_path(config_file)["get_config"](job.model)
        config.update_from_flattened_dict(changed | {"seed": job.seed})
        read = STUDY.read(config.to_dict())
        read.check()
        manifest.check_config(job.workdir, settings.plain(read), cli.allowed_changes(), STUDY.fixed)


def config_overrides(arguments: Sequence[str]) -> list[str]:
    """The overrides of the config among the arguments, as --config.KEY=VALUE each.

    One dash or two, and the value after "=" or as the next argument, as the flags are read.
    """
    found, rest = [], list(arguments)
    while rest:
        argument = rest.pop(0)
        match = re.fullmatch(r"--?((?:no)?config\.[^=]+)(=.*)?", argument, re.DOTALL)
        if match is None:
            continue
        name, value = match.groups()
        if value is None and rest and not rest[0].startswith("-"):
            value = f"={rest.pop(0)}"
        found.append(f"--{name}{value or ''}")
    return found


def asked(words: Sequence[str]) -> list[str]:
    """The config file and what is overridden in it."""
    pairs = zip(words, [*words[1:], ""], strict=True)
    files = [f"--config={after}" for word, after in pairs if word == "--config"]
    return [w for w in words if w.startswith("--config=")] + files + config_overrides(words)
