"""Patterns of SPARQL that lead from a record to the values of a property, as a profile says."""

from enrich.ontology.kinds import CONCEPT, LITERAL
from enrich.ontology.paths import path_pattern
from enrich.ontology.profiles import PropertyProfile


def kind_test(kind: str, variable: str) -> str:
    """What must hold of a value of a kind."""
    tests = {CONCEPT: f"isIRI({variable})", LITERAL: f"isLiteral({variable})"}
    return tests.get(kind, f"(isLiteral({variable}) || isIRI({variable}))")


def values_pattern(prop: PropertyProfile, variable: str) -> str:
    """A pattern from `?record` to the values of a property."""
    if not prop.begin:
        return path_pattern("?record", prop.path, variable)
    node = f"{variable}_node" if prop.node else "?record"
    return f"{path_pattern('?record', prop.node, node) if prop.node else ''} {onward(prop, node, variable)}"


def onward(prop: PropertyProfile, node: str, variable: str) -> str:
    """A pattern from the node that carries a property to its values; the two ends of a date are one text, as EDTF
    spells intervals, with `..` for one that is not there."""
    if not prop.begin:
        return path_pattern(node, prop.onward, variable)
    thing, first, last = (f"{variable}_{end}" for end in ("object", "begin", "end"))
    return (
        f"{path_pattern(node, (prop.predicate,), thing)} "
        f"OPTIONAL {{ {path_pattern(thing, prop.begin, first)} }} OPTIONAL {{ {path_pattern(thing, prop.end, last)} }} "
        f"FILTER(BOUND({first}) || BOUND({last})) "
        f'BIND(CONCAT(COALESCE(STR({first}), ".."), "/", COALESCE(STR({last}), "..")) AS {variable})'
    )


def property_pattern(prop: PropertyProfile) -> str:
    """A pattern from a record to the node that carries a property, and to its value where there is one."""
    node = path_pattern("?record", prop.node, "?node") if prop.node else "BIND(?record AS ?node)"
    return f"{node} OPTIONAL {{ {onward(prop, '?node' if prop.node else '?record', '?v')} }}"
