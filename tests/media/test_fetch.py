"""Fetching from servers that redirect, dawdle, never end, are busy or speak nonsense."""

from __future__ import annotations

import gzip
import socket
import threading
import time
from collections.abc import Callable
from contextlib import closing
from email.utils import formatdate
from io import BytesIO

import pytest

from enrich.errors import SettingsError
from enrich.media.fetch import Fetcher
from enrich.media.refusal import NoAnswer, Refusal, ServerError
from enrich.settings.models import MediaSettings
from tests.media.servers import Clock, Handler, HttpServer


def fetch(settings: MediaSettings, url: str, **injected: object) -> bytes:
    sink = BytesIO()
    with closing(Fetcher(settings, **injected)) as fetcher:  # type: ignore[arg-type]
        fetcher.get(url, sink)
    return sink.getvalue()


def test_a_body_arrives_whole(web: HttpServer, settings: MediaSettings) -> None:
    web.gives("/a.jpg", b"x" * 100_000, Content_Type="image/JPEG; charset=x")
    sink = BytesIO(b"what was there before")
    with closing(Fetcher(settings)) as fetcher:
        fetcher.get(web.url("/a.jpg"), sink)
    assert sink.getvalue() == b"x" * 100_000


def test_a_space_is_asked_for_as_a_browser_does(web: HttpServer, settings: MediaSettings) -> None:
    web.gives("/a%20b.jpg?c%20d", b"here")
    assert fetch(settings, f"  {web.url('/a b.jpg?c d')}\n") == b"here"


def test_a_redirect_may_hold_letters_of_utf_8(web: HttpServer, settings: MediaSettings) -> None:
    web.redirects("/a.jpg", "/größe ä.jpg".encode().decode("latin-1"))
    web.gives("/gr%C3%B6%C3%9Fe%20%C3%A4.jpg", b"here")
    assert fetch(settings, web.url("/a.jpg")) == b"here"


def test_loopback_is_refused_unless_allowed(web: HttpServer, settings: MediaSettings) -> None:
    web.gives("/a.jpg", b"secret")
    closed = settings.model_copy(update={"allow": ()})
    with pytest.raises(Refusal, match=r"127.0.0.1 has the address 127.0.0.1, which is loopback"):
        fetch(closed, web.url("/a.jpg"))
    with pytest.raises(Refusal, match=r"localhost has the address .* loopback"):
        fetch(closed, web.url("/a.jpg", host="localhost"))
    assert web.seen == []
    assert (
        fetch(settings.model_copy(update={"allow": ("localhost",)}), web.url("/a.jpg", "localhost"))
        == b"secret"
    )
    assert fetch(settings.model_copy(update={"allow": ("127.0.0.0/8",)}), web.url("/a.jpg")) == b"secret"


def test_redirects_are_followed_five_times(web: HttpServer, settings: MediaSettings) -> None:
    for n, status in enumerate((301, 302, 303, 307, 308)):
        web.redirects(f"/{n}", f"/{n + 1}", status)
    web.gives("/5", b"here")
    assert fetch(settings, web.url("/0")) == b"here"
    web.redirects("/start", "/0")
    with pytest.raises(Refusal, match=r"more than 5 redirects"):
        fetch(settings, web.url("/start"))
    web.redirects("/loop", "/loop")
    with pytest.raises(Refusal, match=r"more than 5 redirects"):
        fetch(settings, web.url("/loop"))
    web.gives("/nowhere", b"", 302)
    with pytest.raises(Refusal, match=r"redirects to nowhere"):
        fetch(settings, web.url("/nowhere"))


@pytest.mark.parametrize(
    "target",
    [
        "http://10.0.0.1/",
        "http://127.0.0.2/",
        "http://127.1/",
        "http://2130706434/",
        "http://0x7f000002/",
        "http://0177.0.0.2/",
        "http://0.0.0.0/",
        "http://0/",
        "http://169.254.169.254/latest/meta-data/",
        "http://100.64.0.1/",
        "http://[::1]/",
        "http://[::]/",
        "http://[::ffff:10.0.0.1]/",
        "http://[::ffff:a00:1]/",
        "http://[64:ff9b::a00:1]/",
        "http://[fe80::1]/",
        "http://[fd00::1]/",
        "http://[2002:a00:1::]/",
        "http://224.0.0.1/",
        "http://１０.0.0.1/",
        "http://①0.0.0.1/",
        "//10.0.0.1/x",
        "https://user@10.0.0.1/",
        "file:///etc/passwd",
        "ftp://127.0.0.1/",
        "gopher://127.0.0.1:6379/_SET",
        "javascript:alert(1)",
        "data:text/html,x",
    ],
)
def test_redirects_to_private_addresses_and_other_schemes_are_refused(
    target: str, web: HttpServer, settings: MediaSettings
) -> None:
    web.redirects("/a.jpg", target.encode().decode("latin-1"))
    with pytest.raises(Refusal) as refused:
        fetch(settings, web.url("/a.jpg"))
    assert not isinstance(refused.value, NoAnswer)
    assert web.seen == ["/a.jpg"]


def test_a_redirect_to_a_name_with_a_private_address_is_refused(
    web: HttpServer, settings: MediaSettings
) -> None:
    web.redirects("/a.jpg", "http://inner.museum.org/")
    with pytest.raises(Refusal, match=r"inner.museum.org has the address 10.9.8.7, which is private"):
        fetch(settings, web.url("/a.jpg"), resolver=lambda *_: ["8.8.8.8", "10.9.8.7"])


def test_a_body_longer_than_allowed_is_refused_before_it_is_read(
    web: HttpServer, settings: MediaSettings
) -> None:
    web.routes["/big"] = lambda handler: handler.reply(200, b"", Content_Length="999999999999")
    with pytest.raises(Refusal, match=r"999999999999 bytes, more than 1000000"):
        fetch(settings, web.url("/big"))


def _endless(handler: Handler) -> None:
    handler.send_response(200)
    handler.end_headers()
    while not handler.server.stopping.is_set():
        handler.wfile.write(b"y" * 65536)


def test_an_endless_body_is_cut_at_the_limit(web: HttpServer, settings: MediaSettings) -> None:
    web.routes["/endless"] = _endless
    sink = BytesIO()
    with closing(Fetcher(settings)) as fetcher, pytest.raises(Refusal, match=r"more than 1000000 bytes"):
        fetcher.get(web.url("/endless"), sink)
    assert len(sink.getvalue()) <= 1_000_000


def _dribble(headers: bool) -> Callable[[Handler], None]:
    def answer(handler: Handler) -> None:
        if headers:
            handler.wfile.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
        else:
            handler.send_response(200)
            handler.send_header("Content-Length", "100000")
            handler.end_headers()
        while not handler.server.stopping.wait(0.05):
            handler.wfile.write(b"z")

    return answer


@pytest.mark.parametrize("headers", [True, False])
def test_a_server_that_sends_a_byte_now_and_then_is_left_in_time(
    headers: bool, web: HttpServer, settings: MediaSettings
) -> None:
    web.routes["/slow"] = _dribble(headers)
    start = time.monotonic()
    with pytest.raises(NoAnswer, match=r"time"):
        fetch(settings.model_copy(update={"timeout": 0.6, "header_timeout": 0.3}), web.url("/slow"))
    assert time.monotonic() - start < 4


def test_slow_redirects_and_tries_share_the_time_of_one_picture(
    web: HttpServer, settings: MediaSettings
) -> None:
    def dawdle(handler: Handler) -> None:
        handler.server.stopping.wait(0.25)
        handler.reply(302, Location=handler.path + "x")

    web.default = dawdle
    with pytest.raises(NoAnswer, match=r"time"):
        fetch(settings.model_copy(update={"timeout": 0.6}), web.url("/a"))
    assert len(web.seen) <= 3


def test_a_server_that_accepts_and_says_nothing_is_left_in_time(settings: MediaSettings) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        start = time.monotonic()
        with pytest.raises(NoAnswer, match=r"time"):
            fetch(
                settings.model_copy(update={"header_timeout": 0.3}),
                f"http://127.0.0.1:{silent.getsockname()[1]}/",
            )
        assert time.monotonic() - start < 4


@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"SSH-2.0-OpenSSH\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\ntoo short",
        b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"X: " + b"a" * 300_000 + b"\r\n\r\n",
        b"\x15\x03\x01\x00\x02\x02\x46",
    ],
)
def test_servers_that_do_not_speak_http_are_a_reason(said: bytes, settings: MediaSettings) -> None:
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        for _ in range(2):
            connection, _ = listener.accept()
            with connection:
                connection.recv(4096)
                connection.sendall(said)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    with pytest.raises(ServerError, match=r"hung up or does not speak HTTP"):
        fetch(settings, f"http://127.0.0.1:{listener.getsockname()[1]}/", sleep=lambda _: None)
    thread.join(5)
    listener.close()


@pytest.mark.parametrize(
    ("status", "may_come"),
    [
        *((status, False) for status in (400, 404, 405, 410, 451, 204, 206, 300)),
        *((status, True) for status in (401, 402, 403, 407, 501, 505, 511)),
    ],
)
def test_other_answers_are_refused_at_once(
    status: int, may_come: bool, web: HttpServer, settings: MediaSettings
) -> None:
    web.gives("/a.jpg", b"", status)
    with pytest.raises(Refusal, match=rf"answers {status}") as refused:
        fetch(settings, web.url("/a.jpg"))
    assert (refused.value.status, refused.value.kind.may_come) == (status, may_come)
    assert len(web.seen) == 1


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504])
def test_a_busy_server_is_asked_again_and_its_picture_may_come(
    status: int, web: HttpServer, settings: MediaSettings
) -> None:
    web.gives("/a.jpg", b"", status)
    with pytest.raises(ServerError, match=rf"answers {status}") as refused:
        fetch(settings, web.url("/a.jpg"), sleep=lambda _: None)
    assert refused.value.kind.may_come
    assert len(web.seen) == 1 + settings.retries


def _busy_once(status: int, **headers: str) -> Callable[[Handler], None]:
    answers = iter([status])

    def answer(handler: Handler) -> None:
        handler.reply(next(answers, 200), b"ok", **headers)

    return answer


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize("as_date", [False, True])
def test_retry_after_is_respected(
    status: int, as_date: bool, web: HttpServer, settings: MediaSettings
) -> None:
    clock = Clock()
    after = formatdate(time.time() + 20, usegmt=True) if as_date else "20"
    web.routes["/a.jpg"] = _busy_once(status, Retry_After=after)
    assert fetch(settings, web.url("/a.jpg"), clock=clock, sleep=clock.sleep) == b"ok"
    assert len(clock.slept) == 1
    assert 17 < clock.slept[0] <= 20


def test_a_retry_after_beyond_the_bound_holds_the_host_off(web: HttpServer, settings: MediaSettings) -> None:
    clock = Clock()
    web.gives("/a.jpg", b"", 429, Retry_After="86400")
    with closing(Fetcher(settings, clock=clock, sleep=clock.sleep)) as fetcher:
        for _ in range(3):
            with pytest.raises(Refusal, match=r"asks to wait 86400 s"):
                fetcher.get(web.url("/a.jpg"), BytesIO())
    assert len(web.seen) == 1
    assert clock.slept == []


def test_a_nonsense_retry_after_is_a_short_wait(web: HttpServer, settings: MediaSettings) -> None:
    clock = Clock()
    web.routes["/a.jpg"] = _busy_once(503, Retry_After="soon, 99999999999999999999")
    assert fetch(settings, web.url("/a.jpg"), clock=clock, sleep=clock.sleep) == b"ok"
    assert 0 < clock.slept[0] < 1


def test_the_circuit_of_a_server_that_fails_half_the_time_stays_closed(
    web: HttpServer, settings: MediaSettings
) -> None:
    count = iter(range(1000))

    def half(handler: Handler) -> None:
        if next(count) % 2:
            handler.reply(200, b"ok")
        else:
            handler.reply(500, b"no")

    web.default = half
    with closing(Fetcher(settings, sleep=lambda _: None)) as fetcher:
        for n in range(60):
            fetcher.get(web.url(f"/{n}"), BytesIO())
        assert fetcher.circuits.open() == {}


def test_the_circuit_of_a_server_that_always_fails_is_opened(
    web: HttpServer, settings: MediaSettings
) -> None:
    web.default = lambda handler: handler.reply(500)
    few = settings.model_copy(update={"host_failures": 2})
    with closing(Fetcher(few, sleep=lambda _: None)) as fetcher:
        for n in range(20):
            with pytest.raises(ServerError, match=r"answers 500"):
                fetcher.get(web.url(f"/{n}"), BytesIO())
        asked = len(web.seen)
        with pytest.raises(Refusal, match=r"circuit of .* is open"):
            fetcher.get(web.url("/more"), BytesIO())
    assert asked == len(web.seen) == 40


def test_a_body_packed_although_nobody_asked_is_unpacked(web: HttpServer, settings: MediaSettings) -> None:
    web.gives("/a.jpg", gzip.compress(b"picture" * 1000), Content_Encoding="gzip")
    assert fetch(settings, web.url("/a.jpg")) == b"picture" * 1000


def test_a_small_body_that_unpacks_to_a_large_one_is_cut_at_the_limit(
    web: HttpServer, settings: MediaSettings
) -> None:
    web.gives("/a.jpg", gzip.compress(bytes(50 * settings.max_bytes)), Content_Encoding="gzip")
    sink = BytesIO()
    with closing(Fetcher(settings)) as fetcher, pytest.raises(Refusal, match=r"more than 1000000 bytes"):
        fetcher.get(web.url("/a.jpg"), sink)
    assert len(sink.getvalue()) <= 1_000_000


@pytest.mark.parametrize(("encoding", "body"), [("gzip", b"\x1f\x8bno"), ("br", b"\x0b"), ("a, b", b"")])
def test_a_body_that_cannot_be_unpacked_is_refused_for_good(
    encoding: str, body: bytes, web: HttpServer, settings: MediaSettings
) -> None:
    web.gives("/a.jpg", body, Content_Encoding=encoding)
    with pytest.raises(Refusal, match=r"unpacked|unasked") as refused:
        fetch(settings, web.url("/a.jpg"))
    assert not refused.value.kind.may_come


def test_proxies_of_the_environment_are_not_used(
    web: HttpServer, settings: MediaSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    web.gives("/a.jpg", b"direct")
    assert fetch(settings, web.url("/a.jpg")) == b"direct"


def test_a_file_of_certificates_that_is_none_is_said(settings: MediaSettings) -> None:
    with pytest.raises(SettingsError, match=r"ca_file"):
        Fetcher(settings.model_copy(update={"ca_file": settings.cache / "none.pem"}))
