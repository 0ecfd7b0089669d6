"""Titles and descriptions of made objects, in the keeper's language: they hint more often than they name."""

from enrich.demo.objects import MadeObject
from enrich.demo.words import CLASSES, HINTS, JOINTS, LANGUAGES, MOTIFS, REMARKS, TYPES

NAMED = 0.2
"""Share of the values that a text names outright."""
HINTED = 0.45
"""Share of the values that a text only hints at; of the rest it says nothing."""
TRANSLATED = 0.15
"""Share of the objects with a second description, in English."""


def title(made: MadeObject) -> tuple[str, str]:
    """The object's title and its language."""
    random = made.random("title")
    language = made.keeper.language
    column = LANGUAGES.index(language)
    motif = _motif(made, column)
    if random.random() < NAMED:
        material = CLASSES["material"][made.values["material"][0]][column]
        kind = JOINTS[language]["of"].format(type=TYPES[made.type][column], material=material)
    else:
        kind = TYPES[made.type][column]
    return f"{kind[0].upper()}{kind[1:]} {motif}", language


def descriptions(made: MadeObject) -> list[tuple[str, str]]:
    """The object's descriptions with their languages: none, one or two."""
    random = made.random("description")
    if random.random() < 0.1:
        return []
    languages = [made.keeper.language]
    if made.keeper.language != "en" and random.random() < TRANSLATED:
        languages.append("en")
    return [(_description(made, language), language) for language in languages]


def _description(made: MadeObject, language: str) -> str:
    random = made.random(f"description/{language}")
    column = LANGUAGES.index(language)
    hints: list[str] = []
    sentences: list[str] = []
    for name, values in made.values.items():
        for value in values:
            said = random.random()
            if said < NAMED:
                sentences.append(_named(name, value, language, column))
            elif said < NAMED + HINTED:
                hints.append(HINTS[value][column])
    random.shuffle(hints)
    kind = TYPES[made.type][column]
    body = f"{kind[0].upper()}{kind[1:]} {_motif(made, column)}"
    sentences.insert(0, ", ".join([body, *hints]) + ".")
    if random.random() < 0.5:
        sentences.append(random.choice(REMARKS)[column])
    return " ".join(sentences)


def _motif(made: MadeObject, column: int) -> str:
    return made.random("motif").choice(MOTIFS)[column]


def _named(name: str, value: str, language: str, column: int) -> str:
    word = CLASSES[name][value][column]
    if name == "place":
        return JOINTS[language]["made"].format(place=word)
    if name == "time":
        return JOINTS[language]["dated"].format(century=word)
    return f"{word[0].upper()}{word[1:]}."
