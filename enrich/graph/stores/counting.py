"""Queries that count what another query should have answered, to tell a result that a server capped."""

from __future__ import annotations

import re

_IRI_OR_STRING = re.compile(
    r"<[^<>\s]*>|\"\"\".*?\"\"\"|'''.*?'''|\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])*'", re.S
)
_COMMENT = re.compile(r"#[^\n]*")
_PROLOGUE = re.compile(r"\s*(?:(?:PREFIX\s+[^\s:]*:|BASE)\s*<[^<>\s]*>\s*)*", re.I)
_DATASET = re.compile(r"\bFROM\s+(?:NAMED\s+)?<[^<>\s]*>", re.I)
_CONSTRUCT = re.compile(r"CONSTRUCT\s*\{", re.I)


def without_comments(query: str) -> str:
    """The query without its comments; what looks like one inside an IRI or a string stays."""
    kept: list[str] = []
    position = 0
    while position < len(query):
        token = _IRI_OR_STRING.match(query, position) or _COMMENT.match(query, position)
        if token is None:
            kept.append(query[position])
            position += 1
            continue
        kept.append("" if token[0].startswith("#") else token[0])
        position = token.end()
    return "".join(kept)


def count_of_select(query: str) -> str:
    """A query for the number of rows that this SELECT has, its LIMIT included."""
    prologue, body = _split(query)
    head, where = _at_first_brace(body)
    datasets = " ".join(_DATASET.findall(head))
    inner = _DATASET.sub(" ", head) + where
    return f"{prologue} SELECT (COUNT(*) AS ?rows) {datasets} WHERE {{ {{ {inner} }} }}"


def count_of_construct(query: str) -> str | None:
    """A query for the number of solutions of this CONSTRUCT; None when it has no template."""
    prologue, body = _split(query)
    start = _CONSTRUCT.match(body)
    if start is None:
        return None
    end = _closing(body, start.end() - 1)
    rest = body[end + 1 :]
    head, where = _at_first_brace(rest)
    datasets = " ".join(_DATASET.findall(head))
    return f"{prologue} SELECT (COUNT(*) AS ?rows) {datasets} WHERE {{ {{ SELECT * WHERE {where} }} }}"


def _split(query: str) -> tuple[str, str]:
    text = without_comments(query)
    prologue = _PROLOGUE.match(text)
    end = prologue.end() if prologue else 0
    return text[:end], text[end:]


def _at_first_brace(text: str) -> tuple[str, str]:
    """The text cut before its first brace outside IRIs and strings."""
    position = 0
    while position < len(text):
        token = _IRI_OR_STRING.match(text, position)
        if token is not None:
            position = token.end()
        elif text[position] == "{":
            break
        else:
            position += 1
    return text[:position], text[position:]


def _closing(text: str, start: int) -> int:
    """Where the brace that opens at `start` closes, outside IRIs and strings."""
    depth, position = 0, start
    while position < len(text):
        token = _IRI_OR_STRING.match(text, position)
        if token is not None:
            position = token.end()
            continue
        depth += {"{": 1, "}": -1}.get(text[position], 0)
        if depth == 0:
            return position
        position += 1
    return len(text)
