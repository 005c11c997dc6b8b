"""The console command. Oracles: the studies called as functions, and what a user reads."""

import json
import sys

import numpy as np
import pytest
from click.testing import CliRunner

from repgeo import cli


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Files as a user has them: 40 rows of 4 numbers, a rotated copy, and labels."""
    path = tmp_path_factory.mktemp("files")
    rng = np.random.default_rng(0)
    x = rng.normal(size=(40, 4)).astype(np.float32)
    np.save(path / "x.npy", x)
    np.save(path / "rotated.npy", x[:, [1, 0, 3, 2]] + 5)
    np.savetxt(path / "labels.txt", np.arange(40) % 2, "%d")
    return path


def call(*words: object, code: int = 0):
    """What a call prints to stdout and stderr."""
    done = CliRunner().invoke(cli.main, [str(word) for word in words])
    assert done.exit_code == code, (done.output, done.exception)
    return done


def test_help_names_every_verb_and_completion():
    said = call("--help").output
    for verb in ("audit", "compare", "hubness", "studies", "tokens", "train"):
        assert f"  {verb} " in said
    assert "_REPGEO_COMPLETE=bash_source" in said


def test_a_listed_name_of_two_words_is_a_module_and_its_option(monkeypatch):
    ran = []
    monkeypatch.setattr(cli.runpy, "run_module", lambda name, **_: ran.append((name, sys.argv[1:])))
    monkeypatch.setattr(sys, "argv", ["repgeo"])
    call("studies", "hubness --embeddings", "x.npy", "--workdir=run")
    assert ran == [("experiments.hubness", ["--embeddings", "x.npy", "--workdir=run"])]


def test_studies_are_those_of_python_m_experiments():
    from experiments.commands import COMMANDS

    said = call("studies").output
    assert all(command.name in said and command.line in said for command in COMMANDS)
    assert "Did you mean 'hubness'" in call("studies", "hubnes", code=2).stderr


def test_a_copy_in_other_coordinates_is_told_in_a_sentence(folder):
    """Rows moved, columns exchanged: equal up to rotation, whatever the other measures say."""
    done = call("compare", folder / "x.npy", folder / "rotated.npy", "--draws=0")
    assert done.stdout.startswith("`x` and `rotated` are equal up to rotation, shift and scale")
    # What comes first is quick, and the answer has no colours where there is no terminal.
    assert done.stderr.startswith("cka_debiased ...") and "\x1b" not in done.stdout


def test_an_audit_is_the_library_s_and_leaves_its_page_alone(folder, tmp_path):
    from experiments.label_cosine.audit import summarise

    page = tmp_path / "page.html"
    record = json.loads(call("audit", folder / "x.npy", "--json", f"--page={page}").stdout)
    rows = np.load(folder / "x.npy")
    assert record["audit"] == summarise(rows, np.zeros(len(rows), np.float32))
    assert record["study"] == "audit" and record["environment"]["command"].endswith("--workdir=DIR")
    assert page.read_text().startswith("<!doctype html>") and [*tmp_path.iterdir()] == [page]


@pytest.mark.parametrize(
    "words, message",
    [
        (["hubness", "{}/none.npy"], "there is no file"),
        (["hubness", "{}/x.npy", "--metric=l3"], "--metric=l3"),
        (["compare", "{}/x.npy"], "two models or more"),
        (["tokens", "{}/none", "{}/labels.txt"], "unknown model"),
        (["tokens", "smollm2", "{}/none.txt"], "there is no text"),
        (["audit", "{}/labels.npz"], "there is no file"),
        (["audit", "{}/x.npy", "--max-labels=0"], "--max-labels=0; accepted is an integer ≥ 3"),
        (["audit", "{}/x.npy", "--max-labels=-1"], "--max-labels=-1; accepted is"),
        (["audit", "{}/x.npy", "--page={}/x.npy"], "x.npy is no .html file; give a name that"),
        (["audit", "{}/x.npy", "--page={}"], "is a folder; give a .html file"),
        (
            ["hubness", "{}/x.npy", "--max-queries=0"],
            "--max-queries=0; accepted is an integer ≥ 22",
        ),
    ],
)
def test_what_cannot_be_is_one_sentence(folder, words, message):
    done = call(*(word.replace("{}", str(folder)) for word in words), code=2)
    assert message in done.stderr and len(done.stderr.strip().splitlines()) == 1
    assert np.load(folder / "x.npy").shape == (40, 4)  # nothing is written over
