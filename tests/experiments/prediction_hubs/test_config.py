"""Oracles: what the docstrings promise of every config."""

import importlib.util
import pathlib

import pytest

from experiments.prediction_hubs.config import MISSING, PUBLISHED, SECOND_HAND, parse_corpora
from experiments.runtime.errors import UserError

FOLDER = pathlib.Path(__file__).parents[3] / "experiments" / "configs" / "prediction_hubs"


def get_config(path, arg=""):
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.get_config(arg)


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.py")), ids=lambda p: p.stem)
def test_every_expected_figure_says_where_it_is_from(path):
    config = get_config(path)
    assert config.expected
    for _, value, source in config.expected:
        assert source in (PUBLISHED, SECOND_HAND, MISSING)
        assert bool(value) == (source != MISSING)
    assert parse_corpora(config.corpora)
    assert get_config(path, "all:smoke").smoke


def test_corpora_are_names_and_numbers():
    assert parse_corpora("a:/x=y.csv=3,python=4") == {"a:/x=y.csv": 3, "python": 4}
    for word in ("python", "python=", "python=0", "=-3", "python=4,"):
        with pytest.raises(UserError, match="CORPUS=NUMBER"):
            parse_corpora(word)


def test_other_arguments_are_refused():
    with pytest.raises(UserError, match="Did you mean 'smoke'"):
        get_config(FOLDER / "smollm2.py", "all:smok")
