"""Configs as frozen dataclasses: read from plain mappings, and in the form that flags change."""

import dataclasses
import types
from collections.abc import Mapping
from typing import (
    TYPE_CHECKING,
    Annotated,
    Any,
    Literal,
    TypeVar,
    Union,
    get_args,
    get_origin,
    get_type_hints,
)

from ml_collections import ConfigDict
from ml_collections.config_dict import placeholder

from experiments.runtime.errors import UserError, nearest
from experiments.runtime.ranges import Words

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Config = TypeVar("Config", bound="DataclassInstance")


def read(kind: type[Config], given: Mapping[str, Any], where: str = "") -> Config:
    """The config of class `kind` with the values of `given`; a key it lacks has its default.

    Args:
      where: what messages say before a key.

    Raises:
      UserError: a key is unknown or missing, or a value is of another type or out of the range
        that its field states.
    """
    hints = get_type_hints(kind, include_extras=True)
    for name in given.keys() - hints.keys():
        raise nearest(where + name, [where + known for known in hints], "key")
    for field in dataclasses.fields(kind):
        required = field.default is field.default_factory is dataclasses.MISSING
        if required and field.name not in given:
            raise UserError(f"{where}{field.name} is missing from the config")
    return kind(**{n: _value(hints[n], value, where + n) for n, value in given.items()})


def _value(kind: Any, value: Any, where: str, accepted: object = None) -> Any:
    """`value` as a field of this kind holds it: JSON has no tuples, and writes 1 for 1.0."""
    origin, members = get_origin(kind), get_args(kind)
    if origin is Annotated:
        base, stated = members
        value = _value(base, value, where, stated)
        if value not in stated:
            raise stated.refusal(where, value)
        return value
    if origin in (Union, types.UnionType):
        return _value(_member(members, value, where), value, where)
    if isinstance(value, Mapping) and isinstance(kind, type) and dataclasses.is_dataclass(kind):
        return read(kind, value, f"{where}.")
    if origin is tuple and isinstance(value, list | tuple):
        kinds = members[:1] * len(value) if members[-1] is ... else members
        if len(kinds) == len(value):
            each = enumerate(zip(kinds, value, strict=True))
            return tuple(_value(k, v, f"{where}[{i}]") for i, (k, v) in each)
    elif origin is Literal:
        if value in members and type(value) in map(type, members):
            return value
        raise Words(tuple(map(str, members))).refusal(where, value)
    elif kind is float and type(value) is int:
        return float(value)
    elif origin is None and isinstance(value, kind) and (kind is bool or type(value) is not bool):
        return value
    raise UserError(f"{where}={value!r}; accepted is {accepted or _name(kind)}")


def _member(members: tuple[Any, ...], value: Any, where: str) -> Any:
    """The member of a union that a value is meant for: of dataclasses, the one of its `name`."""
    if value is None and types.NoneType in members:
        return types.NoneType
    some = [kind for kind in members if kind is not types.NoneType]
    if isinstance(value, Mapping) and len(some) > 1:
        named = {kind.name: kind for kind in some}
        if value.get("name") not in named:
            raise nearest(str(value.get("name")), named, f"{where}.name")
        return named[value["name"]]
    return some[0]


def _name(kind: Any) -> str:
    return str(kind) if get_origin(kind) else getattr(kind, "__name__", str(kind))


def as_flags(config: "DataclassInstance") -> ConfigDict:
    """A config as an entry point holds it, whose every key --config.KEY=VALUE may change."""
    hints = get_type_hints(type(config))

    def entry(name: str) -> Any:
        value = getattr(config, name)
        if dataclasses.is_dataclass(value) and not isinstance(value, type):
            return as_flags(value)
        if value is None:  # the type of what may be given in its place
            kind = next(k for k in get_args(hints[name]) if k is not types.NoneType)
            origin = get_origin(kind) or kind
            return placeholder(type(get_args(kind)[0]) if origin is Literal else origin)
        return value

    return ConfigDict({f.name: entry(f.name) for f in dataclasses.fields(config)}).lock()


def plain(config: "DataclassInstance") -> dict[str, Any]:
    """A config as a nested mapping: what config.json holds."""
    return dataclasses.asdict(config)
