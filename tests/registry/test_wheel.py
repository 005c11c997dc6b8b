"""The wheel in an environment of its own, outside the clone, beside folders of the same names.

Oracles: exit codes, what a verb says in one sentence, and the files that it leaves.
"""

import json
import pathlib
import re
import subprocess
import sys
from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image

from experiments.models import tiny

pytestmark = pytest.mark.registry
Call = Callable[..., subprocess.CompletedProcess[str]]


def checked(*words: object, cwd: pathlib.Path) -> subprocess.CompletedProcess[str]:
    done = subprocess.run([str(w) for w in words], cwd=cwd, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done


@pytest.fixture(scope="module")
def environment(root, tmp_path_factory) -> pathlib.Path:
    """bin/ of a fresh environment with the wheel, at the versions of requirements.lock."""
    folder = tmp_path_factory.mktemp("installed")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder / "dist"]
    checked(*build, cwd=root)
    (wheel,) = (folder / "dist").glob("*.whl")
    pins = re.findall(r"^[\w.-]+==[^ \\\n]+", (root / "requirements.lock").read_text(), re.M)
    (folder / "pins.txt").write_text("\n".join(pins))
    checked(sys.executable, "-m", "venv", folder / "venv", cwd=folder)
    binaries = folder / "venv" / "bin"
    pip = [binaries / "python", "-m", "pip", "install", "--quiet", "-c", folder / "pins.txt"]
    checked(*pip, f"{wheel}[tables,text]", cwd=folder)
    return binaries


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> pathlib.Path:
    """A user's project: folders called as ours are, and their own data."""
    folder, rng = tmp_path_factory.mktemp("project"), np.random.default_rng(0)
    for name in ("experiments", "similarity", "hubness"):
        (folder / name).mkdir()
        (folder / name / "__init__.py").write_text("raise RuntimeError('the wrong package')\n")
    x = rng.normal(size=(60, 8)).astype(np.float32)
    np.save(folder / "x.npy", x)
    np.save(folder / "scaled.npy", 3 * x)
    np.savetxt(folder / "moved.csv", x[:, ::-1] + 5, delimiter=",")
    np.savetxt(folder / "labels.txt", np.arange(60) % 3, "%d")
    for i, image in enumerate(rng.integers(0, 256, (40, 9, 12, 3)).astype(np.uint8)):
        path = folder / "pictures" / "ab"[i % 2] / f"{i}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(path)
    tiny.write_llama(folder / "tiny.gguf")
    (folder / "text.txt").write_text("the hen then hears the other hen. " * 20)
    return folder


@pytest.fixture(scope="module")
def call(environment, project) -> Call:
    """Runs the console command in the project."""
    return lambda *words: checked(environment / "repgeo", *words, cwd=project)


def test_a_library_is_ours_or_an_error_that_names_both(environment, project):
    python = environment / "python"
    done = checked(python, "-c", "import repgeo; print(repgeo.diffenc.__file__)", cwd=project)
    assert str(environment.parent) in done.stdout
    wrong = subprocess.run(
        [python, "-c", "import repgeo; repgeo.similarity"],
        cwd=project,
        capture_output=True,
        text=True,
    )
    last = wrong.stderr.strip().splitlines()[-1]
    assert last.startswith("ImportError") and str(project / "similarity") in last
    assert str(environment.parent) in last and "rename" in last


def test_hubness(call, project):
    done = call("hubness", "x.npy", "--labels=labels.txt", "--page=hubness.html")
    assert "hubness: Robin Hood" in done.stdout and "Leave-one-out error" in done.stdout
    assert (project / "hubness.html").read_text().startswith("<!doctype html>")


def test_compare(call):
    done = call("compare", "x.npy", "moved.csv", "--draws=20")
    assert done.stdout.startswith("`x` and `moved` are equal up to rotation, shift and scale")
    matrix = json.loads(call("compare", "x.npy", "moved.csv", "scaled.npy", "--json").stdout)
    assert np.allclose(matrix["matrices"]["cka"], 1, atol=1e-5)


def test_audit(call):
    assert "Of your 60 labels" in call("audit", "x.npy").stdout


def test_tokens(call):
    done = call("tokens", "tiny.gguf", "text.txt", "--contexts=30", "--length=6")
    assert "Next-token neighbours of tiny have skewness" in done.stdout


def test_train(call, project):
    done = call(
        *("train", "--data=pictures", "--model=diffenc:smoke", "--workdir=run", "--size=8"),
        *("--steps=4", "--num-samples=4"),
    )
    assert re.search(r"diffenc reaches \d+\.\d+ ± .* bits/dim on all 4 test examples", done.stdout)
    assert np.load(project / "run" / "samples.npz")["codes"].shape == (4, 8, 8, 3)
    page = (project / "run" / "report.html").read_text()
    assert "Samples" in page or "samples" in page


def test_studies(call, project):
    assert "label_cosine" in call("studies").stdout
    given = ("--config=label_cosine/paper.py:smoke", "--workdir=cosines")
    call("studies", "label_cosine", *given)
    assert (project / "cosines" / "report.html").exists()
