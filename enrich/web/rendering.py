"""Pages: a template in the reader's language, with numbers and names as people read them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from importlib.resources import files
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from fastapi import Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, PackageLoader, StrictUndefined

from enrich.classifiers.digest import bytes_digest
from enrich.graph.labels import short_iri
from enrich.ontology.terms import is_iri
from enrich.settings.models import Role
from enrich.web.desk import new_token
from enrich.web.languages import chosen, words
from enrich.web.site import site_of
from enrich.web.who import User

COOKIE = "enrich_language"
AREAS = (
    ("/browse", "browse"), ("/cross", "cross"), ("/queue", "queue"), ("/groups", "groups"), ("/promise", "promise"),
    ("/curators", "curators"), ("/sparql", "sparql"),
)  # fmt: skip
"""What stands in the bar of every page, where the application has it."""
NEEDS: Mapping[str, Role] = {"/queue": "curator", "/groups": "curator", "/curators": "lead"}
"""The role without which an area is not shown."""
_SEPARATORS = {"en": (",", "."), "es": (".", ","), "fr": ("\u202f", ","), "it": (".", ",")}
"""Between thousands, and before decimals."""


@dataclass(frozen=True)
class Words:
    """The interface in one language."""

    language: str

    def __call__(self, key: str, **said: object) -> str:
        """The text of `area.key`, with what it names filled in. Raises KeyError for one that no file has."""
        text = words()[key][self.language]
        return text.format(**said) if said else text

    def term(self, word: str | None) -> str:
        """A term of the vocabulary (a state, an outcome, a reason) in words; what is none, as it is."""
        texts = words().get(f"terms.{word}", {})
        return texts.get(self.language) or word or "–"

    def number(self, value: int) -> str:
        """A whole number with its thousands apart."""
        return f"{value:,}".replace(",", _SEPARATORS[self.language][0])

    def decimal(self, value: float | None, digits: int = 2) -> str:
        """A share with its decimals; – for none. What is not quite 1 is not rounded up to it."""
        if value is None or value != value:
            return "–"
        shown = min(value, 1 - 10**-digits) if 0.9 < value < 1 else value
        return f"{shown:.{digits}f}".replace(".", _SEPARATORS[self.language][1])

    def percent(self, value: float) -> str:
        """A share in per cent."""
        return f"{self.decimal(100 * value, 0)}\u00a0%"


def language_of(request: Request) -> str:
    """The language of a page: asked for in the address, else kept from before, else the browser's."""
    offered = site_of(request).settings.web.languages
    for wish in (request.query_params.get("lang"), request.cookies.get(COOKIE)):
        if wish in offered:
            return str(wish)
    return chosen(request.headers.get("accept-language", ""), offered)


def words_of(request: Request) -> Words:
    """The interface in the reader's language."""
    return Words(language_of(request))


def rendered(request: Request, template: str, **said: Any) -> str:
    """A template in the reader's language: a page, or a part of one."""
    t = words_of(request)
    settings = site_of(request).settings
    user: User | None = getattr(request.state, "user", None)
    closed = {path for path, role in NEEDS.items() if user is None or not user.may(role)}
    paths: set[str] = getattr(request.app.state, "paths", set()) - closed
    found = {
        "request": request,
        "t": t,
        "language": t.language,
        "languages": settings.web.languages,
        "museum": settings.creator or urlsplit(settings.base).hostname,
        "areas": [(path, key) for path, key in AREAS if path in paths],
        "has": paths.__contains__,
        "place": lambda iri: place(settings.base, iri),
        "ours": lambda iri: str(iri).startswith(settings.base),
        "user": user,
        "again": _again(request),
    }
    return _environment().get_template(template).render(found | said)


def page(request: Request, template: str, status: int = 200, **said: Any) -> HTMLResponse:
    """A page from a template that extends layout.html. A language that the address asks for is kept in a cookie."""
    t = words_of(request)
    response = HTMLResponse(rendered(request, template, **said), status)
    response.headers["Content-Language"] = t.language
    response.headers["Vary"] = "Accept, Accept-Language, Cookie"
    if request.query_params.get("lang") == t.language:
        response.set_cookie(COOKIE, t.language, max_age=365 * 86400, httponly=True, samesite="lax")
    return response


def address(path: str, query: Mapping[str, Any] | None = None, /, **more: Any) -> str:
    """A path of ours with its query; a list gives a parameter several times, None leaves it out."""
    asked = {
        name: value for name, value in {**(query or {}), **more}.items() if value not in (None, "", [], ())
    }
    return f"{path}?{urlencode(asked, doseq=True)}" if asked else path


def linkable(iri: object) -> bool:
    """Whether something may become a link: an http(s) IRI and nothing else."""
    return isinstance(iri, str) and iri.startswith(("http://", "https://")) and is_iri(iri)


def place(base: str, iri: str) -> str:
    """Where an IRI of ours is served: its path under the base. Two slashes at its head would be another host."""
    return "/" + quote(iri.removeprefix(base).lstrip("/"), safe="/~:@!$&'()*+,;=")


def _again(request: Request) -> Callable[..., str]:
    """The address of this page with some parameters changed."""
    query: dict[str, list[str]] = {}
    for name, value in request.query_params.multi_items():
        query.setdefault(name, []).append(value)
    return lambda **changed: address(place("", request.url.path), query, **changed)


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("enrich.web"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals |= {
        "address": address,
        "linkable": linkable,
        "new_token": new_token,
        "static": static,
    }
    environment.filters |= {"moment": moment, "short": short_iri}
    return environment


@cache
def static(name: str) -> str:
    """The address of a file of ours, another one whenever its content changes."""
    content = files("enrich.web").joinpath("static", name).read_bytes()
    return f"/static/{name}?v={bytes_digest(content)[:12]}"


def moment(text: str | None) -> str:
    """A time of the register as people read it, in UTC; what is no time, as it is."""
    try:
        found = datetime.fromisoformat(text or "")
    except ValueError:
        return text or "–"
    return (
        found.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")
        if found.tzinfo
        else found.strftime("%Y-%m-%d %H:%M")
    )
