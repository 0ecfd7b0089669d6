"""What a site keeps from one request to the next: workspaces, and what was read with them, until the facts change."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from pyoxigraph import Literal, NamedNode, Quad

from enrich.ontology.terms import RDF, SKOS
from enrich.web.site import WORKSPACES, Site
from tests.museums import PROFILE
from tests.web.serving import VOCABULARY, site

SCHEME = "https://museum.example.org/vocabulary/technique"


@pytest.fixture
def schemed(tmp_path: Path) -> Iterator[Site]:
    """A museum whose techniques are those of a scheme."""
    profile = tmp_path / "schemed.toml"
    profile.write_text(f'{PROFILE.read_text()}technique.scheme = "{SCHEME}"\n')
    with site(tmp_path, 20, profile=str(profile)) as found:
        yield found


def add_sprang(where: Site) -> str:
    """A technique more in the scheme."""
    iri = NamedNode(f"{SCHEME}/sprang")
    said = {RDF.type: SKOS.Concept, SKOS.inScheme: NamedNode(SCHEME), SKOS.prefLabel: Literal("Sprang")}
    assert where._store is not None
    where._store.insert(Quad(iri, predicate, value, VOCABULARY) for predicate, value in said.items())
    assert where.index.refresh(facts=True)
    return iri.value


@pytest.mark.parametrize("patient", [False, True])
def test_a_workspace_lent_while_the_facts_change_is_not_lent_again(schemed: Site, patient: bool) -> None:
    """Given a workspace that has read a vocabulary, when a concept is added while a page has it, and the page is done, then
    the next page has the concept."""
    lend = schemed.patient if patient else schemed.workspace
    with lend() as lent:
        known = lent.reader.classes["technique"].classes
        assert known
        sprang = add_sprang(schemed)
        assert schemed.values.find(lent, "technique", "sprang", "en") == [], "it reads on as it began"
    with lend() as next_one:
        assert next_one is not lent
        assert sprang in (next_one.reader.classes["technique"].classes or {})
        assert schemed.values.find(next_one, "technique", "sprang", "en") == [(sprang, "Sprang")]


def test_a_workspace_is_lent_again_while_the_facts_stay(museum: Site) -> None:
    museum.forget()
    with museum.workspace() as first:
        pass
    with museum.workspace() as second, museum.workspace() as third:
        assert second is first
        assert third is not first


def test_so_many_workspaces_are_kept_and_no_more(museum: Site) -> None:
    lent = [museum.workspace() for _ in range(WORKSPACES + 2)]
    for each in lent:
        each.__enter__()
    for each in lent:
        each.__exit__(None, None, None)
    assert len(museum._spare[False]) == WORKSPACES
