"""Short names for the IRIs of a draft: the prefixes that are known everywhere, and made ones for the rest."""

import re
from urllib.parse import urlsplit

from pyoxigraph import NamedNode

from enrich.ontology.terms import PREFIXES

WELL_KNOWN = {
    "edm": "http://www.europeana.eu/schemas/edm/",
    "ore": "http://www.openarchives.org/ore/terms/",
    "dc": "http://purl.org/dc/elements/1.1/",
    "dctype": "http://purl.org/dc/dcmitype/",
    "foaf": "http://xmlns.com/foaf/0.1/",
    "bibo": "http://purl.org/ontology/bibo/",
    "nmo": "http://nomisma.org/ontology#",
    "nm": "http://nomisma.org/id/",
    "gvp": "http://vocab.getty.edu/ontology#",
    "ulan": "http://vocab.getty.edu/ulan/",
    "tgn": "http://vocab.getty.edu/tgn/",
    "skosxl": "http://www.w3.org/2008/05/skos-xl#",
    "crmsci": "http://www.ics.forth.gr/isl/CRMsci/",
    "frbroo": "http://iflastandards.info/ns/fr/frbr/frbroo/",
    "geo": "http://www.w3.org/2003/01/geo/wgs84_pos#",
    "wd": "http://www.wikidata.org/entity/",
    "wdt": "http://www.wikidata.org/prop/direct/",
    "schemas": "https://schema.org/",
    "arco": "https://w3id.org/arco/ontology/arco/",
    "a-cd": "https://w3id.org/arco/ontology/context-description/",
    "a-loc": "https://w3id.org/arco/ontology/location/",
    "a-core": "https://w3id.org/arco/ontology/core/",
    "a-dd": "https://w3id.org/arco/ontology/denotative-description/",
    "void": "http://rdfs.org/ns/void#",
    "oa": "http://www.w3.org/ns/oa#",
    "exif": "http://www.w3.org/2003/12/exif/ns#",
    "rdau": "http://rdaregistry.info/Elements/u/",
    "bf": "http://id.loc.gov/ontologies/bibframe/",
}
"""Prefixes as prefix.cc and the models' own documents have them, beside those that every profile knows."""


class Prefixes:
    """Shortens IRIs, and remembers which prefixes the profile must declare."""

    def __init__(self) -> None:
        self.declared: dict[str, str] = {}

    def short(self, iri: NamedNode) -> str:
        """A prefixed name, declared when every profile does not know it; `<…>` for an IRI without a plain end."""
        base, local = _split(iri.value)
        if not local:
            return str(iri)
        known = PREFIXES | WELL_KNOWN | self.declared
        prefix = next((p for p, space in known.items() if space == base), None)
        if prefix is None:
            prefix = self._made(base)
        if prefix not in PREFIXES:
            self.declared[prefix] = base
        return f"{prefix}:{local}"

    def _made(self, base: str) -> str:
        """A prefix for a namespace that nobody knows, after its last word or its host."""
        parts = urlsplit(base)
        words = [w for w in re.split(r"[/#]", parts.path) if w and not re.fullmatch(r"v?[\d.]+", w)]
        host = (parts.hostname or "").split(".")
        words = words[-1:] or [w for w in host if w not in ("", "www", "data", "org", "com", "net")]
        word = re.sub(r"[^a-z0-9]", "", (words[0] if words else "ns").lower())[:12]
        word = word if word and word[0].isalpha() else f"ns{word}"
        taken = PREFIXES.keys() | WELL_KNOWN.keys() | self.declared.keys()
        return next(p for p in (word, *(f"{word}{n}" for n in range(2, 10_000))) if p not in taken)


def _split(iri: str) -> tuple[str, str]:
    """An IRI as its namespace and a last part that is a plain name; that part is empty when there is none."""
    found = re.fullmatch(r"(.*[/#:])([A-Za-z0-9_][\w\-]*(?:\.[\w\-]+)*)", iri, re.ASCII)
    if found and "://" in found[1]:
        return found[1], found[2]
    return iri, ""
