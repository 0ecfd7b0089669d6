"""Paths as a profile writes them.

A path is a list of steps. A step is a text, `["^"] predicate ["?" | "*" | "+"]`, with alternatives as `a|b`, or a
table: a condition on the node that is reached.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

from pyoxigraph import NamedNode

from enrich.ontology.checked import nearest
from enrich.ontology.paths import Condition, Path, Step
from enrich.ontology.terms import CRM, RDF, SKOS, OntologyError, named_node

REPEATS = ("?", "*", "+")
_FORM = (
    '"crm:P45_consists_of", "^crm:P108_has_produced", "skos:broader*" or "schema:material|schema:artMedium"'
)
_KINDS = {"class": RDF.type, "type": CRM.P2_has_type, "scheme": SKOS.inScheme}
CONDITIONS = (*_KINDS, "language", "pattern", "where", "not")
_PREFIXED = re.compile(r"[A-Za-z_][\w.-]*:[^\s/]")


def iri_of(value: object, prefixes: Mapping[str, str]) -> NamedNode:
    """A prefixed name, or an IRI in full (in angle brackets or bare). Raises ValueError for anything else."""
    if isinstance(value, NamedNode):
        return value
    if not isinstance(value, str):
        raise ValueError("must be an IRI or a prefixed name")
    try:
        return _iri_of(value, prefixes)
    except OntologyError as error:
        raise ValueError(str(error)) from error


def _iri_of(value: str, prefixes: Mapping[str, str]) -> NamedNode:
    if value.startswith("<") and value.endswith(">"):
        return named_node(value[1:-1])
    if value.startswith("^"):
        raise ValueError("is one IRI: a step that goes backwards, with ^, stands in a path")
    prefix, colon, local = value.partition(":")
    if colon and prefix in prefixes:
        if local.endswith(REPEATS) or "|" in local:
            raise ValueError("is one IRI: *, +, ? and | stand in a path")
        return named_node(prefixes[prefix] + local)
    if "://" in value:
        return named_node(value)
    hint = nearest(prefix, list(prefixes), "") if colon else ""
    raise ValueError(f"{value!r} has no known prefix{hint}; declare it under [prefixes]")


def path_of(value: object, prefixes: Mapping[str, str]) -> Path:
    """A path as a profile writes it. Raises ValueError."""
    if not isinstance(value, list | tuple):
        raise ValueError("must be a list of steps")
    return tuple(
        condition_of(part, prefixes) if isinstance(part, Mapping | Condition) else step_of(part, prefixes)
        for part in value
    )


def step_of(value: object, prefixes: Mapping[str, str]) -> Step:
    """A step as a profile writes it. Raises ValueError."""
    if isinstance(value, Step):
        return value
    if isinstance(value, NamedNode):
        return Step(value)
    if not isinstance(value, str):
        raise ValueError(f"must be a step such as {_FORM}, or a table with a condition")
    if _grouped(value):
        raise ValueError(f"{value!r} has brackets: a step is one predicate or several, such as {_FORM}")
    first, *others = (_way(part.strip(), prefixes) for part in re.split(r"\|(?![^<]*>)", value))
    return replace(first, others=tuple(others))


def _grouped(value: str) -> bool:
    """Whether a text has brackets around steps, as SPARQL has them; within an IRI or a name they may stand."""
    bare = re.sub(r"<[^>]*>", "", value)
    if bare.lstrip("^ ").startswith("("):
        return True
    begins = re.search(r"[|/^]\s*\(", bare) is not None
    return "://" not in bare and (begins or bare.count("(") != bare.count(")"))


def _way(text: str, prefixes: Mapping[str, str]) -> Step:
    body = text.removeprefix("^")
    repeat = body[-1] if body.endswith(REPEATS) else ""
    body = body.removesuffix(repeat)
    if not body or body.startswith("^") or body.endswith(REPEATS):
        raise ValueError(f"{text!r} is no step: write one such as {_FORM}")
    parts = [body] if "://" in body or body.startswith("<") else body.split("/")
    if sum(bool(_PREFIXED.match(part)) and part.partition(":")[0] in prefixes for part in parts) > 1:
        told = ", ".join(f'"{part}"' for part in parts)
        raise ValueError(f"{text!r} is several steps: write them apart, [{told}]")
    return Step(iri_of(body, prefixes), text.startswith("^"), repeat)


def condition_of(value: object, prefixes: Mapping[str, str]) -> Condition:
    """A condition on a node as a profile writes it. Raises ValueError."""
    if isinstance(value, Condition):
        return value
    if not isinstance(value, Mapping) or not value:
        raise ValueError('must be a condition such as { class = "crm:E52_Time-Span" }')
    for key in value:
        if key not in CONDITIONS:
            raise ValueError(f"{key!r} is no condition{nearest(str(key), CONDITIONS)}")
    facts: list[tuple[Step, tuple[NamedNode | str, ...]]] = [
        (Step(_KINDS[k]), _iris(value[k], prefixes)) for k in _KINDS if k in value
    ]
    where = value.get("where", {})
    if not isinstance(where, Mapping):
        raise ValueError('where must be a table such as { "schema:unitCode" = "CMT" }')
    facts += [(step_of(key, prefixes), values_of(given, prefixes)) for key, given in where.items()]
    excluded = condition_of(value["not"], prefixes) if "not" in value else None
    if excluded and (excluded.languages or excluded.pattern or excluded.excluded):
        raise ValueError("not takes class, type, scheme and where")
    return Condition(
        tuple(facts), _texts(value.get("language", ())), _regex(value.get("pattern", "")), excluded
    )


def values_of(value: object, prefixes: Mapping[str, str]) -> tuple[NamedNode | str, ...]:
    """The IRIs or texts of which a node must have one; `true` is any. Raises ValueError."""
    if value is True:
        return ()
    given = value if isinstance(value, list | tuple) else (value,)
    if not given or any(
        isinstance(v, bool) or not isinstance(v, str | int | float | NamedNode) for v in given
    ):
        raise ValueError("must be a value, a list of values, or true for any")
    return tuple(_value(one, prefixes) for one in given)


def _value(value: object, prefixes: Mapping[str, str]) -> NamedNode | str:
    if isinstance(value, NamedNode):
        return value
    text = str(value)
    named = _PREFIXED.match(text) and " " not in text
    return iri_of(text, prefixes) if named or text.startswith("<") else text


def _iris(value: object, prefixes: Mapping[str, str]) -> tuple[NamedNode, ...]:
    given: Sequence[object] = value if isinstance(value, list | tuple) else (value,)
    if not given:
        raise ValueError("must be an IRI, or a list of them")
    return tuple(iri_of(one, prefixes) for one in given)


def _texts(value: object) -> tuple[str, ...]:
    given = value if isinstance(value, list | tuple) else (value,)
    if not all(isinstance(one, str) for one in given):
        raise ValueError('language must be a tag such as "en", or a list of them; "" is none')
    return tuple(given)


def _regex(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError(f"pattern must be a regular expression, not {value!r}")
    try:
        re.compile(value)
    except re.error as error:
        raise ValueError(f"pattern is no regular expression: {error}") from error
    return value
