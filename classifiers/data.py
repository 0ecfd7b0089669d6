"""What a classifier sees of a museum's records: texts, pictures, known values and context."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

import numpy as np

from enrich.classifiers.kinds import Flags, FloatArray, Rows

MODALITIES = ("image", "text", "tabular")


@dataclass(frozen=True, slots=True)
class Text:
    """One text of a record. `language` is a BCP 47 tag or None; `source` the IRI of what carries it."""

    value: str
    language: str | None = None
    source: str | None = None


@dataclass(frozen=True, slots=True)
class Picture:
    """One picture of a record: where it comes from and, once fetched, the local file that holds it.

    `path` is None until the picture was fetched, or when it could not be: then `failure` says why, and
    `may_come` whether a later try may give it (a server that is down or asks for a login).
    """

    url: str
    path: Path | None = None
    sha256: str | None = None
    format: str | None = None
    failure: str | None = None
    may_come: bool = False


@dataclass(frozen=True, slots=True)
class Record:
    """One museum object, as the classifiers see it.

    `known` maps a property's name to the classes that the facts give it (none when it is a gap);
    `context` maps a context's name (museum, object type, …) to its raw values. `outside` names the properties
    of which the facts state a value that reaches no class: whatever is answered there is wrong. `numbers` are contexts
    that are measured, such as a weight. `taught` are values that curators put where the facts have none, `refused` those
    that they turned down there: both teach, and are no features, since whoever is asked at night has neither.
    """

    id: str
    known: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    context: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    texts: tuple[Text, ...] = ()
    pictures: tuple[Picture, ...] = ()
    outside: tuple[str, ...] = ()
    numbers: Mapping[str, float] = field(default_factory=dict)
    taught: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    refused: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def without(self, *properties: str) -> Record:
        """The same record with the values of these properties hidden."""
        return replace(self, known={k: v for k, v in self.known.items() if k not in properties})

    @property
    def reviewed(self) -> bool:
        """Whether curators taught something of it."""
        return any(self.taught.values()) or any(self.refused.values())

    def labels(self, name: str) -> tuple[str, ...]:
        """The values of a property to learn: the facts', or else the curators'."""
        return self.known.get(name) or self.taught.get(name, ())

    def without_contexts(self, names: Sequence[str]) -> Record:
        """The same record with these contexts hidden."""
        context = {k: v for k, v in self.context.items() if k not in names}
        return replace(
            self, context=context, numbers={k: v for k, v in self.numbers.items() if k not in names}
        )


@dataclass(frozen=True, slots=True)
class Property:
    """A property to predict: its name, its classes in order, and whether a record may have several.

    `broader` maps a value with too few records to the class that stands for it, a broader concept; `spellings` a
    class to how it is written, where that is otherwise: the museum's own spelling of a literal.
    """

    name: str
    classes: tuple[str, ...]
    many: bool = False
    broader: Mapping[str, str] = field(default_factory=dict, compare=False)
    spellings: Mapping[str, str] = field(default_factory=dict, compare=False)

    def index(self) -> dict[str, int]:
        """Class, or value that a class stands for, to column."""
        columns = {c: i for i, c in enumerate(self.classes)}
        return {**{value: columns[c] for value, c in self.broader.items()}, **columns}


@dataclass(frozen=True)
class Dataset:
    """Labelled records. The known values are both the targets and, for the other properties, features."""

    records: Sequence[Record]
    properties: tuple[Property, ...]

    def __len__(self) -> int:
        return len(self.records)

    @cached_property
    def digest(self) -> str:
        """SHA-256 of everything that classifiers may look at, independent of the order of the records.

        Of a picture that was fetched its own digest counts, so that another picture at the same address tells."""
        lines = []
        for record in self.records:
            seen = [
                record.id,
                _sorted(record.known),
                _sorted(record.context),
                [[t.value, t.language] for t in record.texts],
                sorted([p.url, p.sha256 or ""] for p in record.pictures),
                sorted(record.outside),
                *([dict(record.numbers)] if record.numbers else []),
                *([_sorted(record.taught), _sorted(record.refused)] if record.reviewed else []),
            ]
            lines.append(json.dumps(seen, sort_keys=True, ensure_ascii=False))
        classes = [[p.name, list(p.classes), p.many, dict(p.broader)] for p in self.properties]
        found = hashlib.sha256(json.dumps(classes).encode())
        for line in sorted(lines):
            found.update(line.encode("utf-8", "surrogatepass"))
        return found.hexdigest()

    def targets(self, prop: Property) -> tuple[FloatArray, Flags]:
        """Target matrix (n, K) of 0 and 1, and the mask (n,) of records of which at least one class is known, and with it
        that it is none of the others. See `judged` for those of which less is known."""
        index = prop.index()
        target = np.zeros((len(self.records), len(prop.classes)))
        for row, record in enumerate(self.records):
            for value in record.known.get(prop.name, ()) if prop.many else record.labels(prop.name):
                if value in index:
                    target[row, index[value]] = 1.0
        named: Flags = target.sum(axis=1) > 0
        return target, named

    def judged(self, prop: Property) -> tuple[FloatArray, Flags]:
        """Target matrix (n, K), and which of its entries are known (n, K): all of a record that `targets` names; else
        what curators turned down, and of a property with many values what they accepted."""
        target, named = self.targets(prop)
        known = np.repeat(named[:, None], len(prop.classes), axis=1)
        index = prop.index()
        columns = {c: i for i, c in enumerate(prop.classes)}
        for row, record in enumerate(self.records):
            if named[row]:
                continue
            refused = [columns[v] for v in record.refused.get(prop.name, ()) if v in columns]
            taught = [index[v] for v in record.taught.get(prop.name, ()) if v in index] if prop.many else []
            known[row, [*refused, *taught]] = True
            target[row, taught] = 1.0
        return target, known

    def stated(self, prop: Property) -> Flags:
        """The records (n,) of which the facts state a value, with a class or outside the classes."""
        return np.array(
            [bool(r.known.get(prop.name)) or prop.name in r.outside for r in self.records], dtype=bool
        )

    def subset(self, rows: Sequence[int] | Rows) -> Dataset:
        """The records of these rows, with the same properties."""
        return Dataset([self.records[int(i)] for i in rows], self.properties)

    def joined(self, other: Dataset) -> Dataset:
        """Its records and then those of another, with the same properties."""
        return Dataset([*self.records, *other.records], self.properties)


def _sorted(values: Mapping[str, tuple[str, ...]]) -> dict[str, list[str]]:
    return {name: sorted(found) for name, found in values.items() if found}
