"""Who asks, and what they may do: a person at this computer, one that a proxy names, or a script with a token.

Routes take a `Reader`, a `Curator` or a `Lead`. The last two also refuse what another site made the
browser send (see `same_origin`).
"""

from __future__ import annotations

import getpass
import ipaddress
import re
import secrets
import threading
from collections import OrderedDict
from dataclasses import dataclass
from typing import Annotated
from urllib.parse import urlsplit

from fastapi import APIRouter, Depends, HTTPException, Request
from fastapi.responses import RedirectResponse

from enrich.classifiers.digest import text_digest
from enrich.errors import InputError, SettingsError
from enrich.settings.loading import Settings
from enrich.settings.models import Role
from enrich.web.tokens import Tokens, known_as

RANK: dict[Role, int] = {"reader": 0, "curator": 1, "lead": 2}
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
"""Methods that change nothing."""
SESSIONS = 50
"""Browsers of the person at this computer that are known at once; of more the oldest is forgotten."""

router = APIRouter()


@dataclass(frozen=True, slots=True)
class User:
    """Somebody: `name` is empty for whom nobody named. `bearer` is a script that carries its token itself."""

    name: str
    role: Role
    bearer: bool = False

    def may(self, role: Role) -> bool:
        """Whether they may do what asks for a role."""
        return RANK[self.role] >= RANK[role] and (bool(self.name) or role == "reader")


ANYBODY = User("", "reader")


class Doors:
    """How people come in. Without a proxy that names them there is one: the person at this computer, `by`, who opens
    the site once by an address with a token in it."""

    def __init__(self, settings: Settings, by: str | None = None) -> None:
        """Raises SettingsError for settings by which anybody could pass for somebody."""
        web = settings.web
        self.reading, self.users, self.header = web.reading, web.users, web.user_header
        self.proxies = _networks(web.trusted_proxies)
        self.tokens = Tokens(settings.locate(web.tokens))
        self.address = None if web.address is None else _origin(web.address)
        self.local = self.header is None and is_loopback(web.host)
        self._check(web.host)
        self.by = _local_name(by) if self.local else ""
        place = text_digest(str(settings.locate(web.index)))
        self.cookie = (
            f"enrich-{place[:8]}"  # a port is no part of a cookie's place: two museums keep apart by name
        )
        self._lock = threading.Lock()
        self._invited: str | None = None
        self._sessions: OrderedDict[str, None] = OrderedDict()

    def _check(self, host: str) -> None:
        if self.header is not None:
            if not re.fullmatch(r"[A-Za-z0-9-]+", self.header):
                raise SettingsError(f"web.user_header {self.header!r} is no name of a header")
            if not self.proxies:
                raise SettingsError(
                    "web.user_header is believed from web.trusted_proxies alone, and there are none: anybody could "
                    "send it; name the network of your proxy, such as 127.0.0.1/32"
                )
        elif not self.local and not self.tokens.all():
            raise SettingsError(
                f"web.host {host} is reached from other computers, and nobody there could be told from another: set "
                "web.user_header and web.trusted_proxies, or make a token with: enrich web token add NAME"
            )

    def invitation(self) -> str:
        """A new address that opens the site for the person at this computer, once; the one before it ends."""
        self._invited = secrets.token_urlsafe(32)
        return f"/enter?token={self._invited}"

    def enter(self, token: str) -> str | None:
        """A new session for who has the token of the invitation; None for others."""
        with self._lock:
            if self._invited is None or not secrets.compare_digest(self._invited.encode(), token.encode()):
                return None
            self._invited = None
            session = secrets.token_urlsafe(32)
            self._sessions[session] = None
            while len(self._sessions) > SESSIONS:
                self._sessions.popitem(last=False)
        return session

    def who(self, request: Request) -> User:
        """Who sent a request. Raises HTTPException 401 for a token that is none."""
        given = request.headers.get("authorization", "")
        if given[:7].lower() == "bearer ":
            token = self.tokens.find(given[7:].strip())
            if token is None:
                raise HTTPException(401, "this token is not known", {"WWW-Authenticate": "Bearer"})
            return User(token.name, token.role, bearer=True)
        if self.header is not None:
            return self._named(request, self.header)
        if self.local and request.cookies.get(self.cookie) in self._sessions:
            return User(self.by, "lead")
        return ANYBODY

    def _named(self, request: Request, header: str) -> User:
        """Whom the proxy names. Two names are none: one of them came from outside."""
        names = request.headers.getlist(header)
        if len(names) != 1 or not names[0].strip() or not self._trusted(request):
            return ANYBODY
        try:
            name = known_as(names[0].encode("latin-1").decode())
        except (InputError, UnicodeDecodeError):
            return ANYBODY
        return User(name, self.users.get(name, "reader"))

    def _trusted(self, request: Request) -> bool:
        if request.client is None:
            return False
        try:
            peer = ipaddress.ip_address(request.client.host)
        except ValueError:
            return False
        peer = getattr(peer, "ipv4_mapped", None) or peer
        return any(peer in network for network in self.proxies)

    def may_read(self, user: User) -> bool:
        """Whether somebody may look: anybody where reading is open, otherwise who has a role."""
        return (
            self.reading == "open"
            or user.bearer
            or user.name in self.users
            or (self.local and bool(user.name))
        )

    def knows_host(self, host: str) -> bool:
        """Whether a request was meant for here. A page elsewhere can let its own name point to this computer."""
        if not self.local or is_loopback(_host(host)):
            return True
        return self.address is not None and urlsplit(self.address).netloc == host.lower()

    def same_origin(self, request: Request) -> bool:
        """Whether our own page sent a request, by what browsers let no page forge."""
        if site := request.headers.get("sec-fetch-site"):
            return site == "same-origin"
        origin = request.headers.get("origin", "").lower()
        return bool(origin) and origin == self.origin(request)

    def origin(self, request: Request) -> str:
        """Where browsers reach the site: what the settings say, otherwise where a request came to."""
        return self.address or f"{request.url.scheme}://{request.headers.get('host', '').lower()}"


def doors_of(request: Request) -> Doors:
    """Those of the site that a request came to."""
    doors: Doors = request.app.state.doors
    return doors


def reader(request: Request) -> User:
    """Who looks. Refused where reading is closed to them."""
    doors = doors_of(request)
    user = request.state.user = doors.who(request)
    if doors.may_read(user):
        return user
    if user.name:
        raise HTTPException(403, f"{user.name} may not read here: a lead gives a role in web.users")
    raise HTTPException(401, f"reading is closed here: {_way_in(doors)}", {"WWW-Authenticate": "Bearer"})


def curator(request: Request) -> User:
    """Who judges. Refused without a name and a role, and for what another site sent."""
    return _with_role(request, "curator")


def lead(request: Request) -> User:
    """Who answers for the others' work."""
    return _with_role(request, "lead")


Reader = Annotated[User, Depends(reader)]
Curator = Annotated[User, Depends(curator)]
Lead = Annotated[User, Depends(lead)]


def _with_role(request: Request, role: Role) -> User:
    doors = doors_of(request)
    request.state.user = ANYBODY
    if request.method not in SAFE:
        # The audit has it, whatever comes of it, also of a token that nobody knows.
        request.state.changing = True
    user = request.state.user = doors.who(request)
    if not user.name:
        raise HTTPException(403, f"this is for a {role}, and you have no name here: {_way_in(doors)}")
    if not user.may(role):
        raise HTTPException(403, f"this is for a {role}, and {user.name} is a {user.role}")
    if request.method not in SAFE and not user.bearer and not doors.same_origin(request):
        raise HTTPException(
            403, "another site sent this, or a browser that does not say which: nothing was done"
        )
    return user


def _way_in(doors: Doors) -> str:
    if doors.local:
        return "open the address that enrich web printed when it started, or bear a token"
    return "sign in, or bear a token"


@router.get("/enter", include_in_schema=False)
def enter(request: Request, token: str = "") -> RedirectResponse:
    """Let the person at this computer in, and the token out of the address bar."""
    doors = doors_of(request)
    session = doors.enter(token)
    if session is None and doors.who(request) == ANYBODY:
        raise HTTPException(
            403, "this address opens the site once, and was used: start enrich web again for another"
        )
    answer = RedirectResponse("/", 303)
    if session is not None:
        answer.set_cookie(doors.cookie, session, httponly=True, samesite="strict", path="/")
    return answer


def is_loopback(host: str) -> bool:
    """Whether a name or an address is this computer's own."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def _host(header: str) -> str:
    """The name in a Host header, without the port."""
    try:
        return urlsplit(f"//{header}").hostname or "" if re.fullmatch(r"[\w.:\[\]-]+", header) else ""
    except ValueError:  # half of an IPv6 address
        return ""


def _origin(address: str) -> str:
    parts = urlsplit(address)
    return f"{parts.scheme}://{parts.netloc}".lower()


def _local_name(by: str | None) -> str:
    if by is None:
        try:
            by = getpass.getuser()
        except (KeyError, OSError):
            by = ""
    try:
        return known_as(by)
    except InputError as error:
        raise SettingsError(f"who reviews at this computer has no name: say --by NAME ({error})") from error


def _networks(named: tuple[str, ...]) -> list[ipaddress.IPv4Network | ipaddress.IPv6Network]:
    found = []
    for text in named:
        try:
            network = ipaddress.ip_network(text, strict=False)
        except ValueError as error:
            raise SettingsError(f"web.trusted_proxies: {text!r} is no network: {error}") from error
        if network.prefixlen == 0:
            raise SettingsError(f"web.trusted_proxies: {text} is everybody; name the network of your proxy")
        found.append(network)
    return found
