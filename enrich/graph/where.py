"""Records by their contexts: those of one museum, say."""

from collections.abc import Iterator, Sequence

from pyoxigraph import NamedNode

from enrich.errors import InputError
from enrich.graph.reading import Reader
from enrich.graph.records import Seen
from enrich.graph.stores.base import PAGE_TOKEN
from enrich.ontology.paths import path_pattern
from enrich.ontology.profiles import ContextProfile
from enrich.ontology.terms import OntologyError, Term, class_term, named_node


def parse_where(
    pairs: Sequence[str], contexts: Sequence[ContextProfile]
) -> list[tuple[ContextProfile, Term]]:
    """The contexts and values of `NAME=IRI` texts, or with a literal as N-Triples spell it. Raises InputError, which
    lists the names there are."""
    known = {context.name: context for context in contexts}
    found: list[tuple[ContextProfile, Term]] = []
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or name not in known:
            raise InputError(
                f"--where {pair}: say NAME=IRI, with a context of the profile: {', '.join(known) or 'it has none'}"
            )
        try:
            found.append((known[name], named_node(value) if known[name].graph else class_term(value)))
        except OntologyError as error:
            raise InputError(f"--where {pair}: {error}") from error
    return found


def records_where(reader: Reader, where: Sequence[str]) -> Iterator[NamedNode]:
    """The records whose contexts have the values asked for, as `NAME=IRI` texts; once each."""
    patterns = []
    seen = Seen()
    for number, (context, value) in enumerate(parse_where(where, reader.profile.contexts)):
        name = f"?context{number}"
        if context.graph:
            patterns.append(f"GRAPH {value} {{ {reader.profile.is_record(anywhere=True, name=name)} }}")
        else:
            patterns.append(path_pattern("?record", context.path, str(value), name))
    named = " ".join(f"FROM NAMED {graph}" for graph in reader.graphs)
    query = (
        f"SELECT ?record {reader.dataset} {named} WHERE {{ {reader.is_record} "
        f"{' '.join(patterns)} {PAGE_TOKEN}\n}}"
    )
    for (record,) in reader.store.select_by_key(query, "record"):
        if isinstance(record, NamedNode) and seen.add(record):
            yield record
