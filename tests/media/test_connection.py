"""What was checked is what is connected to, and TLS still verifies the name."""

from __future__ import annotations

import ipaddress
import socket
import ssl
import time
from contextlib import closing
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path

import pytest

from enrich.media.addresses import AllowList
from enrich.media.connection import PinnedBackend, system_resolver
from enrich.media.fetch import Fetcher
from enrich.media.refusal import NoAnswer, Refusal
from enrich.settings.models import MediaSettings
from tests.media.servers import Clock, HttpServer, server


class Rebinding:
    """A resolver that gives a harmless address first and a private one from then on."""

    def __init__(self, *answers: list[str]) -> None:
        self.answers = list(answers)
        self.asked = 0

    def __call__(self, _host: str, _port: int, _timeout: float) -> list[str]:
        self.asked += 1
        return self.answers[min(self.asked, len(self.answers)) - 1]


def test_a_name_is_resolved_once_per_connection_and_pinned(web: HttpServer, settings: MediaSettings) -> None:
    web.gives("/a.jpg", b"pinned")
    resolver = Rebinding(["127.0.0.1"], ["10.0.0.1"])
    sink = BytesIO()
    with closing(Fetcher(settings, resolver=resolver)) as fetcher:
        fetcher.get(web.url("/a.jpg", host="rebinds.museum.org"), sink)
    assert sink.getvalue() == b"pinned"
    assert resolver.asked == 1


def test_a_name_that_rebinds_is_refused_at_the_next_connection(
    web: HttpServer, settings: MediaSettings
) -> None:
    web.gives("/a.jpg", b"once", Connection="close")
    with closing(Fetcher(settings, resolver=Rebinding(["127.0.0.1"], ["169.254.169.254"]))) as fetcher:
        fetcher.get(web.url("/a.jpg", host="rebinds.museum.org"), BytesIO())
        with pytest.raises(Refusal, match=r"169.254.169.254, which is link-local"):
            fetcher.get(web.url("/a.jpg", host="rebinds.museum.org"), BytesIO())


def test_one_private_address_among_public_ones_refuses_the_name() -> None:
    backend = PinnedBackend(AllowList(), connect_timeout=1, resolver=lambda *_: ["193.0.6.139", "fd00::1"])
    with pytest.raises(Refusal, match=r"fd00::1, which is private"):
        backend.addresses("mixed.museum.org", 80)


@pytest.mark.parametrize("answer", [[], OSError("Name or service not known"), UnicodeError("label too long")])
def test_a_name_without_address_is_no_answer(answer: list[str] | Exception) -> None:
    def resolver(_host: str, _port: int, _timeout: float) -> list[str]:
        if isinstance(answer, Exception):
            raise answer
        return answer

    backend = PinnedBackend(AllowList(), connect_timeout=1, resolver=resolver)
    with pytest.raises(NoAnswer, match=r"gone.museum.org has no address"):
        backend.addresses("gone.museum.org", 80)


def test_an_address_that_does_not_connect_gives_way_to_the_next(
    web: HttpServer, settings: MediaSettings
) -> None:
    web.gives("/a.jpg", b"second")
    sink = BytesIO()
    allowed = settings.model_copy(update={"allow": ("127.0.0.0/8",)})
    with closing(Fetcher(allowed, resolver=lambda *_: ["127.7.7.7", "127.0.0.1"])) as fetcher:
        fetcher.get(web.url("/a.jpg", host="two.museum.org"), sink)
    assert sink.getvalue() == b"second"


def test_a_closed_port_is_no_answer(settings: MediaSettings) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with closing(Fetcher(settings)) as fetcher, pytest.raises(NoAnswer, match=r"does not connect"):
        fetcher.get(f"http://127.0.0.1:{port}/", BytesIO())


def test_the_deadline_holds_for_the_thread_that_set_it() -> None:
    clock = Clock()
    backend = PinnedBackend(AllowList(), connect_timeout=1, clock=clock)
    assert backend.left(7) == 7
    backend.set_deadline(clock() + 5)
    assert (backend.left(), backend.left(7), backend.left(2)) == (5, 5, 2)
    clock.now += 6
    with pytest.raises(NoAnswer, match=r"ran out"):
        backend.left()


def test_the_system_resolver_is_left_when_it_takes_too_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: time.sleep(2) or [])
    start = time.monotonic()
    with pytest.raises(TimeoutError, match=r"no address within"):
        system_resolver("slow.museum.org", 80, 0.05)
    assert time.monotonic() - start < 1.5


def test_the_system_resolver_knows_loopback() -> None:
    assert system_resolver("127.0.0.1", 80, 1.0) == ["127.0.0.1"]


def _certificate(folder: Path, name: str) -> Path:
    """A self-signed certificate and its key in one file."""
    x509 = pytest.importorskip("cryptography.x509")
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    file = folder / f"{name}.pem"
    file.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    return file


def test_tls_names_and_verifies_the_host_although_the_address_is_pinned(
    settings: MediaSettings, tmp_path: Path
) -> None:
    pem = _certificate(tmp_path, "images.museum.org")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    asked: list[str | None] = []
    context.sni_callback = lambda _socket, name, _context: asked.append(name)
    trusting = settings.model_copy(update={"ca_file": pem})
    with server(context) as web:
        web.gives("/a.jpg", b"over tls")
        with closing(Fetcher(trusting, resolver=lambda *_: ["127.0.0.1"])) as fetcher:
            sink = BytesIO()
            fetcher.get(web.url("/a.jpg", "images.museum.org", "https"), sink)
            assert sink.getvalue() == b"over tls"
            with pytest.raises(NoAnswer, match=r"evil.museum.org.* certificate"):
                fetcher.get(web.url("/a.jpg", "evil.museum.org", "https"), BytesIO())
        with (
            closing(Fetcher(settings, resolver=lambda *_: ["127.0.0.1"])) as fetcher,
            pytest.raises(NoAnswer, match=r"certificate"),
        ):
            fetcher.get(web.url("/a.jpg", "images.museum.org", "https"), BytesIO())
    assert asked == ["images.museum.org", "evil.museum.org", "images.museum.org"]


def test_unix_sockets_are_never_connected_to() -> None:
    backend = PinnedBackend(AllowList(), connect_timeout=1)
    with pytest.raises(NotImplementedError):
        backend.connect_unix_socket("/var/run/docker.sock")


def test_addresses_given_as_such_are_not_resolved() -> None:
    backend = PinnedBackend(AllowList(), connect_timeout=1, resolver=Rebinding())
    assert backend.addresses("193.0.6.139", 80) == [ipaddress.ip_address("193.0.6.139")]
