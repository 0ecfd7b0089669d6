"""Every command, query and setting of README and docs is run as it stands there, on a small made museum."""

from __future__ import annotations

import gzip
import shutil
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import numpy as np
import pyoxigraph as ox
import pytest

from enrich.demo.configuration import write_settings
from enrich.demo.museum import museum_quads, vocabulary_quads, write_museum
from enrich.ontology.profile_files import load_profile
from enrich.settings.loading import load_settings
from tests.classifiers.soup.conftest import COLOURS, picture
from tests.docs.followed import PAGES, ROOT, Block, blocks, commands, follow

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
QUICK = {
    "ENRICH_TRAIN__FOLDS": "2",
    "ENRICH_TRAIN__OPTIONS": '{"tabular": {"numerals": false, "rounds": 20, "depth": 3, "bins": 32}}',
    "ENRICH_DECISION__THRESHOLDS": '{"place": 0.5, "time": 0.5, "technique": 0.5, "material": 0.5}',
    "OMP_NUM_THREADS": "1",
}
"""So that it takes seconds; and so few objects answer by thresholds set by hand."""
SMALL = " --weights none --size 32 --epochs 2 --batch 24 --learning-rate 0.005 --gamma 0"


@dataclass(frozen=True)
class Way:
    """How some headings of a page are followed: where, after what, and with what made smaller."""

    page: str
    headings: tuple[str, ...]
    museum: bool = True
    smaller: tuple[tuple[str, str], ...] = ()


WAYS = (
    Way("README.md", ("A first real use",), museum=False),
    Way("index.md", ("Try it",), museum=False),
    Way("index.md", ("Your own records", "Look at the answers", "How good is it?"), museum=False),
    Way(
        "your-graph.md",
        ("The way",),
        museum=False,
        smaller=(
            ("draft my.toml", "draft my.toml --yes"),
            (
                '# in enrich.toml: profile = "my.toml"',
                'sed -i \'/^profile/s/".*"/"my.toml"/\' enrich.toml; grep my.toml enrich.toml',
            ),
        ),
    ),
    Way("reviewing.md", ("What to look at first",)),
    Way("sparql.md", ("Without writing SPARQL",)),
    Way(
        "ontology.md",
        ("Questions to ask", "Out again, in the museum's own terms"),
        smaller=(("https://m.example/1", "https://museum.example.org/london"),),
    ),
    Way("fusion.md", ("Figures",)),
    Way(
        "studies.md",
        ("",),
        smaller=(
            ("study transfer", "study transfer --least 5"),
            ("study reviews", "study reviews --count 20 --count 40"),
        ),
    ),
    Way("studies.md", ("Focal loss and rare classes", "Wrong labels", "Late, early, hybrid")),
    Way(
        "studies.md",
        ("A museum never seen", "A collection never seen, by its texts"),
        smaller=(("study transfer", "study transfer --least 5"),),
    ),
    Way(
        "soups.md",
        ("From pictures to predictions",),
        smaller=(
            (
                "train runs --pictures pictures",
                f"train runs --pictures pictures --backbone test_resnet{SMALL}",
            ),
            ("analyse report", "analyse report --replicates 2 --method greedy"),
            (
                "compare study",
                f"compare study --backbone test_resnet --backbone test_vit --seed 0 --seed 1{SMALL}",
            ),
        ),
    ),
)
ELSEWHERE = {
    ("README.md", "Two commands"): "tests/demo/test_tour.py",
    ("README.md", "Installing"): "tests/test_installing.py",
    ("contributing.md", ""): "tests/docs/test_docs.py",
    ("endpoint.md", "Ask"): "tests/web/test_sparql.py",
    ("api.md", ""): "tests/web/test_api.py",
    ("explorer.md", "What leads where"): "tests/web/test_ours.py",
    ("explorer.md", "How fast"): "tests/benchmarks/test_smoke.py",
    ("graph-side.md", ""): "tests/benchmarks/test_smoke.py",
    ("nightly-export.md", None): "tests/docs/test_nightly_export.py",
    ("operating.md", "Start"): "tests/docker/test_commands.py",
    ("operating.md", "In containers"): "tests/docker/test_read_only_root.py",
    ("operating.md", "Behind a proxy"): "tests/web/test_who.py",
    ("python.md", None): "tests/test_museum.py",
    ("neural.md", "Pretraining on your own pictures"): "tests/cli/test_pretrain.py",
    ("peers.md", None): "tests/benchmarks/test_peers.py",
    ("promise.md", "On your own objects"): "tests/cli/test_verbs.py",
    ("reviewing.md", "At a terminal"): "tests/test_curator.py",
    ("reviewing.md", "In the browser"): "tests/web/test_running.py",
    ("reviewing.md", "Learning from reviews"): "tests/test_curator.py",
    ("studies.md", "Learning from reviews"): "tests/studies/test_reviews.py",
    ("reviewing.md", "In a spreadsheet"): "tests/test_curator.py",
    ("reviewing.md", "What is accepted, out again"): "tests/test_curator.py",
    ("virtuoso.md", "Addresses"): "tests/graph/stores",
}
"""What is not followed here, and the test that does what it says; None for a whole page."""
BLOCKS = [block for page in PAGES for block in blocks(page)]


@pytest.fixture(scope="module")
def exports(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a museum exports: records, a thesaurus, and both as one dump without graphs."""
    folder = tmp_path_factory.mktemp("exports")
    records, thesaurus = list(museum_quads(200, pictures=False)), [q.triple for q in vocabulary_quads()]
    for name, what, form in (
        ("records.nq.gz", records, ox.RdfFormat.N_QUADS),
        ("thesaurus.ttl.gz", thesaurus, ox.RdfFormat.TURTLE),
        ("dump.nt.gz", [*(q.triple for q in records), *thesaurus], ox.RdfFormat.N_TRIPLES),
    ):
        (folder / name).write_bytes(gzip.compress(ox.serialize(what, format=form)))
    return folder


@pytest.fixture(scope="module")
def museum(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which a museum is loaded, a model trained, and a run done; with pictures to learn soups from."""
    folder = tmp_path_factory.mktemp("museum")
    write_museum(folder, 200)
    write_settings(folder, pictures=False, few=True)
    (folder / "splits.tsv.gz").write_bytes(gzip.compress((folder / "splits.tsv").read_bytes()))
    follow(
        folder,
        "enrich load records.nq vocabulary.nq\nenrich train --model model\nenrich run --model model",
        **QUICK,
    )
    (folder / "pictures").mkdir()
    random = np.random.default_rng(0)
    lines = ["file,label,split"]
    for i in range(100):
        (folder / "pictures" / f"{i}.png").write_bytes(picture(random, i % 3))
        lines.append(f"{i}.png,{COLOURS[i % 3]},{'train' if i < 60 else 'dev'}")
    (folder / "pictures" / "labels.csv").write_text("\n".join(lines), encoding="utf-8")
    return folder


@pytest.fixture
def copy(museum: Path, tmp_path: Path) -> Path:
    """A museum of one's own, to change."""
    return shutil.copytree(museum, tmp_path / "museum")


@pytest.mark.parametrize("way", WAYS, ids=lambda way: f"{way.page}-{way.headings[0]}")
def test_the_commands_of_a_page_do_what_they_are_there_for(
    way: Way, exports: Path, request: pytest.FixtureRequest
) -> None:
    folder = request.getfixturevalue("copy" if way.museum else "tmp_path")
    if not way.museum:
        shutil.copytree(exports, folder, dirs_exist_ok=True)
    text = commands(way.page, *way.headings)
    for old, new in way.smaller:
        assert old in text
        text = text.replace(old, new)
    follow(folder, text, **QUICK)
    for table in folder.rglob("predictions.csv"):
        assert len(table.read_text(encoding="utf-8").splitlines()) > 1


def test_nothing_that_a_reader_may_type_is_left_out() -> None:
    followed = {(way.page, heading) for way in WAYS for heading in way.headings}
    for block in BLOCKS:
        if block.kind in ("text", "toml", "sparql"):
            continue
        place = (block.page, block.heading)
        elsewhere = ELSEWHERE.get(place) or ELSEWHERE.get((block.page, None))
        assert place in followed or elsewhere, f"nobody follows {block}"
    assert all((ROOT / test).exists() for test in ELSEWHERE.values())


@pytest.mark.parametrize(
    "block", [b for b in BLOCKS if b.kind == "sparql"], ids=lambda b: f"{b.page}-{b.heading}"
)
def test_a_query_of_the_documents_finds_something(block: Block, museum: Path) -> None:
    (museum / "asked.rq").write_text(block.text, encoding="utf-8")
    answer = follow(museum, "enrich query asked.rq").stdout.splitlines()
    assert len(answer) > ("CONSTRUCT" not in block.text)


@pytest.mark.parametrize(
    ("page", "texts"),
    [
        (page, [b.text for b in found])
        for page, found in groupby((b for b in BLOCKS if b.kind == "toml"), key=lambda b: b.page)
    ],
)
def test_settings_and_profiles_of_the_documents_are_understood(
    page: str, texts: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ENRICH_STORE__PASSWORD", "secret")
    for number, text in enumerate(texts):
        file = tmp_path / f"{number}.toml"
        if page == "profiles.md":
            before = "" if "extends" in text else 'record_class = "crm:E22_Human-Made_Object"\n'
            after = "" if "properties" in text else '\n[properties.x]\npredicate = "crm:P45_consists_of"\n'
            file.write_text(before + text + after, encoding="utf-8")
            load_profile(file)
        else:
            file.write_text(text, encoding="utf-8")
            load_settings(file)
