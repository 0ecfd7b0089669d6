"""The kinds of values that a property may have, and which rules of a profile go with which."""

from typing import Any, Literal

CONCEPT, LITERAL, DATE = "concept", "literal", "date"
Kind = Literal["concept", "literal", "date"]

_RULES = (
    (("language", "datatype", "keep", "synonyms"), (LITERAL, DATE)),
    (("scheme", "narrower", "groups"), (CONCEPT,)),
    (("by", "begin", "end"), (DATE,)),
)


def misfit(prop: Any) -> str | None:
    """What of a property's rules does not go with the kind of its values, or with each other."""
    for names, kinds in _RULES:
        given = [name for name in names if getattr(prop, name)]
        if given and prop.kind not in kinds:
            return (
                f'{given[0]} is for values of the kind "{kinds[0]}"; set kind = "{kinds[0]}", or take it out'
            )
    if prop.kind == CONCEPT and prop.case != "keep":
        return 'case is for values of the kind "literal"; set kind = "literal", or take it out'
    if prop.kind == DATE and bool(prop.by) == bool(prop.classes):
        return 'dates need by = "century", "half-century" or "decade", or classes with their years'
    if bool(prop.begin) != bool(prop.end) or (prop.begin and prop.value):
        return "begin and end go together, instead of value"
    if prop.begin and (prop.datatype or prop.language):
        return "datatype and language are not for dates with begin and end; take them out"
    return None
