"""A museum in Python: what the verbs do, as methods, with answers as data frames (docs/python.md)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from pyoxigraph import BlankNode, Literal, NamedNode

from enrich.answering import run as answering
from enrich.answering.run import RunSummary
from enrich.classifiers import libraries
from enrich.classifiers.base import Progress, no_progress
from enrich.classifiers.model.verified import open_folder
from enrich.graph.gaps import GapReport, count_gaps
from enrich.graph.stores.base import Store, Term
from enrich.ontology.queries import query_names
from enrich.ontology.terms import XSD, named_node
from enrich.runs.citation import Citation, cite
from enrich.runs.export.answers import Choice
from enrich.runs.export.plain import Line, lines
from enrich.runs.finding import find, list_runs
from enrich.runs.register import Run, retract
from enrich.settings.loading import Settings
from enrich.show.named import any_term, run_named, term
from enrich.show.naming import number_of
from enrich.show.querying import run_file, run_text
from enrich.show.record import show_record
from enrich.workspace import Workspace

if TYPE_CHECKING:
    from pandas import DataFrame


def open(path: Path | str | None = None, *, store: Store | None = None) -> Museum:
    """The museum of a folder with an enrich.toml, or of that file; without one that of ENRICH_CONFIG or of the current
    folder. `store` stands in for the one the settings name.

    Raises SettingsError where there is no such file, and InputError where nothing was loaded yet.
    """
    workspace = Workspace.open(None if path is None else Path(path))
    if store is not None:
        workspace = Workspace(workspace.settings, store)
    workspace.expect_store()
    return Museum(workspace)


class Museum:
    """One museum: its graph, its models and its runs. Close it, or use it in a `with` statement: an embedded store is
    one process's at a time. What goes wrong is an EnrichError with a sentence (`enrich.errors`)."""

    def __init__(self, workspace: Workspace) -> None:
        self.workspace = workspace
        """What the verbs work on: settings, store, profile, names and reader."""

    def __repr__(self) -> str:
        return f"<Museum {self.settings.source or self.settings.folder}>"

    @property
    def settings(self) -> Settings:
        """What enrich.toml says."""
        return self.workspace.settings

    def gaps(self, model: Path | str | None = None) -> GapReport:
        """How many records lack a value, by property; open are those that `model`, or any, has not answered."""
        digest = None if model is None else open_folder(self._path(model)).digest
        return count_gaps(self.workspace, model_digest=digest)

    def train(
        self,
        model: Path | str,
        *,
        splits: Path | str | None = None,
        modalities: Sequence[str] = (),
        seed: int | None = None,
        reviews: bool = False,
        compare: bool = True,
        progress: Progress = no_progress,
    ) -> dict[str, Any]:
        """Learn from what is known, and from `reviews` when asked, and write the folder `model`; returns the account that
        `enrich train --json` gives. To `compare`, a training with reviews trains once more without them."""
        split = None if splits is None else self._path(splits)
        from enrich.learn.training import train  # it loads scikit-learn, which nobody else needs

        account = train(
            self.workspace,
            split,
            self._path(model),
            modalities=modalities,
            seed=seed,
            reviews=reviews,
            compare=compare,
            progress=progress,
        )
        return account

    def run(
        self,
        model: Path | str,
        *,
        properties: Sequence[str] = (),
        records: Iterable[str] | None = None,
        limit: int | None = None,
        progress: Progress = no_progress,
    ) -> RunSummary:
        """Answer the open gaps, all visible at once at the end; `run` of the summary is None where there was none."""
        return answering.run(
            self.workspace,
            self._path(model),
            properties=properties,
            records=records,
            limit=limit,
            progress=progress,
        )

    def runs(self) -> list[Run]:
        """The runs of the register, the oldest first, retracted ones too."""
        return list_runs(self.workspace)

    def retract(self, run: str) -> int:
        """Take a run back for good; returns how many of its graphs were dropped."""
        return retract(self.workspace, find(self.workspace, run).run)

    def cite(self, run: str) -> Citation:
        """How to cite a run, by its IRI, its id or the beginning of that: title, creator, licence, date, models, and a `text`."""
        return cite(self.workspace, find(self.workspace, run))

    def predictions(
        self,
        *,
        run: str | None = None,
        properties: Sequence[str] = (),
        above: float = 0.0,
        accepted: bool = False,
    ) -> DataFrame:
        """The current predictions, a row a value, with names: what `enrich export predictions.csv` writes."""
        of = None if run is None else NamedNode(find(self.workspace, run).run)
        pandas, choice = libraries.pandas(), Choice(of, tuple(properties), accepted, above)
        names = [f.name for f in fields(Line)]
        rows = [[getattr(line, name) for name in names] for line in lines(self.workspace, choice)]
        return pandas.DataFrame(rows, columns=names).astype({"confidence": float})

    def query(self, query: str, **parameters: object) -> DataFrame:
        """What a named query, a .rq file or the text of a SELECT, ASK or CONSTRUCT answers, a column a variable.

        `parameters` are what `--set` takes. Numbers and truth values are Python's; everything else is text.
        """
        pandas = libraries.pandas()
        if query in query_names():
            answer = run_named(self.workspace, query, {n: term(n, str(v)) for n, v in parameters.items()})
        else:
            terms = {n: any_term(str(v)) for n, v in parameters.items()}
            if any(letter.isspace() for letter in query.strip()):
                answer = run_text(self.workspace, query, "the query", terms)
            else:
                answer = run_file(self.workspace, self._path(query), terms)
        if answer.truth is not None:
            return pandas.DataFrame({"answer": [answer.truth]})
        return pandas.DataFrame(
            [list(map(_value, row)) for row in answer.rows], columns=list(answer.variables)
        )

    def show(self, record: str) -> dict[str, Any]:
        """All that is known and predicted of a record, with its provenance: what `enrich show --json` gives."""
        return show_record(self.workspace, named_node(record))

    def close(self) -> None:
        """Let the store go."""
        self.workspace.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def _path(self, path: Path | str) -> Path:
        """A path within the museum's folder, unless it is absolute."""
        return self.settings.locate(path)


def _value(found: Term | None) -> Any:
    if (number := number_of(found)) is not None:
        return number
    if isinstance(found, Literal) and found.datatype == XSD.boolean:
        return found.value in ("true", "1")
    return None if found is None else str(found) if isinstance(found, BlankNode) else found.value
