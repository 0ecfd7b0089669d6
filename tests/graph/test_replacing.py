"""A new export in the place of the old: in one step, from every kind of store, whatever happens on the way."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from pathlib import Path

import pytest
from pyoxigraph import Literal, NamedNode, Quad

from enrich.errors import InputError, QueryRefused, StoreError
from enrich.graph import replacing
from enrich.graph.load_register import register_of
from enrich.graph.loading import Manner, load_files, replace_files
from enrich.graph.replacing import Difference
from enrich.graph.stores import Store, open_store
from tests.conftest import STORES, opened

E = "http://m.example/"
G, H = NamedNode(f"{E}graph/a"), NamedNode(f"{E}graph/b")
OURS = "https://own.example/graph/"
RUN = NamedNode(f"{OURS}run/1/0")


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """The folder of the exports."""
    folder = tmp_path / "exports"
    folder.mkdir()
    return folder


def told(number: int, value: str, graph: NamedNode = G) -> str:
    """One thing and its material, as N-Quads."""
    return f'<{E}{number}> <{E}made_of> "{value}" {graph} .\n'


def manner(place: Path, graph: NamedNode | None = None) -> Manner:
    return Manner(graph, reserved=OURS, home=place)


def values(store: Store, graph: NamedNode = G) -> set[tuple[str, str]]:
    """Which thing is made of what."""
    rows = store.select(f"SELECT ?s ?o WHERE {{ GRAPH {graph} {{ ?s <{E}made_of> ?o }} }}")
    return {(s.value.removeprefix(E), o.value) for s, o in rows if s and o}


def many(count: int, value: str) -> str:
    return "".join(told(number, value) for number in range(count))


@pytest.mark.parametrize("count", [3, 499, 1_500])
def test_no_old_value_is_left(store: Store, place: Path, count: int) -> None:
    """A small difference is told outright, a large one laid beside the graph first: both end alike."""
    (place / "monday.nq").write_text(many(count, "wool") + told(count, "silk") + told(7, "gold", H))
    (place / "tuesday.nq").write_text(many(count, "hemp") + told(count, "silk"))
    load_files(store, [place / "monday.nq"], manner(place))
    _, difference = replace_files(store, [place / "tuesday.nq"], manner(place))
    assert values(store) == {(str(n), "hemp") for n in range(count)} | {(str(count), "silk")}
    assert values(store, H) == {("7", "gold")}
    assert (difference.graphs, difference.added, difference.removed) == ((G.value,), count, count)
    assert store.graphs() == sorted([G, H, register_of(store, OURS).graph], key=str)


@pytest.mark.parametrize("count", [3, 1_200])
def test_blank_nodes_do_not_double_and_stay_joined(store: Store, place: Path, count: int) -> None:
    lines = "".join(
        f"<{E}{n}> <{E}part> _:p{n} {G} .\n_:p{n} <{E}made_of> _:m{n} {G} .\n_:m{n} <{E}name> \"{n}\" {G} .\n"
        for n in range(count)
    )  # fmt: skip
    (place / "a.nq").write_text(lines + told(0, "silk"))
    for _ in range(3):
        replace_files(store, [place / "a.nq"], manner(place))
        assert store.count(G) == 3 * count + 1
    path = f"<{E}part>/<{E}made_of>/<{E}name>"
    named = store.select_by_key(f"SELECT ?s ?o WHERE {{ GRAPH {G} {{ ?s {path} ?o }} #PAGE#\n }}", "s")
    assert {(s.value, o.value) for s, o in named if s and o} == {(f"{E}{n}", str(n)) for n in range(count)}


def test_blank_nodes_that_say_the_same_stay_as_they_are(store: Store, place: Path) -> None:
    """Given an export whose blank nodes have other names each night, when one statement without them changes, then that
    one is all that comes and goes; when one with them changes, then all of that graph's come and go."""

    def night(name: str, colour: str, inner: str, graph: NamedNode) -> str:
        return "".join(
            f"<{E}{n}> <{E}part> _:{name}{n} {graph} .\n"
            f'_:{name}{n} <{E}colour> "{inner if n == 3 else "red"}" {graph} .\n'
            for n in range(40)
        ) + told(0, colour, graph)

    (place / "a.nq").write_text(night("x", "wool", "red", G) + night("y", "wool", "red", H))
    load_files(store, [place / "a.nq"], manner(place))
    (place / "a.nq").write_text(night("z", "wool", "red", G) + night("x", "wool", "red", H))
    _, unchanged = replace_files(store, [place / "a.nq"], manner(place))
    (place / "a.nq").write_text(night("q", "silk", "red", G) + night("r", "wool", "blue", H))
    _, changed = replace_files(store, [place / "a.nq"], manner(place))

    assert (unchanged.added, unchanged.removed) == (0, 0)
    assert (changed.added, changed.removed) == (1 + 80, 1 + 80)
    assert (values(store), store.count(G), store.count(H)) == ({("0", "silk")}, 81, 81)
    path = f"<{E}part>/<{E}colour>"
    (row,) = store.select(f'SELECT ?s WHERE {{ GRAPH {H} {{ ?s {path} "blue" }} }}')
    assert str(row[0]) == f"<{E}3>"


def test_every_term_is_taken_out_as_it_was_put_in(store: Store, place: Path) -> None:
    """Literals with language, datatype, quotation marks and line breaks, and IRIs in other scripts."""
    terms = [
        '"a\\"b\\\\c\\nd\\te"', '"é"@fr', '"1650"^^<http://www.w3.org/2001/XMLSchema#gYear>', '""', '"{ ; } #"',
        f"<{E}日本/é>",
    ]  # fmt: skip
    (place / "a.nq").write_text("".join(f"<{E}1> <{E}made_of> {term} {G} .\n" for term in terms))
    (place / "b.nq").write_text(told(1, "silk"))
    load_files(store, [place / "a.nq"], manner(place))
    assert store.count(G) == len(terms)
    replace_files(store, [place / "b.nq"], manner(place))
    assert values(store) == {("1", "silk")}
    replace_files(store, [place / "a.nq"], manner(place))
    assert store.count(G) == len(terms)


def test_the_same_again_changes_nothing(store: Store, place: Path) -> None:
    (place / "a.nq").write_text(many(20, "wool"))
    load_files(store, [place / "a.nq"], manner(place))
    _, difference = replace_files(store, [place / "a.nq"], manner(place))
    assert difference == Difference((G.value,))


def test_all_that_came_from_a_path_is_replaced(store: Store, place: Path) -> None:
    """Monday's export filled two graphs, tuesday's one: the other goes. What came from elsewhere stays."""
    export, other = place / "export.nq", place / "other.ttl"
    export.write_text(told(1, "wool") + told(2, "silk", H))
    other.write_text(f"<{E}9> <{E}made_of> <{E}gold> .")
    load_files(store, [export, other], manner(place))
    export.write_text(told(1, "silk"))
    _, difference = replace_files(store, [export], manner(place))
    assert (values(store), values(store, H)) == ({("1", "silk")}, set())
    assert difference == Difference((G.value, H.value), 1, 2)
    assert store.count(NamedNode("urn:enrich:loaded:other.ttl")) == 1
    export.write_text(f'<{E}1> <{E}made_of> "hemp" .\n')
    replace_files(store, [export], manner(place))
    assert values(store) == set()
    assert values(store, NamedNode("urn:enrich:loaded:export.nq")) == {("1", "hemp")}


def test_a_graph_that_is_named_is_replaced_alone(store: Store, place: Path) -> None:
    (place / "a.ttl").write_text(f'<{E}1> <{E}made_of> "wool" .')
    load_files(store, [place / "a.ttl"], manner(place))
    for material in ("silk", "hemp"):
        (place / "a.ttl").write_text(f'<{E}1> <{E}made_of> "{material}" .')
        replace_files(store, [place / "a.ttl"], manner(place, H))
    assert values(store, H) == {("1", "hemp")}
    assert values(store, NamedNode("urn:enrich:loaded:a.ttl")) == {("1", "wool")}


def test_what_came_from_another_path_into_the_same_graph_is_said(place: Path) -> None:
    store = open_store()
    for name, number in (("25.nq", 1), ("26.nq", 2)):
        (place / name).write_text(told(number, "wool"))
    load_files(store, [place / "25.nq"], manner(place))
    _, difference = replace_files(store, [place / "26.nq"], manner(place))
    assert difference.account == (f"{G.value}: what came from urn:enrich:loaded:25.nq was replaced too",)
    _, difference = replace_files(store, [place / "26.nq"], manner(place))
    assert difference.account == ()


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (told(1, "silk") + f"<{E}2> <{E}made_of> ", "cut short"),
        ("", "there is no statement"),
        ("rubbish\n", "none of it can be read"),
        (told(1, "silk", RUN), "enrich's own"),
    ],
)
def test_an_export_that_is_not_whole_replaces_nothing(place: Path, text: str, why: str) -> None:
    store = open_store()
    (place / "a.nq").write_text(told(1, "wool") + told(2, "wool"))
    load_files(store, [place / "a.nq"], manner(place))
    (place / "a.nq").write_text(text)
    with pytest.raises(InputError, match=why):
        replace_files(store, [place / "a.nq"], manner(place))
    assert values(store) == {("1", "wool"), ("2", "wool")}


@pytest.mark.parametrize("folder", [False, True])
def test_one_export_without_a_statement_among_others_replaces_nothing(place: Path, folder: bool) -> None:
    store, paths = open_store(), [place / "coins.nq", place / "prints.nq"]
    for number, path in enumerate(paths):
        path.write_text(told(number, "wool", (G, H)[number]))
    given = [place] if folder else paths
    load_files(store, given, manner(place))
    paths[0].write_text(told(0, "silk"))
    paths[1].write_text("# nothing\n")
    with pytest.raises(InputError, match=r"no statement in .*prints\.nq, and nothing was replaced"):
        replace_files(store, given, manner(place))
    assert (values(store), values(store, H)) == ({("0", "wool")}, {("1", "wool")})


def test_a_way_through_a_link_is_the_same_path(place: Path) -> None:
    """A link to the folder is the folder; one inside it, which points at each day's export in turn, is itself."""
    store, linked = open_store(), place.parent / "linked"
    linked.symlink_to(place)
    today = place / "today"
    for material in ("wool", "silk"):
        (place / material).mkdir()
        for name in ("coins", "prints"):
            (place / material / f"{name}.nt").write_text(f'<{E}{name}> <{E}made_of> "{material}" .')
        today.unlink(missing_ok=True)
        today.symlink_to(place / material)
        home = place if material == "wool" else linked
        replace_files(store, [home / "today" / "coins.nt", today / "prints.nt"], manner(place))
    graphs = [NamedNode(f"urn:enrich:loaded:today/{name}.nt") for name in ("coins", "prints")]
    assert store.graphs(beside=OURS) == graphs
    assert [values(store, graph) for graph in graphs] == [{("coins", "silk")}, {("prints", "silk")}]


@pytest.mark.parametrize("kind", ["memory", *STORES[2:]])
def test_a_reader_sees_the_old_or_the_new(request: pytest.FixtureRequest, place: Path, kind: str) -> None:
    """Two thousand things change their material while another asks again and again what all are made of."""
    store, size = opened(request, kind, place), 2_000
    reader = opened_again(request, kind, store)
    exports = {material: place / f"{material}.nq" for material in ("wool", "silk")}
    for material, path in exports.items():
        path.write_text(many(size, material))
    load_files(store, [exports["wool"]], manner(place))
    seen, stop = set(), threading.Event()

    def ask() -> None:
        while not stop.is_set():
            query = f"SELECT ?o (COUNT(?s) AS ?n) WHERE {{ GRAPH {G} {{ ?s <{E}made_of> ?o }} }} GROUP BY ?o"
            seen.add(frozenset((o.value, n.value) for o, n in reader.select(query) if o and n))

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        for material in ("silk", "wool", "silk"):
            replace_files(store, [exports[material]], manner(place))
    finally:
        stop.set()
        thread.join()
        reader.close()
        store.close()
    assert seen == {frozenset({("wool", str(size))}), frozenset({("silk", str(size))})}


def all_of(material: str, graph: NamedNode = G) -> Iterator[Quad]:
    made = NamedNode(f"{E}made_of")
    return (Quad(NamedNode(f"{E}{n}"), made, Literal(material), graph) for n in range(600))


def put(store: Store, quads: Iterable[Quad], graph: NamedNode = G) -> Difference:
    register, staging = register_of(store, OURS), f"{OURS}replacing/"
    return replacing.replace(store, [graph], quads, "INSERT DATA {}", register, staging=staging)


@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize("kind", ["memory", *STORES[2:]])
def test_of_two_replacements_at_once_one_is_told(
    request: pytest.FixtureRequest, place: Path, monkeypatch: pytest.MonkeyPatch, kind: str, late: bool
) -> None:
    """Silk replaces wool while hemp compares, or as hemp is written: hemp is told, and comes with the next try."""
    store = opened(request, kind, place)
    other = opened_again(request, kind, store)
    put(store, all_of("wool"))
    write, silk = store.update, iter([all_of("silk")])

    def update(text: str, *, idempotent: bool = False) -> None:
        for quads in silk:
            put(other, quads)
        write(text, idempotent=idempotent)

    def compared() -> Iterator[Quad]:
        yield from all_of("hemp")
        monkeypatch.setattr(store, "update", update)
        if not late:
            store.update("INSERT DATA {}")

    with pytest.raises(StoreError, match=f"another load wrote to {G.value} .*: load again"):
        put(store, compared())
    assert late or {value for _, value in values(store)} == {"silk"}
    assert put(other, all_of("hemp")).removed == 600
    assert {value for _, value in values(store)} == {"hemp"}
    assert [len(marks) for marks in register_of(store, OURS).marks().values()] == [1]
    other.close()
    store.close()


def test_replacements_of_other_graphs_and_by_the_same_content_tell_nobody(place: Path) -> None:
    def compared() -> Iterator[Quad]:
        yield from all_of("hemp")
        put(store, all_of("wool"))
        put(store, all_of("silk", H), H)

    with open_store(path=place / "store") as store:
        put(store, all_of("wool"))
        put(store, compared())
        assert {value for _, value in values(store)} == {"hemp"}
        assert {value for _, value in values(store, H)} == {"silk"}


def opened_again(request: pytest.FixtureRequest, kind: str, store: Store) -> Store:
    """Another view of the same store, for another thread."""
    if kind == "memory":
        return store
    if kind == "served":
        return open_store(path=request.getfixturevalue("served_store"))
    return open_store(**asdict(request.getfixturevalue(f"{kind}_server")))


SCRIPT = """
import sys
from pathlib import Path
from enrich.graph.loading import Manner, replace_files
from enrich.graph.stores import open_store
with open_store(path=Path(sys.argv[1])) as store:
    print("open", flush=True)
    replace_files(store, [Path(sys.argv[2])], Manner(reserved=sys.argv[3], home=Path(sys.argv[2]).parent))
"""


@pytest.mark.parametrize("after", [0.0, 0.1, 0.2, 0.4, 0.8])
def test_a_replacement_that_is_killed_leaves_the_old_or_the_new(place: Path, after: float) -> None:
    size, at = 4_000, place / "store"
    (place / "a.nq").write_text(many(size, "wool"))
    with open_store(path=at) as store:
        load_files(store, [place / "a.nq"], manner(place))
    (place / "a.nq").write_text(many(size, "silk"))
    command = [sys.executable, "-c", SCRIPT, str(at), str(place / "a.nq"), OURS]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"open\n"
        time.sleep(after)
        process.send_signal(signal.SIGKILL)
    with open_store(path=at) as store:
        found = values(store)
        assert len(found) == size
        assert len({value for _, value in found}) == 1
        replace_files(store, [place / "a.nq"], manner(place))
        assert {value for _, value in values(store)} == {"silk"}


class Broken(Exception):
    """The process ends here."""


def test_what_a_killed_replacement_left_on_a_server_is_no_fact_and_is_taken_away(
    remote_store: Store, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given a replacement that ended before its update, nothing has changed, and the next day's removes the rest."""
    store, size = remote_store, 700
    (place / "a.nq").write_text(many(size, "wool"))
    load_files(store, [place / "a.nq"], manner(place))
    (place / "a.nq").write_text(many(size, "silk"))

    def end(*_: object, **__: object) -> Iterator[None]:
        raise Broken

    with monkeypatch.context() as patch:
        patch.setattr(store, "update", end)
        patch.setattr(store, "drop", end)
        with pytest.raises(Broken):
            replace_files(store, [place / "a.nq"], manner(place))
    assert {value for _, value in values(store)} == {"wool"}
    left = [g for g in store.graphs() if g.value.startswith(f"{OURS}replacing/")]
    assert left
    assert store.graphs(beside=OURS) == [G]
    tomorrow = time.time() + replacing.LEFT_OVER + 10
    monkeypatch.setattr("enrich.graph.replacing.time.time", lambda: tomorrow)
    replace_files(store, [place / "a.nq"], manner(place))
    assert {value for _, value in values(store)} == {"silk"}
    assert [g for g in store.graphs() if g.value.startswith(f"{OURS}replacing/")] == []


def test_a_server_that_refuses_keeps_the_old_and_nothing_beside(
    remote_store: Store, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = remote_store
    (place / "a.nq").write_text(many(700, "wool"))
    load_files(store, [place / "a.nq"], manner(place))
    (place / "a.nq").write_text(many(700, "silk"))

    def refuse(*_: object, **__: object) -> None:
        raise QueryRefused("no")

    with monkeypatch.context() as patch:
        patch.setattr(replacing, "_carry_out", refuse)
        with pytest.raises(QueryRefused):
            replace_files(store, [place / "a.nq"], manner(place))
    assert {value for _, value in values(store)} == {"wool"}
    assert store.graphs() == [G, register_of(store, OURS).graph]
