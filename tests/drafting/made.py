"""A made museum of pots in a data model of its own, with one of everything that a draft must tell apart."""

from __future__ import annotations

from collections.abc import Iterator

from pyoxigraph import BlankNode, Literal, NamedNode, Quad

from enrich.drafting.draft import Draft, draft_profile
from enrich.graph.stores import Store, open_store
from enrich.ontology.terms import DCT, RDF, RDFS, SCHEMA, SKOS, Names

NAMES = Names("https://pots.example.org/enrich/")
NS = "https://pots.example.org/ontology#"
BASE = "https://pots.example.org/"
GRAPH = NamedNode(BASE + "graph/pots")
VOCABULARY = NamedNode(BASE + "graph/vocabulary")
WORDS = [
    "river",
    "hill",
    "stone",
    "cloud",
    "glass",
    "ember",
    "willow",
    "heron",
    "cedar",
    "thistle",
    "harbour",
    "meadow",
    "lantern",
    "orchard",
]
WARES = ("stoneware", "earthenware", "porcelain", "terracotta")
TECHNIQUES = ("thrown", "coiled", "moulded", "slip cast", "pinched")


def term(local: str) -> NamedNode:
    return NamedNode(NS + local)


def pot(number: int) -> NamedNode:
    return NamedNode(f"{BASE}pot/{number}")


def ware(name: str) -> NamedNode:
    return NamedNode(f"{BASE}ware/{name}")


def pots(count: int = 300, *, blank: bool = False) -> Iterator[Quad]:
    """Pots with a making event (a blank node when `blank`) that holds technique, workshop and a date.

    Nine in ten pots have a ware, seven in ten a technique; where there is a technique there is a code that follows
    from it. The shelf repeats and is there for all; the number is an identifier.
    """
    for n in range(count):
        here = pot(n)
        making = BlankNode(f"m{n}") if blank else NamedNode(f"{BASE}pot/{n}/making")
        said = [
            (here, RDF.type, term("Pot")),
            (here, term("inventoryNumber"), Literal(f"P.{n:05d}")),
            (here, RDFS.label, Literal(f"{WORDS[n % 14]} {WORDS[(n * 5 + n // 14) % 14]} pot {n}", language="en")),
            (here, DCT.description, Literal(" ".join(WORDS[(n * k + k) % 14] for k in range(1, 15)) + f" {n}")),
            (here, term("shelf"), NamedNode(f"{BASE}shelf/{n * n % 7}")),
            (here, term("photo"), NamedNode(f"{BASE}photo/{n}")),
            (NamedNode(f"{BASE}photo/{n}"), SCHEMA.contentUrl, NamedNode(f"https://images.example.org/{n}.jpg")),
            (here, term("wasMadeBy"), making),
            (making, RDF.type, term("Making")),
        ]  # fmt: skip
        if n % 10:
            said.append((here, term("ware"), ware(WARES[n * 7 % 11 % 4])))
        if n % 10 < 7:
            technique = n * 3 % 13 % 5
            said.append((making, term("technique"), NamedNode(f"{BASE}technique/{technique}")))
            said.append((here, term("code"), Literal(f"T-{'abcdefgh'[technique]}")))
        yield from (Quad(s, p, o, GRAPH) for s, p, o in said)
    for number, name in enumerate(TECHNIQUES):
        concept = NamedNode(f"{BASE}technique/{number}")
        yield Quad(concept, SKOS.prefLabel, Literal(name, language="en"), VOCABULARY)
        yield Quad(concept, SKOS.inScheme, NamedNode(BASE + "techniques"), VOCABULARY)
        yield Quad(concept, RDF.type, SKOS.Concept, VOCABULARY)
    for name in WARES:
        yield Quad(ware(name), RDFS.label, Literal(name), VOCABULARY)


def drafted(store: Store | None = None, quads: Iterator[Quad] | None = None, **settings: object) -> Draft:
    """The draft for these quads, the pots when none are given."""
    held = store if store is not None else open_store()
    held.insert(pots() if quads is None else quads)
    return draft_profile(held, NAMES, lambda *_: None, **settings)  # type: ignore[arg-type]
