"""A record's answers, their provenance and, where asked for, why they were given, drawn as a tree."""

from collections.abc import Mapping
from typing import Any

from rich.text import Text
from rich.tree import Tree

from enrich.show.terminal import printable

_SHORT = 12
_LONGEST = 160


def record_tree(data: Mapping[str, Any]) -> Tree:
    """The data of `showing.show_record`: the facts, then each answer with all that it stands on."""
    names = data["labels"]
    tree = Tree(_line(_named(data["record"], names), style="bold"))
    facts = tree.add(_line("what the museum says", style="bold"))
    for text in data["texts"]:
        facts.add(_line(f"“{_cut(text['value'])}”{_in(text['language'])}"))
    for url in data["pictures"]:
        facts.add(_line(f"picture {url}"))
    for name, values in {**data["context"], **data["facts"]}.items():
        facts.add(_line(f"{name}: {', '.join(_named(v, names) for v in values)}"))
    for name, values in data["outside"].items():
        facts.add(_line(f"{name}, stated in no class: {', '.join(_named(v, names) for v in values)}"))
    if data["missing"]:
        facts.add(_line(f"missing: {', '.join(data['missing'])}"))
    for answer in data["predictions"]:
        _add_answer(tree, answer, names)
    if not data["predictions"]:
        tree.add(_line("no run has answered about this record", style="dim"))
    return tree


def _add_answer(tree: Tree, answer: Mapping[str, Any], names: Mapping[str, str]) -> None:
    sure = "" if answer["confidence"] is None else f", {answer['confidence']:.2f} sure{_asked(answer)}"
    head = _line(f"{answer['property']}: ", style="bold")
    if answer["value"] is not None:
        head.append(
            printable(f"{_named(answer['value'], names)}{sure}"),
            style="green" if answer["current"] else "dim",
        )
    else:
        detail = f" ({printable(answer['detail'])})" if answer["detail"] else ""
        said = {"Abstained": "no answer", "Failed": "failed"}.get(answer["outcome"], answer["outcome"])
        head.append(f"{said}: {_why_not(answer)}{detail}", style="yellow")
    if answer["facts"]:
        head.append(f"  ({_FACTS[answer['facts']]})", "red" if answer["facts"] == "disagrees" else "dim")
    elif not answer["current"]:
        head.append(
            f"  (not current: its run is {answer['run']['state'].lower()} or a later one answered)", "dim"
        )
    branch = tree.add(head)
    branch.add(_line(f"prediction {answer['prediction']}"))
    if answer["regime"]:
        branch.add(_line(_promise(answer)))
    if answer["node"]:
        branch.add(_line(f"about {answer['node']} {answer['predicate']}"))
    if answer["current"] and answer["awaits_pictures"]:
        branch.add(_line("pictures may come later: the next run asks for them again"))
    if answer["candidates"]:
        ranked = branch.add(_line("candidates"))
        for c in answer["candidates"]:
            bar = "█" * round(20 * c["probability"])
            ranked.add(_line(f"{c['rank']}. {_name(c['value'], names)}  {c['probability']:.3f} {bar}"))
    if answer["evidence"]:
        seen = branch.add(_line("evidence"))
        for e in answer["evidence"]:
            _add_evidence(seen, e, names)
    if answer.get("explanation") is not None:
        _add_explanation(branch, answer["explanation"], names)
    _add_run(branch, answer["run"])
    for review in answer["reviews"]:
        value = f" {_named(review['value'], names)}" if review["value"] else ""
        why = " ".join(f"({said})" for said in (review["objection"], review["note"]) if said)
        line = f"review: {review['decision']}{value} by {review['actor']}, {review['time']} {why}"
        branch.add(_line(line.rstrip()))
    for old in answer["supersedes"]:
        branch.add(_line(f"supersedes {old}"))


_FACTS = {
    "agrees": "settled: the museum says the same now",
    "disagrees": "settled: the museum says otherwise now",
    "settled": "settled: the museum says it now",
}
_REASONS = {
    "RejectedBefore": "a curator rejected the value that it would propose",
    "NoEvidence": "the record holds nothing that the model can look at",
    "OutsideExperience": "the model learned of no record enough like this one, so that no confidence is enough",
    "UnreadableRecord": "the record could not be read from the graph",
    "ClassifierFailure": "the classifier failed",
}


def _why_not(answer: Mapping[str, Any]) -> str:
    """The reason of an abstention or a failure in words."""
    if answer["reason"] == "BelowThreshold":
        return f"not sure enough, {answer['confidence'] or 0:.2f}{_asked(answer)}"
    return _REASONS.get(answer["reason"], answer["reason"] or "no reason given")


def _asked(answer: Mapping[str, Any]) -> str:
    """The confidence from which an answer is given."""
    return "" if answer["threshold"] is None else f" where {answer['threshold']:.2f} is enough"


_REGIMES = {
    "Seen": "its group taught the property, near its accession number",
    "UnseenBlock": "its group taught the property, but nothing near its accession number",
    "UnseenGroup": "its group taught next to nothing of the property",
}


def _promise(answer: Mapping[str, Any]) -> str:
    """How near what taught the property stood, and what is promised."""
    where = _REGIMES.get(answer["regime"], answer["regime"])
    broad = "; a broader concept, which stands for values with too few records" if answer["broader"] else ""
    if answer["promised"] is None:
        return f"{where}; nothing is promised{broad}"
    return f"{where}; {answer['promised']:.0%} of such answers are promised to be right{broad}"


def _add_evidence(tree: Tree, evidence: Mapping[str, Any], names: Mapping[str, str]) -> None:
    said = "nothing by itself"
    if evidence["value"] is not None:
        said = f"{_name(evidence['value'], names)}  {evidence['probability'] or 0:.3f}"
    branch = tree.add(_line(f"{evidence['modality']} alone says {said}"))
    for source in evidence["sources"]:
        kind = evidence["format"] or ""
        branch.add(_line(" ".join(f"from {source} {kind}".split()) + _in(evidence["language"])))
    if evidence["sha256"]:
        branch.add(_line(f"content sha256 {evidence['sha256'][:_SHORT]}…"))
    if (model := evidence["model"]) is not None:
        branch.add(_line(f"model {_digest(model['iri'])}"))


def _add_explanation(tree: Tree, told: Mapping[str, Any], names: Mapping[str, str]) -> None:
    """The part of each modality in the fusion, then what each went by."""
    branch = tree.add(_line(f"why {_name(told['value'], names)}", style="bold"))
    if told["input_changed"]:
        branch.add(_line("the record has changed since: this is how the model sees it now", style="yellow"))
    if told["fusion"]:
        fusion = branch.add(_line("each member's part in the fusion, log-odds"))
        for said in told["fusion"]:
            fusion.add(_line(f"{said['weight']:+.2f}  {said['name']}"))
    for member in told["modalities"]:
        if member["absent"] is not None:
            branch.add(_line(f"{member['modality']} was not used: {member['absent']}"))
            continue
        went_by = branch.add(_line(f"{member['modality']} gives it {member['probability']:.3f}, going by"))
        for said in member.get("contributions", ()):
            went_by.add(_line(f"{said['weight']:+.3f}  {_feature(said, names)}"))
        for picture in member.get("pictures", ()):
            seen = picture["reason"] or f"{picture['file']} ({picture['method']})"
            went_by.add(_line(f"picture {picture['url']}: {seen}"))


def _feature(said: Mapping[str, Any], names: Mapping[str, str]) -> str:
    if "value" not in said:
        return str(said["name"])
    return f"{said['name']} {'is' if said['there'] else 'is not'} {_name(said['value'], names)}"


def _add_run(tree: Tree, run: Mapping[str, Any]) -> None:
    branch = tree.add(_line(f"run {run['run']} ({run['state'].lower()})"))
    if run["started"]:
        branch.add(_line(f"from {run['started']} to {run['ended'] or '…'}"))
    if run["agent"]:
        branch.add(_line(f"by {run['agent']}"))
    for used in run["used"]:
        branch.add(_line(f"with {_digest(used)}"))


def _named(iri: str | None, names: Mapping[str, str]) -> str:
    if iri is None:
        return "–"
    return f"{names[iri]} <{iri}>" if iri in names else iri


def _line(text: str, style: str = "") -> Text:
    return Text(printable(text), style=style)


def _name(iri: str | None, names: Mapping[str, str]) -> str:
    return "–" if iri is None else names.get(iri, iri)


def _digest(iri: str) -> str:
    """A model's IRI ends in its digest, which says it all."""
    _, model, digest = iri.rpartition("/model/")
    return f"sha256 {digest}" if model else iri


def _in(language: str | None) -> str:
    return f" ({language})" if language else ""


def _cut(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _LONGEST else line[: _LONGEST - 1] + "…"
