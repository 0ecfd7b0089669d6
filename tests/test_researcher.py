"""A researcher's errand, by the documented commands alone: cite a run, export it, and read it again elsewhere."""

from __future__ import annotations

import io
import json
import urllib.request
from contextlib import chdir, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import pandas
import pyshacl
import pytest
import rdflib
from rdflib.namespace import DCAT, DCTERMS, PROV, RDF, VOID
from SPARQLWrapper import JSON, SPARQLWrapper

from enrich.cli import main
from enrich.demo.museum import write_museum
from tests.servers import Endpoint

BASE = "https://data.museum.example/enrich/"
LICENCE = "https://creativecommons.org/publicdomain/zero/1.0/"
SHAPES = Path(__file__).resolve().parents[1] / "ontology" / "shapes.ttl"


def enrich(folder: Path, *words: str) -> str:
    """A command that succeeds; what it writes to stdout."""
    with chdir(folder), redirect_stdout(io.StringIO()) as out, redirect_stderr(io.StringIO()) as err:
        code = main(list(words))
    assert code == 0, err.getvalue()
    return out.getvalue()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small demo museum under an address of its own, in which texts and values have answered."""
    folder = tmp_path_factory.mktemp("errand") / "museum"
    write_museum(folder, 200)
    enrich(folder, "init", ".", "--profile", "linked-art", "--base", BASE)
    settings = (folder / "enrich.toml").read_text()
    for line in ('# creator = "Museum of Silk"', f'# licence = "{LICENCE}"'):
        assert line in settings, "enrich.toml says how to name the creator and the licence"
        settings = settings.replace(line, line.removeprefix("# "))
    settings += "thresholds = { place = 0.5, technique = 0.5 }\n"
    (folder / "enrich.toml").write_text(settings)
    enrich(folder, "load", "records.nq", "vocabulary.nq")
    enrich(folder, "train", "--splits", "splits.tsv", "--model", "model", "--modality", "text")
    enrich(folder, "run", "--model", "model")
    return folder


@pytest.fixture(scope="module")
def cited(folder: Path) -> dict[str, Any]:
    """The run, as `enrich show` cites it."""
    (run,) = json.loads(enrich(folder, "runs", "--json"))["runs"]
    found: dict[str, Any] = json.loads(enrich(folder, "show", run["run"].rpartition("/")[2], "--json"))
    return found


@pytest.fixture(scope="module")
def trig(folder: Path, cited: dict[str, Any]) -> Path:
    """The run's own file."""
    enrich(folder, "export", "run.trig", "--run", cited["run"])
    return folder / "run.trig"


def test_a_run_says_how_to_cite_it(folder: Path, cited: dict[str, Any]) -> None:
    """Given a run, when it is shown, then title, creator, licence, date and a model that is named in words are there,
    and a line to copy has them all."""
    assert cited["title"].startswith("Predictions of ")
    assert (cited["creator"], cited["licence"]) == ("Museum of Silk", LICENCE)
    assert cited["run"].startswith(BASE)
    (model,) = cited["models"]
    assert model["title"].startswith("text (tfidf) for ")
    assert "records of " + cited["date"] in model["title"]
    for part in ("Museum of Silk", cited["date"][:4], cited["title"], model["title"], cited["run"], LICENCE):
        assert part in cited["citation"]
    shown = enrich(folder, "show", cited["run"])
    assert "cite as" in shown
    assert model["sha256"] in shown.replace("\n", "").replace(" ", "")


def test_a_run_that_goes_out_names_no_folder_of_this_machine(folder: Path, trig: Path) -> None:
    assert str(folder.parent) not in trig.read_text(encoding="utf-8")


def test_rdflib_reads_the_run_and_what_it_says_of_itself(trig: Path, cited: dict[str, Any]) -> None:
    """Given the file of a run, when rdflib reads it, then the run's graphs are one DCAT and VoID dataset with the
    citation and true counts, and it conforms to the shapes."""
    read = rdflib.Dataset().parse(trig)
    merged = rdflib.Graph()
    for s, p, o, _ in read.quads():
        merged.add((s, p, o))
    (dataset,) = merged.subjects(RDF.type, VOID.Dataset)
    assert (dataset, RDF.type, DCAT.Dataset) in merged
    assert str(dataset) == cited["dataset"]
    assert str(merged.value(dataset, DCTERMS.bibliographicCitation)) == cited["citation"]
    assert str(merged.value(dataset, DCTERMS.license)) == LICENCE
    assert str(merged.value(dataset, PROV.wasGeneratedBy)) == cited["run"]
    in_shards = sum(str(g).startswith(f"{cited['dataset']}/") for *_, g in read.quads())
    assert int(merged.value(dataset, VOID.triples)) == in_shards
    predictions = set(merged.subjects(RDF.type, rdflib.URIRef("https://w3id.org/enrich/ns#Prediction")))
    assert int(merged.value(dataset, VOID.entities)) == len(predictions) > 100
    (data,) = merged.objects(dataset, PROV.wasDerivedFrom)
    assert str(merged.value(data, DCTERMS.title)).startswith("What was known of ")
    conforms, _, report = pyshacl.validate(merged, shacl_graph=rdflib.Graph().parse(SHAPES))
    assert conforms, report


def test_sparqlwrapper_asks_the_run_on_a_server_of_ones_own(
    trig: Path, cited: dict[str, Any], oxigraph_server: Endpoint
) -> None:
    """Given the file on somebody else's server, when SPARQLWrapper asks for the answers of the run with its title, then
    they are as many as the run says."""
    request = urllib.request.Request(
        oxigraph_server.graph_store_url,
        trig.read_bytes(),
        {"Content-Type": "application/trig"},
        method="POST",
    )
    urllib.request.urlopen(request).close()
    asked = SPARQLWrapper(oxigraph_server.query_url)
    asked.setReturnFormat(JSON)
    asked.setQuery(f"""
        PREFIX dct: <http://purl.org/dc/terms/>
        PREFIX enr: <https://w3id.org/enrich/ns#>
        SELECT ?title (COUNT(DISTINCT ?gap) AS ?answers) WHERE {{
          GRAPH ?register {{ <{cited["run"]}> dct:title ?title ; enr:graph ?g }}
          GRAPH ?g {{ ?answer enr:about ?record ; enr:propertyName ?property ; enr:outcome enr:Predicted }}
          BIND(CONCAT(STR(?record), ?property) AS ?gap)
        }} GROUP BY ?title
    """)
    (row,) = asked.queryAndConvert()["results"]["bindings"]
    assert row["title"]["value"] == cited["title"]
    assert int(row["answers"]["value"]) == cited["predicted"]


@pytest.mark.parametrize("name", ["answers.csv", "answers.csv.gz", "answers.parquet"])
def test_pandas_reads_the_answers_with_names(folder: Path, cited: dict[str, Any], name: str) -> None:
    enrich(folder, "export", name, "--run", cited["run"], "--above", "0.6")
    read = pandas.read_parquet if name.endswith(".parquet") else pandas.read_csv
    answers = read(folder / name)
    assert len(answers) > 0
    assert (answers.confidence >= 0.6).all()
    assert answers.record_name.notna().all()
    assert answers.value_label.notna().all()
    assert set(answers.run) == {cited["run"]}


@pytest.mark.parametrize("name", ["answers.nt", "answers.ttl.gz", "answers.jsonld", "run.nq.gz"])
def test_other_names_are_other_formats(folder: Path, cited: dict[str, Any], name: str) -> None:
    enrich(folder, "export", name, "--run", cited["run"])
    packed = (folder / name).read_bytes().startswith(b"\x1f\x8b")
    assert packed == name.endswith(".gz")
    enrich(folder, "export", f"again-{name}", "--run", cited["run"])
    assert (folder / name).read_bytes() == (folder / f"again-{name}").read_bytes()


def test_the_training_data_are_described_as_croissant(folder: Path, cited: dict[str, Any]) -> None:
    """Given a model folder, then croissant.json describes what it learned from under the IRI that the register gives it,
    with licence, creator, and how many records had which value."""
    said = json.loads((folder / "model" / "croissant.json").read_text())
    (data,) = cited["data"]
    assert (said["@type"], said["conformsTo"]) == ("sc:Dataset", "http://mlcommons.org/croissant/1.0")
    assert said["url"] == data["iri"]
    assert said["identifier"] == f"sha256:{data['sha256']}"
    assert (said["license"], said["creator"]["name"]) == (LICENCE, "Museum of Silk")
    (values,) = said["recordSet"]
    names = {field["@id"] for field in values["field"]}
    assert all(set(row) == names for row in values["data"])
    labels = json.loads((folder / "model" / "labels.json").read_text())
    assert {(r["values/property"], r["values/value"]) for r in values["data"]} == {
        (name, value) for name, found in labels.items() for value in found
    }
    assert rdflib.Graph().parse(folder / "model" / "croissant.json", format="json-ld")


def test_a_museum_without_an_address_of_its_own_is_warned(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Given init where there is nobody to ask, when no --base is given, then the example's is written with a warning."""
    for words, warned in ((["init", "a"], True), (["init", "b", "--base", BASE], False)):
        with chdir(tmp_path):
            assert main(words) == 0
        assert ("set base and actor in" in capsys.readouterr().err) == warned
    settings = (tmp_path / "b" / "enrich.toml").read_text()
    assert f'base = "{BASE}"' in settings
    assert f'actor = "{BASE}actor/museum"' in settings
    with chdir(tmp_path):
        assert main(["init", "c", "--base", "museum"]) == 2
    assert "the base 'museum' must be an absolute http or https IRI" in " ".join(
        capsys.readouterr().err.split()
    )
    assert not (tmp_path / "c").exists()
