"""Whatever is wrong with what is asked: one line that says so, the documented exit code, and nothing made or lost."""

from __future__ import annotations

import gzip
import shutil
from hashlib import sha256
from pathlib import Path

import pyoxigraph as ox
import pytest

from enrich.cli import main
from enrich.demo.museum import BASE
from enrich.demo.objects import made_objects
from tests.cli.conftest import RECORDS

RECORD = next(f"{BASE}object/{made.id}" for made in made_objects(RECORDS) if "place" in made.missing)
OWN = "https://data.example.org/enrich/graph/runs"
CRM = "http://www.cidoc-crm.org/cidoc-crm/"
OTHER_PROFILE = """title = "Colours"
record_class = "crm:E22_Human-Made_Object"
[properties.colour]
predicate = "crm:P56_bears_feature"
"""
IMAGE = 'profile = "linked-art"\n[train]\nmodalities = ["image"]\n[train.options.image]\n'
FILES = {
    "strangers.txt": "https://elsewhere.example/1\n",
    "no-iris.txt": "object 17\n",
    "two-columns.tsv": "a\tb\nx\ty\n",
    "empty.txt": "",
    "no-columns.tsv": "id\tpart\nurn:a\ttrain\n",
    "no-train.tsv": "record\tsplit\nurn:a\tdev\n",
    "strange-train.tsv": "record\tsplit\nurn:x\ttrain\nurn:y\tdev\n",
    "twice.tsv": "record\tsplit\nurn:a\ttrain\nurn:a\tdev\n",
    "update.rq": "DROP ALL",
    "empty.rq": " \n",
    "words.rq": "all that is known, please",
    "broken.rq": "SELECT ?s WHERE {",
    "service.rq": "SELECT * { SERVICE <http://127.0.0.1:1/> { ?s ?p ?o } }",
    "select.rq": "SELECT ?s { ?s ?p ?o } LIMIT 1",
    "page.ttl": "<!doctype html><html></html>",
    "rubbish.nq": "this is\nno RDF\n",
    "cut.ttl": "<urn:a> <urn:b> ",
    "nothing.nt": "# no statement\n",
    "other.nt": "<urn:a> <urn:b> <urn:c> .\n",
    "own.nq": f"<urn:a> <urn:b> <urn:c> <{OWN}> .\n",
    "context.jsonld": '{"@context": "https://c.example/", "@id": "urn:a", "b": "c"}',
    "table.xlsx": "PK",
    "broken.toml": "profile = ",
    "unknown-key.toml": 'profil = "linked-art"\n',
    "wrong-type.toml": "[run]\nbatch = 'many'\n",
    "floor.toml": "[decision]\nfloors = { plaice = 0.9 }\n",
    "threshold.toml": "[decision]\nthresholds = { plaice = 0.9 }\n",
    "weights.toml": IMAGE + 'weights = "gone"\n',
    "encoder.toml": IMAGE.replace("image", "text") + 'back_end = "transformer"\nencoder = "full"\nfolds = 2\n',
    "wrong-base.toml": 'base = "museum"\n',
    "no-profile.toml": 'profile = "linked-arts"\n',
    "no-facts.toml": 'profile = "no-facts-profile.toml"\n',
    "no-facts-profile.toml": 'extends = "linked-art"\nfacts = ["https://nowhere.example/*"]\n',
    "other-data-model.toml": 'profile = "silknow"\n',
    "other-profile.toml": 'profile = "colours.toml"\n',
    "colours.toml": OTHER_PROFILE,
    "other-values.toml": 'profile = "other-values-profile.toml"\n',
    "other-values-profile.toml": 'facts = ["urn:other"]\n' + OTHER_PROFILE.replace("colour", "place"),
    "other.nq": f"<urn:a> <http://www.w3.org/1999/02/22-rdf-syntax-ns#type> <{CRM}E22_Human-Made_Object> <urn:other> .\n",
    "bad-path.toml": OTHER_PROFILE.replace("crm:P56", "crn:P56"),
    "full/kept.txt": "mine",
}  # fmt: skip


@pytest.fixture(scope="module")
def museum(folder: Path) -> Path:
    """A museum with a run, and files that are wrong in their own ways."""
    assert main(["run", "--model", "model", "--property", "place"]) == 0
    for name, text in FILES.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    assert main(["load", "other.nq"]) == 0
    (folder / "latin.rq").write_bytes(b"SELECT ?s { ?s ?p 'caf\xe9' }")
    (folder / "cut.nt.gz").write_bytes(gzip.compress(b"<urn:a> <urn:b> <urn:c> .\n" * 99)[:-20])
    shutil.copytree("model", "altered")
    (folder / "altered" / "labels.json").write_text("{}")
    return folder


def state(folder: Path) -> tuple[dict[str, str], int]:
    """Every file outside the store with its digest, and the number of statements in the store."""
    files = {
        str(path.relative_to(folder)): sha256(path.read_bytes()).hexdigest() if path.is_file() else "folder"
        for path in sorted(folder.rglob("*"))
        if "store" not in path.parts
    }
    return files, len(ox.Store.read_only(str(folder / "store")))


WRONG = [
    # what was typed
    ("gasp", 2, "No such command 'gasp'. Did you mean 'gaps'"),
    ("gaps --jsno", 2, "No such option: --jsno"),
    ("gaps now", 2, "unexpected extra argument"),
    ("run --model", 2, "requires an argument"),
    ("gaps --log none/x.log", 2, "--log none/x.log cannot be written"),
    ("retract", 2, "Missing argument 'RUN'"),
    ("profile", 2, "Missing command"),
    ("run --model model --limit 0", 2, "--limit"),
    ("run --model model --limit few", 2, "--limit"),
    ("prune --older-than -1", 2, "--older-than"),
    ("export --as pdf x.pdf", 2, "--as"),
    ("demo x --records 10", 2, "--records"),
    # settings
    ("gaps --config none.toml", 2, "no settings file none.toml"),
    ("gaps --config full", 2, "no settings file full/enrich.toml"),
    ("gaps --config broken.toml", 2, "broken.toml is not valid TOML"),
    ("gaps --config unknown-key.toml", 2, "profil"),
    ("gaps --config wrong-type.toml", 2, "run.batch"),
    ("gaps --config floor.toml", 2, "decision.floors names 'plaice'"),
    ("gaps --config threshold.toml", 2, "decision.thresholds names 'plaice'"),
    ("gaps --config wrong-base.toml", 2, "base"),
    ("gaps --config no-profile.toml", 2, "no profile and no file is called 'linked-arts'"),
    ("init . --profile linked-art", 2, "enrich.toml exists already"),
    ("init fresh --profile silknw", 2, "no profile and no file is called 'silknw'"),
    ("init records.nq", 2, "records.nq"),
    # profiles, and facts that they do not find
    ("profile show nothing", 2, "no profile and no file is called 'nothing'"),
    ("profile show full/kept.txt", 2, "kept.txt"),
    ("profile check bad-path.toml", 2, "crn"),
    ("profile draft colours.toml --yes", 2, "is there already"),
    ("profile draft fresh.toml --yes --record-class words", 2, "words"),
    ("profile draft fresh.toml --yes --record-class urn:none", 2, "urn:none"),
    ("gaps --config no-facts.toml", 2, "the facts hold no record"),
    ("gaps --config other-data-model.toml", 2, "the facts hold no record"),
    ("run --model model --config no-facts.toml", 2, "the facts hold no record"),
    ("train --model fresh --config no-facts.toml", 2, "the facts hold no record"),
    ("split fresh.tsv --config no-facts.toml", 2, "the facts hold no record"),
    ("check-promise --config no-facts.toml", 2, "the facts hold no record"),
    ("evaluate --model model --splits splits.tsv --config no-facts.toml", 2, "the facts hold no record"),
    # loading
    ("load none.nq", 2, "none.nq"),
    ("load full", 2, "holds no file that is RDF by its name"),
    ("load table.xlsx", 2, "is no RDF file by its name"),
    ("load page.ttl", 2, "is a web page"),
    ("load rubbish.nq", 2, "none of it can be read"),
    ("load cut.nt.gz", 2, "cut.nt.gz"),
    ("load own.nq", 2, "are enrich's own"),
    ("load context.jsonld", 2, "--context https://c.example/=FILE"),
    ("load records.nq --format pdf", 2, "--format pdf is not known"),
    ("load records.nq --graph here", 2, "not an absolute IRI"),
    (f"load other.nt --graph {OWN}", 2, "are enrich's own"),
    ("load other.nt --graph https://data.example.org/enrich/mine", 2, "are enrich's own"),
    ("load cut.ttl", 2, "cut.ttl"),
    ("load context.jsonld --context c.json", 2, "c.json"),
    ("load --replace rubbish.nq records.nq", 2, "none of it can be read"),
    ("load --replace nothing.nt", 2, "no statement"),
    ("drop here --yes", 2, "not an absolute IRI"),
    ("drop urn:none --yes", 2, "there is no graph urn:none"),
    (f"drop {OWN} --yes", 2, "is enrich's own"),
    (f"drop {BASE}graph/vocabulary", 2, "say --yes, or look first with --dry-run"),
    # learning
    ("split fresh.tsv --dev 0.6 --test 0.4", 2, "leave nothing to train on"),
    ("split fresh.tsv --by colour", 2, "--by"),
    ("split fresh.tsv --seed -1", 2, "--seed"),
    ("train --model fresh --seed -1", 2, "--seed"),
    ("train --model fresh --seed 99999999999", 2, "--seed"),
    ("study gamma --splits splits.tsv --out x --seed -1", 2, "--seed"),
    ("pretrain fresh --pictures full --seed -1", 2, "--seed"),
    ("demo fresh --seed -1", 2, "--seed"),
    ("soup train fresh --pictures full --seed -1", 2, "--seed"),
    ("soup train fresh --pictures full --divide-seed -1", 2, "--divide-seed"),
    ("split none/fresh.tsv", 2, "none/fresh.tsv"),
    ("train --splits none.tsv --model fresh", 2, "no file none.tsv"),
    ("train --splits no-columns.tsv --model fresh", 2, "has no column record and split"),
    ("train --splits no-train.tsv --model fresh", 2, "no record in the split train"),
    ("train --splits strange-train.tsv --model fresh", 2, "none of the 1 records asked for, such as <urn:x>, is in the graph"),
    ("train --splits twice.tsv --model fresh", 2, "is in train and in dev"),
    ("train --splits splits.tsv --model full", 4, "is not a model folder"),
    ("train --splits splits.tsv --model records.nq", 4, "is not a model folder"),
    ("train --splits splits.tsv --model records.nq/model", 2, "records.nq"),
    ("train --splits splits.tsv --model fresh --modality smell", 2, "smell"),
    ("train --splits splits.tsv --model fresh --modality image --config weights.toml", 2, "train.options.image.weights: there are no weights 'gone'"),
    ("train --splits splits.tsv --model fresh --modality text --config encoder.toml", 2, "encoder 'full' cannot be loaded from the folder"),
    ("evaluate --model none --splits splits.tsv", 4, "no model folder none"),
    ("evaluate --model model --splits splits.tsv --split last", 2, "no record in the split 'last'"),
    ("evaluate --model model --splits splits.tsv --without colour", 2, "--without colour"),
    ("evaluate --model model --splits splits.tsv --leave-out", 2, "needs --report"),
    ("check-promise --property colour", 2, "colour"),
    ("check-promise --reviews --property colour", 2, "colour"),
    ("check-promise --reviews --figures x", 2, "go without --reviews"),
    ("check-promise --by museum", 2, "go with --reviews"),
    ("check-promise --least 5000 --no-blocks", 2, "name a lower --least"),
    ("models none", 2, "no folder none"),
    # running
    ("run --model none", 4, "no model folder none"),
    ("run --model full", 4, "full"),
    ("run --model altered", 4, "altered"),
    ("run --model model --property colour", 2, "the profile has no property 'colour'"),
    ("run --model model --records none.txt", 2, "no file none.txt"),
    ("run --model model --records empty.txt", 2, "empty.txt"),
    ("run --model model --records strangers.txt", 2, "are no records of the profile linked-art"),
    ("run --model model --records no-iris.txt", 2, "line 1: not an absolute IRI"),
    ("run --model model --records two-columns.tsv", 2, "none is called record"),
    ("run --model model --config other-profile.toml", 4, "by the profile linked-art, and the profile colours has none"),
    ("gaps --model model --config other-profile.toml", 4, "train one here"),
    ("run --model model --config other-values.toml", 4, "the graph has none of these values"),
    ("evaluate --model model --splits splits.tsv --config other-profile.toml", 4, "train one here"),
    ("gaps --model none", 4, "no model folder none"),
    ("retract none", 6, "no run is called 'none'"),
    ("retract https://elsewhere.example/run/1", 6, "no run"),
    ("retract place --dry-run", 6, "no run is called 'place'"),
    ("retract none --property place --keep", 2, "--keep goes with a whole run"),
    ("retract none --below 2", 2, "--below"),
    ("export x.trig", 2, "--run"),
    ("export x.trig --run none", 6, "no run is called 'none'"),
    ("export --as plain x.pdf", 2, "its name says no format"),
    ("export --as plain x.csv --property colour", 2, "no property 'colour'"),
    ("export --as plain none/x.csv", 2, "none/x.csv"),
    ("export --as plain full.csv/x.csv --above 2", 2, "--above"),
    ("export x.trig --above 0.5", 2, "go with plain statements"),
    ("job none", 6, "none"),
    ("pause none", 6, "none"),
    ("resume none", 6, "none"),
    ("cancel none --yes", 6, "none"),
    # looking
    ("query predictoins", 2, "no query and no file is called 'predictoins'"),
    ("query update.rq", 2, "only reads"),
    ("query empty.rq", 2, "is empty"),
    ("query words.rq", 2, "is not a SPARQL 1.1 query"),
    ("query broken.rq", 2, "is not a SPARQL 1.1 query"),
    ("query service.rq", 2, "SERVICE"),
    ("query latin.rq", 2, "cannot be read"),
    ("query full", 2, "cannot be read"),
    ("query select.rq --format nt", 2, "N-Triples are for a CONSTRUCT"),
    ("query select.rq --set s", 2, "say NAME=VALUE"),
    ("query select.rq --set least=3", 2, "has no $least to set"),
    ("query evidence", 2, "add --set record=IRI"),
    ("query evidence --set record=17", 2, "not an absolute IRI"),
    ("query predictions --set colour=red", 2, "has no parameter 'colour'"),
    ("query predictions --set property=colour", 2, "no property 'colour'"),
    ("query predictions --set museum=urn:none", 2, "no record has museum=urn:none"),
    ("query predictions --set confidence=90", 2, "a number from 0 to 1"),
    ("query predictions --set limit=0", 2, "a whole number from 1"),
    ("query predictions --set order=colour", 2, "no column 'colour'"),
    ("query predictions --set limit=1 --set limit=2", 2, "once"),
    ("show object/17", 2, "not an absolute IRI"),
    ("show https://elsewhere.example/1", 2, "https://elsewhere.example/1"),
    (f"show {RECORD} --model model", 2, "go with --explain"),
    (f"show {RECORD} --explain --model none", 4, "no model folder none"),
    ("demo full", 2, "is not empty and holds no demo"),
    # studies and soups
    ("study smell", 2, "No such command"),
    ("study gamma --splits none.tsv --out fresh", 2, "no file none.tsv"),
    ("study gamma --splits none.tsv --out fresh --gamma 0", 2, "--gamma: name a number above 0"),
    ("study gamma --splits none.tsv --out fresh --gamma inf", 2, "--gamma: name a number above 0"),
    ("study gamma --splits none.tsv --out fresh --gamma=-1", 2, "--gamma"),
    ("study noise --splits none.tsv --out fresh --rate 0", 2, "--rate: name a number above 0"),
    ("study gamma --splits splits.tsv --out fresh --split last", 2, "last"),
]  # fmt: skip


@pytest.mark.parametrize(("typed", "code", "sentence"), WRONG, ids=[typed for typed, *_ in WRONG])
def test_a_wrong_input_is_one_line_with_its_exit_code_and_leaves_no_trace(
    museum: Path, capsys: pytest.CaptureFixture[str], typed: str, code: int, sentence: str
) -> None:
    before = state(museum)
    capsys.readouterr()

    found = main(typed.split())

    said = capsys.readouterr()
    assert (found, said.out) == (code, ""), said.err
    assert said.err.startswith("enrich: "), said.err
    assert said.err.count("\n") == 1, said.err
    assert sentence in said.err
    assert "unforeseen" not in said.err
    assert state(museum) == before
