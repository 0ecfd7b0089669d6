"""A draft as TOML, with comments that say where every line comes from."""

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import filterfalse
from statistics import quantiles

from pyoxigraph import Literal, NamedNode

from enrich.drafting.judging import Finding
from enrich.drafting.leaks import SHORT
from enrich.drafting.naming import about
from enrich.drafting.prefixes import Prefixes
from enrich.drafting.spellings import spelling_rules
from enrich.drafting.walking import Walk, Way
from enrich.graph.date_text import read_date
from enrich.ontology.path_grammar import step_of
from enrich.ontology.spans import SIZES, Span, most_of, regular

_SHOWN = 5
_ALTERNATIVES = 8
"""Paths of a role that the draft did not take and that are named in comments."""
_UNKNOWN = 20
_CUT_SHORT = "# Time was up before every path had been followed: see --seconds."
_UNWRITABLE = "a step of its path cannot be written"
_YEAR = re.compile(r"(?<!\d)\d{4}(?!\d)")
_TOO_MUCH = {"decade": 120, "half-century": 300}
"""Years from which on a period is too short."""


class Writer:
    """Writes the findings about one walk."""

    def __init__(self, walk: Walk, minimum: int, museum_graphs: bool) -> None:
        self._walk = walk
        self._minimum = minimum
        self._graphs = museum_graphs
        self._prefixes = Prefixes()

    def text(self, findings: Sequence[Finding], resources: int) -> str:
        """The whole file."""
        findings = [
            f if _writable(f) else replace(f, taken=False, reason=f"{f.reason}; {_UNWRITABLE}")
            for f in findings
        ]
        leaks = _of(findings, "leak")
        body = [
            *self._properties(_of(findings, "property")),
            *self._texts([*_of(findings, "text"), *filter(_long, leaks)]),
            *self._images(_of(findings, "picture")),
            *self._contexts([*_of(findings, "context"), *filterfalse(_long, leaks)]),
        ]
        head = self._head(findings, resources)
        declared = sorted(self._prefixes.declared.items())
        prefixes = [
            "[prefixes]",
            *(f"{p if _bare(p) else json.dumps(p)} = {_quoted(i)}" for p, i in declared),
            "",
        ]
        return "\n".join([*head, *(prefixes if declared else []), *body]).rstrip() + "\n"

    def _head(self, findings: Sequence[Finding], resources: int) -> list[str]:
        cls = self._walk.record_class
        sampled = len(self._walk.records)
        lines = [
            f"# A draft by `enrich profile draft`, after {sampled:,} of {resources:,} records; shares and counts are of these.",
            "# Go through it, then run `enrich profile check` with this file. What every key means: docs/profiles.md.",
            *([] if self._walk.complete else [_CUT_SHORT]),
            f"title = {_quoted('Draft for ' + self._short(cls))}",
            f"record_class = {_quoted(self._short(cls))}",
        ]
        if label := self._label():
            lines.append(f"labels = [{self._path(label)}]")
        if museum := self._museum(findings):
            lines += [f"museum = {_quoted(museum)}   # which museum a record belongs to"]
        department = next((f for f in _contexts(findings) if about(f.path) == "department"), None)
        if department is not None:
            said = [museum, department.name] if museum else [department.name]
            lines.append(
                f"group = {json.dumps(said, ensure_ascii=False)}   # within which a property is recorded alike"
            )
        return [*lines, ""]

    def _label(self) -> Way | None:
        """Where most records have their name: the title that most of them state, by the shortest path."""
        found = self._walk.found
        named = [
            path
            for path, values in found.items()
            if about(path) == "title"
            and not any(step.inverse for step in path)
            and len(values) >= 0.3 * len(self._walk.records)
            and all(isinstance(term, Literal) for terms in values.values() for term in terms)
            and not self._walk.shared_before(path)
            and _writable_path(path)
        ]
        return min(
            named, key=lambda p: (-round(len(found[p]) / len(self._walk.records), 1), len(p)), default=None
        )

    def _museum(self, findings: Sequence[Finding]) -> str | None:
        if self._graphs:
            return "graph"
        return next((f.name for f in _contexts(findings) if about(f.path) == "keeper"), None)

    def _properties(self, findings: Sequence[Finding]) -> list[str]:
        lines: list[str] = []
        left = 0
        for f in findings:
            left += not f.taken
            if f.taken or left <= _ALTERNATIVES:
                lines += _block(self._property(f), comment=not f.taken)
        return lines

    def _property(self, f: Finding) -> list[str]:
        node, predicate, value = self._cut(f)
        cls = self._node_class(node)
        value_cls = self._node_class((*node, *predicate)) if value else None
        lines = [f"[properties.{f.name}]", f"# {f.reason}.", *self._examples(f)]
        lines += [f"kind = {_quoted(f.kind)}"] if f.kind != "concept" else []
        lines += [f"node = {self._path(node)}"] if node else []
        lines += [f"node_class = {_quoted(self._short(cls))}"] if cls else []
        lines += [f"predicate = {self._step(predicate[0].predicate, predicate[0].inverse)}"]
        lines += [f"value = {self._path(value)}"] if value else []
        lines += [f"value_class = {_quoted(self._short(value_cls))}"] if value_cls else []
        if f.ends is not None:
            lines += [f"begin = {self._path(f.ends[0])}", f"end = {self._path(f.ends[1])}"]
        if f.kind == "date":
            by = _period([span for text in self._dates(f) if (span := _years(text))])
            lines.append(f"by = {_quoted(by)}   # century, half-century or decade")
        lines += self._spellings(f)
        if f.facts.scheme is not None:
            lines += [
                f"# scheme = {_quoted(self._short(f.facts.scheme))}   # the values are in it: its concepts are then the classes"
            ]
        lines += [f"minimum = {self._minimum}"] if self._minimum > 1 else []
        lines += (
            ["many = true"] if f.facts.several >= 0.02 * max(f.facts.records, 1) and f.kind != "date" else []
        )
        return lines

    def _dates(self, f: Finding) -> Iterator[str]:
        """The dates of every record; two ends are one date."""
        if f.ends is None:
            for term, n in f.facts.counts.items():
                yield from [term.value] * n if isinstance(term, Literal) else ()
            return
        first, last = (self._walk.found[(*f.path[:-1], *end)] for end in f.ends)
        for record in first.keys() & last.keys():
            yield "/".join(next(iter(said[record])).value for said in (first, last))

    def _spellings(self, f: Finding) -> list[str]:
        """How literals become classes, and what means that there is no value."""
        keep, case, texts = spelling_rules(f.facts) if f.kind == "literal" else ("", "", ())
        iris = [_quoted(self._short(t)) for t in f.facts.unknown if isinstance(t, NamedNode)]
        unknown = [*iris[:_UNKNOWN], *map(_quoted, texts[:_UNKNOWN])] if f.kind != "date" else []
        lines = [f"keep = '{keep}'   # without brackets and points at the ends"] if keep else []
        lines += [f"case = {_quoted(case)}"] if case else []
        return lines + (
            [f"unknown = [{', '.join(unknown)}]   # they seem to say: not known"] if unknown else []
        )

    def _cut(self, f: Finding) -> tuple[Way, Way, Way]:
        """A path as node, predicate and value. A value step is split off where a node of one class stands between,
        and the node before it has a place of its own (a production, its time-span, the century)."""
        path = f.path if f.ends is None else f.path[: -len(f.ends[0])]
        before = path[:-1]
        between = (
            len(path) > 2 and not before[-1].inverse and self._node_class(before) and self._walk.own(before)
        )
        if f.ends is None and between:
            return path[:-2], path[-2:-1], path[-1:]
        return before, path[-1:], ()

    def _node_class(self, path: Way) -> NamedNode | None:
        """The class of nearly every node at the end of a path."""
        if not path or path not in self._walk.found:
            return None
        nodes = {t for terms in self._walk.found[path].values() for t in terms}
        counts = self._walk.types.get(path, {})
        best = max(counts, key=lambda c: (counts[c], c), default=None)
        return NamedNode(best) if best is not None and counts[best] >= 0.98 * len(nodes) else None

    def _texts(self, findings: Sequence[Finding]) -> list[str]:
        lines: list[str] = []
        for f in findings:
            body = [f"[texts.{f.name}]", f"# {f.reason}.", *self._examples(f), f"path = {self._path(f.path)}"]
            lines += _block(body, comment=not f.taken)
        return lines

    def _images(self, findings: Sequence[Finding]) -> list[str]:
        lines: list[str] = []
        for f in findings:
            if f.taken:
                lines += _block(
                    ["[[images]]", f"# {f.reason}.", *self._examples(f), f"path = {self._path(f.path)}"],
                    comment=False,
                )
        return lines

    def _contexts(self, findings: Sequence[Finding]) -> list[str]:
        lines: list[str] = []
        if self._graphs:
            lines += ["[contexts.graph]", "# Records stand in several named graphs.", "graph = true", ""]
        left = 0
        for f in findings:
            left += not f.taken
            if f.taken or left <= _ALTERNATIVES:
                body = [f"[contexts.{f.name}]", f"# {f.reason}.", *self._examples(f)]
                body += ['kind = "number"'] if f.kind == "number" else []
                lines += _block([*body, f"path = {self._path(f.path)}"], comment=not f.taken)
        return lines

    def _examples(self, f: Finding) -> list[str]:
        """The commonest values with their counts; of what does not repeat a few."""
        repeats = f.facts.classes > 1
        common = f.facts.counts.most_common(_SHOWN if repeats else 2)
        shown = [(_clean(self._walk.label(t)), n) for t, n in common if self._walk.label(t)]
        said = [f"{label} ({n:,})" if repeats else label for label, n in shown]
        return [f"# {'' if repeats else 'such as '}{', '.join(said)}"] if said else []

    def _short(self, iri: NamedNode) -> str:
        return self._prefixes.short(iri)

    def _step(self, predicate: NamedNode, inverse: bool) -> str:
        return _quoted(f"{'^' if inverse else ''}{self._short(predicate)}")

    def _path(self, path: Way) -> str:
        return f"[{', '.join(self._step(s.predicate, s.inverse) for s in path)}]"


def _of(findings: Iterable[Finding], role: str) -> list[Finding]:
    return [f for f in findings if f.role == role]


def _contexts(findings: Iterable[Finding]) -> list[Finding]:
    """What the draft takes as context, leaks among it."""
    return [f for f in findings if f.role in ("context", "leak") and f.taken and not _long(f)]


def _writable(f: Finding) -> bool:
    """Whether a profile reads the paths of a finding as they would be written."""
    ends = [(*f.path, *end) for end in f.ends or ()]
    return all(map(_writable_path, [f.path, *ends]))


def _writable_path(path: Way) -> bool:
    try:
        return all(step_of(str(step.predicate), {}).predicate == step.predicate for step in path)
    except ValueError:
        return False


def _long(f: Finding) -> bool:
    """Whether a leak stands among the texts."""
    return f.kind == "text" and f.facts.length > SHORT


def _block(lines: Sequence[str], *, comment: bool) -> list[str]:
    """A table, or the same as a comment that a person may take the marks off from."""
    made = [f"# {line.removeprefix('# ')}" for line in lines] if comment else list(lines)
    return [*made, ""]


def _period(dates: Sequence[Span]) -> str:
    """Periods of which the values span at least three or so, and of which one holds most of the years of nine in ten:
    a date that says less is a gap."""
    years = [span.begin for span in dates if span.begin is not None]
    if len(years) < 2:
        return "century"
    cuts = quantiles(years, n=20)
    for name, most in _TOO_MUCH.items():
        held = sum(most_of(span, regular(span, SIZES[name])) is not None for span in dates)
        if cuts[-1] - cuts[0] < most and 10 * held >= 9 * len(dates):
            return name
    return "century"


def _years(text: str) -> Span | None:
    """The years of a date, or the first year that stands in another text; None where it is open or has none."""
    span = read_date(text)
    if span is None and (found := _YEAR.search(text)):
        return Span(int(found[0]), int(found[0]))
    return None if span is None or span.begin is None or span.end is None else span


def _bare(key: str) -> bool:
    return bool(re.fullmatch(r"[A-Za-z0-9_-]+", key))


def _clean(text: str) -> str:
    """A value in a comment: one line, short, and no control characters, which TOML refuses."""
    plain = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    if len(plain) <= 50:
        return plain
    return "…" + plain[-49:] if "://" in plain[:10] else plain[:49] + "…"


def _quoted(text: str) -> str:
    """A basic string of TOML."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007F")
