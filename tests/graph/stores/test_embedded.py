"""What only the embedded store has: a lock, read-only opening, one transaction for a write."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from pyoxigraph import Literal, NamedNode, Quad

from enrich.errors import SettingsError, StoreError
from enrich.graph.stores import open_store
from enrich.graph.stores.embedded import EmbeddedStore
from enrich.graph.stores.hosting import hosted
from enrich.graph.stores.pieces import ntriples

G, S, P = (NamedNode(f"http://example.org/{name}") for name in ("g", "s", "p"))


def quads(count: int) -> Iterator[Quad]:
    return (Quad(S, P, Literal(n), G) for n in range(count))


def other_process(path: Path, options: str = "") -> str:
    code = (
        "from pathlib import Path\nfrom enrich.errors import StoreError\nfrom enrich.graph.stores import open_store\n"
        f"try:\n    print('rows', open_store(path=Path({str(path)!r}){options}).count())\n"
        "except StoreError as error:\n    print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    return done.stdout


def test_a_second_process_is_told_that_a_store_serves_one(tmp_path: Path) -> None:
    with open_store(path=tmp_path / "store"):
        said = other_process(tmp_path / "store")
    assert "already open" in said
    assert "enrich web" in said
    assert said.count("\n") == 1


def test_the_same_process_cannot_open_it_twice_but_again_after_closing(tmp_path: Path) -> None:
    with open_store(path=tmp_path / "store") as store:
        store.insert(quads(3))
        with pytest.raises(StoreError, match="already open"):
            open_store(path=tmp_path / "store")
    with open_store(path=tmp_path / "store") as store:
        assert store.count() == 3


def test_a_second_process_may_read(tmp_path: Path) -> None:
    with open_store(path=tmp_path / "store") as store:
        store.insert(quads(3))
        assert other_process(tmp_path / "store", ", read_only=True") == "rows 3\n"


def test_read_only_writes_nothing_and_says_why(tmp_path: Path) -> None:
    open_store(path=tmp_path / "store").close()
    with open_store(path=tmp_path / "store", read_only=True) as store:
        assert store.health().writable is False
        for write in (
            lambda: store.insert(quads(1)),
            lambda: store.drop(G),
            lambda: store.update("CLEAR ALL"),
        ):
            with pytest.raises(StoreError, match="read only"):
                write()


def test_a_folder_that_is_no_store_is_a_store_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(StoreError, match="cannot be opened"):
        open_store(path=tmp_path / "file")
    with pytest.raises(StoreError, match="cannot be opened"):
        open_store(path=tmp_path / "absent", read_only=True)


def test_a_closed_store_says_so() -> None:
    store = open_store()
    store.close()
    store.close()
    with pytest.raises(StoreError, match="was closed"):
        store.count()
    assert store.health().readable is False


@pytest.mark.parametrize("bulk", [False, True])
def test_a_write_that_breaks_off_leaves_nothing(tmp_path: Path, bulk: bool) -> None:
    def broken() -> Iterator[Quad]:
        yield from quads(5_000)
        raise RuntimeError("the caller failed")

    with open_store(path=tmp_path / "store") as store:
        with pytest.raises(StoreError, match="the caller failed"):
            store.insert(broken(), bulk=bulk)
        assert store.count() == 0


def test_the_store_on_disk_makes_its_folder(tmp_path: Path) -> None:
    with EmbeddedStore(tmp_path / "a" / "b") as store:
        store.insert(quads(1))
    assert (tmp_path / "a" / "b").is_dir()


@pytest.mark.parametrize(
    "options",
    [{"update_url": "http://example.org/u"}, {"graph_store_url": "http://example.org/g"},
     {"path": Path("x"), "query_url": "http://example.org/q"}],
)  # fmt: skip
def test_settings_that_do_not_fit_together_are_named(options: dict[str, object]) -> None:
    with pytest.raises(SettingsError, match="query_url"):
        open_store(**options)  # type: ignore[arg-type]


def test_a_remote_store_opened_read_only_has_no_way_to_write() -> None:
    store = open_store(query_url="http://127.0.0.1:9/q", update_url="http://127.0.0.1:9/u", read_only=True)
    with pytest.raises(StoreError, match="read only"):
        store.update("CLEAR ALL")


FULL_DISK = """
import resource, signal, sys
from pathlib import Path
from pyoxigraph import Literal, NamedNode, Quad
from enrich.errors import StoreUnavailable
from enrich.graph.stores import open_store
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
node = NamedNode("http://example.org/s")
store = open_store(path=Path(sys.argv[1]))
store.insert(Quad(node, node, Literal(n), node) for n in range(1000))
resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, resource.RLIM_INFINITY))
for bulk in (False, True):
    try:
        store.insert((Quad(node, node, Literal(f"{n} " * 20), node) for n in range(20_000)), bulk=bulk)
    except StoreUnavailable as error:
        print(store.count(), "make room" in str(error))
"""


def test_a_full_disk_is_said_and_costs_only_what_was_being_written(tmp_path: Path) -> None:
    """The file size limit of a process stands for the disk: the same error at the same place."""
    command = [sys.executable, "-c", FULL_DISK, str(tmp_path / "store")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout == "1000 True\n" * 2, done.stderr
    with open_store(path=tmp_path / "store") as store:
        store.insert([Quad(S, P, Literal("after"), G)])
        assert store.count() == 1_001


def slowly(numbers: int = 90) -> str:
    """A pattern that takes some tenths of a second to find its one solution."""
    some = " ".join(map(str, range(numbers)))
    values = " ".join(f"VALUES ?{name} {{ {some} }}" for name in ("a", "b", "c"))
    return f"{{ SELECT (COUNT(*) AS ?all) WHERE {{ {values} }} }}"


@pytest.mark.parametrize("served", [False, True])
def test_of_two_guarded_updates_at_once_the_second_finds_what_the_first_wrote(
    tmp_path: Path, served: bool
) -> None:
    """Given a vase on a shelf, when two take it at once, then one has it; and each of two who count is counted."""

    def take(who: str) -> str:
        vase = f"GRAPH {G} {{ {S} {P} 'shelf' }}"
        return (
            f"DELETE {{ {vase} }} INSERT {{ GRAPH {G} {{ {S} {P} '{who}' }} }} WHERE {{ {slowly()} {vase} }}"
        )

    up = (
        f"DELETE {{ GRAPH {G} {{ {P} {P} ?n }} }} INSERT {{ GRAPH {G} {{ {P} {P} ?next }} }} "
        f"WHERE {{ {slowly()} GRAPH {G} {{ {P} {P} ?n }} BIND(?n + 1 AS ?next) }}"
    )
    path = tmp_path / "store"
    with EmbeddedStore(path, shared=served) as store, ThreadPoolExecutor(2) as both:
        store.update(f"INSERT DATA {{ GRAPH {G} {{ {S} {P} 'shelf' . {P} {P} 0 }} }}")
        if served:
            with hosted(store), open_store(path=path) as one, open_store(path=path) as other:
                for update in ((take("Ada"), take("Bo")), (up, up)):
                    list(both.map(lambda s, text: s.update(text), (one, other), update))
        else:
            for update in ((take("Ada"), take("Bo")), (up, up)):
                list(both.map(store.update, update))
        (who,) = store.select(f"SELECT ?who WHERE {{ GRAPH {G} {{ {S} {P} ?who }} }}")
        (number,) = store.select(f"SELECT ?n WHERE {{ GRAPH {G} {{ {P} {P} ?n }} }}")
    assert who in {(Literal("Ada"),), (Literal("Bo"),)}
    assert number[0] == Literal(2)


def test_a_graph_written_to_while_it_is_dropped_is_listed_or_gone(tmp_path: Path) -> None:
    store = EmbeddedStore(tmp_path / "store")
    written = ntriples(quads(6_000))
    with store, ThreadPoolExecutor(1) as beside:
        for pause in (0.001, 0.003, 0.006, 0.01, 0.015, 0.02):
            store.write_graph(G, written)
            again = beside.submit(store.write_graph, G, ntriples(quads(9_000)))
            time.sleep(pause)
            store.drop(G)
            again.result()
            assert store.graphs() == ([G] if store.count(G) else [])
            store.drop(G)
            assert store.count() == 0


@pytest.mark.parametrize("bulk", [False, True])
def test_who_makes_quads_slowly_holds_up_nobody(tmp_path: Path, bulk: bool) -> None:
    """Given facts that come slowly, when another writes meanwhile, then that is written before they end."""
    begun, written = threading.Event(), threading.Event()

    def slow() -> Iterator[Quad]:
        yield from quads(5_000)
        begun.set()
        assert written.wait(20), "a load held the store"

    with open_store(path=tmp_path / "store") as store, ThreadPoolExecutor(1) as beside:
        load = beside.submit(store.insert, slow(), bulk=bulk)
        assert begun.wait(20)
        store.update(f"INSERT DATA {{ GRAPH {P} {{ {S} {P} 1 }} }}")
        store.write_graph(P, ntriples(quads(2)))
        store.drop(S)
        written.set()
        load.result()
        assert store.count() == 5_000 + 2
