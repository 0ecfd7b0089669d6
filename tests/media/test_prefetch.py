"""Reading ahead keeps order, bounds, and costs seconds where every host is dead."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

from pyoxigraph import NamedNode

from enrich.classifiers.data import Picture, Record
from enrich.graph.records import Subject
from enrich.media.fetch import Fetcher
from enrich.media.pictures import PictureSource
from enrich.media.prefetch import prefetch
from enrich.settings.models import MediaSettings
from tests.media.servers import Clock, Handler, HttpServer, picture


def subject(n: int, *urls: str) -> Subject:
    iri = f"http://museum.org/object/{n}"
    return Subject(NamedNode(iri), Record(iri, pictures=tuple(Picture(url) for url in urls)))


def test_records_keep_their_order_and_get_their_pictures(web: HttpServer, settings: MediaSettings) -> None:
    def late_first(handler: Handler) -> None:
        time.sleep(0.1 if handler.path == "/0.jpg" else 0)
        handler.reply(200, picture(seed=int(handler.path[1:-4])))

    web.default = late_first
    given = [subject(n, *([web.url(f"/{n}.jpg")] if n % 3 else [])) for n in range(30)]
    given[0] = subject(0, web.url("/0.jpg"), web.url("/1.jpg"))
    with PictureSource(settings) as source:
        taken = list(prefetch(given, source))
    assert [each.iri for each in taken] == [each.iri for each in given]
    for before, after in zip(given, taken, strict=True):
        assert [p.url for p in after.record.pictures] == [p.url for p in before.record.pictures]
        assert all(p.path is not None and p.failure is None for p in after.record.pictures)
    assert sorted(web.seen) == sorted({"/0.jpg", *(f"/{n}.jpg" for n in range(30) if n % 3)})


def test_a_record_with_200_pictures_costs_per_record_of_them(
    web: HttpServer, settings: MediaSettings
) -> None:
    web.default = lambda handler: handler.reply(200, picture())
    with PictureSource(settings) as source:
        (taken,) = prefetch([subject(0, *(web.url(f"/{n}.jpg") for n in range(200)))], source)
    pictures = taken.record.pictures
    assert len(pictures) == 200
    assert all(p.path is not None for p in pictures[:8])
    assert {p.failure for p in pictures[8:]} == {"left out: the first 8 pictures of a record are looked at"}
    assert len(web.seen) == 8


def test_it_runs_ahead_by_a_bounded_number(web: HttpServer, settings: MediaSettings) -> None:
    web.default = lambda handler: handler.reply(200, picture())
    read = 0

    def endless() -> Iterator[Subject]:
        nonlocal read
        while True:
            yield subject(read, web.url(f"/{read}.jpg"), web.url(f"/{read}b.jpg"))
            read += 1

    with PictureSource(settings.model_copy(update={"ahead": 10})) as source:
        stream = prefetch(endless(), source)
        for n in range(5):
            next(stream)
            assert read <= n + 6
        stream.close()
    assert len(web.seen) <= 2 * (read + 1)


def test_records_without_pictures_pass_by(settings: MediaSettings) -> None:
    read = 0

    def endless() -> Iterator[Subject]:
        nonlocal read
        while True:
            yield subject(read)
            read += 1

    with PictureSource(settings.model_copy(update={"ahead": 10})) as source:
        stream = prefetch(endless(), source)
        assert [next(stream).iri.value[-1] for _ in range(5)] == list("01234")
        assert read <= 16
        stream.close()


def test_pictures_are_fetched_in_parallel(web: HttpServer, settings: MediaSettings) -> None:
    together = threading.Barrier(8)

    def answer(handler: Handler) -> None:
        together.wait(5)
        handler.reply(200, picture())

    web.default = answer
    with PictureSource(settings) as source:
        taken = list(prefetch([subject(n, web.url(f"/{n}.jpg")) for n in range(8)], source))
    assert all(each.record.pictures[0].path is not None for each in taken)


def test_a_graph_full_of_dead_hosts_costs_seconds(settings: MediaSettings) -> None:
    clock = Clock()
    asked: list[str] = []

    def dead(host: str, _port: int, timeout: float) -> list[str]:
        asked.append(host)
        clock.now += timeout
        raise OSError("Name or service not known")

    given = [subject(n, f"http://img{n % 12}.gone.org/{n}.jpg") for n in range(3000)]
    serial = settings.model_copy(update={"parallel": 1, "host_failures": 3})
    fetcher = Fetcher(serial, resolver=dead, clock=clock, sleep=clock.sleep)
    begun, started = clock(), time.monotonic()
    with PictureSource(serial, fetcher=fetcher) as source:
        taken = list(prefetch(given, source))
        assert len(source.tally().open_circuits) == 12
    assert len(asked) == 12 * 3
    assert clock() - begun <= 12 * 3 * settings.connect_timeout
    assert time.monotonic() - started < 10
    reasons = [each.record.pictures[0].failure or "" for each in taken]
    assert sum(reason.endswith("not known") and "is open" not in reason for reason in reasons) == 36
    assert sum("is open: 3 failures in a row" in reason for reason in reasons) == 2964
    assert source.tally().may_come == {"no answer": 36, "circuit open": 2964}


def test_what_was_fetched_before_is_given_although_its_host_died(
    web: HttpServer, settings: MediaSettings
) -> None:
    web.gives("/a.jpg", picture())
    with PictureSource(settings) as source:
        source.get(Picture(web.url("/a.jpg")))
    web.default = lambda handler: handler.reply(500)
    weary = settings.model_copy(update={"retries": 0, "host_failures": 1, "parallel": 1})
    given = [subject(n, web.url(f"/{n}.jpg")) for n in range(50)]
    with PictureSource(weary) as source:
        taken = list(prefetch([*given, subject(50, web.url("/a.jpg"))], source))
        assert len(source.tally().open_circuits) == 1
    assert taken[-1].record.pictures[0].path is not None
    assert source.counts["cache"] == 1
    assert sum(source.tally().may_come.values()) == 50


def test_mirrored_pictures_are_checked_in_parallel_too(tmp_path: Path, settings: MediaSettings) -> None:
    for n in range(10):
        (tmp_path / f"{n}.jpg").write_bytes(picture(seed=n))
    mirrored = settings.model_copy(update={"mirrors": {"https://images.example.org": tmp_path}, "allow": ()})
    given = [subject(n, f"https://images.example.org/{n}.jpg") for n in range(11)]
    with PictureSource(mirrored) as source:
        taken = list(prefetch(given, source))
    assert [each.record.pictures[0].path is not None for each in taken] == [True] * 10 + [False]


def test_the_circuit_of_a_server_that_hangs_is_opened_too(web: HttpServer, settings: MediaSettings) -> None:
    web.default = lambda handler: handler.server.stopping.wait(10) and None
    given = [subject(n, web.url(f"/{n}.jpg")) for n in range(200)]
    quick = settings.model_copy(update={"header_timeout": 0.2, "host_failures": 3})
    started = time.monotonic()
    with PictureSource(quick) as source:
        taken = list(prefetch(given, source))
    assert time.monotonic() - started < 5
    assert all(each.record.pictures[0].failure for each in taken)
    assert len(web.seen) <= 3 + 2 * quick.parallel


def test_a_server_that_fails_half_the_time_gives_most_pictures(
    web: HttpServer, settings: MediaSettings
) -> None:
    count = iter(range(10_000))

    def shaky(handler: Handler) -> None:
        n = next(count)
        if n % 4 == 0:
            handler.reply(503)
        elif n % 4 == 1:
            handler.close_connection = True
            handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\ncut")
        else:
            handler.reply(200, picture())

    web.default = shaky
    given = [subject(n, web.url(f"/{n}.jpg")) for n in range(60)]
    patient = settings.model_copy(update={"retries": 3})
    with PictureSource(patient, fetcher=Fetcher(patient, sleep=lambda _: None)) as source:
        taken = list(prefetch(given, source))
        assert source.tally().open_circuits == {}
    assert sum(each.record.pictures[0].path is not None for each in taken) >= 45
