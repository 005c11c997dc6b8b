"""Entry points as a user meets them. Oracle: exit codes and what the one line says."""

import subprocess
import sys

import pytest

from experiments.runtime.cli import split_arg
from experiments.runtime.errors import UserError, nearest
from experiments.runtime.manifest import claim_workdir, config_changes

DIGITS = "--config=experiments/configs/diffenc/digits.py"


def launch(*arguments, module="experiments.train_diffenc"):
    command = [sys.executable, "-m", module, *arguments]
    return subprocess.run(command, capture_output=True, text=True)


@pytest.mark.parametrize(
    "arguments, message",
    [
        ([f"{DIGITS}:difenc", "--workdir=x"], "Did you mean 'diffenc'"),
        (["--config=experiments/configs/diffenc/digit.py:vdmv"], "Did you mean 'digits.py'"),
        ([f"{DIGITS}:vdmv", "--config.train.learning_rte=1"], 'Did you mean "learning_rate"'),
        ([f"{DIGITS}:vdmv"], "--workdir=DIR is missing"),
    ],
)
def test_a_wrong_word_fails_at_once_and_names_the_right_one(arguments, message):
    done = launch(*arguments)
    assert done.returncode == 2, done.stderr
    assert message in done.stderr and "Traceback" not in done.stderr


def test_help_explains_the_entry_point_and_lists_the_config():
    done = launch("--help", f"{DIGITS}:vdmv")
    assert done.returncode == 0
    for text in ("the same command again resumes", "--workdir", "--then_evaluate", "learning_rate"):
        assert text in done.stdout


@pytest.mark.parametrize(
    "arg, want",
    [("", ("b", False)), ("a", ("a", False)), ("a:smoke", ("a", True)), (":smoke", ("b", True))],
)
def test_config_arguments_are_a_model_and_perhaps_smoke(arg, want):
    assert split_arg(arg, models=("a", "b"), default="b") == want


@pytest.mark.parametrize("arg, guess", [("ab", "b"), ("b:smok", "smoke"), ("b:smoke:x", "smoke")])
def test_other_config_arguments_are_one_clear_error(arg, guess):
    with pytest.raises(UserError, match=f"Did you mean '{guess}'"):
        split_arg(arg, models=("b", "other"), default="b")


def test_nearest_lists_all_and_guesses_only_when_close():
    assert "Did you mean" not in str(nearest("zzz", ["digits", "swirl"], "data set"))
    assert "digits, swirl" in str(nearest("zzz", ["swirl", "digits"], "data set"))


def test_a_workdir_belongs_to_one_config_unless_told_otherwise(tmp_path):
    claim_workdir(tmp_path, {"a": {"b": 1, "c": (1, 2)}})
    claim_workdir(tmp_path, {"a": {"b": 1, "c": [1, 2]}})
    with pytest.raises(UserError, match=r"a\.b: 1 -> 2"):
        claim_workdir(tmp_path, {"a": {"b": 2, "c": [1, 2]}})
    claim_workdir(tmp_path, {"a": {"b": 2, "c": [1, 2]}}, allowed=["a.b"])
    assert config_changes({"x": {"y": 1}}, {"z": 2}) == {"x.y": (1, None), "z": (None, 2)}
