"""The made museum's objects: values that hang together, and gaps that depend on who keeps the object."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from random import Random
from typing import TypeVar

from enrich.demo.words import CENTURIES, CLASSES, MATERIALS, PLACES, TECHNIQUES, TYPES

T = TypeVar("T")
PROPERTIES = tuple(CLASSES)


@dataclass(frozen=True)
class Keeper:
    """A museum: its language, its share of the objects, whence it collects, and how often each value is missing."""

    name: str
    title: str
    language: str
    share: float
    places: Mapping[str, float]
    types: Mapping[str, float]
    missing: Mapping[str, float]


KEEPERS = (
    Keeper(
        "lyon",
        "Musée de la Soierie",
        "fr",
        0.30,
        {"france": 8, "italy": 3, "japan": 1},
        {"sample": 5, "dress": 2, "vestment": 1},
        {"place": 0.15, "time": 0.25, "technique": 0.20, "material": 0.15},
    ),
    Keeper(
        "terrassa",
        "Museu Tèxtil",
        "ca",
        0.25,
        {"spain": 6, "france": 2, "italy": 2},
        {"vestment": 4, "sample": 2, "accessory": 2},
        {"place": 0.30, "time": 0.20, "technique": 0.35, "material": 0.10},
    ),
    Keeper(
        "madrid",
        "Museo del Traje",
        "es",
        0.20,
        {"spain": 7, "turkey": 1, "india": 1},
        {"dress": 5, "accessory": 3},
        {"place": 0.45, "time": 0.35, "technique": 0.15, "material": 0.30},
    ),
    Keeper(
        "london",
        "Textile Gallery",
        "en",
        0.25,
        {"great-britain": 5, "india": 3, "japan": 2, "turkey": 3},
        {"hanging": 4, "furnishing": 4, "dress": 2},
        {"place": 0.10, "time": 0.40, "technique": 0.55, "material": 0.20},
    ),
)

# What is more (or less) likely than average, by technique; what is not named has weight 1.
_BY_PLACE: Mapping[str, Mapping[str, float]] = {
    "france": {"damask": 3, "lace": 3, "brocade": 3},
    "italy": {"velvet": 7, "damask": 2, "brocade": 2},
    "spain": {"embroidery": 5, "lace": 2, "velvet": 1.5},
    "great-britain": {"printing": 4, "tapestry": 3, "damask": 2},
    "turkey": {"velvet": 5, "tapestry": 4},
    "india": {"printing": 9, "embroidery": 3},
    "japan": {"brocade": 8, "embroidery": 2, "printing": 1.5},
}
_BY_TYPE: Mapping[str, Mapping[str, float]] = {
    "dress": {"printing": 2, "lace": 1.5, "tapestry": 0.05},
    "vestment": {"embroidery": 4, "brocade": 2, "velvet": 2, "printing": 0.1, "tapestry": 0.1},
    "furnishing": {"damask": 4, "printing": 2, "lace": 0.2},
    "hanging": {"tapestry": 9, "lace": 0.05},
    "sample": {"damask": 2, "brocade": 2},
    "accessory": {"lace": 10, "embroidery": 2, "tapestry": 0.05},
}
_BY_CENTURY: Mapping[str, Mapping[str, float]] = {
    "16th-century": {"velvet": 4, "tapestry": 3, "printing": 0.05, "lace": 0.5},
    "17th-century": {"lace": 3, "embroidery": 2, "printing": 0.3},
    "18th-century": {"damask": 3, "brocade": 3},
    "19th-century": {"printing": 3, "lace": 2},
    "20th-century": {"printing": 4, "velvet": 0.4, "tapestry": 0.5},
}
_CENTURY_BY_PLACE: Mapping[str, Mapping[str, float]] = {
    "france": {"18th-century": 5, "19th-century": 4, "16th-century": 0.3},
    "italy": {"16th-century": 6, "17th-century": 4, "20th-century": 0.3},
    "spain": {"17th-century": 3, "18th-century": 3, "20th-century": 1.5},
    "great-britain": {"19th-century": 6, "20th-century": 3, "16th-century": 0.2},
    "turkey": {"16th-century": 4, "17th-century": 4, "20th-century": 0.2},
    "india": {"18th-century": 4, "19th-century": 4},
    "japan": {"19th-century": 5, "20th-century": 4, "16th-century": 0.2},
}
_MATERIAL_BY_TECHNIQUE: Mapping[str, Mapping[str, float]] = {
    "damask": {"silk": 12, "linen": 4, "wool": 0.5, "metal-thread": 0.2},
    "velvet": {"silk": 14, "cotton": 2, "metal-thread": 1, "linen": 0.1},
    "embroidery": {"silk": 5, "linen": 4, "metal-thread": 4, "cotton": 2},
    "brocade": {"silk": 8, "metal-thread": 7, "cotton": 0.3},
    "lace": {"linen": 12, "cotton": 3, "silk": 1, "wool": 0.05},
    "tapestry": {"wool": 14, "silk": 3, "cotton": 0.2},
    "printing": {"cotton": 14, "silk": 2, "wool": 0.5, "metal-thread": 0.05},
}
_DEPARTMENTS: Mapping[str, tuple[Mapping[str, float], Mapping[str, float]]] = {
    "collection": ({}, {"17th-century": 2, "18th-century": 5, "19th-century": 4}),
    "early": (
        {"italy": 4, "spain": 2, "great-britain": 0.3, "japan": 0.1},
        {
            "16th-century": 30,
            "17th-century": 24,
            "18th-century": 0.5,
            "19th-century": 0.1,
            "20th-century": 0.02,
        },
    ),
    "modern": (
        {"turkey": 0.1, "india": 0.3},
        {
            "16th-century": 0.01,
            "17th-century": 0.03,
            "18th-century": 0.3,
            "19th-century": 12,
            "20th-century": 40,
        },
    ),
    "asia": (
        {
            "turkey": 30,
            "india": 24,
            "japan": 24,
            "france": 0.1,
            "spain": 0.1,
            "italy": 0.1,
            "great-britain": 0.1,
        },
        {"18th-century": 3, "19th-century": 5},
    ),
}
"""What a museum's departments collect: by place, and by century."""
SHARPNESS = {"place": 1.6, "time": 1.3, "technique": 1.6, "material": 1.5}
"""How closely a value follows from the others: the weights are raised to this power."""
_SECOND_VALUE = {"technique": 0.30, "material": 0.35}


@dataclass(frozen=True)
class MadeObject:
    """One object with all its values; those of `missing` are left out of the graph, and are the truth."""

    number: int
    seed: int
    keeper: Keeper
    department: str
    type: str
    values: Mapping[str, tuple[str, ...]]
    missing: frozenset[str]
    split: str
    pictures: int

    @property
    def id(self) -> str:
        """Its inventory number."""
        return f"{self.keeper.name}-{self.number:07d}"

    def random(self, purpose: str) -> Random:
        """A source of chance of its own for a purpose: the same each time."""
        return Random(f"{self.seed}/{self.number}/{purpose}")


def made_objects(count: int, seed: int = 0, start: int = 0) -> Iterator[MadeObject]:
    """Objects number `start` to `start + count`; the same number and seed always make the same object."""
    for number in range(start, start + count):
        yield made_object(number, seed)


def made_object(number: int, seed: int = 0) -> MadeObject:
    """One object."""
    random = Random(seed * 1_000_003 + number)
    keeper = _pick(random, KEEPERS, tuple(k.share for k in KEEPERS))
    department = _pick(random, tuple(_DEPARTMENTS), (4, 3, 2, 2))
    place = _pick(random, tuple(PLACES), _place_weights(keeper.name, department))
    century = _pick(random, tuple(CENTURIES), _century_weights(place, department))
    kind = _pick(random, *_spread(keeper.types, TYPES, 0.2))
    techniques = _several(random, "technique", _technique_weights(place, century, kind))
    materials = _several(random, "material", _material_weights(techniques[0]))
    values = {"place": (place,), "time": (century,), "technique": techniques, "material": materials}
    missing = frozenset(name for name in PROPERTIES if random.random() < keeper.missing[name])
    split = "train" if random.random() < 0.75 else "dev"
    pictures = _pick(random, (0, 1, 2), (0.2, 0.6, 0.2))
    return MadeObject(number, seed, keeper, department, kind, values, missing, split, pictures)


def _spread(
    weights: Mapping[str, float], options: Mapping[str, object], otherwise: float
) -> tuple[tuple[str, ...], tuple[float, ...]]:
    names = tuple(options)
    return names, tuple(weights.get(name, otherwise) for name in names)


@cache
def _place_weights(keeper: str, department: str) -> tuple[float, ...]:
    places = next(k.places for k in KEEPERS if k.name == keeper)
    liked = _DEPARTMENTS[department][0]
    return tuple((places.get(p, 0.15) * liked.get(p, 1.0)) ** SHARPNESS["place"] for p in PLACES)


@cache
def _century_weights(place: str, department: str) -> tuple[float, ...]:
    liked = _DEPARTMENTS[department][1]
    return tuple(
        (_CENTURY_BY_PLACE[place].get(c, 1.0) * liked.get(c, 1.0)) ** SHARPNESS["time"] for c in CENTURIES
    )


@cache
def _technique_weights(place: str, century: str, kind: str) -> tuple[float, ...]:
    return tuple(
        (
            _BY_PLACE[place].get(name, 1.0)
            * _BY_CENTURY[century].get(name, 1.0)
            * _BY_TYPE[kind].get(name, 1.0)
        )
        ** SHARPNESS["technique"]
        for name in TECHNIQUES
    )


@cache
def _material_weights(technique: str) -> tuple[float, ...]:
    return tuple(
        _MATERIAL_BY_TECHNIQUE[technique].get(name, 0.5) ** SHARPNESS["material"] for name in MATERIALS
    )


def _several(random: Random, name: str, weights: tuple[float, ...]) -> tuple[str, ...]:
    """One value, or two for about a third of the objects."""
    options = tuple(CLASSES[name])
    first = _pick(random, options, weights)
    if random.random() >= _SECOND_VALUE[name]:
        return (first,)
    second = _pick(
        random, options, tuple(w if o != first else 0.0 for o, w in zip(options, weights, strict=True))
    )
    return first, second


def _pick(random: Random, options: Sequence[T], weights: Sequence[float]) -> T:
    return random.choices(options, weights)[0]
