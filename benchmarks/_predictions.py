"""Made answers of two runs, written as a run writes them to a store, or straight into an index as it would read them."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice

from pyoxigraph import NamedNode, Quad, RdfFormat, parse

from enrich.graph.stores.base import Store
from enrich.ontology.terms import CRM, ENR, PROV, RDF, RDFS, SKOS, XSD, Names
from enrich.runs.register import Run
from enrich.web.index.asked import ALL_AGREE, SOME_DIFFER
from enrich.web.index.building import Writer
from enrich.web.index.database import Database, set_meta
from enrich.web.index.reading import About, Answer, Vocabulary

BASE = "https://museum.example.org/"
NAMES = Names("https://data.example.org/enrich/")
PROPERTIES = {"place": 60, "time": 12, "technique": 40, "material": 30}
"""Properties, each with so many values."""
MUSEUMS = 20
SHARD = 2_000
AGAIN = 0.1
"""The share of gaps that the second run answers again."""


# In a store


def make(store: Store, size: int) -> None:
    """Records, a vocabulary, and two runs with `size` answers to gaps between them that are current."""
    dice = random.Random(1)
    graphs = {f"{BASE}graph/objects": facts(size // len(PROPERTIES) + 1, dice), f"{BASE}graph/words": words()}
    for graph, lines in graphs.items():
        while some := "".join(islice(lines, 200_000)):
            store.write_graph(NamedNode(graph), some.encode())
    gaps = gaps_of(size)
    write_run(store, "first", gaps, 1, dice)
    write_run(store, "second", gaps[: int(size * AGAIN)], 2, dice)


def gaps_of(size: int) -> list[tuple[int, str]]:
    names = list(PROPERTIES)
    return [(n // len(names), names[n % len(names)]) for n in range(size)]


def facts(records: int, dice: random.Random) -> Iterator[str]:
    for number in range(records):
        record, visual = f"<{BASE}object/{number}>", f"<{BASE}visual/{number}>"
        yield (
            f"{record} {RDF.type} {CRM['E22_Human-Made_Object']} .\n"
            f"{record} {CRM.P50_has_current_keeper} <{BASE}museum/{dice.randrange(MUSEUMS)}> .\n"
            f'{record} {RDFS.label} "Fragment de soie {number % 997}, no. {number}"@fr .\n'
            f"{record} {CRM.P138i_has_representation} {visual} .\n"
            f"{visual} <https://linked.art/ns/terms/digitally_shown_by> <{BASE}shown/{number}> .\n"
            f"<{BASE}shown/{number}> <https://linked.art/ns/terms/access_point> <{BASE}pictures/{number}.jpg> .\n"
        )


def words() -> Iterator[str]:
    """Names in two languages; every five values have one above them."""
    for name, count in PROPERTIES.items():
        for number in range(count):
            value = f"<{value_of(name, number)}>"
            yield f'{value} {SKOS.prefLabel} "{name} {number}"@en .\n{value} {SKOS.prefLabel} "seda {number}"@es .\n'
            yield f"{value} {SKOS.broader} <{value_of(name, f'above-{number // 5}')}> .\n"


def value_of(name: str, number: int | str) -> str:
    return f"{BASE}value/{name}/{number}"


def write_run(store: Store, name: str, gaps: list[tuple[int, str]], order: int, dice: random.Random) -> None:
    """A run as the register has it, whose shards are written first."""
    run, model = NAMES.run(name), NAMES.model("0" * 64)
    shards = [NAMES.shard(name, number) for number in range(-(-len(gaps) // SHARD))]
    for number, shard in enumerate(shards):
        lines = (
            line for gap in gaps[number * SHARD : (number + 1) * SHARD] for line in answer(run, gap, dice)
        )
        store.write_graph(shard, "".join(lines).encode())
    said = f"{run} {PROV.used} {model} ; {ENR.runState} {ENR.Active} ; {ENR.order} {order} ; {PROV.startedAtTime} "
    said += f'"2026-01-0{order}T00:00:00Z"^^{XSD.dateTime} .\n{model} {RDF.type} {PROV.Entity} .\n'
    said = said.replace(" ; ", f" .\n{run} ").replace(
        f"{ENR.order} {order}", f'{ENR.order} "{order}"^^{XSD.integer}'
    )
    said += "".join(f"{run} {ENR.graph} {shard} .\n" for shard in shards)
    quads = parse(said.encode(), RdfFormat.N_TRIPLES)
    store.insert(Quad(q.subject, q.predicate, q.object, NAMES.runs) for q in quads)


def answer(run: NamedNode, gap: tuple[int, str], dice: random.Random) -> Iterator[str]:
    """One prediction as a run writes it: what it says, three candidates, and what two modalities held alone."""
    record, name = gap
    key = NAMES.key(run, str(record), name)
    p = f"<{NAMES.base}prediction/{key}>"
    first, second = sorted((min(dice.expovariate(1.3), 0.999) for _ in range(2)), reverse=True)
    values = [f"<{value_of(name, min(int(dice.expovariate(8) * n), n - 1))}>" for n in [PROPERTIES[name]] * 3]
    sure = first >= 0.5
    yield f"{p} {RDF.type} {ENR.Prediction} .\n{p} {RDF.type} {CRM.E13_Attribute_Assignment} .\n"
    yield f"{p} {CRM.P140_assigned_attribute_to} <{BASE}object/{record}> .\n"
    yield f"{p} {CRM.P177_assigned_property_of_type} {CRM.P45_consists_of} .\n{p} {CRM.P9i_forms_part_of} {run} .\n"
    yield f'{p} {ENR.about} <{BASE}object/{record}> .\n{p} {ENR.propertyName} "{name}" .\n'
    yield f"{p} {ENR.outcome} {ENR.Predicted if sure else ENR.Abstained} .\n"
    yield f'{p} {ENR.inputDigest} "sha256:{key}" .\n{p} {ENR.confidence} "{first:.6f}"^^{XSD.decimal} .\n'
    yield f'{p} {ENR.abstainBelow} "0.5"^^{XSD.decimal} .\n{p} {ENR.promised} "0.9"^^{XSD.decimal} .\n'
    yield f"{p} {ENR.regime} {dice.choice((ENR.Seen, ENR.UnseenBlock))} .\n"
    if sure:
        yield f"{p} {ENR.answers} {values[0]} .\n{p} {CRM.P141_assigned} {values[0]} .\n"
    else:
        yield f"{p} {ENR.reason} {ENR.BelowThreshold} .\n"
    for rank, (value, share) in enumerate(zip(values, (first, second, 0.0), strict=True), 1):
        c = f"<{NAMES.base}candidate/{key}-{rank}>"
        yield f'{c} {PROV.wasGeneratedBy} {p} .\n{c} {ENR.rank} "{rank}"^^{XSD.integer} .\n'
        yield f'{c} {ENR.value} {value} .\n{c} {ENR.probability} "{share:.6f}"^^{XSD.decimal} .\n'
    for modality, value in (("image", dice.choice(values)), ("text", values[0])):
        u = f"<{NAMES.base}usage/{key}-{modality}>"
        yield f"{p} {PROV.qualifiedUsage} {u} .\n{u} {PROV.entity} <{NAMES.base}evidence/{record}> .\n"
        yield f'{u} {ENR.value} {value} .\n{u} {ENR.probability} "0.5"^^{XSD.decimal} .\n'


# In an index


def fill(database: Database, gaps: list[tuple[int, str]], dice: random.Random) -> None:
    """Two runs, shard by shard, as a refresh writes them."""
    with writing(database) as writer:
        writer.runs([run_of(1), run_of(2)])
    museums = [f"{BASE}museum/{number}" for number in range(MUSEUMS)]
    for order, some in ((1, gaps), (2, gaps[: int(len(gaps) * AGAIN)])):
        for start in range(0, len(some), SHARD):
            answers = [told(gap, order, dice) for gap in some[start : start + SHARD]]
            about = {} if order == 2 else {
                a.record: About(f"Fragment de soie {n % 997}, no. {n}", museums[n % MUSEUMS], "http://m.example/1.jpg")
                for a in answers for n in [int(a.record.rpartition("/")[2])]
            }  # fmt: skip
            with writing(database) as writer:
                writer.shard(f"{order}/{start}", order, answers, about, {})
    names = {
        value_of(p, n): {"en": f"{p} {n}", "es": f"seda {n}"}
        for p, count in PROPERTIES.items()
        for n in range(count)
    }
    above: dict[str, tuple[str, ...]] = {
        value_of(p, n): (value_of(p, f"above-{n // 5}"),)
        for p, count in PROPERTIES.items()
        for n in range(count)
    }
    with writing(database) as writer:
        writer.words(Vocabulary(names, above))
        writer.execute("UPDATE run SET shown = 1")
        set_meta(writer.connection, "complete", "1")


def run_of(order: int) -> Run:
    return Run(
        f"{NAMES.base}run/{order}", "Active", f"2026-01-0{order}", order=order, model=f"{NAMES.base}model/1"
    )


def told(gap: tuple[int, str], order: int, dice: random.Random) -> Answer:
    """One answer, as the index reads `answer` from a store."""
    record, name = gap
    first, second = sorted((min(dice.expovariate(1.3), 0.999) for _ in range(2)), reverse=True)
    values = [value_of(name, min(int(dice.expovariate(8) * n), n - 1)) for n in [PROPERTIES[name]] * 3]
    sure = first >= 0.5
    key = NAMES.key(str(order), str(record), name)
    return Answer(
        f"{NAMES.base}prediction/{key}",
        f"{BASE}object/{record}",
        name,
        "Predicted" if sure else "Abstained",
        first,
        values[0] if sure else "",
        "" if sure else "BelowThreshold",
        dice.choice(("Seen", "UnseenBlock")),
        0.9,
        0.5,
        first - second,
        ALL_AGREE if dice.choice(values) == values[0] else SOME_DIFFER,
    )


@contextmanager
def writing(database: Database) -> Iterator[Writer]:
    with database.writing() as connection:
        writer = Writer(connection)
        yield writer
        writer.done()
