"""The data that a model learned from, described as Croissant 1.0 (MLCommons): croissant.json of a model folder."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from enrich.workspace import Workspace

FILE = "croissant.json"
_CONTEXT = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "citeAs": "cr:citeAs",
    "conformsTo": "dct:conformsTo",
    "cr": "http://mlcommons.org/croissant/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "field": "cr:field",
    "key": "cr:key",
    "recordSet": "cr:recordSet",
    "sc": "https://schema.org/",
}
_FIELDS = {
    "property": ("sc:Text", "The property, as the profile calls it."),
    "value": ("sc:Text", "The class that was learned: an IRI, or a literal as N-Triples spell it."),
    "records": ("sc:Integer", "How many records have it."),
}
_SET = "values"


def described(workspace: Workspace, training: Mapping[str, Any]) -> dict[str, Any]:
    """The description of a snapshot, from the account of a training (`training.train`). The records stay with the
    museum, under the snapshot's digest; what is given is how many of them had which value."""
    settings, snapshot = workspace.settings, training["snapshot"]
    creator = {"@type": "sc:Organization", "@id": settings.actor}
    title = f"{training['records']:,} records as the profile {training['profile']} reads them, {snapshot['issued']}"
    iri = workspace.names.model(snapshot["sha256"]).value
    judged = ", and what curators judged of them" if "labels from reviews" in training else ""
    rows = [
        {f"{_SET}/property": name, f"{_SET}/value": value, f"{_SET}/records": number}
        for name, counts in training["classes"].items()
        for value, number in counts.items()
    ]
    return {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "@id": iri,
        "conformsTo": "http://mlcommons.org/croissant/1.0",
        "name": title,
        "description": "What a model learned from: the values, texts, pictures and context of a museum's records"
        f"{judged}, of which the SHA-256 digest is {snapshot['sha256']}; here the number of records by property and value.",
        "url": iri,
        "identifier": f"sha256:{snapshot['sha256']}",
        "datePublished": snapshot["issued"],
        "creator": creator | ({"name": settings.creator} if settings.creator else {}),
        **({"license": settings.licence} if settings.licence else {}),
        "citeAs": f"{settings.creator or settings.actor} ({snapshot['issued'][:4]}). {title}. {iri}",
        "recordSet": [
            {
                "@type": "cr:RecordSet",
                "@id": _SET,
                "name": _SET,
                "key": [{"@id": f"{_SET}/property"}, {"@id": f"{_SET}/value"}],
                "field": [
                    {
                        "@type": "cr:Field",
                        "@id": f"{_SET}/{name}",
                        "name": name,
                        "dataType": kind,
                        "description": text,
                    }
                    for name, (kind, text) in _FIELDS.items()
                ],
                "data": rows,
            }
        ],
    }
