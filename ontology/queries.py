"""The named queries: SPARQL files whose `$name` tokens stand for terms, bound before they are sent.

A line that begins with `#?` is a comment until all parameters in it are given: a condition that may be left out.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from enrich.ontology.sparql import TOKEN
from enrich.ontology.terms import OntologyError, Term, sparql

_HINT = re.compile(r"#\s*(key|gaps|joins):\s*(.*?)\s*")
"""A line at the head that is for whoever asks the store, not for a reader."""
_OPTION = re.compile(r"^([ \t]*)#\?(.*)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Query:
    """A query with what it answers, its parameters in order, those that may be left out, and its paging key.

    `gaps` says of which gaps answers are wanted: "open", to leave out what the facts state by now, or "filled", for that
    alone; None where it does not matter. `key` names the variable (an IRI) by which a server that caps its answers can be asked page by page;
    the text then holds the comment `#PAGE#` where a FILTER may stand. It is None where there is none.
    """

    name: str
    description: str
    text: str
    parameters: tuple[str, ...]
    options: tuple[str, ...] = ()
    key: str | None = None
    gaps: str | None = None

    def bind(self, **terms: Term) -> str:
        """The SPARQL text with every `$name` outside strings, IRIs and comments replaced by its term.

        Terms that the query does not ask for are left out, so that callers may offer all they have.
        Raises OntologyError when one is missing, or is neither an IRI nor a literal.
        """
        unbound = [name for name in self.parameters if name not in terms]
        if unbound:
            raise OntologyError(f"the query {self.name} needs a term for ${unbound[0]}")
        given = [name for name in (*self.parameters, *self.options) if name in terms]
        written = {name: sparql(terms[name]) for name in given}
        text = _OPTION.sub(
            lambda line: line[1] + line[2] if written.keys() >= set(_names(line[2])) else line[0], self.text
        )
        return TOKEN.sub(lambda token: written.get(_parameter(token), token[0]), text)


def _names(text: str) -> tuple[str, ...]:
    """The names of the `$name` tokens in a text, once each."""
    return tuple(dict.fromkeys(filter(None, map(_parameter, TOKEN.finditer(text)))))


def _parameter(token: re.Match[str]) -> str:
    """The name in a `$name` token; empty for any other."""
    return token[0][1:] if token.lastgroup == "variable" and token[0][0] == "$" else ""


def parse_query(name: str, text: str) -> Query:
    """A query from its text; the comment lines at its head say what it answers."""
    head = list(_head(text))
    hints = {match[1]: match[2] for line in head if (match := _HINT.fullmatch(line))}
    said = " ".join(line.lstrip("# ").strip() for line in head if not _HINT.fullmatch(line))
    options = _names("\n".join(line[2] for line in _OPTION.finditer(text)))
    return Query(name, said, text, _names(text), options, hints.get("key"), hints.get("gaps"))


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
