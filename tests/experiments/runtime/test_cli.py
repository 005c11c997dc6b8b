"""Entry points as a user meets them. Oracle: exit codes and what the one line says."""

import json
import os
import subprocess
import sys
import tomllib
import types

import jax
import pytest

from experiments.runtime import cli, files
from experiments.runtime.cli import split_arg
from experiments.runtime.errors import UserError, nearest
from experiments.runtime.files import write_json
from experiments.runtime.manifest import check_config, config_changes

DIGITS = "--config=experiments/configs/diffenc/digits.py"


WRONG = {
    "model": ([f"{DIGITS}:difenc", "--workdir=x"], "Did you mean 'diffenc'"),
    "file": (["--config=experiments/configs/diffenc/digit.py:vdmv"], "Did you mean 'digits.py'"),
    "key": (
        [f"{DIGITS}:vdmv", "--config.train.learning_rte=1"],
        "--config has no key 'learning_rte'. Did you mean \"learning_rate\"?",
    ),
    "workdir": ([f"{DIGITS}:vdmv"], "--workdir=DIR is missing"),
    "folder": ([f"{DIGITS}:vdmv", "--workdir=file.txt"], "file.txt is a file; give the folder"),
    "sharding": (
        [f"{DIGITS}:vdmv:smoke", "--workdir=untaken", "--config.train.sharding=fdsp"],
        "accepted is replicated or fsdp",
    ),
    "cluster": ([f"{DIGITS}:vdmv", "--workdir=x", "--num_processes=2"], "belong together"),
}
# Imports once; each case then runs as the entry point in a process of its own.
LAUNCH = """
import json, os, runpy, sys
import experiments.diffenc.train
codes = {}
for name, arguments in json.loads(sys.argv[1]).items():
    child = os.fork()
    if not child:
        os.dup2(os.open(name + ".out", os.O_CREAT | os.O_WRONLY), 1)
        os.dup2(os.open(name + ".err", os.O_CREAT | os.O_WRONLY), 2)
        sys.argv = ["train_diffenc", *arguments]
        runpy.run_module("experiments.diffenc.train", run_name="__main__", alter_sys=True)
    codes[name] = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
print(json.dumps(codes))
"""


@pytest.fixture(scope="module")
def launched(root, tmp_path_factory):
    """(exit codes, folder of outputs) of each case of `WRONG`, and of --help."""
    folder = tmp_path_factory.mktemp("launched")  # outside the clone: configs are the package's
    (folder / "file.txt").touch()
    cases = {name: arguments for name, (arguments, _) in WRONG.items()}
    cases["help"] = ["--help", f"{DIGITS}:vdmv"]
    done = subprocess.run(
        [sys.executable, "-c", LAUNCH, json.dumps(cases)],
        capture_output=True,
        text=True,
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(root)},
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout), folder


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_word_fails_at_once_and_names_the_right_one(launched, name):
    codes, folder = launched
    said = (folder / f"{name}.err").read_text()
    assert codes[name] == 2, said
    assert WRONG[name][1] in said and "Traceback" not in said


def test_a_refused_value_leaves_the_folder_to_the_next_try(launched):
    assert launched[0]["sharding"] == 2 and not (launched[1] / "untaken").exists()


def test_help_explains_the_entry_point_and_lists_the_config(launched):
    codes, folder = launched
    said = (folder / "help.out").read_text()
    assert codes["help"] == 0
    for text in ("the same command again resumes", "--workdir", "--multihost", "learning_rate"):
        assert text in said


@pytest.mark.parametrize(
    "arg, want",
    [
        ("", ("b", False)),
        ("a", ("a", False)),
        ("a:smoke", ("a", True)),
        (":smoke", ("b", True)),
        ("smoke", ("b", True)),
    ],
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
    write_json(tmp_path / "config.json", {"a": {"b": 1, "c": (1, 2)}})
    assert check_config(tmp_path, {"a": {"b": 1, "c": [1, 2]}}) == {}
    changed = {"a": {"b": 2, "c": [1, 2]}}
    with pytest.raises(UserError, match=r"a\.b: 1 -> 2"):
        check_config(tmp_path, changed)
    with pytest.raises(UserError, match="Use another --workdir$"):  # no such option there
        check_config(tmp_path, changed, allowed=None)
    with pytest.raises(UserError, match=r"unknown key.*'a\.bb'. Did you mean 'a\.b'"):
        check_config(tmp_path, changed, allowed=["a.bb"])
    assert check_config(tmp_path, changed, allowed=["a.b"]) == {"a.b": (1, 2)}
    with pytest.raises(UserError, match="a.b cannot change from 1 to 2 .*: it is fixed"):
        check_config(tmp_path, changed, allowed=["a.b"], fixed={"a": "it is fixed"})
    assert config_changes({"x": {"y": 1}}, {"z": 2}) == {"x.y": (1, None), "z": (None, 2)}


@pytest.mark.parametrize(
    "error", [MemoryError("3 TiB"), jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: 3 TiB\nat …")]
)
def test_too_little_memory_is_said_in_a_sentence(error, capsys):
    def runs():
        raise error

    assert cli.guarded(runs) == 2
    said = capsys.readouterr().err
    assert "out of memory; what was finished is kept" in said and said.endswith("3 TiB)\n")


def test_a_reader_of_runs_has_no_config_and_may_find_its_folder_read_only(tmp_path, monkeypatch):
    with pytest.raises(UserError, match="has no --config: it reads that of the run"):
        cli._parse(["evaluate", "--config=nowhere.py"], [], accepts_config=False)
    monkeypatch.setattr(cli, "_WORKDIR", types.SimpleNamespace(value=str(tmp_path)))
    monkeypatch.setattr(files.os, "access", lambda *_: False)
    assert cli.workdir(writes=False) == tmp_path
    with pytest.raises(UserError, match="nothing can be written"):
        cli.workdir()


def test_a_config_is_the_file_here_or_else_the_package_s(tmp_path, monkeypatch, root):
    monkeypatch.chdir(tmp_path)
    ours = root / "experiments/configs/diffenc/digits.py"
    for given in ("experiments/configs/diffenc/digits.py", "diffenc/digits.py"):
        assert cli.config_file(f"{given}:vdmv:smoke") == f"{ours}:vdmv:smoke"
    words = ["train", "--config", "diffenc/digits.py", "--config=diffenc/digits.py", "--workdir=w"]
    want = ["train", "--config", str(ours), f"--config={ours}", "--workdir=w"]
    assert cli.with_own_configs(words) == want
    (tmp_path / "diffenc").mkdir()
    (tmp_path / "diffenc" / "digits.py").touch()
    assert cli.config_file("diffenc/digits.py:vdmv") == "diffenc/digits.py:vdmv"
    with pytest.raises(UserError, match="Did you mean 'swirl.py'"):
        cli.config_file("experiments/configs/diffenc/swirls.py:vdmv")
    with pytest.raises(UserError, match="no nowhere/swirl.py, .* folders of ours are exp"):
        cli.config_file("nowhere/swirl.py:vdmv")
    with pytest.raises(UserError, match="no swirls.py, .* experiments/configs/diffenc"):
        cli.config_file("swirls.py:vdmv")  # in a folder that has none


def test_a_package_that_an_extra_brings_is_named_with_it(capsys):
    def main() -> int:
        raise ModuleNotFoundError("No module named 'tokenizers'", name="tokenizers")

    assert cli.guarded(main) == 2
    assert "needs tokenizers: pip install 'repgeo[text]'" in capsys.readouterr().err

    def other() -> int:
        raise ModuleNotFoundError("No module named 'experiment'", name="experiment")

    with pytest.raises(ModuleNotFoundError):
        cli.guarded(other)


def test_every_extra_that_is_named_exists(root):
    project = tomllib.loads((root / "pyproject.toml").read_text())["project"]
    assert set(cli.EXTRAS.values()) <= set(project["optional-dependencies"])
