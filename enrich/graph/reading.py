"""Reads the museum's records from the fact graphs, in batches, as a profile says."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from itertools import islice

from pyoxigraph import Literal, NamedNode

from enrich.classifiers.data import Picture, Record
from enrich.errors import InputError, ProfileError, QueryRefused, ResultTruncated
from enrich.graph.classes import ClassMap, ValueMap
from enrich.graph.dates import DateMap
from enrich.graph.fact_graphs import MOST_GRAPHS, fact_graphs, from_clause, has_default_graph
from enrich.graph.literals import LiteralMap
from enrich.graph.numbers import mean_number
from enrich.graph.patterns import kind_test, property_pattern, values_pattern
from enrich.graph.records import Seen, Subject, Values, halved, nodes_of, pictures_of, texts_of
from enrich.graph.stores.base import PAGE_TOKEN, Row, Store, Term, first_of
from enrich.ontology.kinds import CONCEPT, DATE, LITERAL
from enrich.ontology.paths import path_pattern, path_text, ways_along
from enrich.ontology.profiles import Profile, PropertyProfile
from enrich.ontology.terms import Names, values_block

BATCH = 500

Part = tuple[str, str, int]
"""What is asked of records: the kind of thing, its name, and which of several."""


class Reader:
    """Reads records of one profile from one store.

    What is read is the same whatever the batch: values, texts and pictures are sorted, and a record
    that cannot be read whole carries the reason in `Subject.problem`.
    """

    def __init__(self, store: Store, profile: Profile, names: Names) -> None:
        self.store = store
        self.profile = profile
        self.names = names

    @cached_property
    def others(self) -> tuple[NamedNode, ...]:
        """The named graphs that are not ours, looked up once, in one request whatever the number of ours."""
        return tuple(self.store.graphs(beside=self.names.base))

    @cached_property
    def graphs(self) -> tuple[NamedNode, ...]:
        """The fact graphs, looked up once (see `fact_graphs`)."""
        return fact_graphs(self.store, self.profile, self.others)

    @cached_property
    def dataset(self) -> str:
        """The FROM clauses of a query over the facts."""
        named = "".join(f" FROM NAMED {graph}" for graph in self.profile.record_graphs)
        return from_clause(self.graphs) + named

    @cached_property
    def is_record(self) -> str:
        """The graph pattern that `?record` matches when it is one."""
        return self.profile.is_record()

    @cached_property
    def vocabulary(self) -> tuple[str, ...]:
        """The FROM clauses of each query over the vocabularies: in every graph that is not ours."""
        if len(self.others) > MOST_GRAPHS or not self.others:
            return (self.dataset,)
        if not self.graphs:
            return ("", from_clause(self.others))
        return (from_clause(dict.fromkeys([*self.others, *self.graphs])),)

    @cached_property
    def classes(self) -> dict[str, ValueMap]:
        """How raw values map to classes, for each property."""
        return {p.name: self.value_map(p) for p in self.profile.properties}

    @cached_property
    def _units(self) -> dict[str, str | None]:
        """The contexts that are numbers, with their units."""
        return {c.name: c.unit for c in self.profile.contexts if c.kind == "number"}

    def value_map(self, prop: PropertyProfile) -> ValueMap:
        """How the raw values of a property map to its classes. Raises ProfileError for a scheme without concepts."""
        if prop.kind != CONCEPT:
            return DateMap.of(prop) if prop.kind == DATE else LiteralMap.of(prop)
        return ClassMap.of(prop, self.store, *self.vocabulary)

    def value_filter(self, prop: PropertyProfile, variable: str) -> str:
        """A FILTER that keeps the property's values with a class; a large vocabulary is not written into it."""
        classes = self.classes[prop.name]
        if not classes.large:
            return classes.filter(variable)
        return classes.filter(variable, self.raw_values(prop))

    def raw_values(self, prop: PropertyProfile) -> dict[Term, int]:
        """The values of a property as they stand in the facts, each with the number of its records."""
        return self.counted(values_pattern(prop, "?v"), "v", prop.kind)

    def counted(self, pattern: str, variable: str, kind: str) -> dict[Term, int]:
        """The values of a kind that a pattern leads to from records, each with the number of its records."""
        test = kind_test(kind, f"?{variable}")
        where = f"{self.dataset} WHERE {{ {self.is_record} {pattern} FILTER({test} && isIRI(?record)) {PAGE_TOKEN}\n}}"
        if kind != CONCEPT and self.store.paged:  # pages go by IRIs
            rows = self.store.select_by_key(f"SELECT DISTINCT ?record ?{variable} {where}", "record")
            return Counter(value for _, value in rows if value is not None)
        query = f"SELECT ?{variable} (COUNT(DISTINCT ?record) AS ?n) {where} GROUP BY ?{variable}"
        found = self.store.select_by_key(query, variable)
        return {value: int(n.value) for value, n in found if value is not None and isinstance(n, Literal)}

    def spellings(self) -> dict[str, dict[str, str]]:
        """By property of literals how the museum writes its classes, where that is otherwise than they are called."""
        return {
            prop.name: LiteralMap.of(prop).spellings(self.raw_values(prop))
            for prop in self.profile.properties
            if prop.kind == LITERAL
        }

    def expect_records(self, *, something: bool = False) -> None:
        """Raises ProfileError when the facts hold no record although the store holds something beside ours; where
        `something` is expected, InputError when it holds nothing."""
        if self.store.ask(f"ASK {self.dataset} WHERE {{ {self.is_record} FILTER(isIRI(?record)) }}"):
            return
        if self.others or (has_default_graph(self.store) and self.store.ask("ASK { ?s ?p ?o }")):
            raise ProfileError(
                f"the facts hold no record: nothing is {self.profile.record_text()} in the graphs that the profile {self.profile.name} "
                "takes for facts; see: enrich profile check"
            )
        if something:
            raise InputError("the store is empty: load the museum's graph with: enrich load FILE")

    def iris(self) -> Iterator[NamedNode]:
        """Stream the IRIs of all records, once each (of which several graphs or classes may say so)."""
        query = f"SELECT ?record {self.dataset} WHERE {{ {self.is_record} {PAGE_TOKEN}\n}}"
        seen = Seen()
        for (record,) in self.store.select_by_key(query, "record"):
            if isinstance(record, NamedNode) and seen.add(record):
                yield record

    def known(self, records: Sequence[NamedNode]) -> list[NamedNode]:
        """Those of some IRIs that are records, in their order."""
        there: set[str] = set()
        for start in range(0, len(records), BATCH):
            values = values_block(["record"], ([record] for record in records[start : start + BATCH]))
            there |= self._rows(values, "", self.is_record).keys()
        return [record for record in records if record.value in there]

    def stated(self, records: Sequence[NamedNode], prop: PropertyProfile) -> dict[str, tuple[str, ...]]:
        """The classes that records state of a property, none where in another way; those with a gap are left out."""
        of_term = self.classes[prop.name].of_term
        found: dict[str, tuple[str, ...]] = {}
        for stating, said in halved(records, lambda some: self._said(some, prop)):
            found |= dict.fromkeys(stating, ())
            for record, rows in said.items():
                if classes := {
                    c for (v,) in rows if isinstance(v, NamedNode | Literal) and (c := of_term(v))
                }:
                    found[record] = tuple(sorted(classes))
        return found

    def of_context(self, records: Sequence[NamedNode], name: str) -> dict[str, list[Term]]:
        """The values of a context by record, sorted; records with none are left out."""
        (context,) = (context for context in self.profile.contexts if context.name == name)
        values = values_block(["record"], ([record] for record in records))
        along = "" if context.graph else path_pattern("?record", context.path, "?v")
        found = self._context_rows(values) if context.graph else self._rows(values, "?v", along)
        return {
            record: sorted((v for (v,) in rows if isinstance(v, NamedNode | Literal)), key=str)
            for record, rows in found.items()
        }

    def first_pictures(self, records: Sequence[NamedNode]) -> dict[str, str]:
        """The address of each record's first picture; records with none are left out."""
        values = values_block(["record"], ([record] for record in records))
        paths = [path_pattern("?record", image.path, "?v") for image in self.profile.images]
        images = [self._rows(values, "?v", path) for path in paths]
        keys = {key: None for found in images for key in found}
        return {key: pictures[0].url for key in keys if (pictures := pictures_of(key, images))}

    def _said(self, records: Sequence[NamedNode], prop: PropertyProfile) -> tuple[set[str], Values]:
        """The records that state the value in another way than by a class, and all values."""
        values = values_block(["record"], ([record] for record in records))
        otherwise = (path_pattern("?record", path, "?s") for path in prop.stated)
        stating = {record for pattern in otherwise for record in self._rows(values, "", pattern)}
        return stating, self._rows(values, "?v", values_pattern(prop, "?v"))

    def count(self) -> int:
        """How many records there are."""
        query = (
            f"SELECT (COUNT(DISTINCT ?record) AS ?n) {self.dataset} "
            f"WHERE {{ {self.is_record} FILTER(isIRI(?record)) }}"
        )
        number = first_of(self.store.select(query))
        return int(number.value) if isinstance(number, Literal) else 0

    def read_all(self, records: Iterable[NamedNode] | None = None, batch: int = BATCH) -> Iterator[Subject]:
        """Stream records, all of the profile when none are named."""
        source = iter(self.iris() if records is None else records)
        while chunk := list(islice(source, batch)):
            yield from self.read(list(dict.fromkeys(chunk)))

    def read(self, records: Sequence[NamedNode]) -> list[Subject]:
        """Read some records, in their order. A batch that is refused is halved; a record refused alone has that problem."""
        if not records:
            return []
        try:
            return self._read(records)
        except (QueryRefused, ResultTruncated) as error:
            if len(records) == 1:
                return [Subject(records[0], Record(records[0].value), problem=str(error))]
            half = len(records) // 2
            return self.read(records[:half]) + self.read(records[half:])

    def read_one(self, record: NamedNode) -> tuple[Subject, list[Literal]]:
        """One record and its own name in every language, as `read_few`."""
        return self.read_few([record])[0]

    def read_few(self, records: Sequence[NamedNode]) -> list[tuple[Subject, list[Literal]]]:
        """A few records, each with its own name in every language, along the first of the profile's `labels` that leads to
        one; in two questions, and one for each that is no record. A store that refuses so much at once is asked by `read`."""
        if not records:
            return []
        parts = self._parts() | {
            ("label", "", i): ("?v", path_pattern("?record", path, "?v"))
            for i, path in enumerate(self.profile.labels)
        }
        try:
            found = self._together(records, parts)
            typed = found["record", "", 0]
            self._confirm_absent([record for record in records if record.value not in typed])
        except (QueryRefused, ResultTruncated):
            return [(subject, []) for subject in self.read(records)]
        found |= self._graph_contexts(values_block(["record"], ([record] for record in records)))

        def called(record: NamedNode) -> list[Literal]:
            rows = (found["label", "", i].get(record.value, []) for i in range(len(self.profile.labels)))
            return next(filter(None, ([v for (v,) in some if isinstance(v, Literal)] for some in rows)), [])

        return [(self._subject(record, found), called(record)) for record in records]

    def pictures(self, record: NamedNode) -> tuple[Picture, ...]:
        """A record's pictures, in one question; none of what is no record."""
        parts = {part: asked for part, asked in self._parts().items() if part[0] in ("record", "image")}
        found = self._together([record], parts)
        images = [rows for (kind, _, _), rows in found.items() if kind == "image"]
        return pictures_of(record.value, images) if found["record", "", 0] else ()

    def _read(self, records: Sequence[NamedNode]) -> list[Subject]:
        values = values_block(["record"], ([record] for record in records))
        found = {part: self._rows(values, *asked) for part, asked in self._parts().items()}
        typed = found["record", "", 0]
        self._confirm_absent([record for record in records if record.value not in typed])
        found |= self._graph_contexts(values)
        return [self._subject(iri, found) for iri in records]

    def _parts(self) -> dict[Part, tuple[str, str]]:
        """All that is asked of records in the facts: the variables and the pattern of each part."""
        along = [
            *(
                ("stated", p.name, i, path)
                for p in self.profile.properties
                for i, path in enumerate(p.stated)
            ),
            *(("text", path_text(t.path), 0, t.path) for t in self.profile.texts),
            *(("image", "", i, image.path) for i, image in enumerate(self.profile.images)),
            *(
                ("way", path_text(way), 0, way)  # one that is the whole path is asked for with the values
                for p in self.profile.properties
                for way in ways_along(p.node)
                if way != p.node
            ),
            *(("context", c.name, 0, c.path) for c in self.profile.contexts if not c.graph),
        ]
        return {
            ("record", "", 0): ("", self.is_record),
            **{("property", p.name, 0): ("?node ?v", property_pattern(p)) for p in self.profile.properties},
            **{(kind, name, i): ("?v", path_pattern("?record", path, "?v")) for kind, name, i, path in along},
        }

    def _together(
        self, records: Sequence[NamedNode], parts: Mapping[Part, tuple[str, str]]
    ) -> dict[Part, Values]:
        """The same as asking for each part, in one query."""
        values = values_block(["record"], ([record] for record in records))
        asked = " UNION ".join(
            f"{{ {values} {pattern} BIND({n} AS ?part) }}" for n, (_, pattern) in enumerate(parts.values())
        )
        found: dict[Part, Values] = {part: {} for part in parts}
        order = list(parts.items())
        for n, record, node, value in self.store.select(
            f"SELECT ?part ?record ?node ?v {self.dataset} WHERE {{ {asked} }}"
        ):
            if isinstance(n, Literal) and record is not None:
                part, (variables, _) = order[int(n.value)]
                row = (node, value) if variables == "?node ?v" else (value,) if variables else ()
                found[part].setdefault(record.value, []).append(row)
        return found

    def _graph_contexts(self, values: str) -> dict[Part, Values]:
        """The contexts whose values are graphs."""
        contexts = [c for c in self.profile.contexts if c.graph]
        return {("context", c.name, 0): self._context_rows(values) for c in contexts}

    def _confirm_absent(self, records: Iterable[NamedNode]) -> None:
        """Ask for each record alone. Raises ResultTruncated when one is there after all."""
        for record in records:
            if self.store.ask(f"ASK {self.dataset} WHERE {{ {self.profile.is_record(str(record))} }}"):
                raise ResultTruncated(
                    f"the store left {record} out of an answer, and has it when asked alone"
                )

    def _rows(self, values: str, variables: str, pattern: str) -> Values:
        query = f"SELECT ?record {variables} {self.dataset} WHERE {{ {values} {pattern} }}"
        return self._by_record(query)

    def _by_record(self, query: str) -> Values:
        found: Values = defaultdict(list)
        for record, *rest in self.store.select(query):
            if isinstance(record, NamedNode):
                found[record.value].append(tuple(rest))
        return found

    def _context_rows(self, values: str) -> Values:
        pattern = f"GRAPH ?v {{ {self.profile.is_record(anywhere=True)} }}"
        facts = set(self.profile.record_graphs or self.graphs)
        found = self._by_record(f"SELECT ?record ?v WHERE {{ {values} {pattern} }}")
        return {record: [row for row in rows if row[0] in facts] for record, rows in found.items()}

    def _subject(self, iri: NamedNode, found: Mapping[Part, Values]) -> Subject:
        key = iri.value
        if key not in found["record", "", 0]:
            problem = f"{iri} is not {self.profile.record_text()} in the facts"
            return Subject(iri, Record(key), problem=problem, absent=True)

        def of(kind: str) -> dict[str, list[Row]]:
            """The rows of each part of a kind, by its name; of several parts together."""
            rows: dict[str, list[Row]] = {}
            for (part, name, _), values in found.items():
                if part == kind:
                    rows.setdefault(name, []).extend(values.get(key, []))
            return rows

        rows, said, stated = of("property"), of("context"), of("stated")
        known, outside = self._known(rows)
        nodes, minted, reached = nodes_of(self.names, iri, self.profile.properties, rows, of("way"))
        texts = {t.path: found["text", path_text(t.path), 0] for t in self.profile.texts}
        images = [found["image", "", i] for i in range(len(self.profile.images))]
        record = Record(
            id=key,
            known=known,
            context=self._contexts(said),
            texts=texts_of(key, texts),
            pictures=pictures_of(key, images),
            outside=tuple(name for name in outside if name not in known),
            numbers=self._numbers(said),
        )
        missing = tuple(
            p.name for p in self.profile.properties if p.name not in known and not stated.get(p.name)
        )
        return Subject(iri, record, nodes, minted, reached, missing, outside)

    def _known(self, rows: Mapping[str, list[Row]]) -> tuple[dict[str, tuple[str, ...]], ...]:
        """The classes of a record by property, and the values that it states and that are in no class."""
        known: dict[str, tuple[str, ...]] = {}
        outside: dict[str, tuple[str, ...]] = {}
        for name, classes in self.classes.items():
            of = {v: classes.of_term(v) for _, v in rows[name] if isinstance(v, NamedNode | Literal)}
            if found := {c for c in of.values() if c}:
                known[name] = tuple(sorted(found))
            if beyond := {v.value for v, c in of.items() if not c and not classes.says_nothing(v)}:
                outside[name] = tuple(sorted(beyond))
        return known, outside

    def _contexts(self, said: Mapping[str, list[Row]]) -> dict[str, tuple[str, ...]]:
        return {
            name: tuple(sorted({v.value for (v,) in rows if isinstance(v, NamedNode | Literal)}))
            for name, rows in said.items()
            if rows and name not in self._units
        }

    def _numbers(self, said: Mapping[str, list[Row]]) -> dict[str, float]:
        found = {name: mean_number((v for (v,) in said[name]), unit) for name, unit in self._units.items()}
        return {name: number for name, number in found.items() if number is not None}
