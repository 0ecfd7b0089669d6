"""Who may look and judge: at this computer, behind a proxy, and with a token."""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import httpx2
import pytest
import uvicorn
from fastapi import Depends, FastAPI
from fastapi.routing import APIRoute
from starlette.testclient import TestClient

from enrich.errors import SettingsError
from enrich.graph.stores import open_store
from enrich.settings.loading import Settings
from enrich.web.api import annotations, answers, reconciliation
from enrich.web.api import reviews as api_reviews
from enrich.web.app import AREAS, make_app
from enrich.web.guards import UVICORN
from enrich.web.site import Site
from enrich.web.tokens import Tokens
from enrich.web.who import SAFE, Doors, User, curator, lead, reader
from tests.servers import free_port

HERE = "http://127.0.0.1:8765"
OURS = {"Sec-Fetch-Site": "same-origin"}
PROXIED = {"user_header": "X-Forwarded-User", "trusted_proxies": ("10.0.0.0/8",)}


def settings_of(folder: Path, **web: Any) -> Settings:
    settings = Settings(web=web)
    settings._folder = folder
    return settings


def app_of(folder: Path, by: str | None = "Ana Ruiz", **web: Any) -> FastAPI:
    settings = settings_of(folder, **web)
    app = make_app(Site(settings, open_store()), Doors(settings, by))

    @app.get("/test/look")
    def look(user: Annotated[User, Depends(reader)]) -> str:
        return user.name

    @app.post("/test/judge")
    def judge(user: Annotated[User, Depends(curator)]) -> str:
        return user.name

    @app.post("/test/lead")
    def retract(user: Annotated[User, Depends(lead)]) -> str:
        return user.name

    @app.post("/test/ask")
    def ask(user: Annotated[User, Depends(reader)]) -> str:
        return user.name

    return app


def client_of(app: FastAPI, peer: str = "127.0.0.1", base: str = HERE) -> TestClient:
    return TestClient(app, base_url=base, client=(peer, 5000))


def audited(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / ".cache/audit.jsonl").read_text().splitlines()]


def test_the_person_at_this_computer_comes_in_once_by_the_address_and_then_by_a_cookie(
    tmp_path: Path,
) -> None:
    app = app_of(tmp_path)
    client = client_of(app)
    assert client.get("/test/look").json() == ""
    assert client.post("/test/judge", headers=OURS).status_code == 403
    invitation = app.state.doors.invitation()
    answer = client.get(invitation, follow_redirects=False)
    assert answer.status_code == 303
    assert "token" not in answer.headers["location"]
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    assert client.post("/test/judge", headers=OURS).json() == "Ana Ruiz"
    assert client_of(app).get(invitation, follow_redirects=False).status_code == 403, "it opens once"


@pytest.mark.parametrize("token", ["", "x", "ü"])
def test_another_token_opens_nothing(tmp_path: Path, token: str) -> None:
    app = app_of(tmp_path)
    assert client_of(app).get("/enter", params={"token": token}).status_code == 403, "there is no invitation"
    app.state.doors.invitation()
    assert client_of(app).get("/enter", params={"token": token}).status_code == 403


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Sec-Fetch-Site": "same-origin"}, 200),
        ({"Origin": HERE}, 200),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site", "Origin": HERE}, 403),
        ({"Sec-Fetch-Site": "none"}, 403),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "http://127.0.0.1:8766"}, 403),
        ({"Origin": "null"}, 403),
        ({}, 403),
    ],
)
def test_what_another_site_sends_changes_nothing(
    tmp_path: Path, headers: dict[str, str], status: int
) -> None:
    app = app_of(tmp_path)
    client = client_of(app)
    client.get(app.state.doors.invitation(), follow_redirects=False)
    assert client.post("/test/judge", headers=headers).status_code == status
    assert audited(tmp_path)[-1]["outcome"] == status


def test_a_name_that_points_to_this_computer_is_not_ours(tmp_path: Path) -> None:
    """Given a page of evil.example whose name now points to 127.0.0.1, then it reads nothing."""
    app = app_of(tmp_path)
    assert client_of(app, base="http://evil.example:8765").get("/test/look").status_code == 400
    for own in (HERE, "http://localhost:8765", "http://[::1]:8765"):
        assert client_of(app, base=own).get("/test/look").status_code == 200
    for name in ("[::1", "::1]", "[7.1]", "[::g]:80", "127.0.0.1@evil.example", ""):
        assert client_of(app).get("/test/look", headers={"Host": name}).status_code == 400


def test_a_token_that_nobody_knows_is_audited(tmp_path: Path) -> None:
    answer = client_of(app_of(tmp_path)).post("/test/judge", headers={"Authorization": "Bearer guessed"})
    assert answer.status_code == 401
    (line,) = audited(tmp_path)
    assert (line["who"], line["what"], line["outcome"]) == ("", "POST /test/judge", 401)
    assert "guessed" not in str(line)


def test_a_proxy_that_is_trusted_names_people_and_settings_give_them_roles(tmp_path: Path) -> None:
    app = app_of(tmp_path, **PROXIED, users={"ana@m.example": "curator", "león": "lead"})
    client = client_of(app, "10.1.2.3", "https://museum.example")

    def sent(path: str, name: str) -> int:
        return client.post(path, headers={"X-Forwarded-User": name.encode(), **OURS}).status_code

    assert sent("/test/judge", "ana@m.example") == 200
    assert sent("/test/lead", "ana@m.example") == 403
    assert sent("/test/lead", "león") == 200
    assert sent("/test/judge", "visitor@m.example") == 403
    assert [line["who"] for line in audited(tmp_path)] == [
        "ana@m.example",
        "ana@m.example",
        "león",
        "visitor@m.example",
    ]


@pytest.mark.parametrize("peer", ["192.0.2.1", "127.0.0.1", "testclient", "::1", "::ffff:192.0.2.1"])
def test_a_user_header_from_anywhere_else_is_ignored(tmp_path: Path, peer: str) -> None:
    app = app_of(tmp_path, **PROXIED, users={"ana": "lead"})
    sent = {"X-Forwarded-User": "ana", "X-Forwarded-For": "10.0.0.1", **OURS}
    client = client_of(app, peer, "https://museum.example")
    assert client.get("/test/look", headers=sent).json() == ""
    assert client.post("/test/judge", headers=sent).status_code == 403


def test_of_two_user_headers_none_is_believed(tmp_path: Path) -> None:
    """Given a proxy that adds its header to the one that a visitor sent, then nobody is named."""
    app = app_of(tmp_path, **PROXIED, users={"ana": "lead"})
    client = client_of(app, "10.0.0.1", "https://museum.example")
    assert (
        client.get("/test/look", headers=[("X-Forwarded-User", "ana"), ("x-forwarded-user", "eve")]).json()
        == ""
    )
    assert client.get("/test/look", headers=[("X-Forwarded-User", "ana")]).json() == "ana"


def test_the_origin_behind_a_proxy_is_the_address_that_browsers_use(tmp_path: Path) -> None:
    app = app_of(tmp_path, **PROXIED, users={"ana": "curator"}, address="https://museum.example/")
    client = client_of(app, "10.0.0.1", "http://127.0.0.1:8765")
    for origin, status in (("https://museum.example", 200), (HERE, 403)):
        sent = {"X-Forwarded-User": "ana", "Origin": origin}
        assert client.post("/test/judge", headers=sent).status_code == status


@pytest.mark.parametrize(
    ("web", "said"),
    [
        ({"user_header": "X-Forwarded-User"}, "trusted_proxies"),
        ({"user_header": "X-Forwarded-User", "trusted_proxies": ("0.0.0.0/0",)}, "everybody"),
        ({"user_header": "X-Forwarded-User", "trusted_proxies": ("proxy",)}, "no network"),
        ({"user_header": "X Y", "trusted_proxies": ("10.0.0.0/8",)}, "no name of a header"),
        ({"host": "0.0.0.0"}, "enrich web token add"),
        ({"host": "museum.example"}, "enrich web token add"),
    ],
)
def test_a_site_where_anybody_could_pass_for_somebody_does_not_start(
    tmp_path: Path, web: dict[str, Any], said: str
) -> None:
    with pytest.raises(SettingsError, match=said):
        app_of(tmp_path, **web)


def test_a_token_carries_its_role_and_ends_when_it_is_revoked(tmp_path: Path) -> None:
    tokens = Tokens(tmp_path / "tokens.json")
    made = tokens.add("Night import", "curator")
    app = app_of(tmp_path, host="0.0.0.0")
    client = client_of(app, "192.0.2.1", "http://museum.example")
    bearer = {"Authorization": f"Bearer {made}", "Origin": "https://elsewhere.example"}
    assert client.post("/test/judge", headers=bearer).json() == "Night import"
    assert client.post("/test/lead", headers=bearer).status_code == 403
    assert client.post("/test/judge", headers={"Authorization": "Bearer enr_x"}).status_code == 401
    tokens.revoke("Night import")
    assert client.post("/test/judge", headers=bearer).status_code == 401


def test_the_file_of_tokens_holds_no_token_and_is_its_owners_alone(tmp_path: Path) -> None:
    tokens = Tokens(tmp_path / "tokens.json")
    made = tokens.add("a", "reader")
    assert made not in tokens.path.read_text()
    assert tokens.path.stat().st_mode & 0o777 == 0o600
    tokens.path.chmod(0o666)
    with pytest.raises(SettingsError, match="chmod 600"):
        tokens.find(made)


def test_where_reading_is_closed_only_those_with_a_role_look(tmp_path: Path) -> None:
    made = Tokens(tmp_path / "tokens.json").add("script", "reader")
    app = app_of(tmp_path, **PROXIED, users={"ana": "reader"}, reading="closed")
    client = client_of(app, "10.0.0.1", "https://museum.example")
    assert client.get("/test/look").status_code == 401
    assert client.get("/test/look", headers={"X-Forwarded-User": "eve"}).status_code == 403
    assert client.get("/test/look", headers={"X-Forwarded-User": "ana"}).status_code == 200
    assert client.get("/test/look", headers={"Authorization": f"Bearer {made}"}).status_code == 200


def test_every_answer_says_what_a_page_may_load(tmp_path: Path) -> None:
    client = client_of(app_of(tmp_path))
    for path in ("/test/look", "/nowhere"):
        headers = client.get(path).headers
        assert "default-src 'none'" in headers["content-security-policy"]
        assert "frame-ancestors 'none'" in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "same-origin"
        assert "access-control-allow-origin" not in headers


def test_the_audit_says_who_changed_what_and_leaves_questions_out(tmp_path: Path) -> None:
    app = app_of(tmp_path)
    client = client_of(app)
    client.get(app.state.doors.invitation(), follow_redirects=False)
    client.post("/test/ask")
    client.post("/test/judge?secret=1", headers=OURS)
    (line,) = audited(tmp_path)
    assert line.pop("time")
    assert line == {
        "who": "Ana Ruiz",
        "role": "lead",
        "bearer": False,
        "what": "POST /test/judge",
        "outcome": 200,
    }
    assert (tmp_path / ".cache/audit.jsonl").stat().st_mode & 0o777 == 0o600


def test_no_line_about_a_request_says_its_query(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    client_of(app_of(tmp_path)).get("/test/look")
    with caplog.at_level(logging.INFO, "uvicorn.access"):
        logging.getLogger("uvicorn.access").info(
            '%s - "%s %s HTTP/%s" %d', "127.0.0.1:1", "GET", "/enter?token=secret", "1.1", 303
        )
    assert "/enter" in caplog.text
    assert "secret" not in caplog.text


def test_every_address_that_changes_something_asks_who_it_is() -> None:
    """Given all routes that take a POST, then each asks for a curator or a lead, but for those that only read."""
    wanted = {
        route.path: {dependency.call for dependency in _all(route.dependant)}
        for area in (*AREAS, answers, api_reviews, reconciliation, annotations)
        for route in area.router.routes
        if isinstance(route, APIRoute) and route.methods - SAFE
    }
    assert wanted
    open_to_readers = {path for path, asked in wanted.items() if not asked & {curator, lead}}
    assert open_to_readers <= {"/sparql", "/reconcile"}, "these ask"
    assert all(asked & {reader, curator, lead} for asked in wanted.values())


def _all(dependant: Any) -> Iterator[Any]:
    for inner in dependant.dependencies:
        yield inner
        yield from _all(inner)


def test_no_token_is_in_any_log(museum: Site, caplog: pytest.LogCaptureFixture) -> None:
    """Given a server that logs all it can, when somebody comes in by a token, or bears one, then no line has it."""
    caplog.set_level(logging.DEBUG)
    logging.getLogger("uvicorn.access").propagate = True
    doors = Doors(museum.settings, "Ana")
    made = doors.tokens.add("script", "curator")
    config = uvicorn.Config(
        make_app(museum, doors), port=free_port(), log_config=None, log_level="trace", **UVICORN
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.02)
    invitation = doors.invitation()
    with httpx2.Client(base_url=f"http://127.0.0.1:{config.port}") as asking:
        session = asking.get(invitation).cookies[doors.cookie]
        assert asking.get("/queue", headers={"Authorization": f"Bearer {made}"}).status_code == 200
    server.should_exit = True
    thread.join(20)
    lines = [r for r in caplog.records if r.name.startswith("uvicorn")]
    text = "\n".join(r.getMessage() for r in lines)
    assert "/enter" in text
    for secret in (invitation.partition("=")[2], made, session):
        assert secret not in text
