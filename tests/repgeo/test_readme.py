"""The commands of README's first screen say what stands below them."""

import re
import shlex

import pytest
from click.testing import CliRunner

from experiments.hubness import advice
from repgeo import cli

NUMBER = r"\d+(?:\.\d+)?"


@pytest.fixture(scope="module")
def screen(root) -> tuple[list[list[str]], list[str]]:
    """The words of each command, and the verdicts."""
    text = (root / "README.md").read_text()
    (block,) = re.findall(r"^```sh\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    (said,) = re.findall(r"^```text\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    code, rest = re.fullmatch(r'(python -c ".*?"\n)(.*)', block, re.DOTALL).groups()
    commands = [shlex.split(line) for line in (code, *rest.splitlines())]
    return commands, [" ".join(part.split()) for part in said.split("\n\n")]


def test_the_first_commands_say_what_the_readme_shows(screen, tmp_path, monkeypatch):
    (make, *commands), verdicts = screen
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(advice, "TIMED", 0.0)
    monkeypatch.setattr(advice, "TRIED", ("none", "csls"))  # the verdict is of the space as given
    exec(make[2], {})
    for (program, *words), shown in zip(commands, verdicts, strict=True):
        done = CliRunner().invoke(cli.main, words)
        assert program == "repgeo" and done.exit_code == 0, done.output
        said = next(part for part in done.stdout.split("\n\n") if part[:4] == shown[:4])
        assert re.sub(NUMBER, "", said).split() == re.sub(NUMBER, "", shown).split()
        numbers = ([float(n) for n in re.findall(NUMBER, text)] for text in (said, shown))
        assert next(numbers) == pytest.approx(next(numbers), rel=0.01, abs=0.003)
