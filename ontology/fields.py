"""The kinds of value that a key of a profile may have: checked, and said to pydantic."""

import re
from collections.abc import Mapping
from typing import Annotated

from pydantic import AfterValidator, Field, PlainValidator, ValidationInfo
from pyoxigraph import Literal, NamedNode

from enrich.ontology.kinds import CONCEPT, DATE
from enrich.ontology.literals import class_text, keep_pattern
from enrich.ontology.path_grammar import iri_of, path_of, step_of, values_of
from enrich.ontology.paths import Path, Step, steps
from enrich.ontology.spans import Span, span_of_years, spans
from enrich.ontology.terms import PREFIXES, OntologyError, Term, named_node


def _prefixes(info: ValidationInfo) -> Mapping[str, str]:
    return PREFIXES | ((info.context or {}).get("prefixes") or {})


def _iri(value: object, info: ValidationInfo) -> NamedNode:
    return iri_of(value, _prefixes(info))


def _iris(value: object, info: ValidationInfo) -> tuple[NamedNode, ...]:
    """One IRI, or a list of them."""
    return tuple(_iri(one, info) for one in (value if isinstance(value, list | tuple) else [value]))


def _values(value: object, info: ValidationInfo) -> tuple[NamedNode | str, ...]:
    return values_of(value, _prefixes(info))


def _path(value: object, info: ValidationInfo) -> Path:
    return path_of(value, _prefixes(info))


def _step(value: object, info: ValidationInfo) -> Step:
    return step_of(value, _prefixes(info))


def _predicate(value: object, info: ValidationInfo) -> Step:
    step = _step(value, info)
    if step.optional:
        raise ValueError("must lead on to the object: ? and * may stand in node and value")
    return step


def _some_path(value: object, info: ValidationInfo) -> Path:
    path = _path(value, info) if value else ()
    if not steps(path):
        raise ValueError("must be a path of at least one step")
    return path


def _node(value: object, info: ValidationInfo) -> Path:
    return _some_path(value, info) if value else _path(value, info)


def _paths(value: object, info: ValidationInfo) -> tuple[Path, ...]:
    if not isinstance(value, list | tuple) or not all(isinstance(v, list | tuple) and v for v in value):
        raise ValueError("must be a list of paths")
    return tuple(_some_path(path, info) for path in value)


def _groups(value: object, info: ValidationInfo) -> dict[NamedNode, NamedNode]:
    if not isinstance(value, Mapping):
        raise ValueError("must be a table of collections and the class that each stands for")
    return {_iri(key, info): _iri(target, info) for key, target in value.items()}


def _classes(value: object, info: ValidationInfo) -> tuple[Term, ...] | dict[Term, Span]:
    """The classes of a property: IRIs, texts where its values are literals, or spans of years by their IRI or name."""
    if info.data.get("kind") == DATE:
        return {_iri_or_text(name, info): span_of_years(span) for name, span in spans(value)}
    if not isinstance(value, list | tuple):
        raise ValueError("must be a list")
    if info.data.get("kind", CONCEPT) == CONCEPT:
        return tuple(_iri(each, info) for each in value)
    return tuple(each if isinstance(each, Literal) else class_text(each) for each in value)


def _unknown(value: object, info: ValidationInfo) -> tuple[Term, ...]:
    """Values that say that there is none: IRIs and prefixed names, else texts."""
    if not isinstance(value, list | tuple) or not all(
        isinstance(v, str | NamedNode | Literal) for v in value
    ):
        raise ValueError("must be a list of texts and IRIs")
    return tuple(_iri_or_text(each, info) for each in value)


def _iri_or_text(value: str | Term, info: ValidationInfo) -> Term:
    if not isinstance(value, str):
        return value
    prefix, colon, _ = value.partition(":")
    prefixed = colon and prefix in _prefixes(info)
    return (
        _iri(value, info) if prefixed or ("://" in value and not re.search(r"\s", value)) else Literal(value)
    )


def _known_prefixes(own: Mapping[str, str]) -> Mapping[str, str]:
    """The prefixes of a profile beside those that every one knows: what a file in Turtle can say."""
    for prefix, iri in own.items():
        if not re.fullmatch(r"([^\W\d_]([\w.-]*[\w-])?)?", prefix):
            raise ValueError(f"{prefix!r} is no prefix: letters first, then digits, '_', '-' and '.' too")
        try:
            named_node(iri)
        except OntologyError as error:
            raise ValueError(
                f'{prefix}: {error}; write all of it, such as "https://museum.example.org/vocab/"'
            ) from error
    return {**PREFIXES, **own}


_PATH = '["rdfs:label"]'
_IRI = '"crm:P45_consists_of"'
Iri = Annotated[NamedNode, PlainValidator(_iri), Field(examples=[_IRI])]
Iris = Annotated[
    tuple[NamedNode, ...], PlainValidator(_iris), Field(examples=['"crm:E22_Human-Made_Object"'])
]
Values = Annotated[tuple[NamedNode | str, ...], PlainValidator(_values), Field(examples=['["wd:Q3305213"]'])]
Predicate = Annotated[Step, PlainValidator(_predicate), Field(examples=[_IRI])]
AStep = Annotated[Step, PlainValidator(_step), Field(examples=[_IRI])]
Steps = Annotated[Path, PlainValidator(_path), Field(examples=[_PATH])]
NodeSteps = Annotated[Path, PlainValidator(_node), Field(examples=[_PATH])]
SomeSteps = Annotated[Path, PlainValidator(_some_path), Field(examples=[_PATH])]
Classes = Annotated[
    tuple[Term, ...] | Mapping[Term, Span], PlainValidator(_classes), Field(examples=['["voc:damask"]'])
]
Unknown = Annotated[tuple[Term, ...], PlainValidator(_unknown), Field(examples=['["[S.l.]"]'])]
Keep = Annotated[str, PlainValidator(keep_pattern), Field(examples=["'^([^(]+)'"])]
Paths = Annotated[tuple[Path, ...], PlainValidator(_paths), Field(examples=['[["skos:broader"]]'])]
Groups = Annotated[Mapping[NamedNode, NamedNode], PlainValidator(_groups)]
Prefixes = Annotated[Mapping[str, str], AfterValidator(_known_prefixes)]
Name = Annotated[str, Field(exclude=True)]
"""The key of a table, which is no key of the file."""
