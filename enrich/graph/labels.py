"""What to call a class for a person: its label in the graph, else a short form of its IRI."""

from collections import Counter
from collections.abc import Iterable, Mapping
from contextlib import suppress

from pyoxigraph import Literal, NamedNode

from enrich.graph.reading import Reader
from enrich.graph.stores.base import Row, Store
from enrich.ontology.paths import path_pattern
from enrich.ontology.terms import PREFIXES, RDFS, SKOS, OntologyError, class_term, is_iri, values_block

LONGEST = 40


def class_names(
    store: Store, iris: Iterable[str], prefixes: Mapping[str, str] | None = None
) -> dict[str, str]:
    """A name for every IRI; where two labels are the same, the short IRI stands behind each.

    `prefixes` are those of the profile, used before our own.
    """
    wanted = list(dict.fromkeys(iris))
    return told_apart(wanted, labels(store, filter(is_iri, wanted)), prefixes)


def group_names(
    store: Store, groups: Iterable[str], prefixes: Mapping[str, str] | None = None
) -> dict[str, str]:
    """A name for every group of records, from those of the contexts' values that it is made of."""
    parts = {group: group.split() for group in groups}
    names = class_names(store, (part for found in parts.values() for part in found), prefixes)
    return {group: ", ".join(names[part] for part in found) or "–" for group, found in parts.items()}


def labels(store: Store, iris: Iterable[str], language: str = "en") -> dict[str, str]:
    """A name for each IRI that has one: skos:prefLabel or rdfs:label, in the language if there is one, else English
    before others."""
    return _best(_labelled(store, iris), language)


def labels_by_language(store: Store, iris: Iterable[str]) -> dict[str, dict[str, str]]:
    """The names of each IRI by language, such as `en`; `""` is for a name in no language."""
    found: dict[str, dict[str, tuple[str, str]]] = {}
    for iri, label in _labelled(store, iris):
        if isinstance(iri, NamedNode) and isinstance(label, Literal) and label.value.strip():
            names, tag = found.setdefault(iri.value, {}), (label.language or "").lower()
            language, candidate = tag.partition("-")[0], (tag, label.value)
            names[language] = min(names.get(language, candidate), candidate)
    return {iri: {tag: text for tag, (_, text) in names.items()} for iri, names in found.items()}


def _labelled(store: Store, iris: Iterable[str]) -> Iterable[Row]:
    wanted = [[NamedNode(iri)] for iri in dict.fromkeys(iris)]
    if not wanted:
        return ()
    block = values_block(["iri"], wanted)
    path = f"{SKOS.prefLabel}|{RDFS.label}"
    query = f"SELECT ?iri ?label WHERE {{ {block} {{ GRAPH ?g {{ ?iri {path} ?label }} }} UNION {{ ?iri {path} ?label }} }}"
    return store.select(query)


def record_names(reader: Reader, records: Iterable[NamedNode]) -> dict[str, str]:
    """The records' own names by their IRIs, along the first of the profile's `labels` that leads to one."""
    found: dict[str, str] = {}
    wanted = list(dict.fromkeys(records))
    for path in reader.profile.labels:
        wanted = [record for record in wanted if record.value not in found]
        if wanted:
            block = values_block(["record"], ([record] for record in wanted))
            pattern = path_pattern("?record", path, "?label")
            query = f"SELECT ?record ?label {reader.dataset} WHERE {{ {block} {pattern} }}"
            found |= _best(reader.store.select(query))
    return found


def best_label(labels: Iterable[Literal], language: str = "en") -> str | None:
    """The one of some labels that a reader of the language knows best; None for none."""

    def rank(label: Literal) -> tuple[bool, bool, str]:
        said = label.language or "en"
        return not said.startswith(language), not said.startswith("en"), label.value

    return min((rank(label) for label in labels), default=(False, False, None))[2]


def _best(rows: Iterable[Row], language: str = "en") -> dict[str, str]:
    found: dict[str, list[Literal]] = {}
    for iri, label in rows:
        if isinstance(iri, NamedNode) and isinstance(label, Literal):
            found.setdefault(iri.value, []).append(label)
    return {iri: name for iri, labels in found.items() if (name := best_label(labels, language)) is not None}


def told_apart(
    iris: Iterable[str], labels: Mapping[str, str], prefixes: Mapping[str, str] | None = None
) -> dict[str, str]:
    """Names from labels, short IRIs where there is none; no two alike."""
    known = _by_length(prefixes)
    short = {iri: _short(iri, known) for iri in iris}
    found = {iri: _cut(labels.get(iri, "").strip() or brief) for iri, brief in short.items()}
    often = Counter(found.values())
    return {iri: name if often[name] == 1 else _longer(iri, name, short[iri]) for iri, name in found.items()}


def _longer(iri: str, name: str, brief: str) -> str:
    """A name that two share, made one's own."""
    return iri if name == _cut(brief) else f"{name} ({brief})"


def short_iri(iri: str, prefixes: Mapping[str, str] | None = None) -> str:
    """A prefixed name where a prefix is known, else the last two parts of the path; of a literal its text."""
    return _short(iri, _by_length(prefixes))


def _by_length(prefixes: Mapping[str, str] | None) -> list[tuple[str, str]]:
    """The prefixes, those of the profile before our own, the longest first."""
    return [
        pair
        for known in (prefixes or {}, PREFIXES)
        for pair in sorted(known.items(), key=lambda item: -len(item[1]))
    ]


def _short(iri: str, known: Iterable[tuple[str, str]]) -> str:
    if iri.startswith('"'):
        with suppress(OntologyError):
            return class_term(iri).value or iri
    for prefix, base in known:
        if iri.startswith(base) and len(iri) > len(base):
            return f"{prefix}:{iri.removeprefix(base).rstrip('/')}"
    parts = [part for part in iri.replace("#", "/").split("/") if part]
    return iri if len(parts) < 3 else "…/" + "/".join(parts[-2:])


def _cut(name: str) -> str:
    return name if len(name) <= LONGEST else name[: LONGEST - 1].rstrip() + "…"
