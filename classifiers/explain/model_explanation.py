"""Why a model gave an answer: each modality's share in it, and what each classifier went by."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from enrich.classifiers.base import ClassifierError
from enrich.classifiers.data import Record
from enrich.classifiers.explain.explanation import Contribution, Explanation, MemberExplanation
from enrich.classifiers.model.model import Model
from enrich.classifiers.model.prediction import Prediction
from enrich.classifiers.model.regimes import REGIMES


def explain(
    model: Model, record: Record, wanted: Sequence[tuple[str, str]], *, most: int = 10
) -> list[Explanation]:
    """Explain some (property, class) of one record by the model that answers it; pictures must have been fetched.

    At most `most` contributions of each kind are given. Raises ClassifierError for a property or class that
    the model does not know.
    """
    found: list[Explanation] = []
    placed = model.placed([record])
    answers: dict[str, dict[str, Prediction]] = {}
    for name, value in wanted:
        if value not in (classes := model.property(name).classes):
            raise ClassifierError(f"the model knows no class {value!r} of {name}")
        regime = REGIMES[placed[name].models[0]]
        part = model.parts()[regime]
        predictions = answers.get(regime) or answers.setdefault(regime, part.answer([record]))
        shown = record.without_contexts(part.hides)
        k = classes.index(value)
        fused = predictions[name].fused
        probability = float(fused.probabilities[0, k]) if fused.present[0] else None
        members = tuple(_member(part, m, shown, predictions[name], k, most) for m in part.members)
        fusion = explain_fusion(part, shown, predictions, name, k)
        found.append(Explanation(name, value, probability, fusion, members))
    return found


def _member(
    model: Model, modality: str, record: Record, prediction: Prediction, k: int, most: int
) -> MemberExplanation:
    classifier, alone = model.members[modality].classifier, prediction.by[modality]
    if not alone.present[0]:
        why = prediction.reasons.get(modality, {}).get(0) or classifier.why_absent(record)
        return MemberExplanation(modality, classifier.name, absent=why)
    prop = prediction.property
    explained = classifier.explain(record, prop.name, prop.classes[k])
    probability = float(alone.probabilities[0, k])
    return replace(explained, probability=probability, contributions=explained.contributions[:most])


def explain_fusion(
    model: Model, record: Record, predictions: Mapping[str, Prediction], name: str, k: int
) -> tuple[Contribution, ...]:
    """Each modality's share in the fused prediction, in log-odds, the largest first; none where it is absent."""
    if not predictions[name].fused.present[0]:
        return ()
    by = {m: {p: a.by[m] for p, a in predictions.items()} for m in model.members}
    shares = model.fuser.explain(record, by, name, k)
    return tuple(sorted((c for c in shares if abs(c.weight) > 1e-6), key=lambda c: -abs(c.weight)))
