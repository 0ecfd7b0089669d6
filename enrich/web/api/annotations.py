"""Predictions as W3C Web Annotations of a record's pictures, for IIIF viewers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Request
from fastapi.responses import JSONResponse

from enrich.ontology.terms import ENR, is_iri, named_node
from enrich.runs.reviews import TURNED_DOWN
from enrich.show.record import show_record
from enrich.web.index.asked import PENDING
from enrich.web.site import site_of
from enrich.web.who import Reader, doors_of

CONTEXT = ["http://iiif.io/api/presentation/3/context.json", {"enr": str(ENR)}]
MEDIA_TYPE = 'application/ld+json;profile="http://www.w3.org/ns/anno.jsonld"'

router = APIRouter(tags=["annotations"])


@router.get("/annotations", response_class=JSONResponse)
def page(
    request: Request,
    record: Annotated[str, Query(description="IRI of a record.")],
    _: Reader,
) -> JSONResponse:
    """The current predictions about a record as an AnnotationPage: each is a tag on each picture that the record has.
    What a curator turned down is left out; how else a value was judged is its `enr:decision`.

    A viewer that reads IIIF Presentation 3 takes it as the annotations of a canvas.
    """
    with site_of(request).workspace() as workspace:
        shown = show_record(workspace, named_node(record))
    page = {
        "@context": CONTEXT,
        "id": f"{doors_of(request).origin(request)}{request.url.path}?{urlencode({'record': record})}",
        "type": "AnnotationPage",
        "items": list(_annotations(shown)),
    }
    return JSONResponse(page, media_type=MEDIA_TYPE)


def _annotations(shown: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    labels = shown["labels"]
    for answer in shown["predictions"]:
        if not answer["current"] or answer["value"] is None or answer["state"] in TURNED_DOWN:
            continue
        for number, picture in enumerate(shown["pictures"]):
            yield {
                "id": f"{answer['prediction']}#picture-{number}",
                "type": "Annotation",
                "motivation": "tagging",
                "body": list(_bodies(answer, labels)),
                "target": picture,
                "created": answer["run"]["started"],
                "generator": answer["run"]["run"],
                "enr:propertyName": answer["property"],
                "enr:confidence": answer["confidence"],
                **({"enr:decision": {"id": str(ENR[answer["state"]])}} if answer["state"] != PENDING else {}),
            }


def _bodies(answer: Mapping[str, Any], labels: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    """The value as a concept where it is one, and its name as text."""
    if is_iri(answer["value"]):
        yield {"type": "SpecificResource", "source": answer["value"], "purpose": "classifying"}
    name = labels.get(answer["value"], answer["value"])
    text = f"{answer['property']}: {name} (suggested, {answer['confidence']:.2f})"
    yield {"type": "TextualBody", "value": text, "format": "text/plain", "purpose": "tagging"}
