"""Every command of README and docs is one that its program accepts.

Oracle: the programs' own parsers and the classes of their configs; nothing is run beyond that.
Commands are those in blocks and between backticks that call `repgeo` or a module of `experiments`.
"""

import json
import os
import pathlib
import re
import shlex
import subprocess
import sys

import click
import pytest

from repgeo import cli

ROOT = pathlib.Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"`((?:python -m experiments|repgeo )[^`]*)`")
ENDS = {"&&", ";", "|", ">", "2>&1", "&", "nohup"}
LEFT_OUT = ("--config=experiments/configs/diffenc/cifar10.py:vdmv-8", "--workdir=DIR")
# Imports once; each command is then parsed as the entry point in a process of its own, up to where
# the entry point would begin: its config is read, as it would be first.
LAUNCH = """
import importlib, json, os, runpy, sys
from absl import flags
from experiments.commands import STUDIES
from experiments.runtime import cli

wanted = json.loads(sys.stdin.read())
for module in {module for module, *_ in wanted}:
    importlib.import_module(module)
for study in STUDIES.values():
    study.load()

def begin(main):
    if flags.FLAGS.is_parsed() and cli.has_config():  # a command of names alone has no flags
        name = module.removeprefix("experiments.")
        name = name if name in STUDIES else "diffenc.train"
        STUDIES[name].load().read(cli.config())
    return 0

cli.guarded = begin
said = []
for module, *arguments in wanted:
    reads, writes = os.pipe()
    child = os.fork()
    if not child:
        os.dup2(writes, 1)
        os.dup2(writes, 2)
        sys.argv, code = [module, *arguments], 0
        try:
            runpy.run_module(module, run_name="__main__", alter_sys=True)
        except SystemExit as exit:
            code = exit.code or 0
        except BaseException as error:
            code = repr(error)
        if isinstance(code, str):
            print(code)
        sys.stdout.flush(), sys.stderr.flush()
        os._exit(code if isinstance(code, int) else 1)  # taking a copy of all this down costs more
    os.close(writes)
    with os.fdopen(reads) as out:
        text = out.read()
    said.append([os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), text])
print(json.dumps(said))
"""


def lines_of(block: str) -> list[list[str]]:
    """The words of each line of shell; a quoted word may go over several."""
    found, held = [], ""
    for line in block.replace("\\\n", " ").splitlines(keepends=True):
        held += line
        try:
            found.append(shlex.split(held, comments=True))
        except ValueError:
            continue
        held = ""
    assert not held, f"a quotation is not closed: {held}"
    return found


def commands_in(words: list[str]) -> list[list[str]]:
    """The calls of our programs among the words of a line, also within a quoted word."""
    found: list[list[str]] = []
    for i, word in enumerate(words):
        if "experiments." in word and " " in word and "-m " in word:
            found += [c for line in lines_of(word.partition("=")[2]) for c in commands_in(line)]
        elif word == "repgeo" and not found and (i == 0 or words[i - 1] in ENDS):
            found.append(words[i:])
        elif word == "-m" and words[i + 1].partition(".")[0] == "experiments":
            found.append(words[i + 1 :])
    return [
        command[: next((i for i, w in enumerate(command) if w in ENDS), None)] for command in found
    ]


def written(page: pathlib.Path) -> list[tuple[str, ...]]:
    """All commands of a page: repgeo or a module, and its arguments."""
    text = page.read_text()
    shell = [block for language, block in BLOCK.findall(text) if language in ("", "sh", "bash")]
    blocks = [line for block in shell for line in lines_of(block)]
    inline = [shlex.split(one) for one in INLINE.findall(BLOCK.sub("", text))]
    found = [command for line in (*blocks, *inline) for command in commands_in(line)]
    return [complete(command) for command in found]


def complete(command: list[str]) -> tuple[str, ...]:
    """A command with words for what it leaves out, and without the brackets of what may be."""
    words = [word.strip("[]") for word in command]
    holes = ("…", "--config=…")
    return tuple(w for word in words for w in (LEFT_OUT if word in holes else (word,)))


# A module or verb that is named without arguments is not called.
EVERY = [
    (page, command)
    for page in PAGES
    for command in dict.fromkeys(written(page))
    if len(command) > (2 if command[0] == "repgeo" else 1)
]


def module_of(command: tuple[str, ...]) -> list[str] | None:
    """What `python -m` gets for the command; None for a verb of the console command itself."""
    if command[0] != "repgeo":
        return [*command]
    if command[1] == "studies" and len(command) > 2:
        return [f"experiments.{command[2]}", *command[3:]]
    return None


def test_commands_are_found_wherever_they_stand():
    assert commands_in(
        lines_of("ssh $N --command='cd x && nohup \\\n a -m experiments.b --c >d'")[0]
    ) == [["experiments.b", "--c", ">d"]]
    assert commands_in(lines_of("repgeo hubness F --labels=L   # why?\n")[0]) == [
        ["repgeo", "hubness", "F", "--labels=L"]
    ]
    assert lines_of("tar xf a") == [["tar", "xf", "a"]] and commands_in(["git", "repgeo"]) == []
    called = [" ".join(command) for _, command in EVERY]
    assert len(called) > 40
    for word in ("repgeo train", "repgeo audit", "diffenc.suite", "--multihost", "--topology"):
        assert any(word in command for command in called), word


@pytest.fixture(scope="module")
def parsed(tmp_path_factory) -> dict[tuple[str, ...], tuple[int, str]]:
    """(exit code, what is said) of every command that is a module, and of one that is wrong."""
    wrong = ("experiments.diffenc.evaluate", "--workdri=DIR")
    wanted = [c for c in dict.fromkeys([*(c for _, c in EVERY), wrong]) if module_of(c)]
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", LAUNCH],
        input=json.dumps([module_of(command) for command in wanted]),
        capture_output=True,
        text=True,
        cwd=tmp_path_factory.mktemp("elsewhere"),
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )
    assert done.returncode == 0, done.stderr
    return dict(zip(wanted, map(tuple, json.loads(done.stdout)), strict=True))


def test_a_wrong_option_is_noticed(parsed):
    code, said = parsed["experiments.diffenc.evaluate", "--workdri=DIR"]
    assert code == 2 and "workdri" in said


@pytest.mark.parametrize("page, command", EVERY, ids=lambda part: getattr(part, "stem", None))
def test_a_written_command_is_accepted_by_its_program(page, command, parsed):
    if module_of(command):
        code, said = parsed[command]
        assert code == 0, f"{page.name}: {' '.join(command)}\n{said}"
        return
    if command[1] == "VERB":  # stands for each of them
        assert command[2:] == ("--help",)
        return
    context = cli.main.make_context("repgeo", [*command[1:]])
    name, verb, arguments = cli.main.resolve_command(context, [*command[1:]])
    assert isinstance(verb, click.Command) and name
    verb.make_context(name, arguments, parent=context)
