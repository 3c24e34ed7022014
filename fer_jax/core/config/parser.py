"""From an ml_collections ConfigDict, or the JSON of a workdir, to a typed config, and back. Nothing else reads one."""

import dataclasses
import difflib
import json
import types
import typing
from collections.abc import Mapping
from typing import Any, Literal, TypeAlias, TypeVar, Union

from ml_collections import ConfigDict, config_dict

from fer_jax.core.errors import UsageError

Fields: TypeAlias = Mapping[str, Any] | ConfigDict  # what a config is made from
_T = TypeVar("_T")
_NOUNS = {bool: "True or False", int: "a whole number", float: "a number", str: "text"}


def parse(kind: type[_T], fields: Fields, where: str = "config") -> _T:
    """Makes a typed config.

    Args:
      kind: a dataclass, such as `fer_jax.systems.tdgan.config.Config`.
      fields: its fields; those that are missing have their defaults.
      where: the name of `fields` in error messages.

    Raises:
      UsageError: an unknown field (the nearest known one is named), a wrong type, or a value outside of its choices.
    """
    given = dict(fields.to_dict() if isinstance(fields, ConfigDict) else fields)
    known = {field.name: field for field in dataclasses.fields(kind)}  # type: ignore[arg-type]
    for name in given:
        if name not in known:
            near = difflib.get_close_matches(name, known, 1, 0.5) or _by_meaning(name, known)
            hint = f"did you mean {near[0]}?" if near else f"it has {', '.join(known)}"
            raise UsageError(f"{where}.{name}: there is no such field; {hint}")
    hints = typing.get_type_hints(kind)
    values = {name: _value(hints[name], value, f"{where}.{name}") for name, value in given.items()}
    for name, field in known.items():
        missing = field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
        if missing and name not in values:
            raise UsageError(f"{where}.{name}: missing")
    return kind(**values)


def _by_meaning(name: str, known: Mapping[str, Any]) -> list[str]:
    """Fields whose names are initials of the name's words: learning_rate -> lr."""
    return [field for field in known if field == "".join(word[0] for word in name.split("_") if word)]


def _value(hint: Any, value: Any, where: str) -> Any:
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if hint is Any:
        return value
    if origin in (Union, types.UnionType):
        if value is None and type(None) in arguments:
            return None
        (inner,) = [argument for argument in arguments if argument is not type(None)]
        return _value(inner, value, where)
    if origin is Literal:
        if not any(value == choice and type(value) is type(choice) for choice in arguments):
            raise UsageError(f"{where}: {value!r} is not one of {', '.join(map(str, arguments))}")
        return value
    if dataclasses.is_dataclass(hint):
        if not isinstance(value, Mapping):
            raise UsageError(f"{where}: {value!r} is no group of fields")
        return parse(typing.cast(type, hint), value, where)
    if origin is tuple:
        if not isinstance(value, list | tuple):
            raise UsageError(f"{where}: {value!r} is no list")
        return tuple(_value(arguments[0], item, f"{where}[{i}]") for i, item in enumerate(value))
    if origin is not None and issubclass(origin, Mapping):
        if not isinstance(value, Mapping):
            raise UsageError(f"{where}: {value!r} is no group of fields")
        return {str(name): _value(arguments[1], item, f"{where}.{name}") for name, item in value.items()}
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if not isinstance(value, hint) or (isinstance(value, bool) and hint is not bool):
        raise UsageError(f"{where}: {value!r} is not {_NOUNS.get(hint, hint.__name__)}")
    return value


def to_config_dict(config: Any) -> ConfigDict:
    """A typed config as a ConfigDict, whose fields flags and config files may change; None takes its field's type."""
    found = ConfigDict()
    hints = typing.get_type_hints(type(config))
    for field in dataclasses.fields(config):
        found[field.name] = _field(hints[field.name], getattr(config, field.name))
    return found


def _field(hint: Any, value: Any) -> Any:
    if typing.get_origin(hint) in (Union, types.UnionType):
        (inner,) = [argument for argument in typing.get_args(hint) if argument is not type(None)]
        reference = config_dict.placeholder(_storage(inner))
        if value is not None:
            reference.set(_field(inner, value))
        return reference
    if dataclasses.is_dataclass(value):
        return to_config_dict(value)
    if isinstance(value, Mapping):
        plain = (to_config_dict(item) if dataclasses.is_dataclass(item) else item for item in value.values())
        return ConfigDict(dict(zip(value, plain, strict=True)))
    return value


def _storage(hint: Any) -> type:
    """The type of the values that a field holds."""
    origin = typing.get_origin(hint)
    if origin is Literal:
        return type(typing.get_args(hint)[0])
    if origin is tuple:
        return tuple
    return dict if origin is not None else hint


def as_plain(config: Any) -> dict[str, Any]:
    """A typed config as JSON has it."""
    return json.loads(json.dumps(dataclasses.asdict(config)))


def changed(config: _T, fields: Mapping[str, Any]) -> _T:
    """A config with other values of some fields, whose names have dots between their parts.

    Raises:
      UsageError: as `parse` does.
    """
    plain: Any = as_plain(config)
    for name, value in fields.items():
        *parents, last = name.split(".")
        node: Any = plain
        for i, parent in enumerate(parents):
            node = node.get(parent) if isinstance(node, dict) else None
            if not isinstance(node, dict):
                raise UsageError(f"config.{'.'.join(parents[: i + 1])}: there is no such group of fields")
        node[last] = value
    return parse(type(config), plain)
