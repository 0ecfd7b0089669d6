"""JSON-LD whose contexts are named by an address: they are put into the document, from files and never by a network."""

import json
import re
from collections.abc import Iterator, Mapping
from functools import cached_property
from importlib import resources
from pathlib import Path
from typing import Any

from enrich.errors import InputError

IIIF = "iiif.io/api"
KNOWN = {
    "linked.art/ns/v1/linked-art.json": "linked-art",
    "schema.org": "schema-org",
    "schema.org/docs/jsonldcontext.json": "schema-org",
    "schema.org/docs/jsonldcontext.jsonld": "schema-org",
    "europeana.eu/schemas/edm": "edm",
    "europeana.eu/schemas/context/edm.jsonld": "edm",
    "europeana.eu/schemas/context/entity.jsonld": "edm",
    f"{IIIF}/presentation/2/context.json": "iiif-presentation-2",
    f"{IIIF}/presentation/3/context.json": "iiif-presentation-3",
    f"{IIIF}/image/2/context.json": "iiif-image-2",
    f"{IIIF}/image/3/context.json": "iiif-image-3",
    "w3.org/ns/anno.jsonld": "annotation",
}
"""The files of `contexts` by the addresses that they stand for, without scheme, `www.` and last slash."""

_AROUND = re.compile(r"^https?://(?:www\.)?|[/#]+$", re.I)


class UnknownContext(InputError):
    """A context of which there is no file, or whose file cannot be read."""


class Contexts:
    """Contexts by address: those that come with enrich, and `files` of the caller's, which go first."""

    def __init__(self, files: Mapping[str, Path] | None = None) -> None:
        self._files = {_key(url): path for url, path in (files or {}).items()}
        self._read: dict[str, Any] = {}

    @classmethod
    def of(cls, assignments: list[str]) -> "Contexts":
        """From `URL=FILE`, as the command line gives them. Raises InputError for another form."""
        pairs = [text.rpartition("=") for text in assignments]
        wrong = next((text for text, pair in zip(assignments, pairs, strict=True) if not pair[0]), None)
        if wrong is not None:
            raise InputError(f"--context {wrong} names no file; write it as URL=FILE")
        return cls({url: Path(file) for url, _, file in pairs})

    def inlined(self, document: bytes) -> bytes:
        """The document with every context in place of its address.

        Of a context only the terms that the document uses are put in, and those that they need in turn, in this
        context or another: they are often larger than the document. UnknownContext for an address, ValueError for what
        is no JSON.
        """
        try:
            data = json.loads(document)
            return json.dumps(_Inlining(self, data).put(data), ensure_ascii=False).encode()
        except RecursionError as error:
            raise ValueError("it is nested too deeply, or its contexts name each other") from error

    def get(self, url: str) -> Any:
        """What the file of an address says under `@context`. Raises UnknownContext when there is none."""
        key = _key(url)
        if key not in self._read:
            self._read[key] = self._content(url, key)
        return self._read[key]

    def _content(self, url: str, key: str) -> Any:
        if key not in self._files and key not in KNOWN:
            raise UnknownContext(
                f"it names the context {url}, which is not known here and is not fetched; "
                f"give a copy of it: --context {url}=FILE"
            )
        try:
            file = self._files.get(key) or resources.files("enrich.graph") / "contexts" / f"{KNOWN[key]}.json"
            data = json.loads(file.read_text(encoding="utf-8-sig"))
        except (OSError, ValueError) as error:
            why = f": {error.strerror}" if isinstance(error, OSError) else f" is no JSON ({error})"
            raise UnknownContext(f"the context {url} cannot be read: {self._files[key]}{why}") from error
        return data.get("@context", data) if isinstance(data, dict) else data


class _Inlining:
    def __init__(self, contexts: Contexts, document: Any) -> None:
        self._contexts = contexts
        self._document = document

    @cached_property
    def _words(self) -> set[str]:
        """The words of the document, and those of its contexts' terms that stay: one context may build on another."""
        words, known = set(_words(self._document)), 0
        while known < len(words):
            known, seen, todo = len(words), set[str](), list(_addresses(self._document))
            while todo:
                if (url := todo.pop()) not in seen:
                    seen.add(url)
                    context = _trimmed(self._contexts.get(url), words)
                    words.update(_words(context))
                    todo.extend(_addresses(context, named=True))
            if len(seen) == 1:
                break  # no other is there that needs its words
        return words

    def put(self, node: Any) -> Any:
        """A part of a document, every `@context` in it resolved."""
        if isinstance(node, list):
            return [self.put(item) for item in node]
        if not isinstance(node, dict):
            return node
        return {k: self._resolved(v) if k == "@context" else self.put(v) for k, v in node.items()}

    def _resolved(self, context: Any) -> Any:
        if isinstance(context, str):
            return self._resolved(_trimmed(self._contexts.get(context), self._words))
        if isinstance(context, list):
            found = [self._resolved(item) for item in context]
            return [one for item in found for one in (item if isinstance(item, list) else [item])]
        if not isinstance(context, dict):
            return context
        imported = self._resolved(context["@import"]) if "@import" in context else {}
        own = {k: self.put(v) if _scopes(v) else v for k, v in context.items() if k != "@import"}
        return {**imported, **own} if isinstance(imported, dict) else [*imported, own]


def _key(url: str) -> str:
    return _AROUND.sub("", url)


def _scopes(definition: Any) -> bool:
    """Whether a term has a context of its own."""
    return isinstance(definition, dict) and "@context" in definition


def _words(node: Any) -> Iterator[str]:
    """Every key and text in a piece of JSON, and what stands before its first colon."""
    if isinstance(node, str):
        yield node
        yield node.partition(":")[0]
    elif isinstance(node, dict):
        for key, value in node.items():
            yield from _words(key)
            yield from _words(value)
    elif isinstance(node, list):
        for value in node:
            yield from _words(value)


def _addresses(node: Any, *, named: bool = False) -> Iterator[str]:
    """The addresses of contexts in a piece of JSON, or in a context, when such may stand there."""
    if isinstance(node, str) and named:
        yield node
    elif isinstance(node, list):
        for item in node:
            yield from _addresses(item, named=named)
    elif isinstance(node, dict):
        for key, value in node.items():
            yield from _addresses(value, named=key in ("@context", "@import"))


def _trimmed(context: Any, words: set[str]) -> Any:
    """A context without the terms that neither the words nor other terms that stay name."""
    if isinstance(context, list):
        return [_trimmed(part, words) for part in context]
    if not isinstance(context, dict):
        return context
    kept = {key: value for key, value in context.items() if key.startswith("@")}
    todo = {*(words & context.keys()), *_words(kept)}
    while todo:
        term = todo.pop()
        if term in context and term not in kept:
            kept[term] = context[term]
            if _scopes(context[term]):
                kept[term] = {**kept[term], "@context": _trimmed(kept[term]["@context"], words)}
            todo.update(_words(kept[term]))
    return kept
