"""Settings of what learns."""

from collections.abc import Mapping
from typing import Annotated, Any, Self

from pydantic import Field

from enrich.classifiers.stored import Stored

Count = Annotated[int, Field(ge=1)]
Share = Annotated[float, Field(ge=0, lt=1)]
Positive = Annotated[float, Field(gt=0)]
Gamma = Annotated[float, Field(ge=0, le=10)]


class ClassifierSettings(Stored):
    """Settings of a classifier, of a fuser, or of a part of one."""

    @classmethod
    def completed(cls, values: Any) -> Any:
        """A table that is given in part keeps the rest of this field's own default."""
        if not isinstance(values, Mapping):
            return values
        read = dict(values)
        for name, field in cls.model_fields.items():
            default, given = field.default, read.get(name)
            if isinstance(default, ClassifierSettings) and isinstance(given, Mapping):
                read[name] = merged(default.to_json(), default.completed(given))
        return read

    def replace(self, **changes: Any) -> Self:
        """The same settings with some changed and all checked again. Raises ClassifierError."""
        return self.read({name: getattr(self, name) for name in type(self).model_fields} | changes)


class NoSettings(ClassifierSettings):
    """It takes none."""


def merged(first: Mapping[str, Any], second: Mapping[str, Any]) -> dict[str, Any]:
    """Two tables in one, tables within them as well; the second one wins."""
    result = dict(first)
    for key, value in second.items():
        both = isinstance(value, Mapping) and isinstance(result.get(key), Mapping)
        result[key] = merged(result[key], value) if both else value
    return result
