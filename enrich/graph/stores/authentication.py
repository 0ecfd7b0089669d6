"""Credentials, and the urllib handlers that use them: none, basic, digest or bearer."""

from __future__ import annotations

import base64
import urllib.request
from dataclasses import dataclass, field
from typing import Any

from enrich.errors import SettingsError

AUTHENTICATIONS = ("none", "basic", "digest", "bearer")


@dataclass(frozen=True, slots=True)
class Credentials:
    """How to authenticate: auth is none, basic, digest (user and password) or bearer (token)."""

    auth: str = "none"
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    token: str | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if self.auth not in AUTHENTICATIONS:
            raise SettingsError(f"store.auth is {self.auth!r}; it is one of {', '.join(AUTHENTICATIONS)}")
        if self.auth in ("basic", "digest") and (self.user is None or self.password is None):
            raise SettingsError(f"store.auth = {self.auth} needs store.user and store.password")
        if self.auth == "bearer" and not self.token:
            raise SettingsError("store.auth = bearer needs store.token")

    def hide(self, text: str) -> str:
        """The text with the password and the token blotted out."""
        for secret in (self.password, self.token):
            if secret:
                text = text.replace(secret, "***")
        return text


class Authentication(urllib.request.BaseHandler):
    """Adds the Authorization header, and answers a digest challenge."""

    handler_order = 480

    def __init__(self, credentials: Credentials) -> None:
        self.credentials = credentials
        self._challenge: dict[str, str] = {}
        self._digest = urllib.request.HTTPDigestAuthHandler(_OnePassword(credentials))

    def http_request(self, request: urllib.request.Request) -> urllib.request.Request:
        header = self._header(request)
        if header:
            request.add_unredirected_header("Authorization", header)
        return request

    https_request = http_request

    def _header(self, request: urllib.request.Request) -> str | None:
        given = self.credentials
        if given.auth == "basic":
            pair = f"{given.user}:{given.password}".encode()
            return "Basic " + base64.b64encode(pair).decode("ascii")
        if given.auth == "bearer":
            return f"Bearer {given.token}"
        if given.auth == "digest" and self._challenge:
            answer = self._digest.get_authorization(request, self._challenge)
            return f"Digest {answer}" if answer else None
        return None

    def http_error_401(self, request: urllib.request.Request, fp: Any, *answer: Any) -> Any:
        """Answer a digest challenge once; the nonce is kept for the requests that follow."""
        challenge = answer[-1].get("WWW-Authenticate", "")
        if self.credentials.auth != "digest" or getattr(request, "_answered", False):
            return None
        if not challenge.lower().startswith("digest "):
            return None
        fp.read()
        parts = urllib.request.parse_keqv_list(urllib.request.parse_http_list(challenge[7:]))
        self._challenge = {str(k): str(v) for k, v in parts.items()}
        request._answered = True  # type: ignore[attr-defined]
        return self.parent.open(request, timeout=request.timeout)


class NoRedirect(urllib.request.HTTPRedirectHandler):
    """Follows no redirect: urllib would turn an update into a GET, and call it a success."""

    def redirect_request(self, *_: Any) -> None:
        return None


class _OnePassword(urllib.request.HTTPPasswordMgr):
    """The credentials of one store, whatever the realm."""

    def __init__(self, credentials: Credentials) -> None:
        super().__init__()
        self._pair = (credentials.user, credentials.password)

    def find_user_password(self, realm: str, authuri: str) -> tuple[str | None, str | None]:  # noqa: ARG002
        return self._pair
