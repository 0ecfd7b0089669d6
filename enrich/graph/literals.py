"""Maps the literals of a graph to a property's classes, and tells how the museum writes each class."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Self

from pyoxigraph import Literal, NamedNode

from enrich.graph.stores.base import Term
from enrich.ontology.literals import LiteralRules
from enrich.ontology.profiles import PropertyProfile
from enrich.ontology.terms import class_name


@dataclass(frozen=True)
class LiteralMap:
    """`classes` are the names of the classes that the profile lists; empty when every literal is one."""

    rules: LiteralRules
    classes: frozenset[str]
    nothing: frozenset[NamedNode]
    """IRIs that say that there is no value."""

    @classmethod
    def of(cls, prop: PropertyProfile) -> Self:
        """How the literals of a property map to its classes."""
        return cls(prop.rules, frozenset(prop.class_names), prop.unknown_iris)

    @property
    def large(self) -> bool:
        """Whether a filter has to know which values there are: no query can apply the rules."""
        return True

    def of_term(self, value: Term) -> str | None:
        """The class of a raw value; None for one that reaches none, and for whatever is no literal."""
        if not isinstance(value, Literal) or not self.rules.fits(value):
            return None
        key = self.rules.key(value.value)
        name = None if key is None else class_name(Literal(key))
        return name if not self.classes or name in self.classes else None

    def named(self, value: Term) -> str | None:
        """A value that somebody names, as an answer says it: as it is spelt; None for what is none."""
        return class_name(value) if isinstance(value, Literal) and self.of_term(value) is not None else None

    def says_nothing(self, value: Term) -> bool:
        """Whether a raw value states none: it says that it is not known, or it is not of those asked for."""
        if isinstance(value, Literal):
            return not self.rules.fits(value) or self.rules.says_nothing(value.value)
        return value in self.nothing

    def filter(self, variable: str, raw: Collection[Term] | None = None) -> str:
        """A SPARQL FILTER that keeps the values with a class. `raw` are the values that there are: of the texts with
        a class and those without, the fewer are named. Texts are compared, for literals are compared by value."""
        return f"FILTER({self._test(variable, raw)})"

    def _test(self, variable: str, raw: Collection[Term] | None) -> str:
        texts = {
            v.value: self.of_term(v) is not None
            for v in raw or ()
            if isinstance(v, Literal) and self.rules.fits(v)
        }
        within, without = (sorted(t for t, has in texts.items() if has is wanted) for wanted in (True, False))
        tests = [f"isLiteral({variable})", *self._fits(variable)]
        if without:
            word, fewer = ("NOT IN", without) if len(without) <= len(within) else ("IN", within)
            tests.append(f"STR({variable}) {word} ({', '.join(str(Literal(text)) for text in fewer)})")
        return " && ".join(tests)

    def _fits(self, variable: str) -> Iterable[str]:
        """What the rules ask of language and datatype."""
        if self.rules.language is not None:
            tag = f"LANG({variable})"
            wanted = Literal(self.rules.language)
            yield f"LANGMATCHES({tag}, {wanted})" if self.rules.language else f'{tag} = ""'
        if self.rules.datatype is not None:
            yield f"DATATYPE({variable}) = {self.rules.datatype}"

    def spellings(self, counted: Mapping[Term, int]) -> dict[str, str]:
        """How each class is written, as N-Triples spell it: as the museum does most often, with its language and
        datatype; where it has only synonyms, in the profile's words. `counted` has the records by raw value. A class
        that is written as it is called is left out."""
        often: dict[str, Counter[tuple[bool, str]]] = {}
        for value, number in counted.items():
            name = self.of_term(value)
            if name is not None and isinstance(value, Literal):
                own = self._own(value.value, name)
                text = value.value if own and self.rules.keep is None else self.rules.written(value.value)
                often.setdefault(name, Counter())[own, str(_like(value, text))] += number
        best = {n: min(by, key=lambda s: (not s[0], -by[s], len(s[1]), s[1])) for n, by in often.items()}
        return {name: spelt for name, (_, spelt) in best.items() if spelt != name}

    def _own(self, text: str, name: str) -> bool:
        """Whether a text is the class in the museum's own words, and no synonym."""
        return class_name(Literal(self.rules.cased(self.rules.part(text)))) == name


def _like(value: Literal, text: str) -> Literal:
    """A text with the language and datatype of another literal."""
    if value.language:
        return Literal(text, language=value.language)
    return Literal(text, datatype=value.datatype)
