"""Values that are kept as JSON: frozen pydantic models, read with every key, type and range checked."""

import json
import math
from collections.abc import Mapping
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from enrich.classifiers.errors import ClassifierError


class Stored(BaseModel):
    """Read by `read`, written by `to_json`. The text below a key is its description."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, allow_inf_nan=False, use_attribute_docstrings=True
    )

    @classmethod
    def read(cls, values: Any, where: str = "settings") -> Self:
        """From JSON values by name. Raises ClassifierError, which names the first wrong key."""
        try:
            return cls.model_validate_json(json.dumps(cls.completed(values), default=_dumped))
        except ValidationError as error:
            raise ClassifierError(_sentence(cls, error, where)) from error

    @classmethod
    def completed(cls, values: Any) -> Any:
        """The values before they are checked, with what an older or shorter form of them leaves out."""
        return values

    def to_json(self) -> dict[str, Any]:
        """JSON values that `read` reads back."""
        return self.model_dump(mode="json")


def json_values(value: Any) -> Any:
    """The same with mappings and lists alone, NumPy's numbers as Python's, and null for what is not finite."""
    if isinstance(value, Mapping):
        return {str(k): json_values(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [json_values(v) for v in value]
    if hasattr(value, "item") and not hasattr(value, "__len__"):
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _dumped(value: Any) -> Any:
    if isinstance(value, Stored):
        return value.to_json()
    raise ClassifierError(f"{value!r} is of no kind that JSON has")


def _sentence(kind: type[BaseModel], error: ValidationError, where: str) -> str:
    """The first thing that is wrong, in one line."""
    first = error.errors(include_url=False)[0]
    keys = [str(part) for part in first["loc"]]
    if first["type"] == "extra_forbidden":
        known = ", ".join(_at(kind, keys[:-1]).model_fields) or "none"
        return f"{'.'.join([where, *keys[:-1]])} has no setting {keys[-1]!r}; there are: {known}"
    given = repr(first["input"])[:80]
    shown = f" (given: {given})" if isinstance(first["input"], str | int | float) else ""
    return f"{'.'.join([where, *keys])}: {first['msg'].removeprefix('Value error, ')}{shown}"


def _at(kind: type[BaseModel], keys: list[str]) -> type[BaseModel]:
    for key in keys:
        inner = kind.model_fields[key].annotation if key in kind.model_fields else None
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            kind = inner
    return kind
