"""Paths through a graph, and the one place where they become SPARQL."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product

from pyoxigraph import Literal, NamedNode


@dataclass(frozen=True, slots=True)
class Step:
    """A predicate, followed from object to subject when `inverse`, and as often as `repeat` says: once, at most
    once (`?`), any number of times (`*`), at least once (`+`). `others` are what may be followed instead."""

    predicate: NamedNode
    inverse: bool = False
    repeat: str = ""
    others: tuple[Step, ...] = ()

    @property
    def ways(self) -> tuple[Step, ...]:
        """The alternatives, each by itself, the first one first."""
        return (replace(self, others=()), *self.others)

    @property
    def optional(self) -> bool:
        """Whether the step may stay where it is."""
        return any(way.repeat in ("?", "*") for way in self.ways)


@dataclass(frozen=True, slots=True)
class Condition:
    """What must hold of the node that a path has reached.

    `facts` are steps that must lead on to one of some values (any value when there are none); a text stands for
    every literal of that text. `languages` and `pattern` are of literals; the language `""` means none.
    """

    facts: tuple[tuple[Step, tuple[NamedNode | str, ...]], ...] = ()
    languages: tuple[str, ...] = ()
    pattern: str = ""
    excluded: Condition | None = None
    """What must not hold: facts alone."""

    @property
    def sayable(self) -> bool:
        """Whether it can be said of a node that has just been made: that needs a value of every fact."""
        named = (any(isinstance(v, NamedNode) or not step.inverse for v in vs) for step, vs in self.facts)
        return not (self.languages or self.pattern) and all(named)


Path = tuple[Step | Condition, ...]
"""A sequence of steps, with conditions on where they lead; the empty path stays where it is."""
TermText = Callable[[NamedNode], str]


def steps(path: Path) -> tuple[Step, ...]:
    """The steps of a path without its conditions."""
    return tuple(part for part in path if isinstance(part, Step))


def ways_along(path: Path) -> tuple[Path, ...]:
    """What must be walked of a path: to where its first step leads, its second, …, its end, each with the conditions on what it
    has reached. Steps that may stay where they are left out; one that repeats is taken once."""
    ways: list[Path] = [()]
    for part in path:
        if isinstance(part, Condition):
            ways[-1] = (*ways[-1], part)
        elif not part.optional:
            once = replace(part, repeat="", others=tuple(replace(way, repeat="") for way in part.others))
            ways.append((*ways[-1], once))
    return tuple(ways[1:])


def path_text(path: Path, said: TermText = str) -> str:
    """A path as a SPARQL property path, `""` for the empty one; conditions, which none can say, in brackets."""
    text = ""
    for part in path:
        if isinstance(part, Condition):
            text += f"[{condition_text(part, said)}]"
        else:
            text += ("/" if text else "") + _step_text(part, said)
    return text


def _step_text(step: Step, said: TermText = str) -> str:
    ways = "|".join(f"{'^' if way.inverse else ''}{said(way.predicate)}{way.repeat}" for way in step.ways)
    return f"({ways})" if step.others else ways


def condition_text(condition: Condition, said: TermText = str) -> str:
    """A condition in short, for a person."""
    parts = []
    for step, values in condition.facts:
        shown = "|".join(said(v) if isinstance(v, NamedNode) else repr(v) for v in values)
        parts.append(f"{_step_text(step, said)} {shown}".strip())
    parts += [f"@{'|'.join(condition.languages)}"] if condition.languages else []
    parts += [repr(condition.pattern)] if condition.pattern else []
    parts += [f"not {condition_text(condition.excluded, said)}"] if condition.excluded else []
    return ", ".join(parts)


def path_pattern(start: str, path: Path, end: str, name: str = "", *, apart: bool = False) -> str:
    """A path as a graph pattern between two terms or variables: property paths, cut where a condition stands, or each step
    `apart`.

    The variables between, and those of conditions, begin with `name`, by itself the end if that is a variable: `?v_1`,
    `?v_2`, … of an end `?v`. Paths that stand in one query need different ones. A path without steps puts its
    conditions on the end.
    """
    name = name or (end if end.startswith("?") else "?reached")
    if not end.startswith("?") and path and isinstance(path[-1], Condition):
        return f"{path_pattern(start, path, name)} FILTER({name} = {end})"
    patterns: list[str] = []
    run: list[Step] = []
    left = len(steps(path))
    here = start if left else end
    for number, part in enumerate(path, 1):
        if isinstance(part, Step):
            run.append(part)
            left -= 1
        if run and (apart or isinstance(part, Condition) or number == len(path)):
            there = f"{name}_{number}" if left else end
            turned = apart and run[0].inverse and not run[0].others
            ends = (there, str(run[0].predicate), here) if turned else (here, _run_text(run), there)
            patterns.append(f"{' '.join(ends)} .")
            here, run = there, []
        if isinstance(part, Condition):
            patterns.append(condition_pattern(part, here, f"{name}_{number}"))
    return " ".join(patterns)


def _run_text(run: Sequence[Step]) -> str:
    """Steps without conditions as a property path. Where the last repeats, alternatives before it are written out
    from end to end: Virtuoso finds nothing along `(a|^b)/c*`."""
    if not run[-1].repeat or run[-1].others or not any(step.others for step in run):
        return path_text(tuple(run))
    return f"({'|'.join(path_text(route) for route in product(*(step.ways for step in run)))})"


def path_triples(start: str, path: Path, end: str) -> str:
    """A path as a triple pattern for each step, from one variable to another, named without their question mark.

    The variables between begin with `end`; a path without steps needs none, and `start` is its end. Some servers plan
    triple patterns better than property paths; a step that repeats can only be one.
    """
    apart = not any(way.repeat for step in steps(path) for way in step.ways)
    return path_pattern(f"?{start}", path, f"?{end if steps(path) else start}", f"?{end}", apart=apart)


def condition_pattern(condition: Condition, node: str, name: str) -> str:
    """A condition as a graph pattern on a variable or a term; its own variables begin with `name`."""
    patterns = []
    for number, (step, values) in enumerate(condition.facts, 1):
        patterns.append(_fact(node, step, values, f"{name}_is{number}"))
    if condition.languages:
        tests = (
            f"LANGMATCHES(LANG({node}), {Literal(tag)})" if tag else f'LANG({node}) = ""'
            for tag in condition.languages
        )
        patterns.append(f"FILTER(isLiteral({node}) && ({' || '.join(tests)}))")
    if condition.pattern:
        patterns.append(f"FILTER(REGEX(STR({node}), {Literal(condition.pattern)}))")
    for number, (step, values) in enumerate(condition.excluded.facts if condition.excluded else (), 1):
        patterns.append(f"FILTER NOT EXISTS {{ {_fact(node, step, values, f'{name}_not{number}')} }}")
    return " ".join(patterns)


def _fact(node: str, step: Step, values: tuple[NamedNode | str, ...], found: str) -> str:
    """A step to one of these values. (Not by UNION: with it Virtuoso loses a NOT EXISTS when it sorts.)"""
    if len(values) == 1 and isinstance(values[0], NamedNode):
        return f"{node} {_step_text(step)} {values[0]} ."
    iris = ", ".join(str(value) for value in values if isinstance(value, NamedNode))
    texts = ", ".join(str(Literal(value)) for value in values if isinstance(value, str))
    tests = [*([f"{found} IN ({iris})"] if iris else []), *([f"STR({found}) IN ({texts})"] if texts else [])]
    return f"{node} {_step_text(step)} {found} ." + (f" FILTER({' || '.join(tests)})" if tests else "")


def single_steps(path: Path) -> Iterator[tuple[Path, Step]]:
    """Each predicate that a path may pass, conditions included, with the path that leads up to it (without its
    conditions): what says which records a triple concerns."""
    before: Path = ()
    for part in path:
        if isinstance(part, Condition):
            for step, _ in (*part.facts, *(part.excluded.facts if part.excluded else ())):
                yield from ((before + up, way) for up, way in single_steps((step,)))
            continue
        for way in part.ways:
            again = (replace(way, repeat="*"),) if way.repeat in ("*", "+") else ()
            yield (*before, *again), replace(way, repeat="")
        before = (*before, part)
