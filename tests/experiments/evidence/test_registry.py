"""What the registry says of the records. Oracle: the records themselves, and the repository."""

import json
import re
import shlex
import string

import pytest

from experiments import moved
from experiments.evidence import making, registry, runs, source, standing
from experiments.evidence.clone import Clone
from experiments.reporting.record import made_by
from experiments.runtime.errors import UserError

# Where and how a run was made, not what.
ASIDE = (
    "--jobs=",
    "--torch_python=",
    "--workdir=",
    "--record=",
    "--compile_cache=",
    "--allow_config_change=",
)
ASKED = {entry.name: entry for entry in registry.RECORDS}


def test_every_record_is_known_once(root):
    names = {
        path.relative_to(root / "results").with_suffix("").as_posix()
        for path in (root / "results").rglob("*.json")
    }
    assert names - {standing.VERIFIED} <= ASKED.keys() and len(ASKED) == len(registry.RECORDS)


def flags(command):
    words = shlex.split(moved.current(command))
    return [word for word in words if not word.startswith(ASIDE)]


@pytest.mark.parametrize("entry", registry.RECORDS, ids=lambda entry: entry.name)
def test_a_record_was_made_by_its_command(entry, root):
    path = standing.place(root, entry.name)
    if not path.exists():
        pytest.skip("not run yet")
    given = {name: known.default for name, known in registry.INPUTS.items()}
    own = {"WORKDIR": "WORKDIR", "RECORD": "R", "TORCH_PYTHON": "TORCH_PYTHON"}
    wanted = string.Template(f"python -m {entry.commands[-1]}").substitute(given | own)
    for part, made in made_by(json.loads(path.read_text())).items():
        # A command of several may name what one before it left in the folder of them all.
        folder = rf"{making.WORK}/\w+/{re.escape(entry.name)}"
        said = flags(re.sub(folder, "WORKDIR", made["command"]))
        # By PART or --cases PART; a benchmark may add the sizes that it took by default.
        after = said[3:5]  # the name of a part may have two words
        one_part = entry.module.startswith("benchmarks.") and part in (*after, " ".join(after))
        a_case = entry.module == "benchmarks.tpu_compile"  # whose command is the case's own
        assert one_part or a_case or sorted(said) == sorted(flags(wanted)), part


def test_modules_configs_and_variables_exist(root):
    tree = Clone(root).now()
    for entry in registry.RECORDS:
        for command in (*entry.commands, *entry.smoke):
            assert source.entry(command.split()[0], tree.paths), command
            configs = standing._CONFIG.findall(command)
            assert all((root / path).exists() for path in configs), command
            variables = set(runs._VARIABLE.findall(command))
            assert variables <= {*registry.INPUTS, "WORKDIR", "RECORD"}, command
        assert bool(entry.smoke) != entry.written, entry.name
        assert {*entry.unused} <= standing.code(entry.commands, tree).keys(), entry.name


def test_names_and_folders_of_records_are_accepted():
    assert [e.name for e in registry.named(["text"])] == ["text/minilm", "text/smollm2"]
    assert registry.named([]) == list(registry.RECORDS)
    with pytest.raises(UserError, match="unknown record 'diffenc/digit'. Did you mean 'diffenc/d"):
        registry.named(["diffenc/digit"])


def test_what_is_not_here_is_said_with_what_to_do(tmp_path, monkeypatch):
    monkeypatch.delenv("AG_NEWS", raising=False)
    entry = ASKED["hubness/ag_news_static"]._replace(packages=("no-such-package",))
    found = runs.missing(entry, tmp_path)
    assert found.keys() == {"AG_NEWS", "no-such-package"} and "set AG_NEWS=" in found["AG_NEWS"]
    monkeypatch.setenv("AG_NEWS", __file__)
    assert "AG_NEWS" not in runs.missing(entry, tmp_path)
