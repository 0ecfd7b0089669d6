"""What is well-formed in a broken document is kept; what is lost is counted, by reason, with its line."""

from __future__ import annotations

import gzip
import io

import pyoxigraph as ox
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyoxigraph import Literal, NamedNode, Quad, RdfFormat

from enrich.graph import turtle_recovery as module
from enrich.graph.turtle_recovery import ENCODING, ENDLESS, RELATIVE, SYNTAX, Recovery
from tests.ontology.pattern import museum_data

GRAPH = NamedNode("https://a.org/graph")
PREFIX = "@prefix a: <https://a.org/> .\n"


def read(text: str | bytes) -> tuple[list[Quad], Recovery]:
    source = text.encode() if isinstance(text, str) else text
    account = Recovery()
    return list(account.quads(io.BytesIO(source))), account


def subjects(quads: list[Quad]) -> list[str]:
    return [quad.subject.value.rsplit("/", 1)[-1] for quad in quads]


def test_a_valid_document_loses_nothing() -> None:
    text = PREFIX + "# a comment.\na:s a:p a:o ;\n  a:q 'text. ' .\n\na:t a:p 1.5, true . # the end.\n"

    quads, account = read(text)

    expected = ox.parse(text.encode(), format=RdfFormat.TURTLE)
    assert {(q.subject, q.predicate, q.object) for q in quads} == {
        (q.subject, q.predicate, q.object) for q in expected
    }
    assert (account.lines, account.statements, account.kept, account.triples) == (6, 2, 2, 4)
    assert not account.dropped


def test_a_relative_iri_costs_its_statement_only() -> None:
    quads, account = read(PREFIX + "a:s a:p a:o .\na:t a:p a:o ;\n  a:q <other> .\na:u a:p a:o .\n")

    assert subjects(quads) == ["s", "u"]
    assert dict(account.dropped) == {RELATIVE: 1}
    assert dict(account.dropped_lines) == {RELATIVE: 2}
    assert account.first[RELATIVE].startswith("line 3: <other> is relative")


def test_a_relative_iri_is_resolved_when_the_document_has_a_base() -> None:
    quads, account = read("@base <https://b.org/> .\n<s> <p> <o> .\n")

    assert [quad.subject.value for quad in quads] == ["https://b.org/s"]
    assert not account.dropped


@pytest.mark.parametrize(
    ("bad", "reason", "kept"),
    [
        ("a:t a:p b:o .", SYNTAX, ["s", "u"]),
        ("a:t a:p .", SYNTAX, ["s", "u"]),
        ("a:t a:p <https://a b/> .", SYNTAX, ["s", "u"]),
        ("a:t a:p 'it's' .", SYNTAX, ["s", "u"]),
        ("a:t a:p a:o", ENDLESS, ["s", "u"]),
        ('a:t a:p """no end .', SYNTAX, ["s", "u"]),
        ("} ] ) .", SYNTAX, ["s", "u"]),
    ],
)
def test_what_does_not_parse_costs_its_statement_only(bad: str, reason: str, kept: list[str]) -> None:
    quads, account = read(PREFIX + f"a:s a:p a:o .\n{bad}\na:u a:p a:o .\n")

    assert subjects(quads) == kept
    assert dict(account.dropped) == {reason: 1}
    assert account.first[reason].startswith("line 3: ")
    assert account.statements == account.kept + 1


def test_bytes_that_are_not_utf_8_cost_their_statement_only() -> None:
    quads, account = read(PREFIX.encode() + b"a:s a:p 'caf\xe9' .\na:u a:p 'caf\xc3\xa9' .\n")

    assert [quad.object for quad in quads] == [Literal("café")]
    assert dict(account.dropped) == {ENCODING: 1}


def test_a_statement_with_no_end_is_told() -> None:
    quads, account = read(PREFIX + "a:s a:p a:o .\na:t a:p")

    assert subjects(quads) == ["s"]
    assert dict(account.dropped) == {ENDLESS: 1}


def test_a_full_stop_in_a_long_string_ends_nothing() -> None:
    quads, account = read(PREFIX + 'a:s a:p """one.\n@prefix two.\n""\\""" three.""" .\na:t a:p 1 .\n')

    assert subjects(quads) == ["s", "t"]
    assert not account.dropped


def test_prefixes_may_be_declared_again_in_the_middle_and_anew() -> None:
    again = PREFIX + "a:s a:p a:o .\n" + PREFIX + "a:t a:p a:o .\n"
    anew = again + "PREFIX a: <https://b.org/>\na:s a:p a:o .\n@PREFIX broken .\na:v a:p a:o .\n"

    quads, account = read(anew)

    assert [quad.subject.value for quad in quads] == [
        "https://a.org/s", "https://a.org/t", "https://b.org/s", "https://b.org/v",
    ]  # fmt: skip
    assert dict(account.dropped) == {SYNTAX: 1}
    assert account.lost_directives == 1
    assert account.duplicates == 0


@pytest.mark.parametrize("bad", ["a:bad a:p <rel> .\n", ""])
@pytest.mark.parametrize(
    "line",
    [
        "@prefix b: <https://b.org/> . b:s b:p b:o .",
        "PREFIX b: <https://b.org/> b:s b:p b:o . # the end",
        "@prefix b:\n  <https://b.org/> . # not <yet>\nb:s b:p b:o .",
        "PREFIX c: <https://c.org/> @prefix b: <https://b.org/> . b:s b:p\nc:o .",
        "BASE <https://b.org/> @prefix b: <> . <s> b:p <o> .",
    ],
)
@pytest.mark.parametrize("at_the_head", [True, False])
def test_a_statement_on_the_line_of_a_prefix_is_one_of_its_own(
    line: str, bad: str, at_the_head: bool
) -> None:
    body = f"{line}\n{bad}" if at_the_head else f"a:s a:p a:o .\n{bad}{line}\n"
    filler = "".join(f"b:f{n} b:p {n} .\n" for n in range(2 * module.BATCH))

    quads, account = read(PREFIX + body + filler)

    found = {quad.subject.value for quad in quads}
    assert {"https://b.org/s", f"https://b.org/f{2 * module.BATCH - 1}"} <= found
    resolved = "BASE" in line and at_the_head
    assert (account.lost_directives, account.dropped.total()) == (0, bool(bad) and not resolved)


def test_a_bad_statement_on_the_line_of_a_prefix_costs_itself() -> None:
    quads, account = read(PREFIX + "@prefix b: <https://b.org/> . b:s b:p <rel> .\nb:t b:p b:o .\n")

    assert [quad.subject.value for quad in quads] == ["https://b.org/t"]
    assert (account.lost_directives, dict(account.dropped)) == (0, {RELATIVE: 1})


def test_a_statement_that_is_repeated_is_merged() -> None:
    quads, account = read(PREFIX + ("a:s a:p a:o .\n" + PREFIX) * 5 + "a:t a:p a:o .\n")

    assert subjects(quads) == ["s", "t"]
    assert (account.statements, account.kept, account.duplicates) == (6, 2, 4)
    assert "4 statements repeat an earlier one" in " ".join(account.sentences())


def test_what_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "REMEMBERED", 2)

    _, account = read(PREFIX + "a:s a:p 1 .\na:s a:p 2 .\na:s a:p 3 .\na:s a:p 1 .\na:s a:p 1 .\n")

    assert account.duplicates == 1
    assert "At least 1 statements" in " ".join(account.sentences())


def test_the_account_tells_the_first_line() -> None:
    _, account = read(PREFIX + "".join(f"a:s{n} a:p <rel> .\n" for n in range(20)))

    told = " ".join(account.sentences())
    assert (
        "20 statements (20 lines) were dropped: relative IRI; the first at line 2: <rel> is relative" in told
    )
    assert account.dropped == {RELATIVE: 20}


def test_blank_nodes_keep_their_names_across_the_document() -> None:
    filler = "".join(f"a:f{n} a:p {n} .\n" for n in range(2 * module.BATCH))

    quads, _ = read(PREFIX + "a:s a:p _:b .\n" + filler + "_:b a:p a:o .\n")

    assert quads[0].object == quads[-1].subject


@given(st.binary(max_size=200))
def test_any_bytes_are_read_without_an_error(source: bytes) -> None:
    quads, account = read(source)

    assert account.triples == len(quads)
    assert account.statements == account.kept + account.duplicates + sum(account.dropped.values()) or (
        account.dropped[SYNTAX] > 0
    )


@given(
    st.lists(st.text(st.characters(codec="utf-8"), max_size=30), max_size=5),
    st.sampled_from(["<rel>", "]", "'"]),
)
def test_every_good_statement_survives_a_bad_neighbour(texts: list[str], bad: str) -> None:
    good = [Quad(GRAPH, GRAPH, Literal(f"{n}{text}")) for n, text in enumerate(texts)]
    lines = [f"{q.subject} {q.predicate} {q.object} .\n" for q in good]

    quads, account = read(f"{GRAPH} {GRAPH} {bad} .\n".join(["", *lines, ""]))

    assert quads == good
    assert sum(account.dropped.values()) + account.duplicates == len(texts) + 1


# Counted in the dumps by other means: `grep -c` for lines, `sort -u` for different ones.
DUMPS = {
    # file: lines, reified statements, different ones, dropped for a relative IRI
    "image_depiction": (930335, 40332, 40332, 0),
    "image_material": (115368, 5016, 5016, 0),
    "image_place": (196150, 8528, 8528, 0),
    "image_technique": (476509, 20702, 20702, 2657 + 1908),
    "image_time": (84203, 3661, 3661, 434 + 205),
    "xgboost_material": (230374, 10066, 1766, 0),
    "xgboost_place": (391694, 16960, 5026, 0),
    "xgboost_technique": (1043432, 39310, 8874, 2598 + 2338),
    "xgboost_time": (89767, 3895, 918, 0),
}


@pytest.mark.data
@pytest.mark.slow
@pytest.mark.parametrize("name", DUMPS)
def test_the_published_dumps_are_read(name: str) -> None:
    lines, _, different, relative = DUMPS[name]
    with gzip.open(museum_data(f"silknow/published/{name}.ttl.gz")) as file:
        account = Recovery()
        reified = {quad.subject for quad in account.quads(file) if quad.predicate.value.endswith("#subject")}

    lost = {"image_technique": 2657, "image_time": 434, "xgboost_technique": 2598}.get(name, 0)
    assert account.lines == lines
    assert len(reified) == different - lost
    assert dict(account.dropped) == ({RELATIVE: relative} if relative else {})
    assert account.statements == account.kept + account.duplicates + relative
