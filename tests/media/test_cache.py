"""The cache is found by URL, kept by content, bounded, and shared by processes."""

from __future__ import annotations

import hashlib
import multiprocessing
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from enrich.media.cache import KEPT_FOR, Cache
from tests.media.servers import Clock


def put(cache: Cache, url: str, content: bytes) -> Path:
    with cache.part() as part:
        part.write(content)
        part.flush()
        return cache.keep(Path(part.name), url, hashlib.sha256(content).hexdigest(), "JPEG")


def objects(folder: Path) -> list[Path]:
    return [path for path in (folder / "objects").rglob("*") if path.is_file()]


def test_what_was_kept_is_found_again(tmp_path: Path) -> None:
    put(Cache(tmp_path, 1000), "http://a.org/é\ud800", b"hello")
    found = Cache(tmp_path, 1000).find("http://a.org/é\ud800")
    assert found is not None
    path, entry = found
    assert path.read_bytes() == b"hello"
    assert (entry.sha256, entry.size, entry.format) == (hashlib.sha256(b"hello").hexdigest(), 5, "JPEG")
    assert Cache(tmp_path, 1000).find("http://a.org/other") is None


def test_equal_content_is_kept_once(tmp_path: Path) -> None:
    cache = Cache(tmp_path, 1000)
    assert put(cache, "http://a.org/1", b"same") == put(cache, "http://a.org/2", b"same")
    assert len(objects(tmp_path)) == 1


def test_a_part_that_is_not_kept_leaves_nothing(tmp_path: Path) -> None:
    cache = Cache(tmp_path, 1000)
    with cache.part() as part:
        part.write(b"half")
    assert list((tmp_path / "parts").iterdir()) == []
    assert objects(tmp_path) == []


def test_an_old_picture_counts_as_absent(tmp_path: Path) -> None:
    clock = Clock()
    cache = Cache(tmp_path, 1000, max_age=100, clock=clock)
    put(cache, "http://a.org/1", b"x")
    clock.now += 99
    assert cache.find("http://a.org/1") is not None
    clock.now += 2
    assert cache.find("http://a.org/1") is None


@pytest.mark.parametrize(
    "damage",
    [
        lambda index, _content: index.write_text("not json"),
        lambda index, _content: index.write_text('{"url": 1}'),
        lambda index, _content: index.write_text(
            index.read_text().replace("http://a.org/1", "http://b.org/1")
        ),
        lambda index, _content: index.write_text(
            index.read_text().replace('"sha256": "', '"sha256": "../../')
        ),
        lambda _index, content: content.write_bytes(b"cut"),
        lambda _index, content: content.unlink(),
    ],
)
def test_a_damaged_entry_counts_as_absent(damage: object, tmp_path: Path) -> None:
    cache = Cache(tmp_path, 1000)
    content = put(cache, "http://a.org/1", b"whole")
    (index,) = (tmp_path / "urls").rglob("*.json")
    damage(index, content)  # type: ignore[operator]
    assert cache.find("http://a.org/1") is None
    put(cache, "http://a.org/1", b"whole")
    assert cache.find("http://a.org/1") is not None


def test_what_was_used_longest_ago_goes_first(tmp_path: Path) -> None:
    clock = Clock(1e9)
    cache = Cache(tmp_path, 1000, clock=clock)
    for n in range(10):
        put(cache, f"http://a.org/{n}", bytes([n]) * 100)
        clock.now += KEPT_FOR
    assert cache.find("http://a.org/0") is not None
    clock.now += KEPT_FOR
    put(cache, "http://a.org/10", b"z" * 100)
    kept = [n for n in range(11) if cache.find(f"http://a.org/{n}") is not None]
    assert kept == [0, *range(3, 11)]
    assert len(list((tmp_path / "urls").rglob("*.json"))) == len(kept)


def test_what_was_just_used_stays_until_twice_the_size(tmp_path: Path) -> None:
    clock = Clock(1e9)
    cache = Cache(tmp_path, 1000, clock=clock)
    for n in range(15):
        put(cache, f"http://a.org/{n}", bytes([n]) * 100)
    assert len(objects(tmp_path)) == 15
    for n in range(15, 60):
        put(cache, f"http://a.org/{n}", bytes([n]) * 100)
        clock.now += 1
    assert sum(path.stat().st_size for path in objects(tmp_path)) <= 2100


@pytest.mark.parametrize("max_bytes", [1, 100])
def test_what_was_just_kept_stays_whatever_its_size(tmp_path: Path, max_bytes: int) -> None:
    clock = Clock(1e9)
    cache = Cache(tmp_path, max_bytes, clock=clock)
    for n in range(3):
        path = put(cache, f"http://a.org/{n}", bytes([n]) * 300)
        clock.now += 1
        assert objects(tmp_path) == [path]


def test_parts_left_by_a_killed_process_are_cleared(tmp_path: Path) -> None:
    clock = Clock(1e9)
    cache = Cache(tmp_path, 1000, clock=clock)
    left = tmp_path / "parts" / "left"
    left.write_bytes(b"half")
    os.utime(left, (1e9 - 7200, 1e9 - 7200))
    cache.evict()
    assert not left.exists()


class Meanwhile(Clock):
    """A clock that does something at its first look."""

    def __init__(self, now: float, does: Callable[[], object]) -> None:
        super().__init__(now)
        self.does = [does]

    def __call__(self) -> float:
        if self.does:
            self.does.pop()()
        return self.now


def test_what_another_process_uses_while_one_evicts_stays(tmp_path: Path) -> None:
    clock = Clock(1e9)
    reader = Cache(tmp_path, 1000, clock=clock)
    for n in range(12):
        put(reader, f"http://a.org/{n}", bytes([n]) * 100)
        clock.now += 1
    clock.now += 2 * KEPT_FOR
    promised: list[Path] = []

    def find() -> None:
        found = reader.find("http://a.org/0")
        assert found is not None
        promised.append(found[0])

    assert Cache(tmp_path, 1000, clock=Meanwhile(clock.now, find)).evict() == 300
    assert promised[0].read_bytes() == bytes(100)


def test_a_folder_that_was_removed_is_made_anew(tmp_path: Path) -> None:
    cache = Cache(tmp_path / "cache", 1000)
    put(cache, "http://a.org/1", b"x")
    shutil.rmtree(tmp_path / "cache")
    assert cache.find("http://a.org/1") is None
    assert put(cache, "http://a.org/1", b"x").read_bytes() == b"x"


def _work(folder: Path, seed: int, results: multiprocessing.Queue[list[str]]) -> None:
    cache = Cache(folder, 20_000)
    wrong: list[str] = []
    for n in range(150):
        url = f"http://a.org/{(n * (7 + seed)) % 60}"
        content = url.encode() * 30
        found = cache.find(url)
        if found is None:
            put(cache, url, content)
        else:
            try:
                if found[0].read_bytes() != content:
                    wrong.append(url)
            except FileNotFoundError:
                pass
    results.put(wrong)


def test_two_processes_share_a_cache(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    results: multiprocessing.Queue[list[str]] = context.Queue()
    workers = [context.Process(target=_work, args=(tmp_path, seed, results)) for seed in range(2)]
    for worker in workers:
        worker.start()
    assert [results.get(timeout=60) for _ in workers] == [[], []]
    for worker in workers:
        worker.join()
        assert worker.exitcode == 0
    results.close()
    results.join_thread()
    for path in objects(tmp_path):
        assert hashlib.sha256(path.read_bytes()).hexdigest() == path.name
    assert list((tmp_path / "parts").iterdir()) == []
    assert sum(path.stat().st_size for path in objects(tmp_path)) <= 40_000


def test_only_digests_name_objects(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"not a SHA-256"):
        Cache(tmp_path, 1000).object_path("../" * 21 + "a")
