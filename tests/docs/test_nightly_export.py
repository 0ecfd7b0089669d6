"""docs/nightly-export.md, followed: every command of it is run, and does what the page says."""

from __future__ import annotations

import gzip
import re
from functools import partial
from pathlib import Path

import pytest

from tests.docs.followed import ROOT, blocks, commands, follow
from tests.servers import Endpoint

PAGE = ROOT / "docs" / "nightly-export.md"
M = "https://museum.example.org/"
CRM = "http://www.cidoc-crm.org/cidoc-crm/"
on_the_page = partial(commands, PAGE.name)


def sample(heading: str) -> str:
    """What the page says that a command prints."""
    (text,) = (b.text for b in blocks(PAGE) if b.heading == heading and b.kind == "text")
    return text


def export(materials: dict[str, str]) -> bytes:
    """Objects and their materials, as N-Quads, packed."""
    graph = f"<{M}graph/objects>"
    lines = []
    for number, material in materials.items():
        record = f"<{M}object/{number}>"
        lines.append(
            f"{record} <http://www.w3.org/1999/02/22-rdf-syntax-ns#type> <{CRM}E22_Human-Made_Object> {graph} ."
        )
        if material:
            lines.append(f"{record} <{CRM}P45_consists_of> <{M}{material}> {graph} .")
    return gzip.compress("\n".join([*lines, ""]).encode())


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The museum's folder with the exports of the page."""
    (tmp_path / "export.nq.gz").write_bytes(export({"1": "wool", "2": "silk", "3": "hemp"}))
    (tmp_path / "thesaurus.ttl").write_text(
        f'<{M}wool> <http://www.w3.org/2004/02/skos/core#prefLabel> "wool"@en .'
    )
    for day, title in (("25", "a print"), ("26", "another")):
        (tmp_path / f"prints-2026-11-{day}.ttl").write_text(f'<{M}print/{title[-1]}> <{M}title> "{title}" .')
    (tmp_path / "coins.nt.gz").write_bytes(gzip.compress(f'<{M}coin/1> <{M}title> "a coin" .\n'.encode()))
    return tmp_path


def test_the_page_is_followed_on_the_embedded_store(folder: Path) -> None:
    follow(folder, on_the_page("The first night"))
    (folder / "export.nq.gz").write_bytes(export({"1": "silk", "2": "", "3": "hemp", "4": "wool"}))
    told = follow(folder, on_the_page("Every night after it"))
    for line in sample("Every night after it").splitlines():
        assert " ".join(line.split()) in [
            " ".join(x.split()) for x in (told.stdout + told.stderr).splitlines()
        ]
    follow(folder, on_the_page("An export whose name changes"))
    listed = follow(folder, on_the_page("What is there, and what should go")).stdout
    rows = {line.split()[0]: line.split()[1:] for line in listed.splitlines()[1:]}
    assert rows == {
        f"{M}graph/coins": ["1"],
        f"{M}graph/objects": ["7", "urn:enrich:loaded:export.nq"],
        f"{M}graph/prints": ["1", "urn:enrich:loaded:prints-2026-11-26.ttl"],
        "urn:enrich:loaded:thesaurus.ttl": ["1"],
    }
    assert f"{M}graph/coins" not in follow(folder, "enrich graphs").stdout


def test_the_page_is_followed_on_a_server(folder: Path, oxigraph_server: Endpoint) -> None:
    text = on_the_page("On a server").replace("http://127.0.0.1:7878/query", oxigraph_server.query_url)
    text = text.replace("http://127.0.0.1:7878/update", oxigraph_server.update_url)
    first, second = text.split("enrich load --replace")
    follow(folder, "enrich init . --profile linked-art\n" + first)
    (folder / "export.nq.gz").write_bytes(export({"1": "silk", "2": ""}))
    address = first.split("enrich load")[0]
    told = follow(folder, f"{address}enrich load --replace{second}").stdout
    assert re.search(rf"{M}graph/objects +3 +urn:enrich:loaded:export.nq", told)
    assert not (folder / "store").exists()
    follow(
        folder,
        f"{address}enrich drop {M}graph/objects --yes\nenrich drop urn:enrich:loaded:thesaurus.ttl --yes",
    )
