"""The one design of every report: a page that needs nothing else, its figures as people read them, and what they mean."""

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined

from enrich.classifiers.tables import cell_text

MEANINGS = {
    "records": "How many records state a value, so that an answer can be compared with it.",
    "outside": "Records whose value is none of the classes the model knows: whatever is answered there is an error.",
    "accuracy": "The share of first candidates that are right, whether it is sure of them or not.",
    "macro-F1": "The mean of the F1 of all classes: rare ones count as much as frequent ones. 1 is best.",
    "precision": "Of what was answered, the share that is right; of a class: of the records given it.",
    "recall": "Of the records that have a class, the share that were given it.",
    "F1": "The harmonic mean of precision and recall. 1 is best.",
    "coverage": "The share of records that it answers; from the rest it abstains, and keeps its candidates.",
    "ECE": "Expected calibration error: how far, on average, the confidence is from the share that is right, over 15 "
    "bins of equal mass. 0 is best.",
    "Brier": "The mean squared distance of the probabilities from the truth. 0 is best.",
    "regime": "How near the records stood that taught the property. seen: its group taught it, with records near the "
    "accession number; unseen block: none of these were near; unseen group: the group taught next to nothing of it.",
    "promised": "The precision that is promised for answers of this regime; where nothing is, it abstains.",
    "cross-entropy": "The mean of −log of the probability that was given to the truth, in nats. 0 is best.",
    "p": "How likely a difference as large as this is where there is none (Student's test, paired over seeds).",
    "barrier": "How much the loss rises between two members above the line that joins their losses.",
    "stress": "How badly a map of two dimensions keeps the distances. 0 is best.",
    "95 %": "Brackets hold 95 % bootstrap intervals over what was measured; they do not say what another training run "
    "would give.",
}  # fmt: skip


def render(template: str, *, package: str | None = None, measures: Iterable[str] = (), **said: Any) -> str:
    """A page from a template of `package`, which extends page.html. Every page says `title`, `verdict` and `about`."""
    loaders = [PackageLoader(name) for name in (package, "enrich.classifiers") if name]
    environment = Environment(
        loader=ChoiceLoader(loaders),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "share": share, "span": span, "within": within, "anchor": anchor, "cell": cell_text,
    }  # fmt: skip
    meanings = {name: MEANINGS[name] for name in measures}
    return environment.get_template(template).render(measures=meanings, **said)


def today() -> str:
    """The day, for the title of a page."""
    return datetime.now(UTC).date().isoformat()


def anchor(name: str) -> str:
    """The anchor of what a measure means."""
    return "is-" + re.sub(r"\W+", "-", name.lower()).strip("-")


def share(value: Any) -> str:
    """A share as a percentage; – for none."""
    return "–" if value is None or value != value else f"{value:.0%}"


def span(interval: Mapping[str, Any] | None) -> str:
    """The 95 % interval in brackets; nothing for none."""
    if not interval or interval["low"] is None:
        return ""
    return f"[{interval['low']:.3f}, {interval['high']:.3f}]"


def within(found: Iterable[Any]) -> str:
    """A value with its interval (value, low, high)."""
    value, low, high = found
    return f"{cell_text(value)} [{cell_text(low)}, {cell_text(high)}]"
