"""From plain data to checked models: what is wrong is one line with the key, the value and the nearest valid form."""

import difflib
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, get_args

from pydantic import ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

_UNKNOWN = ("extra_forbidden", "unexpected_keyword_argument")
_USERINFO = re.compile(r"//\S*@")
_SECRET = re.compile(r"pass|secret|token", re.IGNORECASE)
_PLAIN = {
    "dataclass_type": "must be a table",
    "model_type": "must be a table",
    "dict_type": "must be a table",
    "tuple_type": "must be a list",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "string_type": "must be text",
}
"""What pydantic's errors of type say, in the words of TOML."""


def read_toml(file: Path) -> str:
    """A person's TOML file as editors save it, with a byte order mark or without. Raises ValueError, which says what to do,
    for a file that is not UTF-8."""
    data = file.read_bytes()
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ValueError(f"{file}, line {line} is not UTF-8 text; save it as UTF-8") from None


def sentence(error: ValidationError, kind: type, document: object) -> str:
    """What is wrong first in `document`, which was to become a `kind`, as `key: reason`; unknown keys first.

    Values of keys that may be secret are not shown, nor is the user part of URLs.
    """
    found = sorted(error.errors(include_url=False), key=lambda e: e["type"] not in _UNKNOWN)
    more = f", and {len(found) - 1} more" if len(found) > 1 else ""
    return _said(found[0], kind, document) + more


def _said(first: ErrorDetails, kind: type, document: object) -> str:
    loc = _named(first["loc"], document)
    key = ".".join(loc)
    if first["type"] in _UNKNOWN:
        return f"{key!r} is not a setting{nearest(loc[-1], list(fields_at(kind, loc[:-1])))}"
    field = fields_at(kind, loc[:-1]).get(loc[-1]) if loc else None
    form = f", such as {field.examples[0]}" if field is not None and field.examples else ""
    if first["type"] == "missing":
        return f"{key} is missing; give it{form}"
    reason = first["msg"].removeprefix("Value error, ").replace("Input should", "must")
    reason = _PLAIN.get(first["type"], reason)
    if first["type"] == "literal_error" and field is not None and isinstance(first["input"], str):
        reason += nearest(first["input"], [a for a in get_args(field.annotation) if isinstance(a, str)], "")
    where = f"{key}: " if key else ""
    hidden = any(_SECRET.search(part) for part in loc)
    return f"{where}{reason}{form if reason.startswith('must') else ''}{'' if hidden else _given(first['input'])}"


def nearest(word: str, known: Sequence[str], otherwise: str | None = None) -> str:
    """`; did you mean …?` with the known word that is closest, else all of them (or `otherwise`)."""
    close = difflib.get_close_matches(word, known, n=1, cutoff=0.5)
    if close:
        return f"; did you mean {close[0]!r}?"
    return f"; there are: {', '.join(known)}" if otherwise is None else otherwise


def fields_at(kind: Any, loc: Sequence[str]) -> Mapping[str, FieldInfo]:
    """The fields of the table at `loc` beneath a model or dataclass of pydantic; a list is looked through."""
    for part in loc:
        field = getattr(kind, "__pydantic_fields__", {}).get(part)
        inner = field.annotation if field is not None else kind
        kind = next((a for a in get_args(inner) if hasattr(a, "__pydantic_fields__")), inner)
    fields: Mapping[str, FieldInfo] = getattr(kind, "__pydantic_fields__", {})
    return {name: field for name, field in fields.items() if not field.exclude}


def _named(loc: Sequence[str | int], document: object) -> list[str]:
    """The place by its keys in the document, where tables have names that models may hold as a list."""
    names: list[str] = []
    for part in loc:
        if isinstance(document, Mapping) and isinstance(part, int):
            part = list(document)[part]
        inside = isinstance(document, Mapping) or (isinstance(document, list) and isinstance(part, int))
        try:
            document = document[part] if inside else None  # type: ignore[index]
        except (KeyError, IndexError):
            document = None
        names.append(str(part + 1 if isinstance(part, int) else part))
    return names


def _given(value: object) -> str:
    if not isinstance(value, str | int | float | list):
        return ""
    shown = _USERINFO.sub("//…@", repr(value))
    return f" (given: {shown if len(shown) <= 100 else shown[:99] + '…'})"
