"""Training from records of a graph: classes, settings, the folder that is written, and what is refused."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from pyoxigraph import NamedNode

from enrich import __version__
from enrich.classifiers.data import Record, Text
from enrich.classifiers.model.model import Model
from enrich.errors import InputError, ModelError, SettingsError
from enrich.graph.record_files import read_splits
from enrich.graph.records import Subject
from enrich.graph.stores import open_store
from enrich.learn.splitting import split_records
from enrich.learn.splitting import write_splits as write_splits_file
from enrich.learn.training import model_spec, train
from enrich.learn.training_set import training_set
from enrich.learn.unfinished import parts, training_folder
from enrich.ontology.paths import Step
from enrich.ontology.profiles import ContextProfile, ImageProfile, Profile, PropertyProfile
from enrich.ontology.terms import Names
from enrich.settings.loading import Settings
from tests.classifiers.museum import BASE, CENTURIES, PLACES, museum

FAST = {"rounds": 10, "patience": 5, "depth": 3, "eta": 0.3, "bins": 32}
NAME = NamedNode("urn:p")


def property_profile(
    name: str, classes: tuple[str, ...] = (), minimum: int = 1, many: bool = False
) -> PropertyProfile:
    return PropertyProfile(
        name, Step(NAME), classes=tuple(map(NamedNode, classes)), minimum=minimum, many=many
    )


PROFILE = Profile(
    name="made-up",
    title="",
    record_class=(NamedNode("urn:Object"),),
    facts=(),
    properties=(
        property_profile("place", PLACES[::-1]),
        property_profile("time", minimum=5),
        property_profile("material", many=True),
    ),
    contexts=(ContextProfile("museum", (Step(NAME),)),),
    museum="museum",
)


class FakeReader:
    """Gives records from memory; the one called unreadable has a problem."""

    def __init__(self, records: list[Record]) -> None:
        self.records = {r.id: r for r in records}
        self.vocabulary = ("",)
        self.profile = PROFILE

    def expect_records(self) -> None:
        """The store is empty."""

    def spellings(self) -> dict[str, dict[str, str]]:
        return {}

    def read_all(self, records: list[NamedNode] | None = None, batch: int = 1000) -> Iterator[Subject]:
        del batch
        for iri in [NamedNode(i) for i in self.records] if records is None else records:
            known = self.records.get(iri.value)
            problem = None if known and "unreadable" not in iri.value else "cannot be read"
            yield Subject(iri, known or Record(iri.value), problem=problem)


class FakeWorkspace:
    """Settings, profile and reader; the store is empty."""

    def __init__(self, records: list[Record], **train_settings: Any) -> None:
        given = {"folds": 3, "options": {"tabular": FAST}, **train_settings}
        self.settings = Settings(train=given)
        self.profile = PROFILE
        self.reader = FakeReader(records)
        self.store = open_store()
        self.names = Names(self.settings.base)


def write_splits(folder: Path, records: list[Record], dev: int = 60) -> Path:
    rows = [f"{r.id}\t{'dev' if i < dev else 'train'}\n" for i, r in enumerate(records)]
    path = folder / "splits.tsv"
    path.write_text("record\tsplit\n" + "".join(rows))
    return path


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    folder = tmp_path_factory.mktemp("train")
    records = museum(360)
    splits = write_splits(folder, [*records, Record(f"{BASE}object/unreadable")])
    stages: list[str] = []
    summary = train(
        FakeWorkspace(records), splits, folder / "model", progress=lambda stage, *_: stages.append(stage)
    )
    assert any("fold 2/3" in s for s in stages)
    assert "reading" in stages
    return folder, summary


def test_it_writes_a_model_that_loads_and_says_what_it_was_made_from(
    trained: tuple[Path, dict[str, Any]],
) -> None:
    folder, summary = trained
    model = Model.load(folder / "model")
    assert model.digest == summary["digest"]
    assert (summary["records"], summary["skipped"]) == (300, 1)
    assert [p.name for p in model.properties] == ["place", "time", "material"]
    assert model.property("material").many
    training = json.loads((folder / "model" / "config.json").read_text())["training"]
    assert training["profile"] == "made-up"
    assert training["seed"] == 0
    assert len(training["snapshot"]["sha256"]) == len(training["splits_sha256"]) == 64
    assert training["members"][0]["settings"]["museum"] == "museum"
    assert training["version of xgboost-cpu"] != "not installed"
    assert training["version of enrich"] == __version__
    assert summary["mean_macro_f1"]["tabular"] == summary["mean_macro_f1"]["fusion"] > 0.4


def test_the_card_has_figures_on_dev(trained: tuple[Path, dict[str, Any]]) -> None:
    card = (trained[0] / "model" / "README.md").read_text()
    assert "## Figures on dev" in card
    assert "### Coverage and precision" in card


def test_nothing_is_left_beside_the_model(trained: tuple[Path, dict[str, Any]]) -> None:
    assert {p.name for p in trained[0].iterdir()} == {"splits.tsv", "model"}


def test_the_same_input_gives_the_same_digest(trained: tuple[Path, dict[str, Any]], tmp_path: Path) -> None:
    folder, summary = trained
    again = train(FakeWorkspace(museum(360)), folder / "splits.tsv", tmp_path / "model")
    assert again["digest"] == summary["digest"]


@pytest.mark.parametrize("stopped_at", ["fold 2/3", "all records", "thresholds", "unseen group: tabular"])
def test_a_training_that_was_stopped_gives_the_same_digest(
    trained: tuple[Path, dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stopped_at: str
) -> None:
    """Given a training that is stopped within a fold, at the last classifier, between, or in another regime, when it is
    begun again on another day, then the model is the same to the byte, and nothing is left beside it."""
    folder, summary = trained

    def stop(stage: str, *_: int) -> None:
        if stopped_at in stage:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(FakeWorkspace(museum(360)), folder / "splits.tsv", tmp_path / "model", progress=stop)
    assert parts(training_folder(tmp_path / "model")) > 0
    monkeypatch.setattr("enrich.learn.unfinished.today", lambda: "2036-01-31")

    again = train(FakeWorkspace(museum(360)), folder / "splits.tsv", tmp_path / "model")

    assert again["digest"] == summary["digest"]
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_a_training_that_has_finished_nothing_leaves_nothing(tmp_path: Path) -> None:
    """Given a new folder within new folders, when a training is stopped before its first fold, then none of them is
    there; and in a place that is taken nothing is read."""
    splits = write_splits(tmp_path, museum(60), dev=10)

    def stop(stage: str, *_: int) -> None:
        if stage == "reading":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(FakeWorkspace(museum(60)), splits, tmp_path / "new" / "models" / "model", progress=stop)
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "mine.txt").write_text("mine")
    with pytest.raises(ModelError, match="is not a model folder"):
        train(FakeWorkspace(museum(60)), splits, tmp_path / "taken", progress=stop)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["splits.tsv", "taken"]


def test_two_trainings_of_one_model_do_not_meet(tmp_path: Path) -> None:
    """Given a training under way, when another of the same model begins, then it is refused before it reads anything,
    and the first goes on to its end; afterwards the model can be trained again."""
    records, refused = museum(120), []

    def second(stage: str, *_: int) -> None:
        if "fold 2" in stage and not refused:
            with pytest.raises(ModelError, match=r"another training of .*model is under way") as told:
                train(FakeWorkspace(records), None, tmp_path / "model", progress=unread)
            refused.append(str(told.value))

    def unread(stage: str, *_: int) -> None:
        raise AssertionError(stage)

    first = train(FakeWorkspace(records), None, tmp_path / "model", progress=second)
    assert len(refused) == 1
    assert "\n" not in refused[0]
    assert train(FakeWorkspace(records), None, tmp_path / "model")["digest"] == first["digest"]


def test_classes_come_in_the_profiles_order_and_rare_ones_are_named() -> None:
    records = [
        *(Record(f"urn:{i}", {"place": (PLACES[0],), "time": (CENTURIES[0],)}) for i in range(6)),
        Record("urn:rare", {"place": (PLACES[2],), "time": (CENTURIES[1],)}),
    ]
    taught = training_set(records, PROFILE)
    assert [p.classes for p in taught.dataset.properties] == [(PLACES[2], PLACES[0])]
    assert taught.single == ("time",)  # one class is left, and nothing to tell it from
    assert taught.left_out["time"] == {CENTURIES[1]: 1, CENTURIES[0]: 6}
    assert taught.left_out["place"] == {PLACES[1]: 0}
    assert taught.without_classes == ("material",)
    assert taught.account()["properties_left_out"] == ["material"]


def test_a_rare_value_is_learnt_as_its_narrowest_broader_concept() -> None:
    """Two castles have one record each; `castle` is enough, `building` would be too, and is broader."""
    castle, building = "urn:castle", "urn:building"
    records = [
        *(Record(f"urn:a{i}", {"place": (PLACES[0],)}) for i in range(6)),
        *(Record(f"urn:b{i}", {"place": (f"urn:castle/{i}",)}) for i in range(6)),
        Record("urn:c", {"place": ("urn:alone",)}),
    ]
    profile = replace(
        PROFILE,
        properties=tuple(replace(p, classes=(), minimum=5) for p in PROFILE.properties if p.name == "place"),
    )
    broader = {
        "place": {f"urn:castle/{i}": (castle, building) for i in range(6)} | {"urn:alone": (building,)}
    }
    taught = training_set(records, profile, broader)
    (prop,) = taught.dataset.properties
    assert set(prop.classes) == {PLACES[0], castle}
    assert prop.broader == {f"urn:castle/{i}": castle for i in range(6)}
    assert taught.left_out["place"] == {"urn:alone": 1}
    target, named = taught.dataset.targets(prop)
    assert (named.sum(), target.sum()) == (12, 12)
    assert taught.dataset.stated(prop).all()
    assert taught.account()["broader"] == {"place": dict(prop.broader)}


def test_records_are_counted_and_not_their_values_where_a_broader_concept_stands_for_several() -> None:
    """Six bowls of jade and agate are six of stone, too few for a class; with an idol of stone they are seven."""
    jade, agate, stone, glass = (f"urn:{name}" for name in ("jade", "agate", "stone", "glass"))
    profile = replace(PROFILE, properties=(property_profile("material", minimum=7, many=True),))
    broader = {"material": dict.fromkeys((jade, agate), (stone,)) | {stone: ("urn:mineral",)}}
    beads = [Record(f"urn:bead/{i}", {"material": (glass,)}) for i in range(9)]
    bowls = [Record(f"urn:bowl/{i}", {"material": (jade, agate)}) for i in range(6)]
    idol = Record("urn:idol", {"material": (stone,)})

    few = training_set([*beads, *bowls], profile, broader)
    assert (few.dataset.properties, few.left_out["material"]) == ((), {jade: 6, agate: 6, glass: 9})
    enough = training_set([*beads, *bowls, idol], profile, broader)
    assert enough.classes["material"] == {glass: 9, stone: 7}
    target, _ = enough.dataset.targets(enough.dataset.properties[0])
    assert target.sum(axis=0).tolist() == [9, 7]
    idols = [Record(f"urn:idol/{i}", {"material": (stone, agate)[: 1 + i % 2]}) for i in range(8)]
    both = training_set([*beads, *bowls[:2], *idols], profile, broader)
    assert both.classes["material"] == {glass: 9, stone: 10}


def test_a_property_with_one_class_is_named_and_not_learnt(tmp_path: Path) -> None:
    records = [Record(f"urn:{i}", {"time": (CENTURIES[0],)} if i < 60 else {}) for i in range(90)]
    with pytest.raises(InputError, match="of time only one class is known"):
        train(FakeWorkspace(records), None, tmp_path / "m", modalities=["tabular"])


def test_every_modality_that_the_records_have_is_learnt_from(tmp_path: Path) -> None:
    records = [replace(r, texts=(Text(f"made of {i % 3}"),)) for i, r in enumerate(museum(80))]
    options = {"tabular": FAST, "fusion": {"rounds": 5, "folds": 2}}
    summary = train(FakeWorkspace(records, folds=2, options=options), None, tmp_path / "m")
    assert summary["modalities"] == ["tabular", "text"]
    assert list(summary["without"]) == ["image"]
    assert "0 of 80 records have a picture" in summary["without"]["image"]


def test_no_picture_is_fetched_that_nothing_here_could_learn_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given a profile that reaches pictures, and no library for them, then none is fetched, and that is said."""
    workspace: Any = FakeWorkspace(museum(60), folds=2)
    workspace.profile = replace(PROFILE, images=(ImageProfile((Step(NAME),)),))
    monkeypatch.setattr("enrich.learn.training.absent", lambda extra: f"no library for {extra}")
    monkeypatch.setattr("enrich.learn.split_records.PictureSource", None)
    summary = train(workspace, None, tmp_path / "m")
    assert summary["without"]["image"] == "no library for image"
    assert "image" not in summary["modalities"]


def test_splits_on_standard_input_are_told_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given splits that are read from standard input, then the model says which they were."""
    digests = []
    for number, dev in enumerate((10, 20, 20)):
        text = write_splits(tmp_path, museum(60), dev=dev).read_bytes()
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(text)))
        train(FakeWorkspace(museum(60)), Path("-"), tmp_path / f"{number}", modalities=["dummy"])
        digests.append(Model.load(tmp_path / f"{number}").training["splits_sha256"])
    assert digests[0] != digests[1] == digests[2]
    assert len(digests[0]) == 64


def test_without_splits_a_tenth_is_kept_for_figures(tmp_path: Path) -> None:
    summary = train(FakeWorkspace(museum(300)), None, tmp_path / "m", modalities=["dummy"])
    assert 250 <= summary["records"] <= 290
    assert summary["mean_macro_f1"] is not None


@pytest.mark.parametrize("by", ["record", "group", "block"])
def test_splits_keep_together_what_they_should(by: Any, tmp_path: Path) -> None:
    records = [replace(r, id=f"{BASE}object/{i:05d}", pictures=()) for i, r in enumerate(museum(400))]
    found = split_records(records, ("museum",), by, {"dev": 0.25})
    assert sorted(r.id for part in found.values() for r in part) == [r.id for r in records]
    assert abs(len(found["dev"]) / 400 - 0.25) < 0.15
    museums_of = [{r.context["museum"][0] for r in part if "museum" in r.context} for part in found.values()]
    assert bool(museums_of[0] & museums_of[1]) == (by != "group")
    dev = {r.id for r in found["dev"]}
    shelves = sorted(records, key=lambda r: (r.context["museum"], r.id))
    changes = sum(a != b for a, b in pairwise(r.id in dev for r in shelves))
    assert (changes < 40) == (by != "record"), "what stands together by number stays together"
    write_splits_file(tmp_path / "s.tsv.gz", found)
    read = read_splits(tmp_path / "s.tsv.gz")
    assert {name: [i.value for i in iris] for name, iris in read.items()} == {
        name: [r.id for r in part] for name, part in found.items()
    }


def test_without_splits_every_record_teaches(tmp_path: Path) -> None:
    summary = train(FakeWorkspace(museum(60)), None, tmp_path / "m", modalities=["dummy"])
    assert summary["records"] == 60
    assert summary["mean_macro_f1"] is None


def test_the_fusion_is_that_of_the_settings() -> None:
    options = {"image": {"folds": 2}, "fusion": {"name": "early", "epochs": 3}}
    workspace: Any = FakeWorkspace([], modalities=("text", "image"), options=options)
    spec = model_spec(workspace)
    assert (spec.fusion, spec.fusion_settings, spec.folds) == ("early", {"epochs": 3}, 3)
    assert [m.classifier for m in spec.members] == ["tfidf", "image"]
    alone = model_spec(workspace, ("text",))
    assert (alone.fusion, alone.fusion_settings) == (None, {})
    for fusion in (
        {"name": "nuclear"},
        {"name": "early", "epochs": 0},
        {"deepness": 3},
        {"name": "pass-through"},
    ):
        workspace = FakeWorkspace([], modalities=("text", "image"), options={"fusion": fusion})
        with pytest.raises(SettingsError, match=r"nuclear|train\.options\.fusion|pass-through takes one"):
            model_spec(workspace)


def test_what_cannot_be_trained_is_a_sentence(tmp_path: Path) -> None:
    records = museum(40)
    splits = write_splits(tmp_path, records, dev=40)
    workspace: Any = FakeWorkspace(records)
    with pytest.raises(InputError, match="no record in the split train; it has: dev"):
        train(workspace, splits, tmp_path / "m")
    elsewhere = write_splits(tmp_path, [Record(f"urn:other{i}") for i in range(80)])
    with pytest.raises(InputError, match="none of the 20 records asked for"):
        train(workspace, elsewhere, tmp_path / "m")
    with pytest.raises(SettingsError, match="no setting 'deepness'"):
        train(FakeWorkspace(records, options={"tabular": {"deepness": 2}}), None, tmp_path / "m")
    with pytest.raises(InputError, match="enrich profile check"):
        train(FakeWorkspace([Record("urn:bare")]), None, tmp_path / "m")
    assert not (tmp_path / "m").exists()


def test_a_folder_that_is_no_model_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "m").mkdir()
    (tmp_path / "m" / "notes.txt").write_text("mine")
    with pytest.raises(ModelError, match="not a model folder"):
        train(FakeWorkspace(museum(40)), None, tmp_path / "m", modalities=["dummy"])
    assert (tmp_path / "m" / "notes.txt").read_text() == "mine"
