"""Configs as dataclasses. Oracles: the config itself after a round trip; what messages say."""

import dataclasses
import importlib
import pathlib
from typing import Literal

import pytest

from experiments.commands import STUDIES
from experiments.runtime.errors import UserError
from experiments.runtime.files import plain as as_json
from experiments.runtime.settings import as_flags, plain, read

CONFIGS = pathlib.Path(__file__).parents[3] / "experiments" / "configs"
FILES = sorted(str(p.relative_to(CONFIGS).with_suffix("")) for p in CONFIGS.glob("*/[!_]*.py"))
STUDY_OF = {"diffenc": "diffenc.train"}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Near:
    name: Literal["near"] = "near"
    radius: float = 1.0


@dataclasses.dataclass(frozen=True, kw_only=True)
class Far:
    name: Literal["far"] = "far"
    steps: int = 3


@dataclasses.dataclass(frozen=True, kw_only=True)
class Toy:
    place: Near | Far
    sizes: tuple[int, ...] = (1, 2)
    pairs: tuple[tuple[int, str], ...] = ()
    depth: int | None = None
    on: bool = False


@pytest.mark.parametrize("name", FILES)
def test_a_bare_smoke_is_the_default_models_smoke_form(name):
    module = importlib.import_module(f"experiments.configs.{name.replace('/', '.')}")
    study = name.split("/")[0]
    kind = STUDIES[STUDY_OF.get(study) or study].load().settings
    whole, smoke = (module.get_config(arg).to_dict() for arg in ("", "smoke"))
    assert whole != smoke and module.get_config(":smoke").to_dict() == smoke
    for given in (whole, smoke):
        assert plain(read(kind, as_json(given))) == given  # as config.json has it, and back


def test_what_a_config_lacks_has_its_default_and_flags_change_every_key():
    config = read(Toy, {"place": {"name": "far"}, "sizes": [4], "pairs": [[1, "a"]]})
    assert config == Toy(place=Far(), sizes=(4,), pairs=((1, "a"),))
    flags = as_flags(config)
    flags.update_from_flattened_dict({"depth": 5, "place.steps": 7})
    assert read(Toy, flags.to_dict()) == dataclasses.replace(config, depth=5, place=Far(steps=7))


@pytest.mark.parametrize(
    "given, message",
    [
        ({}, "place is missing from the config"),
        ({"place": {"name": "nea"}}, "unknown place.name 'nea'. Did you mean 'near'"),
        ({"place": {"name": "far", "radius": 1}}, "unknown key 'place.radius'"),
        ({"place": {"radius": 1}}, "unknown place.name 'None'"),
        ({"place": {"name": "near", "radius": "1"}}, "place.radius='1'; accepted is float"),
        ({"place": {"name": "near"}, "on": 1}, "on=1; accepted is bool"),
        ({"place": {"name": "near"}, "depth": True}, "depth=True; accepted is int"),
        ({"place": {"name": "near"}, "sizes": [1, 2.5]}, r"sizes\[1\]=2.5; accepted is int"),
        ({"place": {"name": "near"}, "pairs": [[1]]}, r"pairs\[0\]=\[1\]; accepted is tuple"),
    ],
)
def test_wrong_keys_and_types_are_one_clear_error(given, message):
    with pytest.raises(UserError, match=message):
        read(Toy, given)
