"""The named queries: SPARQL files whose `$name` tokens stand for terms, bound before they are sent."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from ontology.terms import OntologyError, Term, sparql

# SPARQL 1.1 §19.8: what a `$name` must not be looked for in, and the token itself.
_TOKEN = re.compile(
    r"""(?P<skip> <[^<>"{}|^`\\\x00-\x20]*>
      | \"\"\"(?:[^"\\]|\\.|\"(?!\"\"))*\"\"\" | '''(?:[^'\\]|\\.|'(?!''))*'''
      | "(?:[^"\\\n\r]|\\.)*" | '(?:[^'\\\n\r]|\\.)*'
      | \#[^\n\r]* )
      | \$(?P<name>[A-Za-z_][A-Za-z0-9_]*)""",
    re.VERBOSE | re.DOTALL,
)
_KEY = re.compile(r"#\s*key:\s*(\w+)\s*")


@dataclass(frozen=True, slots=True)
class Query:
    """A query with what it answers, its parameters in order, and its paging key.

    `key` names the variable (an IRI) by which a server that caps its answers can be asked page by page;
    the text then holds the comment `#PAGE#` where a FILTER may stand. It is None where there is none.
    """

    name: str
    description: str
    text: str
    parameters: tuple[str, ...]
    key: str | None = None

    def bind(self, **terms: Term) -> str:
        """The SPARQL text with every `$name` outside strings, IRIs and comments replaced by its term.

        Terms that the query does not ask for are left out, so that callers may offer all they have.
        Raises OntologyError when one is missing, or is neither an IRI nor a literal.
        """
        unbound = [name for name in self.parameters if name not in terms]
        if unbound:
            raise OntologyError(f"the query {self.name} needs a term for ${unbound[0]}")
        written = {name: sparql(terms[name]) for name in self.parameters}
        return _TOKEN.sub(lambda token: _written(token, written), self.text)


def _written(token: re.Match[str], terms: dict[str, str]) -> str:
    name = token.group("name")
    return token.group(0) if name is None else terms[name]


def parse_query(name: str, text: str) -> Query:
    """A query from its text; the comment lines at its head say what it answers."""
    names = dict.fromkeys(match.group("name") for match in _TOKEN.finditer(text) if match.group("name"))
    head = list(_head(text))
    keys = [match.group(1) for line in head if (match := _KEY.fullmatch(line))]
    said = " ".join(line.lstrip("# ").strip() for line in head if not _KEY.fullmatch(line))
    return Query(name, said, text, tuple(names), keys[0] if keys else None)


def _head(text: str) -> Iterator[str]:
    for line in text.splitlines():
        if not line.startswith("#"):
            return
        yield line


@cache
def query_names() -> tuple[str, ...]:
    """The names of the queries that come with the package, in order."""
    folder = files("ontology") / "queries"
    return tuple(sorted(f.name.removesuffix(".rq") for f in folder.iterdir() if f.name.endswith(".rq")))


@cache
def named_query(name: str) -> Query:
    """A query that comes with the package. Raises OntologyError when there is none of this name."""
    if name not in query_names():
        raise OntologyError(f"no query is called {name!r}; there are: {', '.join(query_names())}")
    return parse_query(name, (files("ontology") / "queries" / f"{name}.rq").read_text(encoding="utf-8"))
