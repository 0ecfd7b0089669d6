"""Settings of the classifiers: frozen dataclasses, built from JSON with every key and type checked."""

from __future__ import annotations

import dataclasses
import types
from collections.abc import Mapping
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from classifiers.base import ClassifierError

T = TypeVar("T")


def from_json(kind: type[T], values: Mapping[str, Any], where: str = "settings", base: T | None = None) -> T:
    """Build the dataclass `kind` from JSON values; missing keys are those of `base`, or the defaults.

    Raises ClassifierError naming the key for an unknown key, a value of the wrong type or out of range.
    """
    if not isinstance(values, Mapping):
        raise ClassifierError(f"{where} is {type(values).__name__}, expected an object")
    hints = get_type_hints(kind)
    names = [f.name for f in dataclasses.fields(kind)]  # type: ignore[arg-type]
    unknown = sorted(set(map(str, values)) - set(names))
    if unknown:
        raise ClassifierError(f"{where} has no setting {unknown[0]!r}; it has {', '.join(names)}")
    defaults = {f.name: f.default_factory for f in dataclasses.fields(kind)}  # type: ignore[arg-type]
    checked: dict[str, Any] = {} if base is None else {name: getattr(base, name) for name in names}
    for name, value in values.items():
        made = defaults[name]
        inner = checked.get(name) or (made() if callable(made) else None)
        checked[name] = _checked(hints[name], value, f"{where}.{name}", inner)
    try:
        return kind(**checked)
    except ClassifierError as error:
        raise ClassifierError(f"{where}: {error}") from error


def to_json(settings: Any) -> dict[str, Any]:
    """The settings as JSON values, tuples as lists."""
    values: dict[str, Any] = dataclasses.asdict(settings)
    return {k: list(v) if isinstance(v, tuple) else v for k, v in values.items()}


def require(condition: bool, sentence: str) -> None:
    """ClassifierError with this sentence unless the condition holds; for `__post_init__`."""
    if not condition:
        raise ClassifierError(sentence)


def _checked(hint: Any, value: Any, where: str, base: Any = None) -> Any:
    origin = get_origin(hint)
    if dataclasses.is_dataclass(hint) and isinstance(hint, type):
        return value if isinstance(value, hint) else from_json(hint, value, where, base)
    if origin is Literal:
        if value not in get_args(hint):
            raise ClassifierError(
                f"{where} is {value!r}, expected one of {', '.join(map(str, get_args(hint)))}"
            )
        return value
    if origin in (Union, types.UnionType):
        if value is None and type(None) in get_args(hint):
            return None
        return _checked(next(a for a in get_args(hint) if a is not type(None)), value, where)
    if origin is tuple:
        if not isinstance(value, (list, tuple)):
            raise ClassifierError(f"{where} is {value!r}, expected a list")
        return tuple(_checked(get_args(hint)[0], v, where) for v in value)
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if not isinstance(value, hint) or (isinstance(value, bool) and hint is not bool):
        raise ClassifierError(f"{where} is {value!r}, expected {hint.__name__}")
    if isinstance(value, float) and value != value:
        raise ClassifierError(f"{where} is not a number")
    return value
