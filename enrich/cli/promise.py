"""check-promise: what was promised, beside what is found when values are hidden, or by what curators decided."""

from contextlib import nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from enrich.cli.common import Bars, Json, open_workspace, promised, say, write_json, write_table
from enrich.errors import InputError
from enrich.graph.labels import class_names
from enrich.learn.promise_check import check_promise as try_promise
from enrich.runs.observed import ENOUGH
from enrich.runs.promise_table import By, Measured, Row, table, to_take_back
from enrich.web.index.index import Index
from enrich.workspace import Workspace

EXAMPLES = {
    "check-promise": "enrich check-promise --property technique --figures figures\n"
    "enrich check-promise --reviews --by museum"
}


def check_promise(
    modality: Annotated[
        list[str] | None,
        typer.Option("--modality", help="Learn from this only; may be repeated. Otherwise as train does."),
    ] = None,
    properties: Annotated[
        list[str] | None, typer.Option("--property", metavar="P", help="This property only; may be repeated.")
    ] = None,
    least: Annotated[
        int, typer.Option("--least", min=20, help="Values that a group needs to be hidden.")
    ] = 100,
    blocks: Annotated[bool, typer.Option("--blocks/--no-blocks", help="Hide accession numbers too.")] = True,
    figures: Annotated[
        Path | None, typer.Option("--figures", metavar="DIR", help="Write a plot into this folder.")
    ] = None,
    reviews: Annotated[
        bool, typer.Option("--reviews", help="Hide nothing: go by what curators decided of current answers.")
    ] = False,
    by: Annotated[
        By, typer.Option("--by", help="With --reviews: what the rows are of, besides the model.")
    ] = "property",
    museum: Annotated[
        str | None, typer.Option("--museum", metavar="IRI", help="With --reviews: of this museum only.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Compare what was promised with what is right. Hides the values of whole groups and trains anew, which is slow; with
    --reviews it goes by what curators decided, drawn at random, and takes seconds."""
    if reviews:
        if modality or figures is not None:
            raise InputError(
                "--modality and --figures go without --reviews: nothing is learnt, and a page has the figure"
            )
        _by_reviews(tuple(properties or ()), by, museum, as_json)
        return
    if museum is not None or by != "property":
        raise InputError("--by and --museum go with --reviews")
    with open_workspace() as workspace, Bars("hiding") as bars:
        found = try_promise(
            workspace,
            modalities=modality,
            properties=tuple(properties or ()),
            least=least,
            blocks=blocks,
            folder=figures,
            progress=bars,
        )
    if as_json:
        write_json(found)
    else:
        show_kept(found)


def show_kept(found: dict[str, Any]) -> None:
    """What was hidden, how much of it was answered, and what of that is right, beside the promise."""
    rows = [
        (
            k["kind"], k["property"], found["names"][k["group"]], k["asked"], k["first_right"], k["answered"] / k["asked"],
            k["right"] / k["asserted"] if k["asserted"] else None, promised(k["promised"]),
        )
        for k in found["hidden"]
    ]  # fmt: skip
    heads = ("hidden", "property", "group", "asked", "accuracy", "coverage", "precision", "promised")
    write_table(heads, rows, numbers=(3, 4, 5, 6))
    if found["not_learned"]:
        lost = [
            f"{k['property']} of {found['names'][k['group']] if k['group'] else 'every other tenth'}"
            for k in found["not_learned"]
        ]
        say(f"not asked, since too little is left to learn from: {', '.join(lost)}")
    for kind, s in found["summary"].items():
        share = "no answer"
        if s["answered"]:
            share = f"{s['precision']:.3f} right ({s['low']:.3f} to {s['high']:.3f})"
        say(f"{kind}: {s['answered']:,} of {s['asked']:,} answered, {share}; promised {found['target']:.2f}")


def _by_reviews(properties: tuple[str, ...], by: By, museum: str | None, as_json: bool) -> None:
    """Promised beside observed, by what curators decided."""
    with open_workspace(reading=True) as workspace, Bars("measuring") as bars:
        for name in properties:
            workspace.profile.property(name)
        found = measure(workspace)
        rows = [
            row
            for row in table(found, by, museum=museum, progress=bars)
            if not properties or row.property is None or row.property in properties
        ]
        names = class_names(
            workspace.store, {row.museum for row in rows if row.museum}, workspace.profile.prefixes
        )
    if as_json:
        write_json(
            {"by": by, "enough": ENOUGH, "left_out": dict(found.left_out), "rows": [told(r) for r in rows]}
        )
        return
    _show_rows(rows, by, names)
    if found.left_out:
        say(
            "not drawn at random, or not judged: "
            + ", ".join(f"{n:,} {why}" for why, n in sorted(found.left_out.items()))
        )


def measure(workspace: Workspace) -> Measured:
    """What is promised and observed now, from an index that is brought up to date."""
    settings = workspace.settings
    index = Index(settings.locate(settings.web.index), lambda: nullcontext(workspace))
    try:
        index.refresh(facts=True)
        return index.promises()
    finally:
        index.close()


def told(row: Row) -> dict[str, Any]:
    """A row as JSON."""
    return {**asdict(row), "observed": {**asdict(row.observed), "enough": row.observed.enough}}


def _show_rows(rows: list[Row], by: By, names: dict[str, str]) -> None:
    def part(row: Row) -> tuple[str, ...]:
        """What the row is of, besides the model and the property."""
        museum = names.get(row.museum or "", row.museum or "–")
        found = {"regime": row.regime or "", "band": f"{row.band or 0:g}", "museum": museum}
        return (found[by],) if by in found else ()

    shown = []
    for row in rows:
        o = row.observed
        interval = f"{o.low:.2f} to {o.high:.2f}" if o.right is not None else "–"
        shown.append(
            (
                row.model.rpartition("/")[2][:12], row.property or "all", *part(row), o.answers, promised(row.promised),
                row.confidence, o.right, interval, o.draws, round(o.effective), row.verdict,
            )
        )  # fmt: skip
    first = 3 if by in ("regime", "band", "museum") else 2
    heads = (
        "model", "property", *((by,) if first == 3 else ()), "answers", "promised", "confidence", "right", "interval",
        "drawn", "worth", "verdict",
    )  # fmt: skip
    numbers = [first + place for place in (0, 1, 2, 3, 5, 6)]
    write_table(heads, shown, numbers=numbers, spare=(0, first + 6))
    for row in to_take_back(rows):
        of = "" if row.museum is None else f" --museum {row.museum}"
        below = "" if row.holds_from is None else f" --below {row.holds_from:g}"
        say(
            f"{row.property} is right less often than promised: enrich retract RUN --property {row.property}{below}{of}"
        )
