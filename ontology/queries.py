"""The named queries: SPARQL files whose `$name` tokens stand for terms, bound before they are sent."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from enrich.ontology.sparql import TOKEN
from enrich.ontology.terms import OntologyError, Term, sparql

_KEY = re.compile(r"#\s*key:\s*(\w+)\s*")
_HINT = re.compile(r"#\s*(key|joins):.*")
"""A line at the head that is for the store, not for a reader."""


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
        return TOKEN.sub(lambda token: written.get(_parameter(token), token[0]), self.text)


def _parameter(token: re.Match[str]) -> str:
    """The name in a `$name` token; empty for any other."""
    return token[0][1:] if token.lastgroup == "variable" and token[0][0] == "$" else ""


def parse_query(name: str, text: str) -> Query:
    """A query from its text; the comment lines at its head say what it answers."""
    names = dict.fromkeys(filter(None, map(_parameter, TOKEN.finditer(text))))
    head = list(_head(text))
    keys = [match.group(1) for line in head if (match := _KEY.fullmatch(line))]
    said = " ".join(line.lstrip("# ").strip() for line in head if not _HINT.fullmatch(line))
    return Query(name, said, text, tuple(names), keys[0] if keys else None)


def _head(text: str) -> Iterator[str]:
    for line in text.splitlines():
        if not line.startswith("#"):
            return
        yield line


@cache
def query_names() -> tuple[str, ...]:
    """The names of the queries that come with the package, in order."""
    folder = files("enrich.ontology") / "queries"
    return tuple(sorted(f.name.removesuffix(".rq") for f in folder.iterdir() if f.name.endswith(".rq")))


@cache
def named_query(name: str) -> Query:
    """A query that comes with the package. Raises OntologyError when there is none of this name."""
    if name not in query_names():
        raise OntologyError(f"no query is called {name!r}; there are: {', '.join(query_names())}")
    return parse_query(
        name, (files("enrich.ontology") / "queries" / f"{name}.rq").read_text(encoding="utf-8")
    )
