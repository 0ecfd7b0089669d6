"""The broker: its address, and what is kept in it for a while."""

from __future__ import annotations

import os
import ssl
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest
import redis
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from enrich.errors import BrokerError, SettingsError
from enrich.workers.address import connection
from enrich.workers.app import make_app, node_name
from enrich.workers.broker import Broker, InFlight
from enrich.workers.config import check
from enrich.workers.transport import Channel
from tests.workers import museum as m
from tests.workers.museum import Server
from tests.workers.proxy import proxy
from tests.workers.test_parts import settings


def test_locks_expire_and_flights_are_counted(redis_url: str) -> None:
    broker = Broker(settings(broker=redis_url))
    broker.check()
    with broker.lock("a", 5) as first, broker.lock("a", 5) as second:
        assert first
        assert not second
    with broker.lock("a", 5) as again:
        assert again
    assert broker.once_in("b", 0.2)
    assert not broker.once_in("b", 0.2)
    assert not broker.is_due("c"), "nobody asked"
    broker.ask_later("c", 0.2)
    assert not broker.is_due("c")
    time.sleep(0.3)
    assert broker.is_due("c")
    assert not broker.is_due("c"), "one does it"
    flight = InFlight(broker, "run")
    assert flight.claim("0")
    assert not flight.claim("0")
    assert flight.size() == 1
    flight.heartbeat("1")
    assert flight.size() == 1, "what was not sent is not begun"
    assert flight.drop_older(60) == 0
    assert flight.drop_older(-1) == 1
    flight.claim("2")
    flight.ack("2")
    flight.claim("3")
    flight.clear()
    assert flight.size() == 0


def test_a_lock_is_renewed_as_long_as_its_holder_lives(redis_url: str) -> None:
    broker = Broker(settings(broker=redis_url))
    with broker.lock("short", 0.15) as held:
        assert held
        time.sleep(0.4)
        assert not broker.is_held("short")
    with broker.lock("kept", 0.3, renewed=True) as held:
        assert held
        time.sleep(0.8)
        assert broker.is_held("kept")
        broker.redis.delete(broker.key("lock", "kept"))
        time.sleep(0.3)
        assert broker.is_held("kept"), "a broker that forgot it is told again"
        with broker.lock("kept", 5) as second:
            assert not second
    assert not broker.is_held("kept")


def test_the_password_of_the_broker_is_not_shown() -> None:
    with pytest.raises(BrokerError, match=r"redis://127\.0\.0\.1:1/0; start one") as error:
        Broker(settings(broker="redis://:secret@127.0.0.1:1/0")).check()
    assert "secret" not in str(error.value)


def test_a_broker_that_refuses_us_is_not_said_to_be_away(redis_url: str) -> None:
    with pytest.raises(
        BrokerError, match=r"/4711 refuses us \(DB index is out of range\); check workers\.broker"
    ):
        Broker(settings(broker=redis_url.removesuffix("0") + "4711")).check()


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("redis://:p%40ss@host:6380/3", {"host": "host", "port": 6380, "db": 3, "password": "p@ss"}),
        ("redis://host", {"host": "host", "port": 6379, "db": 0}),
        ("redis://host?db=4", {"host": "host", "db": 4}),
        ("redis://user:pw@[::1]:6379", {"host": "::1", "username": "user", "password": "pw"}),
        ("unix:///run/redis.sock", {"path": "/run/redis.sock", "db": 0}),
        ("unix://:pw@/run/redis.sock?db=2", {"path": "/run/redis.sock", "db": 2, "password": "pw"}),
        ("redis+socket:///run/redis.sock?virtual_host=2", {"path": "/run/redis.sock", "db": 2}),
        ("rediss://host", {"host": "host", "ssl_cert_reqs": "required", "ssl_check_hostname": True}),
        ("rediss://host?ssl_cert_reqs=CERT_NONE", {"ssl_cert_reqs": "none", "ssl_check_hostname": False}),
    ],
)
def test_an_address_is_read_alike_by_both_libraries(url: str, said: dict[str, object]) -> None:
    made = connection(url)
    assert {name: made[name] for name in said} == said
    app = make_app(settings(broker=url))
    with app.connection_for_write() as kombu:
        channel = object.__new__(Channel)
        channel.connect = kombu.transport_options["connect"]
        channel.connection = SimpleNamespace(client=kombu, default_port=6379)
    read = channel._connparams()
    assert {name: read[name] for name in said} == said
    assert Broker(settings(broker=url)).redis.connection_pool.connection_kwargs.items() >= said.items()


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("amqp://:secret@127.0.0.1", "it is one Redis"),
        ("redis://:secret@a;redis://:secret@b", "it is one Redis"),
        ("sentinel://:secret@127.0.0.1:26379", "it is one Redis"),
        ("redis://:secret@host/museum", "the database is one number"),
        ("redis://:secret@host/1?db=2", "the database is one number"),
        ("redis://:secret@host:port", "host or port cannot be read"),
        ("redis://:sec/ret@host:6379/0", "write / as %2F, # as %23"),
        ("redis://ana:1234/secret@host:6379/0", "an @ after its host; in a password"),
        ("redis://secret#part@host:6379/0", "an @ after its host; in a password"),
        ("redis://:1?secret@host:6379/0", "an @ after its host; in a password"),
        ("unix:///:secret@/run/redis.sock", "an @ after its host; in a password"),
        ("redis://:secret℀@host", "host or port cannot be read"),
        ("redis://:[secret]@host", "host or port cannot be read"),
        ("redis://:secret@host/0?ssl_ca_certs=/ca.pem", "nothing is known of ssl_ca_certs"),
        ("redis://:secret@host/0?visibility_timeout=5", "nothing is known of visibility_timeout"),
        ("unix://:secret@run/redis.sock", "path is absolute"),
        ("redis+socket://:secret@", "path is absolute"),
        ("rediss://:secret@host?ssl_ca_certs=/nowhere/ca.pem", "there is no file /nowhere/ca.pem"),
        ("rediss://:secret@host?ssl_cert_reqs=maybe", "required, optional or none"),
        ("redis://[:secret@host", "'redis://host'"),
    ],
)
def test_an_address_that_one_of_them_would_not_read_is_refused(url: str, words: str) -> None:
    with pytest.raises(SettingsError) as error:
        check(settings(broker=url))
    assert words in str(error.value)
    assert "secret" not in str(error.value)
    assert "\n" not in str(error.value)


def round_trip(url: str) -> None:
    """A message goes by kombu, and is counted by redis-py."""
    app = make_app(settings(broker=url))
    try:
        app.enrich_broker.check()
        app.send_task("enrich.reconcile", retry=False)
        assert app.enrich_broker.queue_lengths() == {"enrich": 1}
        with app.connection_for_read() as read:
            taken = read.SimpleQueue(app.enrich_broker.queue("enrich")).get(timeout=10)
            assert taken.headers["task"] == "enrich.reconcile"
            taken.ack()
    finally:
        app.close()


def test_by_a_socket(tmp_path: Path, broker: tuple[Server, str]) -> None:
    path = tmp_path / "redis.sock"
    server = replace(broker[0], command=[*broker[0].command, "--unixsocket", str(path)])
    with m.running(server):
        round_trip(f"unix://{path}?db=1")
        round_trip(f"redis+socket://{path}?virtual_host=2")
        assert redis.Redis(unix_socket_path=str(path), db=0).dbsize() == 0, "each in its own database"


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate of 127.0.0.1 with its key in one file, signed by itself."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    address = x509.SubjectAlternativeName([x509.DNSName("localhost")])
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(address, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    file = tmp_path_factory.mktemp("tls") / "redis.pem"
    file.write_bytes(secret + made.public_bytes(serialization.Encoding.PEM))
    return file


def test_by_tls_with_certificates(redis_url: str, certificate: Path) -> None:
    """Given a Redis behind TLS that asks for a certificate as well, then both libraries show theirs and check
    the other's; without one, or without knowing who signed, there is no broker."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(certificate))
    context.load_cert_chain(certificate)
    context.verify_mode = ssl.CERT_REQUIRED
    with proxy(int(redis_url.rpartition(":")[2].partition("/")[0]), context) as secured:
        where = f"rediss://localhost:{secured.port}/5"
        ours = f"ssl_certfile={certificate}&ssl_keyfile={certificate}"
        round_trip(f"{where}?{ours}&ssl_ca_certs={certificate}")
        round_trip(f"{where}?{ours}&ssl_cert_reqs=none")
        for less in (f"?ssl_ca_certs={certificate}", f"?{ours}", ""):
            with pytest.raises(BrokerError, match="no broker answers"):
                Broker(settings(broker=where + less)).check()


def test_what_is_shared_is_named_for_its_target() -> None:
    """Queues keep the names of the settings, so that they are known again, with the target's after them."""
    one = Broker(settings(batch_queue="gpu"))
    other = Broker(settings(store={"query_url": "http://127.0.0.1:2/query"}, batch_queue="gpu"))
    assert one.queue("gpu").startswith("gpu.")
    assert one.queue("gpu") != other.queue("gpu")
    assert one.served(None) == ["enrich", "gpu"]
    assert one.served("gpu") == ["gpu"]
    with pytest.raises(SettingsError, match="no queue 'cpu'"):
        one.served("gpu,cpu")
    assert node_name(one, "gpu@far").startswith("gpu.")
    assert node_name(one, "gpu@far").endswith("@far")
    assert node_name(one, None) != node_name(other, None)
    assert node_name(one, None).startswith(f"enrich-{os.getpid()}.{one.target}@"), "of two on a machine"
