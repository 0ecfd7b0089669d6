"""Verbs of studies: study gamma, study noise, study fusion, study transfer, study reviews."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from math import isfinite
from pathlib import Path
from typing import Annotated

import typer

from enrich.classifiers.extras import require
from enrich.cli.common import Bars, Json, example, group, open_workspace, say, write_json, write_table
from enrich.errors import InputError
from enrich.learn.training import model_spec
from enrich.settings.models import MOST_SEED
from enrich.show.tables import print_table
from enrich.studies.fusion import fusion_study
from enrich.studies.gamma import GAMMAS, gamma_study
from enrich.studies.noise import RATES, noise_study
from enrich.studies.reviews import CORRECTS, COUNTS, HIDDEN, SEEDS, reviews_study
from enrich.studies.study import Material, Study, gather
from enrich.studies.transfer import transfer_study
from enrich.workspace import Workspace

Splits = Annotated[
    Path, typer.Option("--splits", metavar="FILE", help="Table of the columns record and split; also .gz.")
]
Split = Annotated[str, typer.Option("--split", help="The split to measure on; nothing is learnt from it.")]
Out = Annotated[
    Path, typer.Option("--out", metavar="DIR", help="Where NAME.html, .json, .md and .png are written.")
]
Records = Annotated[
    int | None,
    typer.Option("--sample", min=20, help="Learn from this many records of train, drawn at random."),
]
Seed = Annotated[
    int,
    typer.Option(
        "--seed", min=0, max=MOST_SEED, help="Seed of the draw, the folds, the classifiers, the resamples."
    ),
]

study = group(help="Answer a question about what learns on your own records.")


def gamma(
    splits: Splits,
    out: Out,
    split: Split = "dev",
    records: Records = None,
    gammas: Annotated[
        list[float] | None,
        typer.Option("--gamma", min=0.0, help="Instead of 0, 0.5, 1, 2 and 5; may be repeated."),
    ] = None,
    seed: Seed = 0,
    as_json: Json = False,
) -> None:
    """Ask how rare classes fare as the focal loss's γ grows, with and without class weights."""
    asked = _beside_zero("--gamma", gammas, GAMMAS)
    with _gathered(splits, split, records, seed) as (workspace, material, bars):
        member = model_spec(workspace, ("tabular",)).members[0]
        found = gamma_study(material, member, gammas=asked, progress=bars)
    _show(found, out, as_json)


def noise(
    splits: Splits,
    out: Out,
    split: Split = "dev",
    records: Records = None,
    rate: Annotated[
        list[float] | None,
        typer.Option("--rate", min=0.0, max=0.9, help="Instead of 0, 0.1, 0.2 and 0.4; may be repeated."),
    ] = None,
    seed: Seed = 0,
    as_json: Json = False,
) -> None:
    """Ask what wrong labels cost, and whether label smoothing or confident learning helps."""
    require("study")
    asked = _beside_zero("--rate", rate, RATES)
    with _gathered(splits, split, records, seed) as (_, material, bars):
        found = noise_study(material, rates=asked, progress=bars)
    _show(found, out, as_json)


def fusion(
    splits: Splits,
    out: Out,
    split: Split = "dev",
    records: Records = None,
    modality: Annotated[
        list[str] | None,
        typer.Option("--modality", help="A member; may be repeated. Otherwise train.modalities."),
    ] = None,
    seed: Seed = 0,
    as_json: Json = False,
) -> None:
    """Compare late, early and hybrid fusion on the same members, folds and records."""
    with _gathered(splits, split, records, seed) as (workspace, material, bars):
        found = fusion_study(material, replace(model_spec(workspace, modality), regimes=()), progress=bars)
    _show(found, out, as_json)


def transfer(
    splits: Splits,
    out: Out,
    split: Split = "dev",
    records: Records = None,
    modality: Annotated[str, typer.Option("--modality", help="What learns: tabular or text.")] = "tabular",
    context: Annotated[
        str | None,
        typer.Option(
            "--over",
            metavar="CONTEXT",
            help="Whose values are left out in turn; otherwise the profile's museum.",
        ),
    ] = None,
    least: Annotated[
        int, typer.Option("--least", min=1, help="Records of the split that a value needs to be measured.")
    ] = 100,
    seed: Seed = 0,
    as_json: Json = False,
) -> None:
    """Train on all museums but one and test on that one; on every museum in turn."""
    with _gathered(splits, split, records, seed) as (workspace, material, bars):
        member = model_spec(workspace, (modality,)).members[0]
        found = transfer_study(material, member, context=context, least=least, progress=bars)
    _show(found, out, as_json)


def reviews(
    splits: Splits,
    out: Out,
    split: Split = "dev",
    records: Records = None,
    modality: Annotated[str, typer.Option("--modality", help="What learns: tabular or text.")] = "tabular",
    counts: Annotated[
        list[int] | None,
        typer.Option(
            "--count",
            min=1,
            help="Measure after so many reviews; may be repeated. Otherwise 100, 250 and 500.",
        ),
    ] = None,
    seeds: Annotated[int, typer.Option("--seeds", min=1, help="How often all of it is done.")] = SEEDS,
    hidden: Annotated[
        float, typer.Option("--hide", min=0.05, max=0.95, help="The share of the known values to review.")
    ] = HIDDEN,
    corrects: Annotated[
        float, typer.Option("--corrects", min=0, max=1, help="The share of wrong values that are put right.")
    ] = CORRECTS,
    seed: Seed = 0,
    as_json: Json = False,
) -> None:
    """Ask whether learning from reviews pays, with a simulated curator who looks in four orders."""
    with _gathered(splits, split, records, seed) as (workspace, material, bars):
        member = model_spec(workspace, (modality,)).members[0]
        found = reviews_study(
            material, member, counts=counts or COUNTS, seeds=seeds, hidden=hidden, corrects=corrects, progress=bars
        )  # fmt: skip
    _show(found, out, as_json)


@contextmanager
def _gathered(
    splits: Path, split: str, records: int | None, seed: int
) -> Iterator[tuple[Workspace, Material, Bars]]:
    """The records of a study, with progress shown while it goes on."""
    with open_workspace() as workspace, Bars("studying") as bars:
        yield workspace, gather(workspace, splits, split, records=records, seed=seed, progress=bars), bars


def _beside_zero(option: str, given: Sequence[float] | None, usual: Sequence[float]) -> Sequence[float]:
    """What a study compares with zero, and zero. Raises InputError where that is nothing, or no number."""
    asked = sorted({0.0, *given}) if given else usual
    if len(asked) < 2 or not all(map(isfinite, asked)):
        raise InputError(f"{option}: name a number above 0, which is compared with 0")
    return asked


def _show(found: Study, out: Path, as_json: bool) -> None:
    """Write the files, and show the table and the conclusion."""
    written = found.write(out)
    if as_json:
        write_json(found.to_json())
        return
    print_table(found.table())
    write_table(("conclusion",), [(found.conclusion,)])
    say(f"wrote {', '.join(str(path) for path in written)}")


for _name, _function, _options in (
    ("gamma", gamma, ""),
    ("noise", noise, " --sample 4000"),
    ("fusion", fusion, " --modality tabular --modality text --sample 4000"),
    ("transfer", transfer, " --over museum"),
    ("reviews", reviews, " --count 100 --count 500 --count 2000"),
):
    _line = f"enrich study {_name} --splits splits.tsv.gz --out studies{_options}"
    study.command(_name, epilog=example(_line))(_function)
