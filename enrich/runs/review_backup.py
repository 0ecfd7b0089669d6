"""The register of reviews as a file, and back: what curators did is nowhere else, and outlives every run."""

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from pyoxigraph import Literal, NamedNode, Quad, RdfFormat, Triple, parse

from enrich.classifiers.base import Progress, no_progress
from enrich.errors import InputError, ValidationError
from enrich.graph.files import open_bytes, writing
from enrich.graph.stores.base import PAGE_TOKEN, Store
from enrich.ontology.terms import CRM, ENR, RDFS, Names
from enrich.runs.register import Register, timestamp
from enrich.runs.reviewing import KEPT
from enrich.runs.validation import shapes
from enrich.runs.verdicts import VerdictGraphs
from enrich.workspace import Workspace

END = b"# The reviews end here."
"""The last line: a file without it was cut short."""


@dataclass(frozen=True, slots=True)
class Restored:
    """How many reviews a file has, and how many of them the register did not have."""

    reviews: int
    added: int


def back_up(workspace: Workspace, target: Path) -> int:
    """Write all reviews, those taken back among them, as N-Triples; returns their number.

    Raises InputError for none, and for a file that holds anything but an earlier backup of them: what curators did may be
    in no other place."""
    reviews = _reviews(workspace.store, workspace.names)
    if not reviews:
        raise InputError("there are no reviews to back up")
    if target.is_file() and target.stat().st_size:
        _expect_in(reviews, target)
    with writing(target) as file:
        workspace.store.dump(file, workspace.names.reviews)
        file.write(END + b"\n")
    return len(reviews)


def _expect_in(reviews: Collection[NamedNode], target: Path) -> None:
    """Raise InputError unless all reviews of the file that is to be replaced are among these."""
    try:
        said = _read(target)
    except InputError as error:
        raise InputError(f"nothing was written: {error}; name another file") from error
    if more := len(_said_reviews(said) - set(reviews)):
        raise InputError(
            f"nothing was written: {target} has {more:,} review{'s' if more > 1 else ''} that the store has not: "
            f"enrich review restore {target}, or name another file"
        )


def restore(
    workspace: Workspace, source: Path, progress: Progress = no_progress, *, dry_run: bool = False
) -> Restored:
    """Add the reviews of a file to the register, and make what follows from all of them anew; twice is once. Those that
    the register did not have say when they came, so that a run under way heeds them however old they are.

    Raises InputError and ValidationError, and adds nothing, for a file that is damaged, is of another base, or says
    anything else than reviews do.
    """
    store, names = workspace.store, workspace.names
    said = _read(source)
    reviews = _said_reviews(said)
    for subject, triples in said.items():
        _check(source, names, subject, triples, is_review=subject in reviews)
    new = reviews - _reviews(store, names)
    if not dry_run:
        store.insert(_quads(said, new, names.reviews, Register(store, names).clock()))
        VerdictGraphs(store, names, workspace.profile.many_valued).rebuild(progress)
    return Restored(len(reviews), len(new))


def _reviews(store: Store, names: Names) -> set[NamedNode]:
    """The reviews that there are."""
    query = f"SELECT ?r WHERE {{ GRAPH {names.reviews} {{ ?r {ENR.decision} ?d }} {PAGE_TOKEN}\n }}"
    return {review for (review,) in store.select_by_key(query, "r") if isinstance(review, NamedNode)}


def _said_reviews(said: Mapping[NamedNode, Sequence[Triple]]) -> set[NamedNode]:
    """The reviews of a file."""
    return {s for s, triples in said.items() if any(t.predicate == ENR.decision for t in triples)}


def _quads(
    said: Mapping[NamedNode, Sequence[Triple]], new: Collection[NamedNode], graph: NamedNode, now: datetime
) -> Iterator[Quad]:
    """What a file says; of reviews that are new, when they were restored."""
    for subject, triples in said.items():
        if subject in new:
            yield Quad(subject, ENR.restoredAtTime, timestamp(now), graph)
        for t in triples:
            if t.predicate != ENR.restoredAtTime:
                yield Quad(t.subject, t.predicate, t.object, graph)


def _read(source: Path) -> dict[NamedNode, list[Triple]]:
    with open_bytes(source) as file:
        data = file.read().rstrip()
    if not data:
        raise InputError(f"{source} is empty")
    if not data.endswith(END):
        raise InputError(f"{source} was cut short, or is no backup of reviews: its last line is missing")
    found: dict[NamedNode, list[Triple]] = defaultdict(list)
    try:
        for quad in parse(data, RdfFormat.N_TRIPLES):
            if not isinstance(quad.subject, NamedNode):
                raise InputError(f"{source} has blank nodes: it is no backup of reviews")
            found[quad.subject].append(quad.triple)
    except SyntaxError as error:
        raise InputError(f"{source} is damaged, and nothing of it was added: {error}") from error
    return found


def _check(
    source: Path, names: Names, subject: NamedNode, triples: Sequence[Triple], *, is_review: bool
) -> None:
    if not is_review:
        own = KEPT if subject.value.startswith(f"{names.base}prediction/") else (RDFS.label,)
        if any(triple.predicate not in own for triple in triples):
            raise InputError(
                f"{source} speaks of {subject.value}, which is no review: it is no backup of reviews"
            )
        return
    if not subject.value.startswith(f"{names.base}review/"):
        raise InputError(
            f"{source} has reviews of another base, such as {subject.value}; see base in enrich.toml"
        )
    if wrong := shapes().problems([(str(t.subject), str(t.predicate), str(t.object)) for t in triples]):
        raise ValidationError(f"{source}: {subject.value}: {'; '.join(wrong[0].messages)}")
    stated = [t.object.value for t in triples if t.predicate == ENR.states and isinstance(t.object, Literal)]
    if not all(_states_what_it_says(triples, text) for text in stated):
        raise InputError(f"{source}: {subject.value} would have another thing accepted than it says")


def _states_what_it_says(triples: Sequence[Triple], text: str) -> bool:
    """Whether what a review would have stated begins with the node, the predicate and the value that it names."""
    stated = {t.predicate: t.object for t in triples}
    parts = (CRM.P140_assigned_attribute_to, CRM.P177_assigned_property_of_type, CRM.P141_assigned)
    wanted = tuple(map(stated.get, parts))
    try:
        first = next(iter(parse(text.encode(), RdfFormat.N_TRIPLES)), None)
    except SyntaxError:
        return False
    return first is not None and (first.subject, first.predicate, first.object) == wanted
