"""A reconciliation service (W3C community group, version 0.2) over the records and the values of the vocabulary:
OpenRefine matches a column with it, and fetches what was predicted as new columns."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any

from fastapi import APIRouter, Form, Query, Request
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from enrich.errors import InputError
from enrich.ontology.terms import is_iri
from enrich.runs.reviews import TURNED_DOWN
from enrich.web.index.asked import RECORD, Named, Row
from enrich.web.site import Site, site_of
from enrich.web.who import Reader, doors_of

MOST_QUERIES, MOST_ROWS = 100, 500
SHOWN = ("confidence", "state")
"""What can be asked of a suggestion beside its value, as `place.confidence`."""

Prefix = Annotated[str, Query(max_length=1_000)]

router = APIRouter(prefix="/reconcile", tags=["reconciliation"])


class Question(BaseModel):
    """One query of a batch; what else a client says of it does not matter here."""

    model_config = ConfigDict(extra="ignore")

    query: str = Field(max_length=1_000)
    type: str | list[str] | None = None
    limit: int = Field(5, ge=1, le=100)


class Property(BaseModel):
    """A property that is asked for of records."""

    model_config = ConfigDict(extra="ignore")

    id: str


class Extension(BaseModel):
    """Which properties are asked for of which records."""

    model_config = ConfigDict(extra="ignore")

    ids: list[str] = Field(max_length=MOST_ROWS)
    properties: list[Property] = Field(max_length=50)


Batch = TypeAdapter(Annotated[dict[str, Question], Field(max_length=MOST_QUERIES)])


@router.get("")
def service(
    request: Request, _: Reader, queries: str | None = None, extend: str | None = None
) -> dict[str, Any]:
    """The service's manifest; with `queries` or `extend` what they ask for."""
    return _answer(request, queries, extend)


@router.post("")
def ask(
    request: Request,
    _: Reader,
    queries: Annotated[str | None, Form()] = None,
    extend: Annotated[str | None, Form()] = None,
) -> dict[str, Any]:
    """A batch of queries, or an extension of records by properties, as a form."""
    return _answer(request, queries, extend)


def _answer(request: Request, queries: str | None, extend: str | None) -> dict[str, Any]:
    site = site_of(request)
    if queries is not None:
        batch = _read(Batch, queries, "queries")
        return {key: {"result": _matches(site, one)} for key, one in batch.items()}
    if extend is not None:
        return _extended(site, _read(TypeAdapter(Extension), extend, "extend"))
    return _manifest(request, site)


def _read(kind: TypeAdapter[Any], text: str, name: str) -> Any:
    try:
        return kind.validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, (name, *first["loc"])))
        raise InputError(
            f"{where[:200]} is not what the reconciliation API 0.2 has there: {first['msg'][:200]}"
        ) from error


def _manifest(request: Request, site: Site) -> dict[str, Any]:
    origin = doors_of(request).origin(request)
    where = origin + request.url.path.rstrip("/")
    base = site.settings.base
    return {
        "versions": ["0.2"],
        "name": "Records and values of a museum's knowledge graph (enrich)",
        "identifierSpace": base,
        "schemaSpace": base,
        "defaultTypes": [_called(RECORD)],
        "view": {"url": f"{origin}/value?iri={{{{id}}}}"},
        "suggest": {
            "entity": {"service_url": where, "service_path": "/suggest/entity"},
            "property": {"service_url": where, "service_path": "/suggest/property"},
            "type": {"service_url": where, "service_path": "/suggest/type"},
        },
        "extend": {
            "propose_properties": {"service_url": where, "service_path": "/properties"},
            "property_settings": [],
        },
    }


@router.get("/suggest/entity")
def suggest_entity(request: Request, _: Reader, prefix: Prefix = "") -> dict[str, Any]:
    """Records and values whose names begin so."""
    return {"result": [_entity(named) for named in site_of(request).index.named(prefix, limit=10)]}


@router.get("/suggest/property")
@router.get("/properties", name="properties")
def suggest_property(request: Request, _: Reader, prefix: Prefix = "") -> dict[str, Any]:
    """What can be fetched of a record: the value suggested for a property, its confidence, its state."""
    found = _having(prefix, _columns(site_of(request)))
    return {"result": found, "properties": found, "type": RECORD}


@router.get("/suggest/type")
def suggest_type(request: Request, _: Reader, prefix: Prefix = "") -> dict[str, Any]:
    """Records, and the properties whose values can be matched."""
    return {"result": _having(prefix, (RECORD, *site_of(request).called))}


def _having(text: str, ids: Iterable[str]) -> list[dict[str, str]]:
    """Those in which a text stands, whatever its case."""
    return [_called(id_) for id_ in ids if text.casefold() in id_.casefold()]


def _called(id_: str) -> dict[str, str]:
    """A type or a column with its name."""
    return {"id": id_, "name": id_.replace(".", ": ")}


def _columns(site: Site) -> list[str]:
    return [column for name in site.called for column in (name, *(f"{name}.{said}" for said in SHOWN))]


def _matches(site: Site, asked: Question) -> list[dict[str, Any]]:
    kinds = (asked.type,) if isinstance(asked.type, str) else tuple(asked.type or ())
    found = site.index.named(asked.query, kinds=kinds, limit=asked.limit)
    said = asked.query.casefold().strip()
    exact = [named for named in found if named.name.casefold() == said]
    return [
        {
            **_entity(named),
            "score": round(100 * named.likeness, 1),
            "match": exact == [named],
        }
        for named in found
    ]


def _entity(named: Named) -> dict[str, Any]:
    return {"id": named.value, "name": named.name, "type": [_called(named.kind)]}


def _extended(site: Site, asked: Extension) -> dict[str, Any]:
    """The current answers about the records, in the columns asked for."""
    known = set(_columns(site))
    for column in asked.properties:
        if column.id not in known:
            raise InputError(f"no property {column.id!r}; /properties has those that there are")
    answers: dict[str, list[Row]] = {record: [] for record in asked.ids}
    for row in site.index.about(asked.ids):
        answers[row.record].append(row)
    rows = {
        record: {
            column.id: [_cell(row, column.id) for row in found if _is_of(row, column.id)]
            for column in asked.properties
        }
        for record, found in answers.items()
    }
    return {"meta": [_called(p.id) for p in asked.properties], "rows": rows}


def _is_of(row: Row, column: str) -> bool:
    """Whether an answer goes into a column: none that a curator turned down."""
    named = row.property == column.partition(".")[0]
    return named and row.value is not None and row.state not in TURNED_DOWN


def _cell(row: Row, column: str) -> dict[str, Any]:
    said = column.partition(".")[2]
    if said == "confidence":
        return {"float": row.confidence}
    if said == "state":
        return {"str": row.state}
    if row.value is not None and is_iri(row.value):
        return {"id": row.value, "name": row.value_name}
    return {"str": row.value_name}
